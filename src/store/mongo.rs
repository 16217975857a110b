//! The store on a MongoDB replica set, for any number of server processes.
//!
//! Every write is acknowledged by a majority of the members with its journal on disk; every read
//! goes to the primary. What is written together is one transaction. Collections and indexes with
//! worked examples: `docs/storage.md`. Only commands that MongoDB 6.0 knows are used.

mod blob;
mod commit;
mod connect;
mod document;
mod erase;
mod failure;
mod filter;
mod find;
mod history;
mod key_lengths;
mod read;
mod record;
mod schema;
mod statement;
mod transaction;

use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::RawDocumentBuf;
use mongodb::{Client, Collection, Database};
use tokio::sync::Semaphore;

use crate::clock::{Clock, SystemClock};
use crate::search::plan::{Plan, Window};
use crate::store::batch::{Batch, Document, DocumentPut};
use crate::store::mongo::connect::PoolGauge;
use crate::store::mongo::key_lengths::KeyLengths;
use crate::store::{
    Address, HistoryScope, HistoryWindow, Matches, Store, StoreError, StoreGauges, Version,
};

/// How the store uses its replica set.
#[derive(Clone)]
pub struct MongoSettings {
    /// How long an operation waits for a primary before the store counts as unavailable, in ms.
    pub server_selection_ms_max: u64,
    /// How long the server may work on one read, in ms.
    pub read_ms_max: u64,
    /// How long a write waits for the majority, in ms.
    pub write_concern_ms_max: u64,
    /// How long a transaction is tried again after conflicts, in ms.
    pub transaction_ms_max: u64,
    /// How many transactions of more than 100 puts this process runs at once.
    pub large_transactions_max: usize,
    /// How many connections this process opens to the primary.
    pub connections_max: u32,
    /// Decides whether a document has expired.
    pub clock: Arc<dyn Clock>,
}

impl Default for MongoSettings {
    fn default() -> Self {
        Self {
            server_selection_ms_max: 5_000,
            read_ms_max: 30_000,
            write_concern_ms_max: 10_000,
            transaction_ms_max: 45_000,
            large_transactions_max: 4,
            connections_max: 64,
            clock: Arc::new(SystemClock),
        }
    }
}

/// The store on a MongoDB replica set.
///
/// A clone is another handle on the same connections.
#[derive(Clone)]
pub struct MongoStore(Arc<Inner>);

/// What all handles share.
struct Inner {
    client: Client,
    db: Database,
    keys_db: Database,
    res: Collection<RawDocumentBuf>,
    hist: Collection<RawDocumentBuf>,
    blob: Collection<RawDocumentBuf>,
    key_lengths: KeyLengths,
    large_transactions: Semaphore,
    pool: Arc<PoolGauge>,
    settings: MongoSettings,
}

impl MongoStore {
    /// Connects to the replica set at `uri` and makes the collections and indexes that are not
    /// there yet; the database is the one the URI names, else `vesta`.
    pub async fn open(uri: &str, settings: MongoSettings) -> Result<Self, StoreError> {
        let pool = Arc::new(PoolGauge::default());
        let (client, name) = connect::client(uri, &settings, &pool).await?;
        let db = client.database(&name);
        let keys_db = client.database(&schema::keys_database(&name));
        schema::prepare(&db, &keys_db).await?;
        let key_lengths = KeyLengths::open(&db).await?;
        Ok(Self(Arc::new(Inner {
            res: db.collection(schema::RES),
            hist: db.collection(schema::HIST),
            blob: db.collection(schema::BLOB),
            large_transactions: Semaphore::new(settings.large_transactions_max.max(1)),
            client,
            db,
            keys_db,
            key_lengths,
            pool,
            settings,
        })))
    }

    /// Whether there is a store in the database that a connection string names; nothing is made.
    pub async fn is_at(uri: &str, settings: &MongoSettings) -> Result<bool, StoreError> {
        let (client, name) = connect::client(uri, settings, &Arc::default()).await?;
        let is_there = schema::is_prepared(&client.database(&name)).await;
        client.shutdown().await;
        is_there
    }

    /// Runs a write to its end even when the caller goes away, so that no connection is left in
    /// the middle of a command and no transaction is left open.
    async fn to_the_end<T, F, Fut>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Inner>) -> Fut,
        Fut: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        tokio::spawn(write(inner))
            .await
            .map_err(|_ended| StoreError::Failed("a write ended early".to_owned()))?
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn get(&self, address: &Address) -> Result<Option<Version>, StoreError> {
        read::current(&self.0, address).await
    }

    async fn get_many(&self, addresses: &[Address]) -> Result<Vec<Version>, StoreError> {
        read::current_many(&self.0, addresses).await
    }

    async fn get_version(
        &self,
        address: &Address,
        version_id: i64,
    ) -> Result<Option<Version>, StoreError> {
        read::version(&self.0, address, version_id).await
    }

    async fn find(&self, plan: &Plan, window: &Window) -> Result<Matches, StoreError> {
        find::find(&self.0, plan, window).await
    }

    async fn count_within(
        &self,
        plan: &Plan,
        limit: u64,
        examined_max: usize,
    ) -> Result<Option<u64>, StoreError> {
        find::count(&self.0, plan, (limit, examined_max)).await
    }

    async fn history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<Vec<Version>, StoreError> {
        history::history(&self.0, scope, window).await
    }

    async fn count_history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<u64, StoreError> {
        history::count(&self.0, scope, window).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.to_the_end(|inner| async move { commit::commit(&inner, batch).await })
            .await
    }

    async fn get_document(
        &self,
        collection: &str,
        id: &str,
        now_ms: i64,
    ) -> Result<Option<Document>, StoreError> {
        document::get(&self.0, collection, id, now_ms).await
    }

    async fn get_documents(
        &self,
        collection: &str,
        ids: &[String],
        now_ms: i64,
    ) -> Result<Vec<Document>, StoreError> {
        document::get_many(&self.0, collection, ids, now_ms).await
    }

    async fn find_documents(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        document::find(&self.0, collection, after, limit).await
    }

    async fn put_documents(&self, puts: Vec<DocumentPut>) -> Result<(), StoreError> {
        self.to_the_end(|inner| async move { document::put(&inner, puts).await })
            .await
    }

    async fn erase(&self, last_key: &[u8; 16], now_ms: i64) -> Result<u64, StoreError> {
        let last_key = *last_key;
        self.to_the_end(|inner| async move { erase::erase(&inner, &last_key, now_ms).await })
            .await
    }

    async fn is_sealed_from(&self, keys: &[[u8; 16]]) -> Result<bool, StoreError> {
        erase::is_sealed_from(&self.0, keys).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        connect::ready(&self.0.client).await
    }

    fn gauges(&self) -> StoreGauges {
        StoreGauges {
            write_queue_depth: self.0.pool.waiting(),
            connections_in_use: self.0.pool.in_use(),
            connections_max: u64::from(self.0.settings.connections_max),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.client.clone().shutdown().await;
        Ok(())
    }
}
