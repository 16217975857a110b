//! Secrets that this server hands out: made at random, kept as keyed hashes only.
//!
//! Each has 256 bits, so a fast hash does; the key keeps equal secrets from looking equal.

use std::fmt;

use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::seal::random::Random;
use crate::smart::error::OauthError;

/// Bytes of a secret, and of the key of its hash.
const SECRET_BYTES: usize = 32;

/// A text that nobody guesses, in base64url.
pub(super) fn make(random: &dyn Random) -> Result<Zeroizing<String>, OauthError> {
    let bytes = Zeroizing::new(fresh::<SECRET_BYTES>(random)?);
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// Random bytes.
pub(super) fn fresh<const N: usize>(random: &dyn Random) -> Result<[u8; N], OauthError> {
    let mut bytes = [0; N];
    let filled = random.fill(&mut bytes);
    filled.map_err(|error| OauthError::internal(&error))?;
    Ok(bytes)
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// What is kept of a secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecretDigest {
    key: [u8; SECRET_BYTES],
    hash: [u8; SECRET_BYTES],
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

impl SecretDigest {
    /// The digest of a secret, under a key of its own.
    pub(super) fn of(secret: &str, random: &dyn Random) -> Result<Self, OauthError> {
        let key = fresh(random)?;
        let hash = *blake3::keyed_hash(&key, secret.as_bytes()).as_bytes();
        Ok(Self { key, hash })
    }

    /// Whether it is the digest of a secret.
    pub(super) fn is_of(&self, secret: &str) -> bool {
        let hash = blake3::keyed_hash(&self.key, secret.as_bytes());
        constant_time::verify_slices_are_equal(&self.hash, hash.as_bytes()).is_ok()
    }
}

/// A key by which secrets are derived in order: that of each place can be told again without being
/// kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SecretChain([u8; SECRET_BYTES]);

impl fmt::Debug for SecretChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretChain(..)")
    }
}

impl SecretChain {
    pub(super) fn start(random: &dyn Random) -> Result<Self, OauthError> {
        Ok(Self(fresh(random)?))
    }

    /// The secret of a place.
    pub(super) fn at(&self, place: u32) -> Zeroizing<String> {
        let hash = blake3::keyed_hash(&self.0, &place.to_be_bytes());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(hash.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretChain, SecretDigest, make};
    use crate::seal::random::SystemRandom;

    #[test]
    fn a_digest_knows_its_secret_only() {
        let secret = make(&SystemRandom).unwrap();
        let digest = SecretDigest::of(&secret, &SystemRandom).unwrap();
        assert!(digest.is_of(&secret));
        assert!(!digest.is_of("") && !digest.is_of(&format!("{}x", *secret)));
        assert!(!format!("{digest:?}").contains(&*secret));
    }

    #[test]
    fn each_place_of_a_chain_has_a_secret_of_its_own() {
        let chain = SecretChain::start(&SystemRandom).unwrap();
        assert_eq!(chain.at(1), chain.at(1));
        assert_ne!(chain.at(1), chain.at(2));
        let other = SecretChain::start(&SystemRandom).unwrap();
        assert_ne!(chain.at(1), other.at(1));
    }
}
