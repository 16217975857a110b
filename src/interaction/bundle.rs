//! Bundles of requests: their entries read into interactions, and the Bundle that answers.
//!
//! What `batch` and `transaction` have in common.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

mod answer;
mod entry;
mod envelope;
mod room;

pub use answer::{EntryAnswer, write};
pub use entry::{BundleRequest, EntryRequest, Verb, read_bundle};
pub use room::Room;
