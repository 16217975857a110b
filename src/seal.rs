//! Key ring, envelope encryption, compression and blind hashes.
//!
//! Nothing here knows a store or FHIR; the one file that is read is the master key's.
//! What is protected from whom, and what still leaks: `docs/security.md`.

pub mod blind;
pub mod hex;
pub mod random;
