//! The layout of what the journal stores: blocks of events, each bound to the one before.
//!
//! A block: version, lane, place, number of its first event, how many, the hash of the block
//! before; behind that, sealed, its events as lines of JSON. Pure: bytes in, bytes out.

use std::fmt;

use crate::seal::hex;

/// Bytes of a [`LaneId`]: when it was opened in ms, and a random part.
pub const LANE_BYTES: usize = 14;

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 1 + LANE_BYTES + 8 + 8 + 4 + HASH_BYTES;

/// The layout that is written.
const LAYOUT: u8 = 1;

/// The hash of a block.
pub type Hash = [u8; HASH_BYTES];

/// What the first block of a lane has in place of the hash of the one before.
pub const NOTHING_BEFORE: Hash = [0; HASH_BYTES];

/// A lane: the blocks of one process, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub [u8; LANE_BYTES]);

impl LaneId {
    /// A lane opened at a time; later ones come behind it.
    pub fn new(now_ms: i64, random: [u8; 8]) -> Self {
        let mut bytes = [0; LANE_BYTES];
        let at = now_ms.to_be_bytes();
        let parts = at.iter().skip(2).chain(&random);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// What stands in front of the events of a block, in plain sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whose block it is.
    pub lane: LaneId,
    /// Its place in the lane, from 0.
    pub sequence: u64,
    /// The number of its first event within the lane, from 0.
    pub first: u64,
    /// How many events it has.
    pub count: u32,
    /// The hash of the block before it.
    pub previous: Hash,
}

impl Header {
    /// The id of the document that holds the block.
    pub fn id(&self) -> String {
        block_id(self.lane, self.sequence)
    }

    /// The id of an event of this block, by its place in it.
    pub fn event_id(&self, at: u32) -> String {
        format!("{}-{at:04}", self.id())
    }

    /// The number of the event behind its last one.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    /// The bytes that a sealed block begins with, and that its seal is bound to.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let (sequence, first) = (self.sequence.to_be_bytes(), self.first.to_be_bytes());
        let count = self.count.to_be_bytes();
        let parts = std::iter::once(&LAYOUT)
            .chain(&self.lane.0)
            .chain(&sequence)
            .chain(&first)
            .chain(&count)
            .chain(&self.previous);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = *from;
        }
        bytes
    }

    /// The header of a block, and what is behind it; `None` when it is no block.
    pub fn split(block: &[u8]) -> Option<(Self, &[u8])> {
        let (layout, rest) = block.split_first()?;
        let (lane, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (previous, rest) = rest.split_first_chunk()?;
        let header = Self {
            lane: LaneId(*lane),
            sequence: u64::from_be_bytes(*sequence),
            first: u64::from_be_bytes(*first),
            count: u32::from_be_bytes(*count),
            previous: *previous,
        };
        (*layout == LAYOUT).then_some((header, rest))
    }
}

/// The hash that the next block carries.
pub fn hash(block: &[u8]) -> Hash {
    *blake3::hash(block).as_bytes()
}

/// The id of a block's document: in a lane's order, and lanes in the order they were opened.
pub fn block_id(lane: LaneId, sequence: u64) -> String {
    format!("{lane}-{sequence:016}")
}

/// Which block a document holds, by its id; `None` for what is no id of a block.
pub fn place_of(id: &str) -> Option<(LaneId, u64)> {
    let (lane, sequence) = id.split_once('-')?;
    let lane = LaneId(hex::decode(lane)?);
    let sequence = sequence.parse().ok()?;
    (block_id(lane, sequence) == id).then_some((lane, sequence))
}

/// The block and the place in it of an event, by its id, or by that of a resource made of it.
pub fn event_of(id: &str) -> Option<(String, u32)> {
    let mut parts = id.splitn(4, '-');
    let (lane, sequence, at) = (parts.next()?, parts.next()?, parts.next()?);
    let block = format!("{lane}-{sequence}");
    place_of(&block)?;
    Some((block, at.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Header, LaneId, block_id, event_of, place_of};

    proptest! {
        #[test]
        fn a_header_comes_back(
            lane: [u8; 14], sequence: u64, first: u64, count: u32, previous: [u8; 32],
        ) {
            let header = Header { lane: LaneId(lane), sequence, first, count, previous };
            let mut block = header.to_bytes().to_vec();
            block.extend(b"sealed");
            prop_assert_eq!(Header::split(&block), Some((header, &b"sealed"[..])));
            block[0] ^= 1;
            prop_assert_eq!(Header::split(&block), None);
        }

        #[test]
        fn anything_may_be_looked_at(bytes: Vec<u8>, text: String) {
            prop_assert!(Header::split(&bytes).is_none_or(|(_, rest)| rest.len() < bytes.len()));
            prop_assert!(place_of(&text).is_none_or(|(lane, n)| block_id(lane, n) == text));
        }
    }

    #[test]
    fn ids_are_in_the_order_of_lanes_and_places() {
        let (early, late) = (LaneId::new(1_000, [9; 8]), LaneId::new(2_000, [0; 8]));
        let ids = [
            block_id(early, 0),
            block_id(early, 9),
            block_id(early, 10),
            block_id(late, 0),
        ];
        assert!(ids.is_sorted());
        assert_eq!(place_of(&ids[2]), Some((early, 10)));
        let event = format!("{}-0007", ids[2]);
        assert_eq!(event_of(&event), Some((ids[2].clone(), 7)));
        assert_eq!(event_of(&format!("{event}-3")), Some((ids[2].clone(), 7)));
        assert_eq!(event_of(&ids[2]), None);
        for wrong in ["", "-", "00-0", "x", &format!("{early}-1")] {
            assert_eq!(place_of(wrong), None, "{wrong}");
        }
    }
}
