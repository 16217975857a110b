//! Proxies in front of the server: whose word on where a request comes from is taken.

use serde::{Deserialize, Serialize};

use crate::config::address_range::AddressRange;

/// Settings for a server behind proxies.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// Addresses of proxies that say truly whom a request is from; none by default.
    pub trusted: Vec<AddressRange>,
}
