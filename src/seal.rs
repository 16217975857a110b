//! Key ring, envelope encryption, compression and blind hashes.
//!
//! Nothing here knows a store or FHIR; the one file that is read and written is the master key's.
//! What is protected from whom, and what still leaks: `docs/security.md`.

pub mod blind;
pub mod body;
pub mod data_key;
pub mod dictionary;
pub mod hex;
pub mod master_key;
pub mod random;
pub mod ring;

use crate::seal::master_key::MasterKeyError;
use crate::seal::random::RandomError;

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The bytes were changed, belong to another address, version or key, or are cut short.
    #[error("the sealed bytes are not what was sealed here: changed, moved or under another key")]
    NotAuthentic,
    /// Sealed by a newer version of the program, or not sealed at all.
    #[error("unreadable layout: {0}")]
    Layout(&'static str),
    /// The body is over the limit.
    #[error("a body may have {bytes_max} bytes")]
    TooLarge {
        /// The limit, in bytes of JSON.
        bytes_max: usize,
    },
    /// The body needs a dictionary that is not loaded.
    #[error("compression dictionary {0} is not loaded")]
    UnknownDictionary(u32),
    /// A dictionary or the compressor does not work.
    #[error("compression: {0}")]
    Compression(String),
    /// The key was erased with its owner: what it sealed cannot be read again.
    #[error("the key was erased")]
    Erased,
    /// The master key is not there or does not fit.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}
