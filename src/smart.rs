//! The authorization server: clients, keys and tokens by SMART App Launch, OAuth 2.1 and RFC 9068.
//!
//! Values in, values out: routes and HTTP are above. What a token lets its bearer do is decided in
//! [`crate::access`]; here is decided who gets which token, and whether it is still good.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/>.

pub mod assertion;
pub mod authority;
pub mod bearer;
pub mod client;
pub mod discovery;
pub mod error;
pub mod form;
pub mod introspect;
pub mod jwks;
pub mod revoke;
pub mod throttle;
pub mod token;
