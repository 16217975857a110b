//! The only way to stored resources: every call wants a [`Grant`].
//!
//! Bodies are opened and sealed here.
//!
//! Above this, resources are JSON; below it, ciphertext. The store and the keys are private.

mod code_systems;
mod counts;
pub mod erasure;
mod health;
mod layout;
mod limits;
mod opening;
pub mod pages;
pub mod parameters;
mod prepare;
pub mod reindex;
mod relations;
pub mod results;
mod rewrite;
mod trace;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bytes::Bytes;
use compact_str::CompactString;
use tokio::sync::Mutex;

use crate::access::Grant;
use crate::access::keys::KeyKeeper;
use crate::access::records::code_systems::{CODE_SYSTEM, CodeSystems};
use crate::access::records::counts::Counts;
use crate::access::records::limits::require_type;
use crate::access::records::parameters::{Known, SEARCH_PARAMETER};
use crate::access::records::prepare::{Work, seal_all};
use crate::access::records::relations::Relations;
use crate::access::sequence::SequenceSource;
use crate::clock::Clock;
use crate::conformance::registry::Registry;
use crate::fhir::id;
use crate::fhir::instant::Instant;
use crate::fhir::json;
use crate::fhir::resource::Resource;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::seal::body::BodySealer;
use crate::seal::data_key::{DataKey, OwnerHash};
use crate::seal::random::Random;
use crate::search::current::CurrentIndexer;
use crate::search::index::Indexer;
use crate::store::batch::{Batch, Put, RESERVATIONS, Reservation};
use crate::store::{Address, Method, Store, StoreError, Version};

/// What [`Records`] is made of.
pub struct RecordsParts {
    /// Where sealed versions live.
    pub store: Arc<dyn Store>,
    /// The data keys.
    pub keys: Arc<KeyKeeper>,
    /// Seals and opens bodies.
    pub sealer: Arc<BodySealer>,
    /// Extracts index entries.
    pub indexer: CurrentIndexer,
    /// What R4 defines; the indexer begins with it.
    pub registry: Arc<Registry>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and waits.
    pub random: Arc<dyn Random>,
    /// Tells processes on one store apart, in creation sequences.
    pub node: u8,
}

/// Stored resources.
pub struct Records {
    parts: RecordsParts,
    sequences: SequenceSource,
    /// Tells this process from others.
    process: String,
    known: Mutex<Known>,
    /// When the search parameters in force were last looked at, in ms since the epoch.
    refreshed_ms: AtomicI64,
    counts: Counts,
    relations: Relations,
    code_systems: CodeSystems,
}

/// A stored version, opened.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What the store knows of it, sealed body included.
    pub version: Version,
    /// Its JSON; empty for a tombstone.
    pub json: Bytes,
}

/// A write to be committed.
#[derive(Debug, Clone)]
pub struct Change {
    /// What is written.
    pub address: Address,
    /// The new content; `None` deletes.
    pub resource: Option<Resource>,
    /// What makes the version.
    pub method: Method,
    /// The version that was current when the change was decided.
    pub supersedes: Option<Stored>,
}

/// Why a commit did not happen.
#[derive(Debug)]
pub enum CommitError {
    /// Something read before is no longer true: start the interaction again.
    Conflict {
        /// What would have been written, sealed body and all.
        lost: Vec<Stored>,
    },
    /// It cannot be done.
    Failed(Outcome),
}

/// How long a reservation is kept: longer than any request may take.
const RESERVATION_MS: i64 = 3_600_000;

/// From this many changes on, they are prepared on a thread for blocking work.
const INLINE_CHANGES_MAX: usize = 8;

impl Stored {
    /// Whether this version is a tombstone.
    pub fn is_deleted(&self) -> bool {
        self.version.is_deleted()
    }

    /// When it was written.
    pub fn last_updated(&self) -> Instant {
        Instant::from_millis(self.version.last_updated_ms)
    }

    /// The resource as a tree.
    pub fn resource(&self) -> Result<Resource, Outcome> {
        let limits = json::Limits {
            depth_max: usize::MAX,
        };
        json::parse_resource(&self.json, limits)
            .map_err(|error| Outcome::internal(format!("a stored body cannot be read: {error}")))
    }
}

impl Stored {
    /// The resource as a tree of these members, with its type and id; `None` for all of them.
    pub fn part(&self, members: Option<&[CompactString]>) -> Result<Resource, Outcome> {
        let Some(names) = members else {
            return self.resource();
        };
        json::parse_members(&self.json, names)
            .map_err(|error| Outcome::internal(format!("a stored body cannot be read: {error}")))
    }
}

