//! The authorization server and what access tokens let through.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/>.

mod authorize;
mod clinician;
mod command;
mod discovery;
mod introspect;
mod launch;
mod oidc;
mod policy;
mod reach;
mod refresh;
mod registration;
mod remote_keys;
mod scopes;
mod token;
mod write;
