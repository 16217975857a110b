//! Cursors: where a search goes on, sealed so that a link says nothing and cannot be altered.
//!
//! A cursor is the place of the last match and what page one decided, encrypted under a key of its
//! own and written in base64url. It belongs to one query: the digest in it says which.
//! Spec: <https://hl7.org/fhir/R4/http.html#paging>.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::seal::blind::INDEX_ROOT_BYTES;
use crate::seal::random::{Random, RandomError};
use crate::search::plan::Order;

/// The layout of what is sealed.
const LAYOUT: u8 = 1;

/// Characters a cursor may have; ours have fewer than 120.
const TEXT_CHARACTERS_MAX: usize = 256;

const NONCE_BYTES: usize = 12;

/// What is sealed together with every cursor.
const CONTEXT: &[u8] = b"vesta cursor 1";

/// Where a search goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What tells the query from others.
    pub digest: [u8; 8],
    /// Which of the plan's candidates drives, so that later pages need not count.
    pub driver: u8,
    /// The order in which the page is read; `previous` reads backwards.
    pub order: Order,
    /// The creation sequence of the last match before the page.
    pub after: i64,
    /// The newest creation sequence when page one was made; what came later is not shown.
    pub high_water: i64,
    /// The number of matches, when page one counted them.
    pub total: Option<u64>,
    /// How many matches a page has.
    pub count: u32,
}

/// Why a cursor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was not made by this server, or was altered.
    #[error("the page link is not one of this server's, or was altered: search again")]
    Foreign,
    /// It was made for another query.
    #[error("the page link belongs to another search: use the link as it was given")]
    OtherQuery,
}

/// The key that seals cursors.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// The key that belongs to an index root.
    pub fn from_root(root: &[u8; INDEX_ROOT_BYTES]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let derived = Hkdf::<Sha256>::new(None, root).expand(CONTEXT, &mut *key);
        debug_assert!(derived.is_ok(), "32 bytes are less than HKDF's limit");
        Self(*key)
    }

    /// The text of a cursor.
    pub fn seal(&self, cursor: &Cursor, random: &dyn Random) -> Result<String, RandomError> {
        let mut sealed = vec![0; NONCE_BYTES];
        random.fill(&mut sealed)?;
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&sealed);
        let message = cursor.to_bytes();
        let payload = Payload {
            msg: &message,
            aad: CONTEXT,
        };
        // Encryption fails for messages of gigabytes only; without it the link opens nothing.
        let encrypted = self.cipher().encrypt(&Nonce::from(nonce), payload);
        sealed.extend(encrypted.unwrap_or_default());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The cursor of a text, when it was made by this server for the query with this digest.
    pub fn open(&self, text: &str, digest: [u8; 8]) -> Result<Cursor, CursorError> {
        let cursor = self.decode(text).ok_or(CursorError::Foreign)?;
        if cursor.digest == digest {
            Ok(cursor)
        } else {
            Err(CursorError::OtherQuery)
        }
    }

    fn decode(&self, text: &str) -> Option<Cursor> {
        if text.len() > TEXT_CHARACTERS_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: encrypted,
            aad: CONTEXT,
        };
        let message = self.cipher().decrypt(&Nonce::from(*nonce), payload).ok()?;
        Cursor::from_bytes(&message)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

impl Cursor {
    fn to_bytes(&self) -> Vec<u8> {
        let is_backward = self.order == Order::OldestFirst;
        let flags = u8::from(is_backward) | u8::from(self.total.is_some()) << 1;
        let mut bytes = vec![LAYOUT, flags, self.driver];
        bytes.extend(self.digest);
        bytes.extend(self.count.to_be_bytes());
        bytes.extend(self.after.to_be_bytes());
        bytes.extend(self.high_water.to_be_bytes());
        bytes.extend(self.total.into_iter().flat_map(u64::to_be_bytes));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([layout, flags, driver], rest) = bytes.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (after, rest) = rest.split_first_chunk()?;
        let (high_water, rest) = rest.split_first_chunk()?;
        let total = match flags & 2 {
            0 => None,
            _ => Some(u64::from_be_bytes(rest.try_into().ok()?)),
        };
        (*layout == LAYOUT).then_some(Self {
            digest: *digest,
            driver: *driver,
            order: if flags & 1 == 1 {
                Order::OldestFirst
            } else {
                Order::NewestFirst
            },
            after: i64::from_be_bytes(*after),
            high_water: i64::from_be_bytes(*high_water),
            total,
            count: u32::from_be_bytes(*count),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cursor, CursorError, CursorKey};
    use crate::seal::random::SystemRandom;
    use crate::search::plan::Order;

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        let place = (any::<i64>(), any::<i64>(), any::<Option<u64>>());
        (
            any::<[u8; 8]>(),
            any::<u8>(),
            any::<bool>(),
            place,
            any::<u32>(),
        )
            .prop_map(
                |(digest, driver, is_backward, (after, high_water, total), count)| Cursor {
                    digest,
                    driver,
                    order: if is_backward {
                        Order::OldestFirst
                    } else {
                        Order::NewestFirst
                    },
                    after,
                    high_water,
                    total,
                    count,
                },
            )
    }

    fn key(seed: u8) -> CursorKey {
        CursorKey::from_root(&[seed; 32])
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(cursor in any_cursor()) {
            let text = key(1).seal(&cursor, &SystemRandom).unwrap();
            prop_assert!(text.len() < 120);
            prop_assert_eq!(key(1).open(&text, cursor.digest), Ok(cursor.clone()));
            let mut other = cursor.digest;
            other[0] ^= 1;
            prop_assert_eq!(key(1).open(&text, other), Err(CursorError::OtherQuery));
            prop_assert_eq!(key(2).open(&text, cursor.digest), Err(CursorError::Foreign));
        }

        #[test]
        fn any_change_is_seen(cursor in any_cursor(), place in any::<prop::sample::Index>(), bit in 0..6u8) {
            const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let text = key(1).seal(&cursor, &SystemRandom).unwrap();
            let mut letters = text.clone().into_bytes();
            let letter = place.get_mut(&mut letters[..]);
            let value = ALPHABET.iter().position(|one| one == letter).unwrap();
            *letter = ALPHABET[value ^ (1 << bit)];
            let altered = String::from_utf8(letters).unwrap();
            prop_assert_eq!(key(1).open(&altered, cursor.digest), Err(CursorError::Foreign));
        }

        #[test]
        fn no_text_is_opened_by_chance(text in ".{0,300}") {
            prop_assert_eq!(key(1).open(&text, [0; 8]), Err(CursorError::Foreign));
        }
    }

    #[test]
    fn two_links_to_one_place_differ() {
        let cursor = Cursor {
            digest: [1; 8],
            driver: 0,
            order: Order::NewestFirst,
            after: 5,
            high_water: 9,
            total: None,
            count: 10,
        };
        let text = || key(1).seal(&cursor, &SystemRandom).unwrap();
        assert_ne!(text(), text());
    }
}
