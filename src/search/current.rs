//! The indexer in force: replaced as a whole when search parameters come, change or go.
//!
//! Whoever works with it takes a snapshot, so that one request sees one set of parameters.

use std::sync::{Arc, PoisonError, RwLock};

use crate::search::index::Indexer;

/// Where the indexer in force is kept.
#[derive(Debug)]
pub struct CurrentIndexer(RwLock<Arc<Indexer>>);

impl CurrentIndexer {
    /// Begins with this one.
    pub fn new(indexer: Indexer) -> Self {
        Self(RwLock::new(Arc::new(indexer)))
    }

    /// The one in force now.
    pub fn snapshot(&self) -> Arc<Indexer> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in its place.
    pub fn replace(&self, indexer: Indexer) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(indexer);
    }
}
