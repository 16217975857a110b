//! The store: primitives on sealed versions, index entries, plans and keyed documents.
//!
//! Nothing here is FHIR-shaped beyond type and id. Two back ends hold the same logical schema with
//! the same bytes and pass one contract suite; `docs/storage.md` has every table. What a body says
//! is sealed before it comes here.

pub mod batch;
pub mod embedded;
pub mod metered;
pub mod mongo;

use async_trait::async_trait;
use bytes::Bytes;

use crate::fhir::resource_type::ResourceType;
use crate::search::plan::{Plan, Window};
use crate::store::batch::{Batch, Document, DocumentPut};

/// The address of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its logical id.
    pub id: String,
}

/// What made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A create by POST.
    Post,
    /// An update or create by PUT.
    Put,
    /// A patch.
    Patch,
    /// A delete; the version is a tombstone.
    Delete,
}

/// One stored version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Whose version it is.
    pub address: Address,
    /// Counts from 1.
    pub version_id: i64,
    /// When it was written, in ms since the epoch.
    pub last_updated_ms: i64,
    /// Creation sequence of the resource, the same for all its versions: default order and cursor.
    pub sequence: i64,
    /// What made it.
    pub method: Method,
    /// The data key that seals the body; zeros for a tombstone.
    pub key_id: [u8; 16],
    /// The sealed body; `None` for a tombstone and after erasure.
    pub body: Option<Bytes>,
}

impl Version {
    /// Whether the resource is deleted in this version.
    pub fn is_deleted(&self) -> bool {
        self.method == Method::Delete
    }

    /// How many bytes its sealed body has.
    pub fn sealed_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len)
    }
}

/// How many bytes the sealed bodies of versions have.
pub fn sealed_bytes(versions: &[Version]) -> usize {
    versions.iter().map(Version::sealed_bytes).sum()
}

/// What [`Store::find`] gives back.
#[derive(Debug, Clone, Default)]
pub struct Matches {
    /// The matches in the window's order, at most its limit. When there are fewer, and their bodies
    /// have fewer bytes than the window allows, there are no more.
    pub versions: Vec<Version>,
    /// Where to go on when the store stopped before the end because it had examined enough; the
    /// sequence of the last candidate examined.
    pub stopped_at: Option<i64>,
    /// How many candidates were examined.
    pub examined: usize,
}

/// Which history is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryScope {
    /// Of one resource.
    Instance(Address),
    /// Of all resources of a type.
    Type(ResourceType),
    /// Of everything.
    System,
}

/// Which part of a history is wanted; newest version first, by (last updated, sequence, version).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryWindow {
    /// Only versions written at or after this, in ms.
    pub since_ms: Option<i64>,
    /// Only versions written at or before this, in ms.
    pub until_ms: Option<i64>,
    /// Only versions behind this one in the order.
    pub after: Option<HistoryPosition>,
    /// How many versions at most.
    pub limit: usize,
    /// Sealed bytes of bodies: the version that makes them up is the last one.
    pub bytes_max: usize,
}

/// A place in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryPosition {
    /// When the version was written, in ms.
    pub last_updated_ms: i64,
    /// The resource's creation sequence.
    pub sequence: i64,
    /// The version.
    pub version_id: i64,
}

/// What can go wrong, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A precondition of a put or rewrite does not hold (its place in [`Batch::puts`], or behind
    /// them in [`Batch::rewrites`]): read again and decide.
    #[error("version conflict at write {0}")]
    VersionConflict(usize),
    /// A reservation or document was changed by somebody else: start the interaction again.
    #[error("a reserved condition was used by somebody else")]
    ReservationConflict,
    /// The write is larger than the store takes: tell the client.
    #[error("too large: {0}")]
    TooLarge(String),
    /// The store cannot take it now (no primary, disk full, pool exhausted): try again later.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// It cannot be told whether the write happened (the connection broke off, no majority
    /// confirmed it): read before trying again.
    #[error("unknown whether it was written: {0}")]
    Unknown(String),
    /// What is stored cannot be read: an operator has to look.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Anything else.
    #[error("store failed: {0}")]
    Failed(String),
}

/// Figures about the state of the store, for `/metrics`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreGauges {
    /// Writes waiting for the writer.
    pub write_queue_depth: u64,
    /// Connections in use.
    pub connections_in_use: u64,
    /// Connections there are.
    pub connections_max: u64,
}

/// Where sealed versions live.
#[async_trait]
pub trait Store: Send + Sync {
    /// The current version of a resource, tombstones included.
    async fn get(&self, address: &Address) -> Result<Option<Version>, StoreError>;

    /// The current versions of several resources, in any order; absent ones are left out.
    async fn get_many(&self, addresses: &[Address]) -> Result<Vec<Version>, StoreError>;

    /// One version of a resource, current or superseded.
    async fn get_version(
        &self,
        address: &Address,
        version_id: i64,
    ) -> Result<Option<Version>, StoreError>;

    /// The current versions that match a plan. No tombstones.
    async fn find(&self, plan: &Plan, window: &Window) -> Result<Matches, StoreError>;

    /// How many resources match a plan, counting up to `limit`. `None` when more than
    /// `examined_max` candidates would have to be tested for it.
    async fn count_within(
        &self,
        plan: &Plan,
        limit: u64,
        examined_max: usize,
    ) -> Result<Option<u64>, StoreError>;

    /// As [`Store::count_within`], whatever it costs.
    async fn count(&self, plan: &Plan, limit: u64) -> Result<u64, StoreError> {
        let counted = self.count_within(plan, limit, usize::MAX).await?;
        counted.ok_or_else(|| StoreError::Failed("a count has no end".to_owned()))
    }

    /// Versions, newest first, tombstones included. When there are fewer than the limit, and their
    /// bodies have fewer bytes than the window allows, there are no more.
    async fn history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<Vec<Version>, StoreError>;

    /// How many versions [`Store::history`] would give without limit and position.
    async fn count_history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<u64, StoreError>;

    /// Writes all of a batch durably or nothing of it.
    async fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// A small document; `None` when absent or expired at `now_ms`.
    async fn get_document(
        &self,
        collection: &str,
        id: &str,
        now_ms: i64,
    ) -> Result<Option<Document>, StoreError>;

    /// Several small documents of a collection, in any order; those absent or expired are left out.
    async fn get_documents(
        &self,
        collection: &str,
        ids: &[String],
        now_ms: i64,
    ) -> Result<Vec<Document>, StoreError>;

    /// Documents of a collection in the order of their ids, behind `after`.
    async fn find_documents(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError>;

    /// Writes or deletes small documents: all durably, or none when one precondition fails.
    /// Those of the collection [`batch::KEYS`] are not put together with others.
    async fn put_documents(&self, puts: Vec<DocumentPut>) -> Result<(), StoreError>;

    /// Removes every body and index entry sealed with `last_key` or an earlier generation of it,
    /// which has the same first 14 bytes, the owner, and a smaller number behind: current versions
    /// become tombstones in place (same version, written at `now_ms`, without keys), superseded
    /// ones lose their bodies. Gives back how many versions it emptied.
    async fn erase(&self, last_key: &[u8; 16], now_ms: i64) -> Result<u64, StoreError>;

    /// Whether it has a body sealed with one of these data keys, or with a later generation of one
    /// of them.
    async fn is_sealed_from(&self, keys: &[[u8; 16]]) -> Result<bool, StoreError>;

    /// Whether the store can take reads and durable writes now.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Figures for `/metrics`.
    fn gauges(&self) -> StoreGauges;

    /// Finishes what is under way and lets go of files and connections.
    async fn close(&self) -> Result<(), StoreError>;
}
