//! Walking over what is stored to index it anew, step by step, resumable, by one process at once.
//!
//! A step replaces the index entries of the very versions it read. The walk is a document with a
//! lease; a fence, raised by every step in the step's own commit, keeps out whoever lost the lease.

use serde::{Deserialize, Serialize};

use crate::access::Grant;
use crate::access::records::{Records, failed, require};
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::key::Key;
use crate::search::plan::{Order, Plan, Predicate, Window};
use crate::store::batch::{Batch, RESERVATIONS, Reservation, Rewrite};
use crate::store::{StoreError, sealed_bytes};

/// The collection of work that outlives a process.
const JOB: &str = "job";

/// The walk's document.
const REINDEX: &str = "reindex";

/// How long a walk is its process's own after each step, in ms.
const LEASE_MS: i64 = 30_000;

/// How much later than now a resource may be numbered that is still walked over, in ms.
const UNTIL_MS: i64 = 1_000;

/// How often a step is tried while others write what it reads.
const TRIES_MAX: usize = 64;

/// How many sealed bytes of bodies one step reads.
const STEP_BYTES_MAX: usize = 32 << 20;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReindexStep {
    /// There is nothing to walk, or not yet.
    Idle,
    /// Another process is at it.
    Elsewhere,
    /// So many resources were walked over.
    Walked(usize),
}

/// How far a walk is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReindexProgress {
    /// The types that still have to be walked, the one under way among them.
    pub pending: Vec<String>,
    /// The type under way.
    pub resource_type: Option<String>,
    /// Resources of it that were walked over.
    pub done: u64,
    /// Resources of it that there were at its beginning.
    pub total: u64,
}

/// The walk.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Walk {
    /// The process that walks.
    holder: String,
    lease_until_ms: i64,
    /// The fence's revision when the holder last raised it.
    fence: i64,
    under_way: Option<UnderWay>,
}

/// The type under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UnderWay {
    resource_type: String,
    generation: u64,
    after: Option<i64>,
    until: i64,
    done: u64,
    total: u64,
}

/// What became of the writes of a step.
enum Commit {
    Done,
    /// Somebody wrote what the step had read.
    Outdated,
    /// Another process has the walk now.
    Fenced,
}

impl Records {
    /// Has types indexed anew.
    pub async fn start_reindex(
        &self,
        grant: &Grant,
        resource_types: &[ResourceType],
    ) -> Result<(), Outcome> {
        require(grant.reindexes())?;
        self.change_assigned(|assigned| {
            assigned.generation += 1;
            for resource_type in resource_types {
                assigned.walk_again(*resource_type);
            }
        })
        .await
    }

    /// How far the walk is.
    pub async fn reindex_progress(&self) -> Result<ReindexProgress, Outcome> {
        let known = self.known.lock().await;
        let pending = known.assigned.pending.keys().cloned().collect();
        drop(known);
        let walk = self.read_walk().await?.and_then(|(_, walk)| walk.under_way);
        let mut progress = ReindexProgress {
            pending,
            ..ReindexProgress::default()
        };
        if let Some(under_way) = walk {
            progress.resource_type = Some(under_way.resource_type);
            progress.done = under_way.done;
            progress.total = under_way.total;
        }
        Ok(progress)
    }

    /// Walks over up to `limit` resources, when what is in force has been so for `settle_ms`: by
    /// then every process indexes new writes by it.
    pub async fn reindex_step(
        &self,
        grant: &Grant,
        limit: usize,
        settle_ms: i64,
    ) -> Result<ReindexStep, Outcome> {
        require(grant.reindexes())?;
        self.refresh_parameters().await?;
        let Some((revision, mut walk)) = self.take_walk().await? else {
            return Ok(ReindexStep::Elsewhere);
        };
        if walk.under_way.is_none() {
            walk.under_way = self.next_walk(settle_ms).await?;
        }
        let Some(mut under_way) = walk.under_way.take() else {
            // Nobody needs the document until there is something to walk.
            let nothing: Option<&Walk> = None;
            self.put_document(JOB, REINDEX, (revision, nothing)).await?;
            return Ok(ReindexStep::Idle);
        };
        let Some((count, is_last)) = self.walk(&mut under_way, &mut walk.fence, limit).await?
        else {
            return Ok(ReindexStep::Elsewhere);
        };
        let (name, generation) = (under_way.resource_type.clone(), under_way.generation);
        if is_last {
            self.change_assigned(|assigned| assigned.finish(&name, generation))
                .await?;
        } else {
            walk.under_way = Some(under_way);
        }
        walk.lease_until_ms = self.parts.clock.now_ms() + LEASE_MS;
        let is_ours = self
            .put_document(JOB, REINDEX, (revision, Some(&walk)))
            .await?;
        if !is_ours {
            return Ok(ReindexStep::Elsewhere);
        }
        Ok(ReindexStep::Walked(count))
    }

    /// Leaves the walk to whoever wants it, when this process has it.
    pub(super) async fn release_walk(&self) -> Result<(), Outcome> {
        if let Some((revision, mut walk)) = self.read_walk().await?
            && walk.holder == self.process
        {
            walk.lease_until_ms = 0;
            self.put_document(JOB, REINDEX, (revision, Some(&walk)))
                .await?;
        }
        Ok(())
    }

    async fn read_walk(&self) -> Result<Option<(i64, Walk)>, Outcome> {
        let Some(document) = self.document(JOB, REINDEX).await? else {
            return Ok(None);
        };
        let walk = serde_json::from_slice(&document.body)
            .map_err(|error| Outcome::internal(format!("the document of the walk: {error}")))?;
        Ok(Some((document.revision, walk)))
    }

