//! Blind hashes for index keys, remembered for as long as one resource or query is worked on.
//!
//! The same code and system stand in several parameters of a resource (`code`, `combo-code`);
//! looking a hash up costs a fraction of making it.

use compact_str::CompactString;

use crate::seal::blind::{BlindKey, Domain};

/// How many hashes are remembered; looking through more costs as much as hashing.
const REMEMBERED_MAX: usize = 32;

/// Makes blind hashes and remembers the last ones.
#[derive(Debug)]
pub struct Hasher<'k> {
    key: &'k BlindKey,
    remembered: Vec<(Domain, CompactString, [u8; 8])>,
}

impl<'k> Hasher<'k> {
    /// A hasher that remembers nothing yet.
    pub fn new(key: &'k BlindKey) -> Self {
        Self {
            key,
            remembered: Vec::new(),
        }
    }

    /// The hash of a text that is likely to come again.
    pub fn hash8(&mut self, domain: Domain, text: &str) -> [u8; 8] {
        let known = self
            .remembered
            .iter()
            .find(|(d, t, _)| *d == domain && t == text);
        if let Some((_, _, hash)) = known {
            return *hash;
        }
        let hash = self.key.hash8(domain, text.as_bytes());
        if self.remembered.len() < REMEMBERED_MAX {
            self.remembered.push((domain, text.into(), hash));
        }
        hash
    }

    /// The first half of [`Hasher::hash8`].
    pub fn hash4(&mut self, domain: Domain, text: &str) -> [u8; 4] {
        let [a, b, c, d, ..] = self.hash8(domain, text);
        [a, b, c, d]
    }

    /// The hash of a text that will hardly come again.
    pub fn hash8_once(&self, domain: Domain, text: &str) -> [u8; 8] {
        self.key.hash8(domain, text.as_bytes())
    }

    /// The hash that stands in the compartment column for a compartment's owner.
    pub fn compartment(&self, owner: &str) -> i64 {
        self.key.hash_i64(Domain::Compartment, owner.as_bytes())
    }
}
