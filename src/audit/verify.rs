//! Finds what was changed, removed, moved or cut off under the journal.
//!
//! Walks the checkpoints from the newest on, then every lane from its beginning. What it finds, it
//! names by lane and by the numbers of events. Reads only.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::audit::block::{Hash, LaneId, NOTHING_BEFORE, place_of};
use crate::audit::checkpoint::{CHECKPOINTS, LaneHead, Signer, Stored};
use crate::audit::event::Act;
use crate::audit::ledger::{JournalError, Ledger, Opened, QUERIES, hash_of};
use crate::seal::hex;
use crate::store::batch::Document;

/// Documents read together.
const PAGE: usize = 200;

/// Findings that are kept; more are counted.
const FINDINGS_MAX: usize = 1_000;

/// A checkpoint that was kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCheckpoint {
    /// Its number.
    pub number: u64,
    /// Its hash, hexadecimal.
    pub hash: String,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A block holds something else than was written.
    Changed(String),
    /// The block of this event is not there, nor are those up to the other one, exclusively.
    Removed(LaneId, u64, Option<u64>),
    /// A block stands in the place of another one.
    Moved {
        /// Where it stands.
        found: String,
        /// Where it belongs.
        belongs: String,
    },
    /// A lane ends before its last checkpoint says, at this event.
    CutOff(String, u64, u64),
    /// A document that is no block.
    Foreign(String),
    /// A checkpoint was changed, or none of this store's keys signed it.
    CheckpointChanged(u64),
    /// A checkpoint is not there.
    CheckpointRemoved(u64),
    /// A document that is no checkpoint.
    CheckpointForeign(String),
    /// The query of an event was changed.
    QueryChanged(String),
    /// The queries of the events of a block were changed.
    QueriesChanged(String),
    /// The query of an event is not there, and no erasure says so.
    QueryRemoved(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(block) => write!(f, "changed: block {block}"),
            Self::Removed(lane, from, Some(to)) => {
                write!(f, "removed: events {from} to {} of lane {lane}", to - 1)
            }
            Self::Removed(lane, from, None) => {
                write!(f, "removed: events from {from} on of lane {lane}")
            }
            Self::Moved { found, belongs } => {
                write!(
                    f,
                    "reordered: block {belongs} stands in the place of {found}"
                )
            }
            Self::CutOff(lane, from, to) => {
                let last = to.saturating_sub(1);
                write!(f, "truncated: events {from} to {last} of lane {lane}")
            }
            Self::Foreign(id) => write!(f, "added: document {id} is no block"),
            Self::CheckpointChanged(number) => write!(f, "changed: checkpoint {number}"),
            Self::CheckpointRemoved(number) => write!(f, "removed: checkpoint {number}"),
            Self::CheckpointForeign(id) => write!(f, "changed: document {id} is no checkpoint"),
            Self::QueryChanged(event) => write!(f, "changed: the query of event {event}"),
            Self::QueriesChanged(block) => write!(f, "changed: the queries of block {block}"),
            Self::QueryRemoved(event) => write!(f, "removed: the query of event {event}"),
        }
    }
}

/// What a walk came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Lanes, one for each time that a process began to write.
    pub lanes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Events that could be read.
    pub events: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// The newest checkpoint: kept elsewhere, it shows later that nothing was taken back.
    pub newest: Option<KnownCheckpoint>,
    /// The key that signs.
    pub public_key: Option<String>,
    /// What is not as it was written.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more: u64,
}

impl Report {
    /// Whether all is as it was written.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }

    /// What an operator is told.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        if self.more > 0 {
            lines.push(format!("and {} more", self.more));
        }
        lines.push(format!(
            "{} events in {} blocks of {} lanes, {} checkpoints",
            self.events, self.blocks, self.lanes, self.checkpoints
        ));
        if let Some(newest) = &self.newest {
            lines.push(format!(
                "last checkpoint: {}:{}",
                newest.number, newest.hash
            ));
        }
        if let Some(key) = &self.public_key {
            lines.push(format!("signed by Ed25519 key {key}"));
        }
        lines
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

