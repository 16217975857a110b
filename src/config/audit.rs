//! The journal of who did what.

use serde::{Deserialize, Serialize};

/// Settings of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Whether the journal is kept in open mode as well; in smart mode it always is.
    pub open_mode: bool,
    /// Seconds until a signed checkpoint states what was written.
    pub checkpoint_seconds: u64,
    /// Seconds until `AuditEvent`s are made of what was written, when nobody asks before.
    pub resources_seconds: u64,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            open_mode: false,
            checkpoint_seconds: 10,
            resources_seconds: 30,
        }
    }
}
