//! Accounts: how long sessions and links last, and what a password must be.

use serde::{Deserialize, Serialize};

/// Settings of accounts and sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountConfig {
    /// Whether patients may register themselves.
    pub registration: bool,
    /// Characters of a password at least.
    pub password_chars_min: usize,
    /// Seconds after which a session that is not used ends.
    pub session_idle_seconds_max: u64,
    /// Seconds after which a session ends, used or not.
    pub session_seconds_max: u64,
    /// Seconds an invitation can be used.
    pub invitation_seconds: u64,
    /// Seconds a link can be used that was asked for: to set a password anew, or to register.
    pub link_seconds: u64,
    /// Wrong passwords or codes in a row for one account before it has to wait.
    pub account_tries_max: u32,
    /// Wrong passwords or codes in a row from one address before it has to wait.
    pub address_tries_max: u32,
}

impl Default for AccountConfig {
    fn default() -> Self {
        Self {
            registration: true,
            password_chars_min: 12,
            session_idle_seconds_max: 1_800,
            session_seconds_max: 43_200,
            invitation_seconds: 604_800,
            link_seconds: 3_600,
            account_tries_max: 5,
            address_tries_max: 50,
        }
    }
}
