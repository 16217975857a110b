//! Settings of the two stores.

use serde::{Deserialize, Serialize};

/// The embedded store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// Read-only connections.
    pub readers: usize,
    /// Page cache of the writer, in KiB.
    pub writer_cache_kib: usize,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: usize,
    /// Writes that share one commit at most.
    pub group_max: usize,
    /// Milliseconds a commit waits for more writes to share it.
    pub group_wait_ms: u64,
    /// Writes that may wait for the writer before new ones are refused.
    pub queue_max: usize,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            readers: 4,
            writer_cache_kib: 65_536,
            reader_cache_kib: 8_192,
            group_max: 64,
            group_wait_ms: 2,
            queue_max: 1024,
        }
    }
}

/// The MongoDB store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MongoConfig {
    /// Connections of the pool at most.
    pub pool_max: u32,
    /// Milliseconds to look for a primary before a request is answered with 503.
    pub server_selection_ms: u64,
    /// Large transactions at once, per process.
    pub large_transactions_max: usize,
}

impl Default for MongoConfig {
    fn default() -> Self {
        Self {
            pool_max: 64,
            server_selection_ms: 5_000,
            large_transactions_max: 4,
        }
    }
}
