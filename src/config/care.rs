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
    /// Days behind an encounter for which the record stays open to those who took part.
    pub encounter_days: u32,
    /// Days before an appointment from which on the record is open to those who take part.
    pub appointment_days_before: u32,
    /// Days behind an appointment until which it is.
    pub appointment_days_after: u32,
    /// Days for which a patient may share a record at most.
    pub share_days_max: u32,
    /// Minutes for which a record that was opened in an emergency stays open.
    pub emergency_minutes: u32,
    /// Records that are open to one clinician at once; the newest relationships count.
    pub patients_max: usize,
    /// Whether a patient who has chosen an organisation is in the care of those who act in it.
    pub organizations: bool,
}

impl Default for CareConfig {
    fn default() -> Self {
        Self {
            cached_seconds_max: 30,
            encounter_days: 90,
            appointment_days_before: 7,
            appointment_days_after: 30,
            share_days_max: 366,
            emergency_minutes: 60,
            patients_max: 20_000,
            organizations: true,
        }
    }
}
