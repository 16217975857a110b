//! HTTP plumbing without routes: negotiation, extraction, responses, middleware.
//!
//! Handlers answer with a [`payload::Payload`] or a [`payload::Rejection`]; the format middleware
//! turns either into the representation that the client accepts.
//! Spec: <https://hl7.org/fhir/R4/http.html>.

pub mod body;
pub mod conditions;
pub mod content;
pub mod format;
pub mod forwarded;
pub mod middleware;
pub mod oauth;
pub mod payload;
pub mod prefer;
pub mod rates;
pub mod shield;
pub mod state;
