//! The lane of a process: where its next block goes, and what that is bound to.

use crate::audit::block::{self, Hash, Header, LaneId, NOTHING_BEFORE};
use crate::audit::ledger::{self, BLOCKS, JournalError, Ledger, QUERIES, Query};
use crate::store::batch::DocumentPut;

/// How long a lane is written to, in ms: then another one begins, so that who follows the journal
/// knows which lanes have ended.
pub(super) const LANE_MS_MAX: i64 = 24 * 3_600_000;

/// An event ready to be written.
pub(super) struct Line {
    /// Its JSON.
    pub(super) json: Vec<u8>,
    /// Its query, without a place yet.
    pub(super) query: Option<Query>,
}

/// The blocks of one process.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) id: LaneId,
    /// When it was opened, in ms since the epoch.
    opened_ms: i64,
    /// The place of the next block.
    pub(super) sequence: u64,
    /// The number of the next event.
    pub(super) event: u64,
    /// The hash of the last block.
    pub(super) head: Hash,
}

impl Lane {
    /// A lane that nobody has written to.
    pub(super) fn open(ledger: &Ledger) -> Result<Self, JournalError> {
        let mut random = [0; 8];
        let filled = ledger.random.fill(&mut random);
        filled.map_err(|error| JournalError::Unavailable(error.to_string()))?;
        let opened_ms = ledger.clock.now_ms();
        Ok(Self {
            id: LaneId::new(opened_ms, random),
            opened_ms,
            sequence: 0,
            event: 0,
            head: NOTHING_BEFORE,
        })
    }

    /// Whether it has been written to for long enough.
    pub(super) fn is_old(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.opened_ms) >= LANE_MS_MAX
    }

    /// Writes a block, durably, and gives back the lane behind it.
    pub(super) async fn write(
        &self,
        ledger: &Ledger,
        lines: &[Line],
    ) -> Result<Self, JournalError> {
        let header = Header {
            lane: self.id,
            sequence: self.sequence,
            first: self.event,
            count: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            previous: self.head,
        };
        let (puts, head) = documents(ledger, header, lines)?;
        ledger.store.put_documents(puts).await?;
        Ok(Self {
            id: self.id,
            opened_ms: self.opened_ms,
            sequence: self.sequence.saturating_add(1),
            event: header.end(),
            head,
        })
    }
}

fn documents(
    ledger: &Ledger,
    header: Header,
    lines: &[Line],
) -> Result<(Vec<DocumentPut>, Hash), JournalError> {
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.json.len() + 1).sum());
    let mut queries = Vec::new();
    for (at, line) in (0_u32..).zip(lines) {
        text.extend_from_slice(&line.json);
        text.push(b'\n');
        queries.extend(line.query.clone().map(|query| Query { at, ..query }));
    }
    let block = ledger.seal_block(header, &text)?;
    let head = block::hash(&block);
    let mut puts = vec![ledger::first(BLOCKS, header.id(), block)];
    if !queries.is_empty() {
        let sealed = ledger.seal_queries(&header.id(), &queries)?;
        puts.push(ledger::first(QUERIES, header.id(), sealed));
    }
    Ok((puts, head))
}
