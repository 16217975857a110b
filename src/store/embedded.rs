//! The embedded store: SQLite files in a directory that one process owns.
//!
//! Records live in `records.sqlite`, wrapped data keys in `keys.sqlite`, so that a backup of the
//! records holds no key. Each file has one writer thread, which commits what waits together;
//! reads come from a pool of read-only connections and never wait for a write.
//! Tables: `docs/storage.md`.

mod change;
mod check;
mod document;
mod erase;
mod error;
mod find;
mod history;
mod posting;
mod private;
mod reader;
mod rewrite;
mod row;
mod schema;
mod single;
mod source;
mod walk;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::{Clock, SystemClock};
use crate::search::plan::{Plan, Window};
use crate::store::batch::{Batch, Document, DocumentPut, KEYS};
use crate::store::embedded::check::CheckReport;
use crate::store::embedded::find::Begun;
use crate::store::embedded::reader::{ReaderSettings, Readers};
use crate::store::embedded::schema::Contents;
use crate::store::embedded::writer::{Job, Writer};
use crate::store::{
    Address, HistoryScope, HistoryWindow, Matches, Store, StoreError, StoreGauges, Version,
};

/// The file with everything but keys.
const RECORDS_FILE: &str = "records.sqlite";

/// How an embedded store is run.
#[derive(Clone)]
pub struct EmbeddedSettings {
    /// Tells when documents expire.
    pub clock: Arc<dyn Clock>,
    /// Page cache of the writer's connection, in bytes.
    pub writer_cache_bytes: u32,
    /// Page cache of each reading connection, in bytes.
    pub reader_cache_bytes: u32,
    /// How much of the records is read through a memory map by each connection, in bytes; 0 for
    /// none. Mapped pages count as resident once for every connection.
    pub mmap_bytes: u32,
    /// Reading connections at most: half for short reads on calling threads, half with a thread of
    /// their own for all other reads.
    pub readers_max: u32,
    /// How long a read waits for a connection and a write for its place in the queue before they
    /// find the store unavailable, in ms.
    pub wait_ms_max: u64,
    /// Whether reads of some microseconds run on the calling thread. They cost less than the way to
    /// another thread and back; turn it off where the file is much larger than memory and the disk
    /// slow.
    pub short_reads_inline: bool,
    /// Places in the queue of writes.
    pub queue_jobs_max: u32,
    /// Writes committed together at most.
    pub group_jobs_max: usize,
    /// Pages in the write-ahead log from which on it is copied into the file.
    pub checkpoint_pages: u32,
    /// Bytes of a sealed body at most.
    pub body_bytes_max: usize,
    /// Size of the records' file at most, in bytes; writes beyond it find the store unavailable.
    pub records_bytes_max: Option<u64>,
    /// How often expired documents are removed, in ms.
    pub purge_interval_ms: i64,
}

impl EmbeddedSettings {
    fn readers(&self, path: PathBuf) -> ReaderSettings {
        let threads = (self.readers_max / 2).max(1);
        ReaderSettings {
            path,
            cache_bytes: self.reader_cache_bytes,
            mmap_bytes: self.mmap_bytes,
            here_max: self.readers_max.saturating_sub(threads).max(1),
            threads,
            wait_ms_max: self.wait_ms_max,
        }
    }
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            writer_cache_bytes: 64 << 20,
            reader_cache_bytes: 12 << 20,
            mmap_bytes: 0,
            readers_max: 8,
            wait_ms_max: 10_000,
            short_reads_inline: true,
            queue_jobs_max: 1024,
            group_jobs_max: 64,
            checkpoint_pages: 16_000,
            body_bytes_max: 256 << 20,
            records_bytes_max: None,
            purge_interval_ms: 60_000,
        }
    }
}

/// Page cache of each connection that reads data keys, in bytes; callers keep keys themselves.
const KEYS_CACHE_BYTES: u32 = 1 << 20;

/// Versions read together on the calling thread at most.
const INLINE_READS_MAX: usize = 8;

/// A store in a directory of this machine.
pub struct EmbeddedStore {
    clock: Arc<dyn Clock>,
    short_reads_inline: bool,
    body_bytes_max: usize,
    records: Readers,
    keys: Readers,
    records_writer: Writer,
    keys_writer: Writer,
}