    /// The walk, made this process's own; `None` while another one has it.
    async fn take_walk(&self) -> Result<Option<(i64, Walk)>, Outcome> {
        let now_ms = self.parts.clock.now_ms();
        let found = self.read_walk().await?;
        if let Some((revision, walk)) = &found {
            if walk.holder == self.process {
                return Ok(Some((*revision, walk.clone())));
            }
            if walk.lease_until_ms > now_ms {
                return Ok(None);
            }
        }
        let fence = self.document(RESERVATIONS, REINDEX).await?;
        let fence = fence.map_or(0, |document| document.revision);
        let raised = Batch {
            reservations: vec![reservation(fence)],
            ..Batch::default()
        };
        if !matches!(self.commit_step(raised).await?, Commit::Done) {
            return Ok(None);
        }
        let walk = Walk {
            holder: self.process.clone(),
            lease_until_ms: now_ms + LEASE_MS,
            fence: fence + 1,
            under_way: found.as_ref().and_then(|(_, walk)| walk.under_way.clone()),
        };
        let revision = found.map_or(0, |(revision, _)| revision);
        let is_ours = self
            .put_document(JOB, REINDEX, (revision, Some(&walk)))
            .await?;
        Ok(is_ours.then_some((revision + 1, walk)))
    }

    /// The next type to walk.
    async fn next_walk(&self, settle_ms: i64) -> Result<Option<UnderWay>, Outcome> {
        let now_ms = self.parts.clock.now_ms();
        let known = self.known.lock().await;
        let assigned = &known.assigned;
        if assigned.changed_ms + settle_ms > now_ms {
            return Ok(None);
        }
        let Some(name) = assigned.pending.keys().next().cloned() else {
            return Ok(None);
        };
        let generation = assigned.generation;
        drop(known);
        let plan = plan(&name)?;
        let total = self.parts.store.count(&plan, u64::MAX).await;
        Ok(Some(UnderWay {
            resource_type: name,
            generation,
            after: None,
            until: self.sequences.next(now_ms + UNTIL_MS),
            done: 0,
            total: total.map_err(|error| failed(&error))?,
        }))
    }

    /// One step: how many resources, and whether they were the last. `None` when fenced off.
    async fn walk(
        &self,
        under_way: &mut UnderWay,
        fence: &mut i64,
        limit: usize,
    ) -> Result<Option<(usize, bool)>, Outcome> {
        let plan = plan(&under_way.resource_type)?;
        let mut limit = limit.max(1);
        for _ in 0..TRIES_MAX {
            let window = Window {
                order: Order::OldestFirst,
                after: under_way.after,
                high_water: Some(under_way.until),
                limit,
                examined_max: usize::MAX,
                bytes_max: STEP_BYTES_MAX,
            };
            let page = self.parts.store.find(&plan, &window).await;
            let versions = page.map_err(|error| failed(&error))?.versions;
            let (count, last) = (versions.len(), versions.last().map(|last| last.sequence));
            let is_last = count < limit && sealed_bytes(&versions) < STEP_BYTES_MAX;
            let batch = Batch {
                rewrites: self.reindexed(versions).await?,
                reservations: vec![reservation(*fence)],
                ..Batch::default()
            };
            match self.commit_step(batch).await? {
                Commit::Fenced => return Ok(None),
                // Fewer at once are less likely to be written meanwhile.
                Commit::Outdated => limit = (limit / 2).max(1),
                Commit::Done => {
                    *fence += 1;
                    under_way.after = last.or(under_way.after);
                    under_way.done += count as u64;
                    return Ok(Some((count, is_last)));
                }
            }
        }
        Err(Outcome::internal("what is indexed changes all the time"))
    }

    /// Versions with the index entries that they should have.
    async fn reindexed(
        &self,
        versions: Vec<crate::store::Version>,
    ) -> Result<Vec<Rewrite>, Outcome> {
        let indexer = self.indexer();
        let mut rewrites = Vec::with_capacity(versions.len());
        for version in versions {
            if version.body.is_none() {
                continue;
            }
            let stored = self.open(version).await?;
            let resource = stored.resource()?;
            let entries = indexer.entries(&resource, stored.version.last_updated_ms);
            rewrites.push(Rewrite {
                entries: entries
                    .map_err(|error| Outcome::new(Kind::TooLarge, error.to_string()))?,
                read: stored.version,
                body: None,
            });
        }
        Ok(rewrites)
    }

    async fn commit_step(&self, batch: Batch) -> Result<Commit, Outcome> {
        match self.parts.store.commit(batch).await {
            Ok(()) => Ok(Commit::Done),
            Err(StoreError::VersionConflict(_)) => Ok(Commit::Outdated),
            Err(StoreError::ReservationConflict) => Ok(Commit::Fenced),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn plan(name: &str) -> Result<Plan, Outcome> {
    let resource_type = name
        .parse()
        .map_err(|_unknown| Outcome::internal("a walk over a type that R4 does not have"))?;
    Ok(Plan {
        // What is contained has its keys with the resource that contains it, of whatever type.
        driver: Predicate::Or(vec![
            Predicate::Key(Key::of_type(resource_type)),
            Predicate::Key(Key::of_type(resource_type).of_contained()),
        ]),
        residual: Predicate::All,
        type_key: None,
    })
}

fn reservation(revision: i64) -> Reservation {
    Reservation {
        id: REINDEX.to_owned(),
        revision,
        expires_ms: i64::MAX,
    }
}
