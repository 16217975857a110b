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
    /// Whether clients may register themselves.
    pub registration: RegistrationMode,
}

/// Whether clients may register themselves (RFC 7591).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMode {
    /// They may not: the operator registers them.
    #[default]
    Off,
    /// They may, and act once an administrator has agreed.
    Approval,
    /// They may, and act at once for people who agree.
    Open,
}

impl Default for SmartConfig {
    fn default() -> Self {
        Self {
            access_token_seconds: 300,
            client_requests_per_minute_max: 60,
            address_requests_per_minute_max: 600,
            registration: RegistrationMode::Off,
        }
    }
}
