//! fhirbolt's typed R4 model behind functions that are not generic.
//!
//! Everything that has to be monomorphised for all of R4 is monomorphised here, once. No byte from
//! outside the server comes here: the model is a builder for what the server itself makes.

pub use fhirbolt::model::r4;

use fhirbolt::model::r4::Resource;

/// Writes a resource as compact JSON.
pub fn to_json(resource: &Resource) -> Result<Vec<u8>, String> {
    fhirbolt::json::to_vec(resource, None).map_err(|error| error.to_string())
}

/// Reads JSON that this project made itself; for comparing codecs in tests.
#[cfg(feature = "read")]
pub fn from_json(json: &[u8]) -> Result<Resource, String> {
    fhirbolt::json::from_slice(json, None).map_err(|error| error.to_string())
}
