//! The FHIR operations, one file each; no HTTP types.
//!
//! Spec: <https://hl7.org/fhir/R4/operations.html>.

pub mod audit_events;
pub mod entry;
pub mod erase;
pub mod everything;
pub mod lastn;
pub mod listing;
pub mod meta;
pub mod parameters;
pub mod reindex;
