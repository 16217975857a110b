//! Routes, one page per surface. Handlers extract, ask for access, call an interaction, respond.

pub mod care;
pub mod fhir;
pub mod hl7v2;
pub mod metrics;
pub mod operation;
pub mod smart;
