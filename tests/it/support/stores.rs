//! Fresh, empty stores of every back end, and the macro that runs a case on each of them.
//!
//! A new back end adds an opener here and a `mod` in [`on_every_store`]; no case changes.

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use vesta::clock::{Clock, FixedClock};
use vesta::store::Store;
use vesta::store::embedded::{EmbeddedSettings, EmbeddedStore};
use vesta::store::mongo::{MongoSettings, MongoStore};

use crate::support::mongod::TestDatabase;

/// What the clock of a fresh store shows, in ms since the epoch.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;

/// A fresh store, the clock it runs by, and what keeps its data while the test runs.
pub(crate) struct OpenStore {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// Its clock, which the test moves.
    pub(crate) clock: Arc<FixedClock>,
    /// Deletes the data when dropped.
    pub(crate) guard: Box<dyn Guard>,
}

/// Keeps the data of a store for as long as a test runs.
#[async_trait]
pub(crate) trait Guard: Send + Sync {
    /// Opens another store on the same data; the first one is closed by then.
    async fn open(&self, clock: Arc<FixedClock>) -> Arc<dyn Store>;
}

impl OpenStore {
    async fn with(guard: Box<dyn Guard>) -> Self {
        let clock = Arc::new(FixedClock::new(NOW_MS));
        Self {
            store: guard.open(Arc::clone(&clock)).await,
            clock,
            guard,
        }
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopen(&mut self) {
        self.store.close().await.unwrap();
        self.store = self.guard.open(Arc::clone(&self.clock)).await;
    }
}

/// Runs cases (`async fn(OpenStore)`) on every back end, each on a store of its own.
macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::support::stores::embedded().await).await;
                }
            )+
        }
        mod mongo {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::support::stores::mongo().await).await;
                }
            )+
        }
    };
}

/// A fresh embedded store in a directory of its own.
pub(crate) async fn embedded() -> OpenStore {
    OpenStore::with(Box::new(EmbeddedGuard(TempDir::new().unwrap()))).await
}

/// The directory of an embedded store.
struct EmbeddedGuard(TempDir);

#[async_trait]
impl Guard for EmbeddedGuard {
    async fn open(&self, clock: Arc<FixedClock>) -> Arc<dyn Store> {
        let settings = EmbeddedSettings {
            clock: clock as Arc<dyn Clock>,
            ..EmbeddedSettings::default()
        };
        Arc::new(EmbeddedStore::open(self.0.path(), settings).unwrap())
    }
}

/// A fresh MongoDB store in a database of its own.
pub(crate) async fn mongo() -> OpenStore {
    OpenStore::with(Box::new(TestDatabase::new().await)).await
}

#[async_trait]
impl Guard for TestDatabase {
    async fn open(&self, clock: Arc<FixedClock>) -> Arc<dyn Store> {
        let settings = MongoSettings {
            clock: clock as Arc<dyn Clock>,
            ..MongoSettings::default()
        };
        Arc::new(MongoStore::open(&self.uri(), settings).await.unwrap())
    }
}