/// Walks everything. `known` is a checkpoint that was kept elsewhere.
pub async fn verify(
    ledger: &Ledger,
    known: Option<KnownCheckpoint>,
) -> Result<Report, JournalError> {
    let mut walk = Walk {
        ledger,
        report: Report::default(),
        heads: HashMap::new(),
        missing: HashSet::new(),
        forgotten: HashSet::new(),
    };
    walk.checkpoints(known).await?;
    walk.lanes().await?;
    let unexplained: Vec<String> = walk.missing.difference(&walk.forgotten).cloned().collect();
    for event in unexplained {
        walk.report.add(Finding::QueryRemoved(event));
    }
    Ok(walk.report)
}

struct Walk<'a> {
    ledger: &'a Ledger,
    report: Report,
    /// What the newest checkpoint of each lane says.
    heads: HashMap<String, LaneHead>,
    /// Events without their query.
    missing: HashSet<String>,
    /// Events whose query was taken away by an erasure.
    forgotten: HashSet<String>,
}

/// One lane under way.
struct Place {
    lane: LaneId,
    sequence: u64,
    event: u64,
    /// The hash of the last block; `None` when it is not what was written.
    hash: Option<Hash>,
}

impl Place {
    fn begin(lane: LaneId) -> Self {
        Self {
            lane,
            sequence: 0,
            event: 0,
            hash: Some(NOTHING_BEFORE),
        }
    }
}

