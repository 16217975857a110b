//! Settings of the two stores.

use serde::{Deserialize, Serialize};

/// The embedded store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// Read-only connections at most.
    pub readers_max: u32,
    /// Page cache of the writer, in bytes.
    pub writer_cache_bytes: u32,
    /// Page cache of each reader, in bytes.
    pub reader_cache_bytes: u32,
    /// Writes that share one commit at most.
    pub group_jobs_max: usize,
    /// Writes that may wait for the writer before new ones are refused.
    pub queue_jobs_max: u32,
    /// Bytes of the records on disk at most; without it they grow until the disk is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_bytes_max: Option<u64>,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            readers_max: 8,
            writer_cache_bytes: 48 << 20,
            reader_cache_bytes: 8 << 20,
            group_jobs_max: 64,
            queue_jobs_max: 1024,
            records_bytes_max: None,
        }
    }
}

/// The MongoDB store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MongoConfig {
    /// Connections of the pool at most.
    pub connections_max: u32,
    /// Milliseconds to look for a primary before a request is answered with 503.
    pub server_selection_ms_max: u64,
    /// Large transactions at once, per process.
    pub large_transactions_max: usize,
}

impl Default for MongoConfig {
    fn default() -> Self {
        Self {
            connections_max: 64,
            server_selection_ms_max: 5_000,
            large_transactions_max: 4,
        }
    }
}
