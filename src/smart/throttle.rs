//! How often credentials may be tried: by address, and by client once it has proved itself.
//!
//! What a request merely claims is not counted: whoever names another's client could use up what
//! that one has. Counted by each process for itself. Spec: RFC 6585 section 4.

use std::net::IpAddr;

use crate::access::rate::{Exhausted, Rate, party};
use crate::config::smart::SmartConfig;
use crate::smart::error::{Code, OauthError};

/// What is left of what may be tried.
pub struct Throttle {
    addresses: Rate<IpAddr>,
    clients: Rate<[u8; 32]>,
}

impl Throttle {
    /// Nobody has tried anything.
    pub fn new(config: &SmartConfig) -> Self {
        Self {
            addresses: Rate::new(config.address_requests_per_minute_max),
            clients: Rate::new(config.client_requests_per_minute_max),
        }
    }

    /// Counts a request from an address; refuses it when there were too many.
    pub fn count_address(&self, address: IpAddr, now_ms: i64) -> Result<(), OauthError> {
        let taken = self.addresses.take(party(address), 1, now_ms);
        taken.map_err(refused)
    }

    /// Counts a request of a client that has proved to be that client.
    pub fn count_client(&self, client_id: &str, now_ms: i64) -> Result<(), OauthError> {
        let digest = *blake3::hash(client_id.as_bytes()).as_bytes();
        self.clients.take(digest, 1, now_ms).map_err(refused)
    }
}

fn refused(_exhausted: Exhausted) -> OauthError {
    OauthError::new(
        Code::TooManyRequests,
        "Too many requests with credentials. Try again in a minute.",
    )
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
        let now_ms = 1_790_000_000_000;
        assert!(throttle.count_client("a", now_ms).is_ok());
        assert!(throttle.count_client("a", now_ms).is_ok());
        let refused = throttle.count_client("a", now_ms).unwrap_err();
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(throttle.count_client("b", now_ms).is_ok());
        for _ in 0..4 {
            assert!(throttle.count_address(one, now_ms).is_ok());
        }
        assert!(throttle.count_address(one, now_ms).is_err());
        assert!(throttle.count_address(other, now_ms).is_ok());
        assert!(throttle.count_address(one, now_ms + 60_000).is_ok());
    }
}