impl Walk<'_> {
    async fn checkpoints(&mut self, known: Option<KnownCheckpoint>) -> Result<(), JournalError> {
        let Some(signer) = Signer::find(self.ledger).await? else {
            // Without a key there was never a checkpoint, unless both were removed.
            if let Some(known) = known {
                self.report.add(Finding::CheckpointRemoved(known.number));
            }
            return Ok(());
        };
        self.report.public_key = Some(signer.public_key());
        let (mut after, mut newer) = (None::<String>, None::<Stored>);
        loop {
            let store = &self.ledger.store;
            let page = store.find_documents(CHECKPOINTS, after.as_deref(), PAGE);
            let page = page.await?;
            for document in &page {
                let Some(stored) = signer.read(&document.id, &document.body) else {
                    let id = document.id.clone();
                    self.report.add(Finding::CheckpointForeign(id));
                    continue;
                };
                self.checkpoint(&stored, newer.as_ref(), known.as_ref());
                newer = Some(stored);
            }
            match page.last() {
                Some(last) => after = Some(last.id.clone()),
                None => break,
            }
        }
        let oldest = newer.map_or(1, |oldest| oldest.checkpoint.number);
        for number in (1..oldest).rev().take(FINDINGS_MAX) {
            self.report.add(Finding::CheckpointRemoved(number));
        }
        let newest = self
            .report
            .newest
            .as_ref()
            .map_or(0, |newest| newest.number);
        if let Some(known) = known.filter(|known| known.number > newest) {
            self.report.add(Finding::CheckpointRemoved(known.number));
        }
        Ok(())
    }

    fn checkpoint(
        &mut self,
        stored: &Stored,
        newer: Option<&Stored>,
        known: Option<&KnownCheckpoint>,
    ) {
        let number = stored.checkpoint.number;
        let hash = hex::encode(&stored.hash);
        self.report.checkpoints += 1;
        if self.report.newest.is_none() {
            let hash = hash.clone();
            self.report.newest = Some(KnownCheckpoint { number, hash });
        }
        let mut is_changed = !stored.is_signed;
        if let Some(newer) = newer {
            let missing = (number + 1)..newer.checkpoint.number;
            for gone in missing.clone().take(FINDINGS_MAX) {
                self.report.add(Finding::CheckpointRemoved(gone));
            }
            is_changed |= missing.is_empty() && newer.checkpoint.previous != hash;
        }
        is_changed |= known.is_some_and(|known| known.number == number && known.hash != hash);
        if is_changed {
            self.report.add(Finding::CheckpointChanged(number));
        }
        if stored.is_signed {
            for head in &stored.checkpoint.heads {
                let of_lane = self.heads.entry(head.lane.clone());
                of_lane.or_insert_with(|| head.clone());
            }
        }
    }

    async fn lanes(&mut self) -> Result<(), JournalError> {
        let (mut after, mut place) = (None::<String>, None::<Place>);
        loop {
            let page = self.ledger.blocks(after.as_deref(), PAGE).await?;
            let queries = self.queries(&page).await?;
            for document in &page {
                let Some((lane, sequence)) = place_of(&document.id) else {
                    self.report.add(Finding::Foreign(document.id.clone()));
                    continue;
                };
                if let Some(done) = place.take_if(|place| place.lane != lane) {
                    self.end(&done);
                }
                let here = place.get_or_insert_with(|| self.begin(lane));
                self.block(here, sequence, document, &queries);
            }
            match page.last() {
                Some(last) => after = Some(last.id.clone()),
                None => break,
            }
        }
        if let Some(done) = place {
            self.end(&done);
        }
        for head in std::mem::take(&mut self.heads).into_values() {
            self.report.add(Finding::CutOff(head.lane, 0, head.events));
        }
        Ok(())
    }

    fn block(
        &mut self,
        place: &mut Place,
        sequence: u64,
        document: &Document,
        queries: &HashMap<String, Document>,
    ) {
        self.report.blocks += 1;
        let hash = hash_of(document);
        let opened = self.ledger.open_block(&document.body);
        let is_gap = sequence > place.sequence;
        if is_gap {
            let next = opened.as_ref().map(|opened| opened.header.first);
            let next = next.filter(|next| *next > place.event);
            let gap = Finding::Removed(place.lane, place.event, next);
            self.report.add(gap);
        }
        let before = place.hash.filter(|_| !is_gap);
        place.sequence = sequence.saturating_add(1);
        place.hash = None;
        let Some(opened) = opened else {
            self.report.add(Finding::Changed(document.id.clone()));
            return;
        };
        let header = opened.header;
        if header.id() != document.id {
            self.report.add(Finding::Moved {
                found: document.id.clone(),
                belongs: header.id(),
            });
            return;
        }
        place.event = header.end();
        place.hash = Some(hash);
        let stated = self.heads.get(&header.lane.to_string());
        let stated = stated.filter(|head| head.sequence == sequence);
        let is_other = stated.is_some_and(|head| head.hash != hex::encode(&hash));
        if is_other || before.is_some_and(|before| before != header.previous) {
            self.report.add(Finding::Changed(document.id.clone()));
        }
        self.events(&opened, queries.get(&document.id));
    }

    fn begin(&mut self, lane: LaneId) -> Place {
        self.report.lanes += 1;
        Place::begin(lane)
    }

    /// The end of a lane.
    fn end(&mut self, place: &Place) {
        let Some(head) = self.heads.remove(&place.lane.to_string()) else {
            return;
        };
        if place.sequence <= head.sequence {
            let cut = Finding::CutOff(head.lane, place.event, head.events);
            self.report.add(cut);
        }
    }

    async fn queries(&self, page: &[Document]) -> Result<HashMap<String, Document>, JournalError> {
        let ids: Vec<String> = page.iter().map(|document| document.id.clone()).collect();
        let now_ms = self.ledger.clock.now_ms();
        let store = &self.ledger.store;
        let found = store.get_documents(QUERIES, &ids, now_ms).await?;
        let by_id = found.into_iter().map(|one| (one.id.clone(), one));
        Ok(by_id.collect())
    }

    fn events(&mut self, opened: &Opened, queries: Option<&Document>) {
        let queries = match queries.map(|document| self.ledger.open_queries(document)) {
            None => Vec::new(),
            Some(Some(queries)) => queries,
            Some(None) => {
                // Which of them cannot be told.
                self.report.add(Finding::QueriesChanged(opened.header.id()));
                Vec::new()
            }
        };
        let by_place: HashMap<u32, String> =
            queries.iter().map(|one| (one.at, one.hash())).collect();
        for (at, event) in (0_u32..).zip(&opened.events) {
            self.report.events += 1;
            if event.act == Act::Forget {
                let named = event.touched.iter().map(|one| one.reference.clone());
                self.forgotten.extend(named);
            }
            let Some(bound) = &event.query_hash else {
                continue;
            };
            let id = opened.header.event_id(at);
            match by_place.get(&at) {
                None => {
                    self.missing.insert(id);
                }
                Some(hash) if hash != bound => self.report.add(Finding::QueryChanged(id)),
                Some(_) => {}
            }
        }
    }
}
