//! Cursors: where a search goes on, sealed so that a link says nothing and cannot be altered.
//!
//! A cursor holds the query itself, the place of the last match and what page one decided,
//! encrypted under a key of its own and written in base64url: no name or code of a patient stands
//! in a link. It belongs to the type or compartment that was searched.
//! Spec: <https://hl7.org/fhir/R4/http.html#paging>.

mod place;

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::seal::blind::BlindKey;
use crate::seal::random::{Random, RandomError};
use crate::search::plan::Order;

/// The layout of what is sealed.
const LAYOUT: u8 = 3;

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
    /// Which of the conditions that may drive page one found to be the best.
    pub driver: Option<u8>,
    /// The matches in their order, where they are sorted; `offset` is where the page begins.
    pub frozen: Option<Frozen>,
    /// Included resources of the page before, still to be shown; `offset` is the next one.
    pub rest: Option<Frozen>,
    /// Which parts of the first container on the page were shown on the page before.
    pub within: Option<Within>,
}

/// A place inside of a container whose parts are shown by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// The creation sequence of the container.
    pub sequence: i64,
    /// The id of the last part that was shown; empty for the container itself.
    pub last_id: String,
}

/// A place in a list of resources that the store keeps for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// Which list.
    pub id: [u8; FROZEN_ID_BYTES],
    /// The place in it.
    pub offset: u32,
    /// How many resources it has.
    pub length: u32,
}

