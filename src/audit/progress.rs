//! How far resources were made of the journal: a document that any process reads and moves on.
//!
//! A lane is written to for a day at most, so that only lanes of the last day can have grown:
//! older ones are left behind for good once they are done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::block::{self, Header, LaneId};
use crate::audit::lane::LANE_MS_MAX;
use crate::audit::ledger::{JournalError, Ledger, Opened};
use crate::store::StoreError;
use crate::store::batch::{DocumentPut, Expected};

/// The collection, and the id in it.
const PROGRESS: (&str, &str) = ("journal_progress", "resources");

/// Blocks of one step.
const STEP_BLOCKS_MAX: usize = 20;

/// Events of one step from which on it ends.
const STEP_EVENTS: u64 = 1_000;

/// How long after its last possible block a lane is left behind, in ms: clocks differ.
const MARGIN_MS: i64 = 3_600_000;

/// How far it has come.
#[derive(Debug)]
pub struct Progress {
    stored: Stored,
    /// What the document holds.
    saved: Stored,
    revision: Option<i64>,
    /// Where the walk over lanes is.
    at: String,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Serialize, Deserialize)]
struct Stored {
    /// Lanes before this one are done.
    from: String,
    /// The place of the next block, of lanes that are not left behind.
    next: BTreeMap<String, u64>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Step {
    /// Nothing.
    Done,
    /// These blocks, in this order.
    Blocks(Vec<Opened>),
}

impl Progress {
    /// Reads it.
    pub async fn load(ledger: &Ledger) -> Result<Self, JournalError> {
        let (collection, id) = PROGRESS;
        let now_ms = ledger.clock.now_ms();
        let found = ledger.store.get_document(collection, id, now_ms).await?;
        let (stored, revision) = match found {
            None => (Stored::default(), None),
            Some(document) => {
                let stored = serde_json::from_slice(&document.body);
                let stored = stored.map_err(|error| JournalError::Damaged(error.to_string()))?;
                (stored, Some(document.revision))
            }
        };
        Ok(Self {
            at: stored.from.clone(),
            saved: stored.clone(),
            stored,
            revision,
        })
    }

    /// The next blocks that nothing was made of. A block that does not open is passed over:
    /// `vesta audit verify` names it.
    pub async fn next(&mut self, ledger: &Ledger) -> Result<Step, JournalError> {
        loop {
            let (mut blocks, mut events) = (Vec::new(), 0);
            let page = ledger.blocks(Some(&self.at), STEP_BLOCKS_MAX).await?;
            let Some(first) = page.first() else {
                return Ok(Step::Done);
            };
            let Some((lane, sequence)) = block::place_of(&first.id) else {
                self.at.clone_from(&first.id);
                continue;
            };
            let next = self.stored.next.get(&lane.to_string()).copied();
            let next = next.unwrap_or_default();
            if sequence < next {
                // Nothing is known of the rest of the lane but where it begins.
                self.at = block::block_id(lane, next.saturating_sub(1));
                continue;
            }
            for document in &page {
                let is_of_lane = block::place_of(&document.id).is_some_and(|(of, _)| of == lane);
                if !is_of_lane || events >= STEP_EVENTS {
                    break;
                }
                self.at.clone_from(&document.id);
                if let Some(opened) = ledger.open_block(&document.body) {
                    events += u64::from(opened.header.count);
                    blocks.push(opened);
                }
            }
            if !blocks.is_empty() {
                return Ok(Step::Blocks(blocks));
            }
        }
    }

    /// Notes that resources were made of a block.
    pub fn passed(&mut self, header: Header) {
        let next = header.sequence.saturating_add(1);
        self.stored.next.insert(header.lane.to_string(), next);
    }

    /// Writes it down. When another process was faster, that stands.
    pub async fn save(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        self.leave_behind(ledger.clock.now_ms());
        if self.stored == self.saved {
            return Ok(());
        }
        let (collection, id) = PROGRESS;
        let body = serde_json::to_vec(&self.stored);
        let put = DocumentPut {
            collection: collection.to_owned(),
            id: id.to_owned(),
            expected: self.revision.map_or(Expected::Absent, Expected::Revision),
            body: Some(body.map_err(|error| JournalError::Damaged(error.to_string()))?),
            expires_ms: None,
        };
        match ledger.store.put_documents(vec![put]).await {
            Ok(()) => {
                self.revision = Some(self.revision.unwrap_or_default().saturating_add(1));
                self.saved = self.stored.clone();
                Ok(())
            }
            Err(StoreError::ReservationConflict | StoreError::VersionConflict(_)) => {
                let at = std::mem::take(&mut self.at);
                *self = Self {
                    at,
                    ..Self::load(ledger).await?
                };
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lanes that nobody writes to any more need not be looked at again.
    fn leave_behind(&mut self, now_ms: i64) {
        let closed_ms = now_ms.saturating_sub(LANE_MS_MAX).saturating_sub(MARGIN_MS);
        // By the hour, so that it is seldom written for that alone.
        let closed_ms = closed_ms.saturating_sub(closed_ms.rem_euclid(MARGIN_MS));
        let from = LaneId::new(closed_ms.max(0), [0; 8]).to_string();
        // Only what the walk has passed: it stands behind every lane before it.
        if from > self.stored.from && self.at > from {
            self.stored.next.retain(|lane, _next| *lane >= from);
            self.stored.from = from;
        }
    }
}
