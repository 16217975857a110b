//! Search, pure: text -> query -> plan, and the index entries of a resource.
//!
//! No store and no HTTP: a plan is a value that both stores execute alike.
//! Spec: <https://hl7.org/fhir/R4/search.html>.

pub mod key;
pub mod plan;
