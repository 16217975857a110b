//! The journal of who did what: sealed, chained, durable before an answer leaves.
//!
//! [`event`] says what happened, [`journal`] writes it, [`verify`] finds what was tampered with.
//! What a request touched is collected in `access::trail`; FHIR's resources are made from the
//! journal above. Spec: <https://hl7.org/fhir/R4/auditevent.html>,
//! <https://profiles.ihe.net/ITI/BALP/>.

pub mod block;
pub mod checkpoint;
pub mod event;
pub mod journal;
mod lane;
pub mod ledger;
pub mod progress;
pub mod resource;
pub mod verify;
