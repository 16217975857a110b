//! Relationships between clinicians and patients: what opens a record, and for how long.

use serde::{Deserialize, Serialize};

/// The longest that relationships may be remembered, in seconds.
pub const CACHED_SECONDS_MAX: u64 = 600;

/// Settings of care relationships.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CareConfig {
    /// Seconds for which a process remembers relationships that another one may change.
    pub cached_seconds_max: u64,
    /// Records that are open to one clinician at once; the newest relationships count.
    pub patients_max: usize,
    /// Whether a patient who has chosen an organisation is in the care of those who act in it.
    pub organizations: bool,
}

impl Default for CareConfig {
    fn default() -> Self {
        Self {
            cached_seconds_max: 30,
            patients_max: 20_000,
            organizations: true,
        }
    }
}
