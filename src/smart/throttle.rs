//! How often credentials may be tried, by address and by the client that is claimed.
//!
//! Counted by each process for itself, in windows of a minute. Who is over the limit is told to
//! come again, before anything costly is done. Spec: RFC 6585 section 4.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::config::smart::SmartConfig;
use crate::smart::error::{Code, OauthError};

/// The window that is counted in.
pub const WINDOW: Duration = Duration::from_mins(1);

/// Addresses and clients that are counted at the same time, of some 100 bytes each.
const COUNTED_MAX: u64 = 50_000;

/// A count of what was tried.
pub struct Throttle {
    by_address: Cache<IpAddr, Arc<AtomicU32>>,
    by_client: Cache<(IpAddr, [u8; 32]), Arc<AtomicU32>>,
    address_max: u32,
    client_max: u32,
}

impl Throttle {
    /// Counts from nothing.
    pub fn new(config: &SmartConfig) -> Self {
        Self {
            by_address: Cache::builder()
                .max_capacity(COUNTED_MAX)
                .time_to_live(WINDOW)
                .build(),
            by_client: Cache::builder()
                .max_capacity(COUNTED_MAX)
                .time_to_live(WINDOW)
                .build(),
            address_max: config.address_requests_per_minute_max,
            client_max: config.client_requests_per_minute_max,
        }
    }

    /// Counts a request from an address; refuses it when there were too many.
    pub fn count_address(&self, address: IpAddr) -> Result<(), OauthError> {
        let tried = self.by_address.get_with(address, Arc::default);
        admit(&tried, self.address_max)
    }

    /// Counts a request that claims to be from a client; refuses it when there were too many.
    pub fn count_client(&self, address: IpAddr, client: &str) -> Result<(), OauthError> {
        let digest = *blake3::hash(client.as_bytes()).as_bytes();
        let tried = self.by_client.get_with((address, digest), Arc::default);
        admit(&tried, self.client_max)
    }
}

fn admit(tried: &AtomicU32, max: u32) -> Result<(), OauthError> {
    let before = tried.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tried| {
        Some(tried.saturating_add(1))
    });
    if before.unwrap_or(u32::MAX) < max {
        return Ok(());
    }
    Err(OauthError::new(
        Code::TooManyRequests,
        "Too many requests with credentials. Try again in a minute.",
    ))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Throttle;
    use crate::config::smart::SmartConfig;
    use crate::smart::error::Code;

    #[test]
    fn clients_and_addresses_are_counted_apart() {
        let throttle = Throttle::new(&SmartConfig {
            client_requests_per_minute_max: 2,
            address_requests_per_minute_max: 4,
            ..SmartConfig::default()
        });
        let (one, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        assert!(throttle.count_client(one, "a").is_ok());
        assert!(throttle.count_client(one, "a").is_ok());
        let refused = throttle.count_client(one, "a").unwrap_err();
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(throttle.count_client(other, "a").is_ok());
        assert!(throttle.count_client(one, "b").is_ok());
        for _ in 0..4 {
            assert!(throttle.count_address(one).is_ok());
        }
        assert!(throttle.count_address(one).is_err());
        assert!(throttle.count_address(other).is_ok());
    }
}
