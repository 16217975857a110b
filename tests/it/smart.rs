//! The authorization server and what access tokens let through.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/>.

mod command;
mod discovery;
mod policy;
mod reach;
mod token;
mod write;
