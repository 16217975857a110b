//! Reading connections to a file.
//!
//! A read of a few rows costs some microseconds, less than the way to another thread and back: it
//! may run on the calling thread ([`Readers::run_here`]) with a connection from a small stock.
//! Everything else runs on threads of the store's own ([`Readers::run`]), each with its connection:
//! the runtime's blocking pool grows to dozens of threads under such reads, and the memory
//! allocator keeps something for each of them.

mod threads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::store::StoreError;
use crate::store::embedded::reader::threads::{Read, Threads};
use crate::store::embedded::schema;

/// How a file is read.
#[derive(Debug, Clone)]
pub(super) struct ReaderSettings {
    /// The file.
    pub(super) path: PathBuf,
    /// Page cache of each connection, in bytes.
    pub(super) cache_bytes: u32,
    /// How much is read through a memory map by each connection, in bytes.
    pub(super) mmap_bytes: u32,
    /// Reads on calling threads at a time.
    pub(super) here_max: u32,
    /// Threads for all other reads.
    pub(super) threads: u32,
    /// How long a read waits for a connection, in ms.
    pub(super) wait_ms_max: u64,
}

/// The reading connections to one file.
pub(super) struct Readers {
    settings: ReaderSettings,
    here: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    elsewhere: Arc<Semaphore>,
    threads: Threads,
}

impl ReaderSettings {
    /// Opens a connection.
    fn open(&self) -> Result<Connection, StoreError> {
        schema::open_reader(&self.path, self.cache_bytes, self.mmap_bytes)
    }
}

impl Readers {
    /// Connections to a file whose writer is open; they are made when first needed.
    pub(super) fn new(settings: ReaderSettings) -> Result<Self, StoreError> {
        let threads = Threads::start(&settings)?;
        Ok(Self {
            here: Arc::new(Semaphore::new(settings.here_max as usize)),
            idle: Mutex::new(Vec::new()),
            elsewhere: Arc::new(Semaphore::new(settings.threads as usize)),
            threads,
            settings,
        })
    }

    /// Runs a read on the calling thread.
    pub(super) async fn run_here<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let permit = self.permit(&self.here).await?;
        let idle = self.idle().pop();
        let db = match idle {
            Some(db) => db,
            None => self.settings.open()?,
        };
        let result = read(&db);
        if db.is_autocommit() {
            self.idle().push(db);
        }
        // The connection is back before somebody else is let in.
        drop(permit);
        result
    }

    /// Runs a read on one of the store's threads; it breaks off when the caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.permit(&self.elsewhere).await?;
        let (answer, result) = oneshot::channel();
        let waiting = Waiting::default();
        self.threads.push(Read {
            is_given_up: Arc::clone(&waiting.is_given_up),
            run: Box::new(move |db| {
                let result = db.and_then(read);
                drop(permit);
                // Nobody listens when the caller went away.
                drop(answer.send(result));
            }),
        });
        let broken = |_gone| StoreError::Failed("a read broke off".to_owned());
        result.await.map_err(broken)?
    }

    /// Connections in use.
    pub(super) fn in_use(&self) -> u64 {
        let free = self.here.available_permits() + self.elsewhere.available_permits();
        self.size().saturating_sub(free as u64)
    }

    /// Connections at most.
    pub(super) fn size(&self) -> u64 {
        u64::from(self.settings.here_max) + u64::from(self.settings.threads)
    }

    /// Waits for what is being read and closes all connections; later reads are refused.
    pub(super) async fn close(&self) {
        let wait_max = self.wait_max();
        let sizes = [self.settings.here_max, self.settings.threads];
        let mut is_quiet = true;
        for (permits, size) in [&self.here, &self.elsewhere].into_iter().zip(sizes) {
            let all = tokio::time::timeout(wait_max, permits.acquire_many(size)).await;
            is_quiet &= all.is_ok();
            permits.close();
        }
        self.idle().clear();
        let threads = self.threads.close();
        // A read that takes longer than that ends by itself.
        if is_quiet {
            let join = || threads.into_iter().try_for_each(JoinHandle::join);
            drop(tokio::task::spawn_blocking(join).await);
        }
    }

    async fn permit(&self, permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return Ok(permit);
        }
        let acquire = Arc::clone(permits).acquire_owned();
        let text = match tokio::time::timeout(self.wait_max(), acquire).await {
            Ok(Ok(permit)) => return Ok(permit),
            Ok(Err(_closed)) => "the store is closed",
            Err(_elapsed) => "all reading connections are in use",
        };
        Err(StoreError::Unavailable(text.to_owned()))
    }

    fn wait_max(&self) -> Duration {
        Duration::from_millis(self.settings.wait_ms_max)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that waits for a read.
#[derive(Default)]
struct Waiting {
    is_given_up: Arc<AtomicBool>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }
}

/// Runs several statements on one state of the file.
pub(super) fn in_snapshot<T>(
    db: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    db.prepare_cached("BEGIN")?.execute([])?;
    let result = read(db);
    db.prepare_cached("COMMIT")?.execute([])?;
    result
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::FutureExt;
    use rusqlite::Connection;

    use super::{ReaderSettings, Readers};

    #[tokio::test]
    async fn a_read_breaks_off_when_nobody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.sqlite");
        let made = Connection::open(&path).unwrap();
        made.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        let readers = Readers::new(ReaderSettings {
            path,
            cache_bytes: 1 << 16,
            mmap_bytes: 0,
            here_max: 1,
            threads: 1,
            wait_ms_max: 60_000,
        })
        .unwrap();
        let (begins, begun) = mpsc::channel();
        let endless = readers.run(move |db| {
            begins.send(()).unwrap();
            let counting = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)
                SELECT count(*) FROM c";
            Ok(db.query_row(counting, [], |row| row.get::<_, i64>(0))?)
        });
        let mut endless = Box::pin(endless);
        assert!(endless.as_mut().now_or_never().is_none());
        begun.recv().unwrap();
        drop(endless);
        // There is one thread: this waits until the endless read is over.
        let counted = readers
            .run(|db| Ok(db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?))
            .await;
        assert_eq!(counted.ok(), Some(0_i64));
    }
}
