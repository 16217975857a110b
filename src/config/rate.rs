//! How much of the server one party may use in a minute, in units: reading one resource costs one.

use serde::{Deserialize, Serialize};

/// Settings of rate limits; they hold in `access = "smart"`, and 0 is no limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// Units a minute for one address, or one IPv6 network of 64 bits.
    pub address_units_per_minute_max: u32,
    /// Units a minute for one client, whoever it acts for.
    pub client_units_per_minute_max: u32,
    /// Units a minute for one person, with whatever client.
    pub account_units_per_minute_max: u32,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            address_units_per_minute_max: 1_200_000,
            client_units_per_minute_max: 1_200_000,
            account_units_per_minute_max: 120_000,
        }
    }
}
