//! The authorization server: lifetimes and how often credentials may be tried.

use serde::{Deserialize, Serialize};

/// The longest that an access token may live, in seconds.
pub const ACCESS_TOKEN_SECONDS_MAX: u64 = 3_600;

/// Settings of the authorization server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmartConfig {
    /// Seconds an access token lives; an hour at most.
    pub access_token_seconds: u64,
    /// Requests a minute that one client may make from one address with credentials.
    pub client_requests_per_minute_max: u32,
    /// Requests a minute that one address may make with credentials, whichever client it claims.
    pub address_requests_per_minute_max: u32,
}

impl Default for SmartConfig {
    fn default() -> Self {
        Self {
            access_token_seconds: 300,
            client_requests_per_minute_max: 60,
            address_requests_per_minute_max: 600,
        }
    }
}