impl EmbeddedStore {
    /// Opens the store in directory `path`, and makes it when there is none.
    pub fn open(path: &Path, settings: EmbeddedSettings) -> Result<Self, StoreError> {
        private::directory(path).map_err(|cause| unusable(path, &cause))?;
        let lock = Arc::new(lock(path)?);
        let records = path.join(RECORDS_FILE);
        let keys = path.join("keys.sqlite");
        for file in [&records, &keys] {
            private::file(file).map_err(|cause| unusable(path, &cause))?;
        }
        // A writer makes its file, so it is opened first.
        let records_writer =
            Writer::start(&records, Contents::Records, &settings, Arc::clone(&lock))?;
        let keys_writer = Writer::start(&keys, Contents::Keys, &settings, lock)?;
        Ok(Self {
            records: Readers::new(settings.readers(records))?,
            keys: Readers::new(ReaderSettings {
                cache_bytes: KEYS_CACHE_BYTES,
                mmap_bytes: 0,
                threads: 1,
                ..settings.readers(keys)
            })?,
            records_writer,
            keys_writer,
            clock: settings.clock,
            short_reads_inline: settings.short_reads_inline,
            body_bytes_max: settings.body_bytes_max,
        })
    }

    /// Whether there is a store in a directory.
    pub fn is_in(path: &Path) -> bool {
        path.join(RECORDS_FILE).is_file()
    }

    /// Checks the files and that index entries and stored key lists agree; reads everything.
    pub async fn check(&self) -> Result<CheckReport, StoreError> {
        self.keys.run(check::check_file).await?;
        self.records.run(check::check_records).await
    }

    /// Changes how large the records' file may become, in bytes; `None` for no limit.
    pub async fn limit_records(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.records_writer.run(Job::Limit(bytes)).await.map(drop)
    }

