//! Who may see how the server is.

use serde::{Deserialize, Serialize};

use crate::config::address_range::AddressRange;

/// Settings of `/readyz` and `/metrics`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationsConfig {
    /// Addresses that may ask, beside those of this machine itself.
    pub allowed: Vec<AddressRange>,
    /// How long an answer of `/readyz` holds, in ms: probes cost the store nothing more.
    pub ready_ms: u64,
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self {
            allowed: Vec::new(),
            ready_ms: 1_000,
        }
    }
}
