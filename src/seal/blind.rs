//! Blind hashes: what is searched by equality is stored as a keyed hash of it.
//!
//! Whoever has the database but not the key sees which values are equal, never what they are.
//! The key is derived from a random root that the master key wraps: rotating the master key leaves
//! every hash as it is. Why keyed BLAKE3: `docs/adr/0010-blind-hashes.md`.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use smallvec::SmallVec;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of the random root that a [`BlindKey`] is derived from.
pub const INDEX_ROOT_BYTES: usize = 32;

/// What kind of value is hashed: the same text in two domains has two unrelated hashes.
///
/// The numbers are stored implicitly in every hash: never change or reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Domain {
    /// A patient id as owner of a data key; the empty text is the server itself.
    Owner = 1,
    /// A patient id (or other compartment owner) in the compartment column.
    Compartment = 2,
    /// A code of a token.
    Code = 3,
    /// A system of a token or quantity.
    System = 4,
    /// A code together with something else: patient and code, system and code.
    CodePair = 5,
    /// The target of a reference.
    Reference = 6,
    /// A uri or canonical.
    Uri = 7,
    /// A whole normalised string.
    StringValue = 8,
    /// The first characters of a normalised string.
    StringPrefix = 9,
    /// A word of a text.
    Word = 10,
    /// The unit or code of a quantity.
    Unit = 11,
    /// Type and criteria of a conditional interaction.
    Criteria = 12,
    /// The digest of a query in a cursor.
    Query = 13,
    /// The id of a small document that must not be guessable from what it is about.
    Document = 14,
    /// A key for another purpose, see [`BlindKey::derive`].
    DerivedKey = 15,
    /// A cell of the grid that positions on the globe are in.
    Cell = 16,
    /// A code of a token that has capital letters, without their case.
    FoldedCode = 17,
}

/// The key of the blind hashes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BlindKey([u8; 32]);

impl BlindKey {
    /// The key that belongs to an index root.
    pub fn from_root(root: &[u8; INDEX_ROOT_BYTES]) -> Self {
        let (extracted, hkdf) = Hkdf::<Sha256>::extract(None, root);
        let mut key = Self(extracted.into());
        // 32 bytes are within HKDF's limit; were they not, the extracted key would stand.
        let expanded = hkdf.expand(b"vesta blind index 1", &mut key.0);
        debug_assert!(expanded.is_ok());
        key
    }

    /// Eight bytes: a value that is found by equality. One pair in 2^64 is equal by chance, so
    /// what must be exact is verified on the opened body.
    pub fn hash8(&self, domain: Domain, text: &[u8]) -> [u8; 8] {
        self.cut(domain, text)
    }

    /// Four bytes: the system behind a code, which only narrows what the code has found.
    pub fn hash4(&self, domain: Domain, text: &[u8]) -> [u8; 4] {
        self.cut(domain, text)
    }

    /// Fourteen bytes: an identity that must not collide by chance, such as the owner of a key.
    pub fn hash14(&self, domain: Domain, text: &[u8]) -> [u8; 14] {
        self.cut(domain, text)
    }

    /// A hash for the compartment column.
    pub fn hash_i64(&self, domain: Domain, text: &[u8]) -> i64 {
        i64::from_be_bytes(self.cut(domain, text))
    }

    /// A key of its own for another purpose, named by `context`.
    pub fn derive(&self, context: &[u8]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.cut(Domain::DerivedKey, context))
    }

    fn cut<const N: usize>(&self, domain: Domain, text: &[u8]) -> [u8; N] {
        const { assert!(N <= blake3::OUT_LEN) };
        // One buffer and one call: an incremental hasher costs twice as much on such short texts.
        let mut input = SmallVec::<[u8; 128]>::new();
        input.push(domain as u8);
        input.extend_from_slice(text);
        let hash = blake3::keyed_hash(&self.0, &input);
        let mut cut = [0; N];
        for (to, from) in cut.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        cut
    }
}

impl fmt::Debug for BlindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{BlindKey, Domain};

    const DOMAINS: [Domain; 14] = [
        Domain::Owner,
        Domain::Compartment,
        Domain::Code,
        Domain::System,
        Domain::CodePair,
        Domain::Reference,
        Domain::Uri,
        Domain::StringValue,
        Domain::StringPrefix,
        Domain::Word,
        Domain::Unit,
        Domain::Criteria,
        Domain::Query,
        Domain::Document,
    ];

    #[test]
    fn hashes_are_what_they_were() {
        // Stored hashes live as long as the data: a change here makes every index unreadable.
        let key = BlindKey::from_root(&[7; 32]);
        assert_eq!(
            crate::seal::hex::encode(&key.hash14(Domain::Code, b"8867-4")),
            "456db82f37e8e39e6c8c7b61d552"
        );
    }

    #[test]
    fn domains_and_roots_keep_apart() {
        let (one, other) = (BlindKey::from_root(&[1; 32]), BlindKey::from_root(&[2; 32]));
        let hashes: HashSet<_> = DOMAINS
            .iter()
            .flat_map(|&domain| [one.hash8(domain, b"x"), other.hash8(domain, b"x")])
            .collect();
        assert_eq!(hashes.len(), 2 * DOMAINS.len());
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(
            format!("{:?}", BlindKey::from_root(&[1; 32])),
            "BlindKey(..)"
        );
    }

    proptest! {
        #[test]
        fn lengths_are_prefixes_of_one_hash(text: Vec<u8>) {
            let key = BlindKey::from_root(&[3; 32]);
            let long = key.hash14(Domain::Uri, &text);
            prop_assert!(long.starts_with(&key.hash8(Domain::Uri, &text)));
            prop_assert!(long.starts_with(&key.hash4(Domain::Uri, &text)));
            let number = key.hash_i64(Domain::Uri, &text);
            prop_assert!(long.starts_with(&number.to_be_bytes()));
        }

        #[test]
        fn different_texts_hash_differently(one: Vec<u8>, other: Vec<u8>) {
            let key = BlindKey::from_root(&[3; 32]);
            let equal = key.hash14(Domain::Uri, &one) == key.hash14(Domain::Uri, &other);
            prop_assert_eq!(equal, one == other);
        }
    }
}