    fn documents(&self, collection: &str) -> &Readers {
        if collection == KEYS {
            &self.keys
        } else {
            &self.records
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, address: &Address) -> Result<Option<Version>, StoreError> {
        if self.short_reads_inline {
            return self
                .records
                .run_here(|db| single::current(db, address))
                .await;
        }
        let address = address.clone();
        self.records
            .run(move |db| single::current(db, &address))
            .await
    }

    async fn get_many(&self, addresses: &[Address]) -> Result<Vec<Version>, StoreError> {
        if self.short_reads_inline && addresses.len() <= INLINE_READS_MAX {
            return self
                .records
                .run_here(|db| single::several(db, addresses))
                .await;
        }
        let addresses = addresses.to_vec();
        self.records
            .run(move |db| single::several(db, &addresses))
            .await
    }

    async fn get_version(
        &self,
        address: &Address,
        version_id: i64,
    ) -> Result<Option<Version>, StoreError> {
        if self.short_reads_inline {
            let read = |db: &_| single::version(db, address, version_id);
            return self.records.run_here(read).await;
        }
        let address = address.clone();
        let read = move |db: &_| single::version(db, &address, version_id);
        self.records.run(read).await
    }

    async fn find(&self, plan: &Plan, window: &Window) -> Result<Matches, StoreError> {
        let mut window = window.clone();
        let mut found = Matches::default();
        if self.short_reads_inline {
            let begin = |db: &_| find::begin(db, plan, &window);
            match self.records.run_here(begin).await? {
                Begun::Done(matches) => return Ok(matches),
                Begun::Rest(matches, rest) => (found, window) = (matches, rest),
            }
        }
        let plan = plan.clone();
        let search = move |db: &_| find::find(db, &plan, &window);
        let rest = self.records.run(search).await?;
        found.versions.extend(rest.versions);
        found.stopped_at = rest.stopped_at;
        found.examined += rest.examined;
        Ok(found)
    }

    async fn count_within(
        &self,
        plan: &Plan,
        limit: u64,
        examined_max: usize,
    ) -> Result<Option<u64>, StoreError> {
        if self.short_reads_inline && find::is_short_count(plan, limit) {
            let count = |db: &_| find::begin_count(db, plan, limit);
            if let Some(counted) = self.records.run_here(count).await? {
                return Ok(Some(counted));
            }
        }
        let plan = plan.clone();
        self.records
            .run(move |db| find::count(db, &plan, (limit, examined_max)))
            .await
    }

    async fn history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<Vec<Version>, StoreError> {
        let (scope, window) = (scope.clone(), window.clone());
        self.records
            .run(move |db| history::page(db, &scope, &window))
            .await
    }

    async fn count_history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<u64, StoreError> {
        let (scope, window) = (scope.clone(), window.clone());
        self.records
            .run(move |db| history::count(db, &scope, &window))
            .await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let puts = batch.puts.iter();
        let puts = puts.filter_map(|put| put.version.body.as_deref());
        let rewrites = batch.rewrites.iter();
        let rewrites = rewrites.filter_map(|one| one.body.as_ref().map(|new| new.body.as_slice()));
        let longest = puts.chain(rewrites).map(<[u8]>::len).max().unwrap_or(0);
        if longest > self.body_bytes_max {
            let limit = self.body_bytes_max;
            let text = format!("a sealed body of {longest} bytes, the store takes {limit}");
            return Err(StoreError::TooLarge(text));
        }
        self.records_writer.run(Job::Commit(batch)).await.map(drop)
    }

    async fn get_document(
        &self,
        collection: &str,
        id: &str,
        now_ms: i64,
    ) -> Result<Option<Document>, StoreError> {
        let readers = self.documents(collection);
        if self.short_reads_inline {
            let read = |db: &_| document::get(db, collection, id, now_ms);
            return readers.run_here(read).await;
        }
        let (collection, id) = (collection.to_owned(), id.to_owned());
        let read = move |db: &_| document::get(db, &collection, &id, now_ms);
        readers.run(read).await
    }

    async fn get_documents(
        &self,
        collection: &str,
        ids: &[String],
        now_ms: i64,
    ) -> Result<Vec<Document>, StoreError> {
        if let [only] = ids {
            let found = self.get_document(collection, only, now_ms).await?;
            return Ok(found.into_iter().collect());
        }
        let (readers, collection, ids) = (
            self.documents(collection),
            collection.to_owned(),
            ids.to_vec(),
        );
        let read = move |db: &_| {
            let get = |id: &String| document::get(db, &collection, id, now_ms);
            ids.iter().filter_map(|id| get(id).transpose()).collect()
        };
        readers.run(read).await
    }

    async fn find_documents(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        let readers = self.documents(collection);
        let now_ms = self.clock.now_ms();
        let (collection, after) = (collection.to_owned(), after.map(str::to_owned));
        let read = move |db: &_| {
            let page = document::Page {
                collection: &collection,
                after: after.as_deref(),
                limit,
            };
            document::find(db, &page, now_ms)
        };
        readers.run(read).await
    }

    async fn put_documents(&self, puts: Vec<DocumentPut>) -> Result<(), StoreError> {
        let keys = puts.iter().filter(|put| put.collection == KEYS).count();
        let writer = match keys {
            0 => &self.records_writer,
            all if all == puts.len() => &self.keys_writer,
            _ => {
                let text = "data keys are written apart from other documents";
                return Err(StoreError::Failed(text.to_owned()));
            }
        };
        writer.run(Job::PutDocuments(puts)).await.map(drop)
    }

    async fn erase(&self, last_key: &[u8; 16], now_ms: i64) -> Result<u64, StoreError> {
        let sealed = erase::Sealed::up_to(last_key);
        self.records_writer.run(Job::Erase(sealed, now_ms)).await
    }

    async fn is_sealed_from(&self, keys: &[[u8; 16]]) -> Result<bool, StoreError> {
        if self.short_reads_inline && keys.len() <= INLINE_READS_MAX {
            let look = |db: &_| erase::is_sealed_from(db, keys);
            return self.records.run_here(look).await;
        }
        let keys = keys.to_vec();
        self.records
            .run(move |db| erase::is_sealed_from(db, &keys))
            .await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.records.run(schema::probe_reading).await?;
        self.records_writer.run(Job::Probe).await?;
        self.keys_writer.run(Job::Probe).await.map(drop)
    }

    fn gauges(&self) -> StoreGauges {
        StoreGauges {
            write_queue_depth: self.records_writer.queue_depth() + self.keys_writer.queue_depth(),
            connections_in_use: self.records.in_use() + self.keys.in_use(),
            connections_max: self.records.size() + self.keys.size(),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.records.close().await;
        self.keys.close().await;
        self.records_writer.close().await?;
        self.keys_writer.close().await
    }
}

/// Takes the directory for this process; the file tells who may write, not who wrote.
fn lock(path: &Path) -> Result<File, StoreError> {
    let open = private::file(&path.join("lock"));
    let file = open.map_err(|cause| unusable(path, &cause))?;
    file.try_lock().map_err(|_taken| {
        let path = path.display();
        StoreError::Unavailable(format!("another process has the store in {path} open"))
    })?;
    Ok(file)
}

fn unusable(path: &Path, cause: &std::io::Error) -> StoreError {
    let path = path.display();
    StoreError::Unavailable(format!(
        "the store's directory {path} cannot be used: {cause}"
    ))
}