impl Records {
    /// Puts the parts together.
    pub fn new(parts: RecordsParts) -> Self {
        let mut records = Self {
            sequences: SequenceSource::new(parts.node),
            parts,
            process: String::new(),
            known: Mutex::default(),
            refreshed_ms: AtomicI64::default(),
            counts: Counts::default(),
            relations: Relations::default(),
            code_systems: CodeSystems::default(),
        };
        records.process = records.new_id();
        records
    }

    /// Extracts what is searched; one request takes it once.
    pub fn indexer(&self) -> Arc<Indexer> {
        self.parts.indexer.snapshot()
    }

    /// Randomness.
    pub fn random(&self) -> &dyn Random {
        &*self.parts.random
    }

    /// A fresh logical id.
    pub fn new_id(&self) -> String {
        id::assign(
            Instant::from_millis(self.parts.clock.now_ms()),
            self.random_bytes(),
        )
    }

    /// A random wait of up to `max_ms` milliseconds, so that competing writers part.
    pub fn jitter(&self, max_ms: u64) -> u64 {
        u64::from_be_bytes(self.random_bytes()) % max_ms.max(1)
    }

    /// The current version of a resource, tombstones included.
    pub async fn get(&self, grant: &Grant, address: &Address) -> Result<Option<Stored>, Outcome> {
        require_type(grant, address.resource_type)?;
        let version = self
            .parts
            .store
            .get(address)
            .await
            .map_err(|error| failed(&error))?;
        match version {
            Some(version) => {
                let stored = self.open(version).await?;
                let shown = self.unless_hidden(grant, stored).await?;
                self.note_opened(grant, &shown)?;
                Ok(shown)
            }
            None => Ok(None),
        }
    }

    /// The current versions of several resources, tombstones included, absent ones left out.
    pub async fn get_many(
        &self,
        grant: &Grant,
        addresses: &[Address],
    ) -> Result<Vec<Stored>, Outcome> {
        let versions = self
            .parts
            .store
            .get_many(addresses)
            .await
            .map_err(|error| failed(&error))?;
        let shown = self.open_shown(grant, versions).await?;
        self.note_opened(grant, &shown)?;
        Ok(shown)
    }

    /// One version of a resource.
    pub async fn get_version(
        &self,
        grant: &Grant,
        address: &Address,
        version_id: i64,
    ) -> Result<Option<Stored>, Outcome> {
        require_type(grant, address.resource_type)?;
        let version = self
            .parts
            .store
            .get_version(address, version_id)
            .await
            .map_err(|error| failed(&error))?;
        match version {
            Some(version) => {
                let stored = self.open(version).await?;
                let shown = self.unless_hidden(grant, stored).await?;
                let mut shown: Vec<Stored> = shown.into_iter().collect();
                self.keep_current_shown(grant, &mut shown).await?;
                let shown = shown.pop();
                self.note_opened(grant, &shown)?;
                Ok(shown)
            }
            None => Ok(None),
        }
    }

    /// Reads the reservation of search criteria; do it before searching.
    pub async fn reserve(&self, criteria: &str) -> Result<Reservation, Outcome> {
        let mut read = self.reserve_many(&[criteria.to_owned()]).await?;
        read.pop()
            .ok_or_else(|| Outcome::internal("a reservation was not read"))
    }

    /// As [`Records::reserve`], for several criteria at once, in their order.
    pub async fn reserve_many(&self, criteria: &[String]) -> Result<Vec<Reservation>, Outcome> {
        let now_ms = self.parts.clock.now_ms();
        let indexer = self.indexer();
        let ids: Vec<_> = criteria
            .iter()
            .map(|one| indexer.criteria_id(one))
            .collect();
        let store = &self.parts.store;
        let known = store.get_documents(RESERVATIONS, &ids, now_ms).await;
        let known = known.map_err(|error| failed(&error))?;
        let known = known.into_iter().map(|one| (one.id, one.revision));
        let known: HashMap<String, i64> = known.collect();
        let reservation = |id: String| Reservation {
            revision: known.get(&id).copied().unwrap_or_default(),
            id,
            expires_ms: now_ms + RESERVATION_MS,
        };
        Ok(ids.into_iter().map(reservation).collect())
    }

    /// As [`Records::reserve`], for something that is done once and never again.
    pub async fn reserve_for_good(&self, what: &str) -> Result<Reservation, Outcome> {
        Ok(Reservation {
            expires_ms: i64::MAX,
            ..self.reserve(what).await?
        })
    }

