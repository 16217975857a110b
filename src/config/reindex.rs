//! How what is stored is indexed anew while the server runs.

use serde::{Deserialize, Serialize};

/// Settings of the reindex that follows a new search parameter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReindexConfig {
    /// Resources indexed anew in a second at most; 0 leaves the work to others.
    pub resources_per_second_max: u32,
    /// Resources indexed anew in one commit.
    pub step_resources_max: usize,
    /// How often the parameters in force are looked at, in ms.
    pub poll_ms: u64,
    /// How long parameters are in force before stored resources are indexed by them, in ms: longer
    /// than any process takes to notice them.
    pub settle_ms: i64,
}

impl Default for ReindexConfig {
    fn default() -> Self {
        Self {
            resources_per_second_max: 2000,
            step_resources_max: 200,
            poll_ms: 2000,
            settle_ms: 6000,
        }
    }
}
