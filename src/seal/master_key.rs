//! The master key: wraps data keys and the index root, and nothing else.
//!
//! It has generations: one wraps, all of them unwrap. Whoever holds it and the database can read
//! everything. Where it comes from is behind [`MasterKey`]; a key management service would hand
//! its generations over once at start (`docs/adr/0013-master-key.md`), so nothing here waits.

pub mod env;
pub mod file;

use std::fmt;
use std::path::PathBuf;

use aes_gcm::aead::KeyInit;
use aes_gcm::{Aes256Gcm, Key};

use crate::seal::SealError;
use crate::seal::data_key::{NONCE_BYTES, SECRET_BYTES, Secret, TAG_BYTES, decrypt, encrypt};
use crate::seal::random::{Random, RandomError};

/// Names a generation of the master key: derived from the key itself, so that the same key has
/// the same name in a file and in the environment. It has no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u32);

impl Generation {
    fn of(secret: &Secret) -> Self {
        let derived = blake3::derive_key("vesta 2025 name of a master key", secret.as_slice());
        let [a, b, c, d, ..] = derived;
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A wrapped secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// What wrapped it.
    pub generation: Generation,
    /// Nonce, ciphertext, tag; another implementation may have its own form.
    pub bytes: Vec<u8>,
}

/// What is wrong with the master key, by what an operator can do.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// Something was wrapped by a generation that is not at hand.
    #[error("the master key has no generation {0}, which wrapped a stored key; add it again")]
    UnknownGeneration(Generation),
    /// The wrapped bytes were changed or moved.
    #[error("a stored key was changed or stands in another one's place")]
    NotAuthentic,
    /// Others can read the file.
    #[error(
        "others can read or write the master key (mode {mode:o}); mend it with: chmod 600 '{}'",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file cannot be read or written.
    #[error("master key file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What failed, never what is in it.
        reason: String,
    },
    /// A value given is no key.
    #[error("{0} is no key: give 32 random bytes as 64 hexadecimal digits or as base64")]
    Malformed(&'static str),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Wraps and unwraps secrets of 32 bytes.
pub trait MasterKey: Send + Sync {
    /// The generation that wraps now.
    fn generation(&self) -> Result<Generation, MasterKeyError>;

    /// Wraps a secret; it unwraps only with the same context.
    fn wrap(&self, secret: &Secret, context: &[u8]) -> Result<Wrapped, MasterKeyError>;

    /// Unwraps a secret.
    fn unwrap(&self, wrapped: &Wrapped, context: &[u8]) -> Result<Secret, MasterKeyError>;
}

/// Generations at hand, the one that wraps last.
struct KeySet(Vec<Member>);

struct Member {
    generation: Generation,
    cipher: Aes256Gcm,
}

impl KeySet {
    fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let member = |secret: &Secret| Member {
            generation: Generation::of(secret),
            cipher: Aes256Gcm::new(<&Key<Aes256Gcm>>::from(&**secret)),
        };
        Self(secrets.map(member).collect())
    }

    fn current(&self) -> Option<&Member> {
        self.0.last()
    }

    fn find(&self, generation: Generation) -> Option<&Member> {
        let mut members = self.0.iter();
        members.find(|member| member.generation == generation)
    }
}

impl Member {
    fn wrap(
        &self,
        random: &dyn Random,
        secret: &Secret,
        context: &[u8],
    ) -> Result<Wrapped, MasterKeyError> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce)?;
        let mut text = secret.clone();
        let tag = encrypt(&self.cipher, &nonce, context, text.as_mut_slice())
            .map_err(|_impossible| MasterKeyError::NotAuthentic)?;
        Ok(Wrapped {
            generation: self.generation,
            bytes: [nonce.as_slice(), text.as_slice(), &tag].concat(),
        })
    }

    fn unwrap(&self, wrapped: &Wrapped, context: &[u8]) -> Result<Secret, MasterKeyError> {
        let damaged = || MasterKeyError::NotAuthentic;
        let bytes = wrapped.bytes.as_slice();
        let (nonce, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
        let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or_else(damaged)?;
        let text: [u8; SECRET_BYTES] = text.try_into().map_err(|_length| damaged())?;
        let mut secret = Secret::new(text);
        match decrypt(&self.cipher, nonce, context, secret.as_mut_slice(), tag) {
            Ok(()) => Ok(secret),
            Err(SealError::NotAuthentic | _) => Err(damaged()),
        }
    }
}