/// Bytes of the id of a [`Frozen`] list.
pub const FROZEN_ID_BYTES: usize = 16;

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

    /// The text of a cursor for searches below a path: `Patient`, `Patient/1/*`.
    pub fn seal(
        &self,
        path: &str,
        cursor: &Cursor,
        random: &dyn Random,
    ) -> Result<String, RandomError> {
        let sealed = self.seal_bytes(&associated(path), &cursor.to_bytes(), random)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The cursor of a text, when it was made by this server for searches below this path.
    pub fn open(&self, path: &str, text: &str) -> Result<Cursor, CursorError> {
        self.decode(path, text).ok_or(CursorError::Foreign)
    }

    /// Seals bytes; they open only together with the same `associated` bytes.
    pub fn seal_bytes(
        &self,
        associated: &[u8],
        message: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, RandomError> {
        let mut sealed = vec![0; NONCE_BYTES];
        random.fill(&mut sealed)?;
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&sealed);
        let payload = Payload {
            msg: message,
            aad: associated,
        };
        // Encryption fails for messages of gigabytes only; without it the link opens nothing.
        let encrypted = self.cipher().encrypt(&Nonce::from(nonce), payload);
        sealed.extend(encrypted.unwrap_or_default());
        Ok(sealed)
    }

    /// Opens what [`CursorKey::seal_bytes`] sealed.
    pub fn open_bytes(&self, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: encrypted,
            aad: associated,
        };
        self.cipher().decrypt(&Nonce::from(*nonce), payload).ok()
    }

    fn decode(&self, path: &str, text: &str) -> Option<Cursor> {
        if text.len() > TEXT_CHARACTERS_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        Cursor::from_bytes(&self.open_bytes(&associated(path), &sealed)?)
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

fn associated(path: &str) -> Vec<u8> {
    [CONTEXT, path.as_bytes()].concat()
}

impl Cursor {
    fn to_bytes(&self) -> Vec<u8> {
        let is_backward = self.order == Order::OldestFirst;
        let flags = u8::from(is_backward)
            | u8::from(self.total.is_some()) << 1
            | u8::from(self.after.is_some()) << 2
            | u8::from(self.driver.is_some()) << 3
            | u8::from(self.frozen.is_some()) << 4
            | u8::from(self.rest.is_some()) << 5
            | u8::from(self.within.is_some()) << 6;
        let mut bytes = vec![LAYOUT, flags, self.driver.unwrap_or_default()];
        bytes.extend(self.high_water.to_be_bytes());
        bytes.extend(self.after.unwrap_or_default().to_be_bytes());
        bytes.extend(self.total.unwrap_or_default().to_be_bytes());
        for frozen in [&self.frozen, &self.rest].into_iter().flatten() {
            bytes.extend(frozen.id);
            bytes.extend(frozen.offset.to_be_bytes());
            bytes.extend(frozen.length.to_be_bytes());
        }
        if let Some(within) = &self.within {
            bytes.extend(within.sequence.to_be_bytes());
            let length = u32::try_from(within.last_id.len()).unwrap_or(u32::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend(within.last_id.as_bytes());
        }
        bytes.extend(self.query.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([layout, flags, driver], rest) = bytes.split_first_chunk()?;
        let (high_water, rest) = rest.split_first_chunk()?;
        let (after, rest) = rest.split_first_chunk()?;
        let (total, mut rest) = rest.split_first_chunk()?;
        if *layout != LAYOUT {
            return None;
        }
        let is_set = |bit: u8| flags >> bit & 1 == 1;
        let frozen = Frozen::read(is_set(4), &mut rest)?;
        let include = Frozen::read(is_set(5), &mut rest)?;
        let mut within = None;
        if is_set(6) {
            within = Some(Within::read(&mut rest)?);
        }
        Some(Self {
            query: String::from_utf8(rest.to_vec()).ok()?,
            order: if is_set(0) {
                Order::OldestFirst
            } else {
                Order::NewestFirst
            },
            after: is_set(2).then_some(i64::from_be_bytes(*after)),
            high_water: i64::from_be_bytes(*high_water),
            total: is_set(1).then_some(u64::from_be_bytes(*total)),
            driver: is_set(3).then_some(*driver),
            frozen,
            rest: include,
            within,
        })
    }
}

impl Within {
    /// Reads one from the front of `bytes`.
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (sequence, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (id, rest) = rest.split_at_checked(length)?;
        *bytes = rest;
        Some(Self {
            sequence: i64::from_be_bytes(*sequence),
            last_id: String::from_utf8(id.to_vec()).ok()?,
        })
    }
}

impl Frozen {
    /// Reads one from the front of `bytes` where there is one; `None` when they are too short.
    #[expect(clippy::option_option, reason = "absent and unreadable are two things")]
    fn read(is_there: bool, bytes: &mut &[u8]) -> Option<Option<Self>> {
        if !is_there {
            return Some(None);
        }
        let (id, rest) = bytes.split_first_chunk::<FROZEN_ID_BYTES>()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        *bytes = rest;
        Some(Some(Self {
            id: *id,
            offset: u32::from_be_bytes(*offset),
            length: u32::from_be_bytes(*length),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cursor, CursorError, CursorKey, Frozen, Within};
    use crate::seal::blind::BlindKey;
    use crate::seal::random::SystemRandom;
    use crate::search::plan::Order;

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        let numbers = (any::<Option<i64>>(), any::<i64>(), any::<Option<u64>>());
        let within = prop::option::of((any::<i64>(), ".{0,9}"));
        let within =
            within.prop_map(|place| place.map(|(sequence, last_id)| Within { sequence, last_id }));
        let lists = (any_frozen(), any_frozen(), (any::<Option<u8>>(), within));
        (".{0,40}", any::<bool>(), numbers, lists).prop_map(
            |(query, is_backward, (after, high_water, total), (frozen, rest, (driver, within)))| {
                Cursor {
                    query,
                    order: if is_backward {
                        Order::OldestFirst
                    } else {
                        Order::NewestFirst
                    },
                    after,
                    high_water,
                    total,
                    driver,
                    frozen,
                    rest,
                    within,
                }
            },
        )
    }

    fn any_frozen() -> impl Strategy<Value = Option<Frozen>> {
        prop::option::of(
            any::<([u8; 16], u32, u32)>().prop_map(|(id, offset, length)| Frozen {
                id,
                offset,
                length,
            }),
        )
    }

    fn key(seed: u8) -> CursorKey {
        CursorKey::of_index(&BlindKey::from_root(&[seed; 32]))
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(cursor in any_cursor()) {
            let text = key(1).seal("Patient", &cursor, &SystemRandom).unwrap();
            prop_assert_eq!(key(1).open("Patient", &text), Ok(cursor));
            prop_assert_eq!(key(1).open("Group", &text), Err(CursorError::Foreign));
            prop_assert_eq!(key(2).open("Patient", &text), Err(CursorError::Foreign));
        }

        #[test]
        fn any_change_is_seen(
            cursor in any_cursor(),
            place in any::<prop::sample::Index>(),
            replacement in "[A-Za-z0-9_-]",
        ) {
            let text = key(1).seal("Patient", &cursor, &SystemRandom).unwrap();
            let at = place.index(text.len());
            let mut altered = text.clone();
            altered.replace_range(at..=at, &replacement);
            prop_assume!(altered != text);
            prop_assert_eq!(key(1).open("Patient", &altered), Err(CursorError::Foreign));
        }

        #[test]
        fn no_text_is_opened_by_chance(text in ".{0,300}") {
            prop_assert_eq!(key(1).open("Patient", &text), Err(CursorError::Foreign));
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
            driver: None,
            frozen: None,
            rest: None,
            within: None,
        };
        let text = || key(1).seal("Patient", &cursor, &SystemRandom).unwrap();
        assert_ne!(text(), text());
        assert!(!text().contains("Smith"));
    }
}
