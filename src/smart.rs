//! The authorization server: clients, keys and tokens by SMART App Launch, OAuth 2.1 and RFC 9068.
//!
//! Values in, values out: routes and HTTP are above. What a token lets its bearer do is decided in
//! [`crate::access`]; here is decided who gets which token, and whether it is still good.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/>.

pub mod agree;
pub mod asked;
pub mod assertion;
pub mod authority;
pub mod authorize;
pub mod bearer;
pub mod choice;
pub mod client;
mod code;
pub mod credentials;
pub mod discovery;
pub mod error;
pub mod form;
pub mod grant;
pub mod identity;
pub mod introspect;
pub mod jwks;
pub mod launch;
pub mod origin;
pub mod pkce;
mod refresh;
pub mod register;
pub mod registration;
mod remote_keys;
pub mod revoke;
mod secret;
pub mod throttle;
pub mod token;
pub mod words;
