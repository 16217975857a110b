//! Reading connections: opened when first needed, lent one at a time, hottest first.
//!
//! A read of one row costs some microseconds, less than a hop to another thread: it may run on the
//! calling thread ([`Readers::run_here`]). Everything else runs on the blocking pool
//! ([`Readers::run`]). Both are bounded by the number of connections.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;
use crate::store::embedded::{EmbeddedSettings, schema};

/// The reading connections to one file.
pub(super) struct Readers {
    pool: Arc<Pool>,
    permits: Arc<Semaphore>,
    size: u32,
    wait_max: Duration,
}

struct Pool {
    path: PathBuf,
    cache_bytes: u32,
    mmap_bytes: u32,
    idle: Mutex<Vec<Connection>>,
}

/// A connection that nobody else has; goes back to the pool when dropped.
struct Lent {
    db: Option<Connection>,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Readers {
    /// Connections to a file whose writer is open.
    pub(super) fn new(path: &Path, settings: &EmbeddedSettings) -> Self {
        let size = settings.readers_max.max(1);
        Self {
            pool: Arc::new(Pool {
                path: path.to_owned(),
                cache_bytes: settings.reader_cache_bytes,
                mmap_bytes: settings.mmap_bytes,
                idle: Mutex::new(Vec::new()),
            }),
            permits: Arc::new(Semaphore::new(size as usize)),
            size,
            wait_max: Duration::from_millis(settings.wait_ms_max),
        }
    }

    /// Runs a read on the calling thread.
    pub(super) async fn run_here<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let permit = self.permit().await?;
        Lent::new(Arc::clone(&self.pool), permit)?.run(read)
    }

    /// Runs a read on the blocking pool.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.permit().await?;
        let pool = Arc::clone(&self.pool);
        let task = tokio::task::spawn_blocking(move || Lent::new(pool, permit)?.run(read));
        let result = task.await;
        result.map_err(|cause| StoreError::Failed(format!("a read did not end: {cause}")))?
    }

    /// Connections lent now.
    pub(super) fn in_use(&self) -> u64 {
        let free = self.permits.available_permits() as u64;
        u64::from(self.size).saturating_sub(free)
    }

    /// Connections at most.
    pub(super) fn size(&self) -> u64 {
        u64::from(self.size)
    }

    /// Waits for what is being read and closes all connections; later reads are refused.
    pub(super) async fn close(&self) {
        let all = tokio::time::timeout(self.wait_max, self.permits.acquire_many(self.size));
        // Reads that take longer than that give their connections back to nobody.
        drop(all.await);
        self.permits.close();
        self.pool.idle().clear();
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let acquire = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.wait_max, acquire).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_closed)) => Err(StoreError::Unavailable("the store is closed".to_owned())),
            Err(_elapsed) => {
                let text = "all reading connections are in use";
                Err(StoreError::Unavailable(text.to_owned()))
            }
        }
    }
}

impl Pool {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    fn new(pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Result<Self, StoreError> {
        let idle = pool.idle().pop();
        let db = match idle {
            Some(db) => db,
            None => schema::open_reader(&pool.path, pool.cache_bytes, pool.mmap_bytes)?,
        };
        Ok(Self {
            db: Some(db),
            pool,
            permit: Some(permit),
        })
    }

    fn run<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.db {
            Some(db) => read(db),
            None => Err(StoreError::Failed(
                "a reading connection is missing".to_owned(),
            )),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let is_closed = self
            .permit
            .as_ref()
            .is_none_or(|permit| permit.semaphore().is_closed());
        if let Some(db) = self.db.take()
            && db.is_autocommit()
            && !is_closed
        {
            self.pool.idle().push(db);
        }
        // The connection is back before somebody else is let in.
        drop(self.permit.take());
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
