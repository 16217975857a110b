//! Cursors: where a search goes on, sealed so that a link says nothing and cannot be altered.
//!
//! A cursor holds the query itself, the place of the last match and what page one decided,
//! encrypted under a key of its own and written in base64url: no name or code of a patient stands
//! in a link. It belongs to one resource type. Spec: <https://hl7.org/fhir/R4/http.html#paging>.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::fhir::resource_type::ResourceType;
use crate::seal::blind::BlindKey;
use crate::seal::random::{Random, RandomError};
use crate::search::plan::Order;

/// The layout of what is sealed.
const LAYOUT: u8 = 1;

/// Characters a cursor may have: those of the longest query a URL can carry, and some.
const TEXT_CHARACTERS_MAX: usize = 128 << 10;

const NONCE_BYTES: usize = 12;

/// What is sealed together with every cursor.
const CONTEXT: &[u8] = b"vesta cursor 1";

/// Where a search goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The query, as the client sent it for page one.
    pub query: String,
    /// The order in which the page is read; `previous` reads backwards.
    pub order: Order,
    /// The creation sequence of the last match before the page; `None` for the first page again.
    pub after: Option<i64>,
    /// The newest creation sequence when page one was made; what came later is not shown.
    pub high_water: i64,
    /// The number of matches, when page one counted them.
    pub total: Option<u64>,
}

/// Why a cursor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was not made by this server for this resource type, or was altered.
    #[error("the page link is not one of this server's, or was altered: search again")]
    Foreign,
}

/// The key that seals cursors.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// The key that belongs to a blind index.
    pub fn of_index(blind: &BlindKey) -> Self {
        Self(*blind.derive(CONTEXT))
    }

    /// The text of a cursor for searches of a type.
    pub fn seal(
        &self,
        resource_type: ResourceType,
        cursor: &Cursor,
        random: &dyn Random,
    ) -> Result<String, RandomError> {
        let mut sealed = vec![0; NONCE_BYTES];
        random.fill(&mut sealed)?;
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&sealed);
        let message = cursor.to_bytes();
        let aad = associated(resource_type);
        let payload = Payload {
            msg: &message,
            aad: &aad,
        };
        // Encryption fails for messages of gigabytes only; without it the link opens nothing.
        let encrypted = self.cipher().encrypt(&Nonce::from(nonce), payload);
        sealed.extend(encrypted.unwrap_or_default());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The cursor of a text, when it was made by this server for searches of this type.
    pub fn open(&self, resource_type: ResourceType, text: &str) -> Result<Cursor, CursorError> {
        self.decode(resource_type, text).ok_or(CursorError::Foreign)
    }

    fn decode(&self, resource_type: ResourceType, text: &str) -> Option<Cursor> {
        if text.len() > TEXT_CHARACTERS_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let aad = associated(resource_type);
        let payload = Payload {
            msg: encrypted,
            aad: &aad,
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

fn associated(resource_type: ResourceType) -> Vec<u8> {
    [CONTEXT, resource_type.name().as_bytes()].concat()
}

impl Cursor {
    fn to_bytes(&self) -> Vec<u8> {
        let is_backward = self.order == Order::OldestFirst;
        let flags = u8::from(is_backward)
            | u8::from(self.total.is_some()) << 1
            | u8::from(self.after.is_some()) << 2;
        let mut bytes = vec![LAYOUT, flags];
        bytes.extend(self.high_water.to_be_bytes());
        bytes.extend(self.after.unwrap_or_default().to_be_bytes());
        bytes.extend(self.total.unwrap_or_default().to_be_bytes());
        bytes.extend(self.query.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([layout, flags], rest) = bytes.split_first_chunk()?;
        let (high_water, rest) = rest.split_first_chunk()?;
        let (after, rest) = rest.split_first_chunk()?;
        let (total, query) = rest.split_first_chunk()?;
        if *layout != LAYOUT {
            return None;
        }
        Some(Self {
            query: String::from_utf8(query.to_vec()).ok()?,
            order: if flags & 1 == 1 {
                Order::OldestFirst
            } else {
                Order::NewestFirst
            },
            after: (flags & 4 == 4).then_some(i64::from_be_bytes(*after)),
            high_water: i64::from_be_bytes(*high_water),
            total: (flags & 2 == 2).then_some(u64::from_be_bytes(*total)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cursor, CursorError, CursorKey};
    use crate::fhir::resource_type::ResourceType;
    use crate::seal::blind::BlindKey;
    use crate::seal::random::SystemRandom;
    use crate::search::plan::Order;

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        let numbers = (any::<Option<i64>>(), any::<i64>(), any::<Option<u64>>());
        (".{0,40}", any::<bool>(), numbers).prop_map(
            |(query, is_backward, (after, high_water, total))| Cursor {
                query,
                order: if is_backward {
                    Order::OldestFirst
                } else {
                    Order::NewestFirst
                },
                after,
                high_water,
                total,
            },
        )
    }

    fn key(seed: u8) -> CursorKey {
        CursorKey::of_index(&BlindKey::from_root(&[seed; 32]))
    }

    fn patient() -> ResourceType {
        "Patient".parse().unwrap()
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(cursor in any_cursor()) {
            let text = key(1).seal(patient(), &cursor, &SystemRandom).unwrap();
            prop_assert_eq!(key(1).open(patient(), &text), Ok(cursor));
            let group = "Group".parse().unwrap();
            prop_assert_eq!(key(1).open(group, &text), Err(CursorError::Foreign));
            prop_assert_eq!(key(2).open(patient(), &text), Err(CursorError::Foreign));
        }

        #[test]
        fn any_change_is_seen(
            cursor in any_cursor(),
            place in any::<prop::sample::Index>(),
            replacement in "[A-Za-z0-9_-]",
        ) {
            let text = key(1).seal(patient(), &cursor, &SystemRandom).unwrap();
            let at = place.index(text.len());
            let mut altered = text.clone();
            altered.replace_range(at..=at, &replacement);
            prop_assume!(altered != text);
            prop_assert_eq!(key(1).open(patient(), &altered), Err(CursorError::Foreign));
        }

        #[test]
        fn no_text_is_opened_by_chance(text in ".{0,300}") {
            prop_assert_eq!(key(1).open(patient(), &text), Err(CursorError::Foreign));
        }
    }

    #[test]
    fn two_links_to_one_place_differ_and_show_nothing() {
        let cursor = Cursor {
            query: "name=Smith".to_owned(),
            order: Order::NewestFirst,
            after: Some(5),
            high_water: 9,
            total: None,
        };
        let text = || key(1).seal(patient(), &cursor, &SystemRandom).unwrap();
        assert_ne!(text(), text());
        assert!(!text().contains("Smith"));
    }
}
