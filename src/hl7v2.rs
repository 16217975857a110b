//! HL7 v2, pure: messages in and out, and what they come to as FHIR.
//!
//! Nothing here waits or stores; `ingest` does. A message becomes a transaction Bundle and a list
//! of what could not be carried over. Each segment has a file of its own in `segment/`, each data
//! type in `datatype/`.
//! Spec: HL7 v2.5.1 chapter 2, <https://build.fhir.org/ig/HL7/v2-to-fhir/>.

pub mod ack;
pub mod batch;
pub mod charset;
pub mod conversion;
mod datatype;
mod draft;
mod element;
mod escape;
pub mod feed;
pub mod location;
pub mod message;
pub mod part;
mod reading;
mod segment;
mod structure;
pub mod tables;
mod zone;
