//! Creation sequences: the default order of resources and what cursors point at.
//!
//! 43 bits of milliseconds, 8 bits of node, 12 bits of counter: unique over the processes on one
//! store, and later creations get larger ones.

use std::sync::atomic::{AtomicI64, Ordering};

const NODE_BITS: u32 = 8;
const COUNTER_BITS: u32 = 12;

/// Gives out creation sequences.
#[derive(Debug)]
pub struct SequenceSource {
    node: u8,
    /// Milliseconds and counter of the last one, without the node.
    last: AtomicI64,
}

impl SequenceSource {
    /// A source for the process with this node number.
    pub const fn new(node: u8) -> Self {
        Self {
            node,
            last: AtomicI64::new(0),
        }
    }

    /// The next sequence; larger than every one before.
    pub fn next(&self, now_ms: i64) -> i64 {
        let earliest = now_ms << COUNTER_BITS;
        let step = |last: i64| Some(earliest.max(last + 1));
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let ticks = earliest.max(last.unwrap_or_default() + 1);
        let counter = ticks & ((1 << COUNTER_BITS) - 1);
        let millis = ticks >> COUNTER_BITS;
        (((millis << NODE_BITS) | i64::from(self.node)) << COUNTER_BITS) | counter
    }
}

#[cfg(test)]
mod tests {
    use super::SequenceSource;

    #[test]
    fn sequences_grow_even_when_the_clock_stands_or_goes_back() {
        let source = SequenceSource::new(3);
        let mut last = 0;
        for round in 0..10_000 {
            let next = source.next(if round % 7 == 0 { 999 } else { 1000 });
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn two_nodes_never_give_the_same() {
        assert_ne!(
            SequenceSource::new(1).next(5),
            SequenceSource::new(2).next(5)
        );
    }

    #[test]
    fn today_leaves_room() {
        assert!(SequenceSource::new(255).next(4_102_444_800_000) > 0);
    }
}