    /// Writes all changes or none of them.
    pub async fn commit(
        &self,
        grant: &Grant,
        changes: Vec<Change>,
        reservations: Vec<Reservation>,
    ) -> Result<Vec<Stored>, CommitError> {
        require(
            changes
                .iter()
                .all(|change| grant.writes(change.address.resource_type)),
        )
        .map_err(CommitError::Failed)?;
        self.check_changes(grant, &changes)
            .await
            .map_err(CommitError::Failed)?;
        self.note_changes(grant, &changes)
            .map_err(CommitError::Failed)?;
        self.refresh_when_old().await.map_err(CommitError::Failed)?;
        let has = |name: &str| {
            let mut types = changes.iter().map(|one| one.address.resource_type.name());
            types.any(|one| one == name)
        };
        let (defines_parameters, defines_codes) = (has(SEARCH_PARAMETER), has(CODE_SYSTEM));
        let named = self.names_before(&changes);
        let prepared = self.prepare(changes).await.map_err(CommitError::Failed)?;
        let mut stored = Vec::with_capacity(prepared.len());
        let mut batch = Batch {
            puts: Vec::with_capacity(prepared.len()),
            rewrites: Vec::new(),
            reservations,
        };
        for (put, json) in prepared {
            stored.push(Stored {
                version: put.version.clone(),
                json,
            });
            batch.puts.push(put);
        }
        match self.parts.store.commit(batch).await {
            Ok(()) => {
                self.note_relations(named, &stored);
                if defines_codes {
                    self.code_systems.forget();
                }
                if defines_parameters && let Err(outcome) = self.reconcile_parameters().await {
                    // The write stands. Whoever reconciles next makes up for it.
                    tracing::error!(source = ?outcome.source, "search parameters not in force");
                }
                Ok(stored)
            }
            Err(StoreError::VersionConflict(_) | StoreError::ReservationConflict) => {
                Err(CommitError::Conflict { lost: stored })
            }
            Err(error) => Err(CommitError::Failed(failed(&error))),
        }
    }

    async fn prepare(&self, mut changes: Vec<Change>) -> Result<Vec<(Put, Bytes)>, Outcome> {
        for Change {
            address, resource, ..
        } in &mut changes
        {
            if let Some(resource) = resource {
                resource.set_id(&address.id);
            }
        }
        let indexer = self.indexer();
        let owners = changes.iter().map(|change| owner(&indexer, change));
        let owners: Vec<_> = owners.collect();
        let mut wanted = owners.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let keys = self.parts.keys.keys_for_owners(&wanted).await?;
        let keys: HashMap<OwnerHash, Arc<DataKey>> = wanted.into_iter().zip(keys).collect();
        let now_ms = self.parts.clock.now_ms();
        let mut work = Vec::with_capacity(changes.len());
        for (change, owner) in changes.into_iter().zip(owners) {
            let key = keys
                .get(&owner)
                .cloned()
                .ok_or_else(|| Outcome::internal("no data key"))?;
            let sequence = self.sequence_of(&change, now_ms);
            work.push(Work {
                change,
                key,
                sequence,
                now_ms,
            });
        }
        if work.len() <= INLINE_CHANGES_MAX {
            return seal_all(&indexer, &self.parts.sealer, work);
        }
        let sealer = Arc::clone(&self.parts.sealer);
        tokio::task::spawn_blocking(move || seal_all(&indexer, &sealer, work))
            .await
            .map_err(|_panicked| Outcome::internal("preparing a batch broke off"))?
    }

    fn sequence_of(&self, change: &Change, now_ms: i64) -> i64 {
        match &change.supersedes {
            Some(current) => current.version.sequence,
            None => self.sequences.next(now_ms),
        }
    }

    fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // Zeros are seen by waits and by ids, whose uniqueness the store checks.
        if let Err(error) = self.parts.random.fill(&mut bytes) {
            tracing::error!(%error, "ids are not random");
        }
        bytes
    }
}

fn owner(indexer: &Indexer, change: &Change) -> OwnerHash {
    let resource = change.resource.as_ref();
    indexer.owner_hash(resource.and_then(|resource| indexer.owner(resource)))
}

fn require(granted: bool) -> Result<(), Outcome> {
    if granted {
        return Ok(());
    }
    Err(Outcome::new(
        Kind::Forbidden,
        "What was granted does not cover this.",
    ))
}

fn failed(error: &StoreError) -> Outcome {
    let text = error.to_string();
    let outcome = match error {
        StoreError::TooLarge(_) => {
            Outcome::new(Kind::TooLarge, "This is larger than the store takes.")
        }
        StoreError::Unknown(_) => Outcome::new(
            Kind::Timeout,
            "The store did not confirm this in time. A write may have happened: read before \
             trying again.",
        ),
        StoreError::Unavailable(_) => Outcome::new(
            Kind::Unavailable,
            "The store cannot take this now. Try again shortly.",
        ),
        _ => return Outcome::internal(text),
    };
    outcome.caused_by(&text)
}
