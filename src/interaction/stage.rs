//! Writes put together before they are committed at once.
//!
//! An interaction reads, decides and stages; the commit fails when what it read is no longer true,
//! and the interaction starts again. So nothing is locked while a client is waited for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::access::Grant;
use crate::access::records::{Change, CommitError, Stored};
use crate::fhir::resource::Resource;
use crate::interaction::Context;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::Address;
use crate::store::batch::Reservation;

/// Writes that belong together.
#[derive(Debug, Default)]
pub struct Stage {
    changes: Vec<Change>,
    reservations: Vec<Reservation>,
    reserved: HashSet<String>,
    /// Marks that are set even when nothing else is written.
    has_marks: bool,
    /// Reservations read ahead, by the criteria's key.
    ahead: HashMap<String, Reservation>,
    /// Current versions read ahead; `None` where there is no resource.
    known: HashMap<Address, Option<Stored>>,
}

/// What staging an interaction came to.
#[derive(Debug)]
pub enum Effect {
    /// The change with this number will be committed.
    Change {
        /// Its place among the changes of the stage.
        number: usize,
        /// Whether it brings a resource into being.
        is_new: bool,
    },
    /// Nothing has to be written: this is what the client wants.
    Unchanged(Stored),
    /// Nothing has to be written and there is nothing: a delete of what is not there.
    Absent,
}

/// What a commit came to.
#[derive(Debug)]
pub enum Committed {
    /// Everything is stored.
    Done(Vec<Stored>),
    /// Nothing is: somebody else was faster. This would have been written; start again.
    Lost(Vec<Stored>),
}

/// What a write came to.
#[derive(Debug, Clone)]
pub enum Written {
    /// A resource came into being.
    Created(Stored),
    /// A resource has a new version.
    Updated(Stored),
    /// The resource said the same already, or a conditional create found it.
    Unchanged(Stored),
    /// The resource is deleted.
    Deleted(Stored),
    /// There was nothing to delete.
    Absent,
}

impl Written {
    /// The version that now counts; `None` when there is none.
    pub fn stored(&self) -> Option<&Stored> {
        match self {
            Self::Created(stored)
            | Self::Updated(stored)
            | Self::Unchanged(stored)
            | Self::Deleted(stored) => Some(stored),
            Self::Absent => None,
        }
    }
}

impl Stage {
    /// Adds a change.
    pub fn push(&mut self, change: Change) -> Effect {
        let is_new = change.supersedes.as_ref().is_none_or(Stored::is_deleted);
        self.changes.push(change);
        Effect::Change {
            number: self.changes.len() - 1,
            is_new,
        }
    }

    /// Adds a condition that was looked up; the same one twice counts once.
    pub fn reserve(&mut self, reservation: Reservation) {
        if self.reserved.insert(reservation.id.clone()) {
            self.reservations.push(reservation);
        }
    }

    /// Reads the reservations of criteria ahead, all at once.
    pub async fn read_ahead(&mut self, ctx: &Context, keys: Vec<String>) -> Result<(), Outcome> {
        let read = ctx.records.reserve_many(&keys).await?;
        self.ahead = keys.into_iter().zip(read).collect();
        Ok(())
    }

    /// Adds criteria by their key, before they are searched.
    pub async fn reserve_criteria(&mut self, ctx: &Context, key: String) -> Result<(), Outcome> {
        let reservation = match self.ahead.get(&key) {
            Some(known) => known.clone(),
            None => ctx.records.reserve(&key).await?,
        };
        self.reserve(reservation);
        Ok(())
    }

    /// As [`Stage::reserve`], for a mark that must be set even when nothing else is written.
    pub fn mark(&mut self, mark: Reservation) {
        self.has_marks = true;
        self.reserve(mark);
    }

    /// Remembers what was read ahead.
    pub fn remember(&mut self, address: Address, current: Option<Stored>) {
        self.known.insert(address, current);
    }

    /// The current version of a resource, tombstones included.
    pub async fn current(
        &self,
        ctx: &Context,
        grant: &Grant,
        address: &Address,
    ) -> Result<Option<Stored>, Outcome> {
        match self.known.get(address) {
            Some(known) => Ok(known.clone()),
            None => ctx.records.get(grant, address).await,
        }
    }

    /// Commits everything at once.
    pub async fn commit(self, ctx: &Context, grant: &Grant) -> Result<Committed, Outcome> {
        if self.changes.is_empty() && !self.has_marks {
            return Ok(Committed::Done(Vec::new()));
        }
        match ctx
            .records
            .commit(grant, self.changes, self.reservations)
            .await
        {
            Ok(stored) => Ok(Committed::Done(stored)),
            Err(CommitError::Conflict { lost }) => Ok(Committed::Lost(lost)),
            Err(CommitError::Failed(outcome)) => Err(outcome),
        }
    }
}

impl Effect {
    /// The resource of a change that was lost, to be staged again. It is read from the text that
    /// was to be stored: a copy for each write would cost more than the few that lose.
    pub fn resource_again(&self, lost: &[Stored]) -> Result<Resource, Outcome> {
        let stored = match self {
            Self::Change { number, .. } => lost.get(*number),
            Self::Unchanged(_) | Self::Absent => None,
        };
        let missing = || Outcome::internal("what was lost is missing from a commit");
        stored.ok_or_else(missing)?.resource()
    }

    /// What the effect came to, given the committed versions.
    pub fn written(self, committed: &[Stored]) -> Result<Written, Outcome> {
        match self {
            Self::Unchanged(stored) => Ok(Written::Unchanged(stored)),
            Self::Absent => Ok(Written::Absent),
            Self::Change { number, is_new } => {
                let stored = committed.get(number).cloned().ok_or_else(|| {
                    Outcome::internal("a committed change is missing from the answer")
                })?;
                Ok(match (stored.is_deleted(), is_new) {
                    (true, _) => Written::Deleted(stored),
                    (false, true) => Written::Created(stored),
                    (false, false) => Written::Updated(stored),
                })
            }
        }
    }
}

/// Counts how often an interaction started again, and waits a little longer each time.
#[derive(Debug)]
pub struct Retry {
    left: u32,
    wait_ms: u64,
}

/// The wait before the first new start, and the longest one.
const WAIT_MS_MIN: u64 = 1;
const WAIT_MS_MAX: u64 = 64;

impl Retry {
    /// As often as the settings say.
    pub fn new(ctx: &Context) -> Self {
        Self {
            left: ctx.settings.limits.retries_max,
            wait_ms: WAIT_MS_MIN,
        }
    }

    /// Waits before the next start; fails when it was tried often enough.
    pub async fn again(&mut self, ctx: &Context) -> Result<(), Outcome> {
        if self.left == 0 {
            return Err(Outcome::new(
                Kind::Conflict,
                "Others change the same resources all the time. Nothing was changed: try again.",
            ));
        }
        self.left -= 1;
        let jitter = ctx.records.jitter(self.wait_ms);
        tokio::time::sleep(Duration::from_millis(self.wait_ms + jitter)).await;
        self.wait_ms = (self.wait_ms * 2).min(WAIT_MS_MAX);
        Ok(())
    }
}
