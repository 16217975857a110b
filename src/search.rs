//! Search, pure: text -> query -> plan, and the index entries of a resource.
//!
//! No store and no HTTP: a plan is a value that both stores execute alike.
//! Spec: <https://hl7.org/fhir/R4/search.html>.

pub mod decimal;
pub mod escape;
pub mod hasher;
pub mod key;
pub mod param;
pub mod plan;
pub mod prefix;
pub mod text;
