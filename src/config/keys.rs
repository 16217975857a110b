//! Where the master key comes from and how long unwrapped data keys are kept.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Settings of the key ring.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// The master key file; made on first start when absent. Unset: `vesta.key` in the directory of
    /// an embedded store, `vesta.key` in the working directory for MongoDB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The master key itself (64 hexadecimal digits), instead of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<Zeroizing<String>>,
    /// Former master keys, for data keys not yet wrapped again.
    pub previous: Vec<Zeroizing<String>>,
    /// Unwrapped data keys kept in memory at most.
    pub cached_max: u64,
    /// Seconds an unwrapped data key is kept: an erasure by another process is seen this late.
    pub cached_seconds_max: u64,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self {
            file: None,
            master: None,
            previous: Vec::new(),
            cached_max: 20_000,
            cached_seconds_max: 30,
        }
    }
}

impl fmt::Debug for KeysConfig {
    /// Shows everything but the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeysConfig")
            .field("file", &self.file)
            .field("cached_max", &self.cached_max)
            .field("cached_seconds_max", &self.cached_seconds_max)
            .finish_non_exhaustive()
    }
}
