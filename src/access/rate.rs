//! How often somebody may do something: so many units a minute, and no more than that at once.
//!
//! One number for each party: when it has used up what it took (the generic cell rate algorithm).
//! Counted by each process for itself; nothing here must last. Spec: RFC 6585 section 4.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

/// Parties that are counted at the same time, of some 100 bytes each.
const COUNTED_MAX: u64 = 50_000;

/// What may be taken at once is what a minute brings.
const WINDOW_US: i64 = 60_000_000;

/// How long a party is remembered that does nothing: everything is given back by then.
const REMEMBERED: Duration = Duration::from_mins(2);

/// Bits of an IPv6 address that name a network: one party has all addresses behind them.
const NETWORK_BITS: u32 = 64;

/// Somebody took more than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Seconds until there is enough for the same again.
    pub retry_seconds: u64,
}

/// What the parties of one kind have left.
pub struct Rate<K> {
    used_up_us: Cache<K, Arc<AtomicI64>>,
    /// What one unit is worth; `None` without a limit.
    unit_us: Option<i64>,
}

impl<K: Hash + Eq + Send + Sync + 'static> Rate<K> {
    /// So many units a minute for each party; 0 is no limit.
    pub fn new(units_per_minute_max: u32) -> Self {
        let per_minute = i64::from(units_per_minute_max);
        Self {
            used_up_us: Cache::builder()
                .max_capacity(COUNTED_MAX)
                .time_to_idle(REMEMBERED)
                .build(),
            unit_us: WINDOW_US.checked_div(per_minute).map(|us| us.max(1)),
        }
    }

    /// Takes units; nothing is taken when there are not enough. What costs more than a minute
    /// brings may be had by who has taken nothing lately.
    pub fn take(&self, party: K, units: u32, now_ms: i64) -> Result<(), Exhausted> {
        let Some(unit_us) = self.unit_us else {
            return Ok(());
        };
        let price_us = unit_us.saturating_mul(i64::from(units));
        let present_us = now_ms.saturating_mul(1_000);
        let place = self
            .used_up_us
            .get_with(party, || Arc::new(AtomicI64::new(0)));
        let mut excess_us = 0;
        let taken = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used_up_us| {
            let from_us = used_up_us.max(present_us);
            let until_us = from_us.saturating_add(price_us);
            let has_all = from_us == present_us;
            excess_us = until_us
                .saturating_sub(present_us)
                .saturating_sub(WINDOW_US);
            (excess_us <= 0 || has_all).then_some(until_us)
        });
        taken.map(drop).map_err(|_unchanged| Exhausted {
            retry_seconds: excess_us.unsigned_abs().div_ceil(1_000_000).max(1),
        })
    }
}

/// The party that an address belongs to.
pub fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (Ipv6Addr::BITS - NETWORK_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Exhausted, Rate, party};

    const NOW_MS: i64 = 1_790_000_000_000;

    #[test]
    fn a_minute_brings_what_may_be_taken_in_it() {
        let rate = Rate::new(60);
        for _ in 0..60 {
            assert_eq!(rate.take("a", 1, NOW_MS), Ok(()));
        }
        let refused = Err(Exhausted { retry_seconds: 1 });
        assert_eq!(rate.take("a", 1, NOW_MS), refused);
        assert_eq!(
            rate.take("a", 5, NOW_MS),
            Err(Exhausted { retry_seconds: 5 })
        );
        assert_eq!(
            rate.take("b", 1, NOW_MS),
            Ok(()),
            "parties are counted apart"
        );
        assert_eq!(rate.take("a", 1, NOW_MS + 1_000), Ok(()));
        assert_eq!(rate.take("a", 1, NOW_MS + 1_000), refused);
        assert_eq!(rate.take("a", 60, NOW_MS + 120_000), Ok(()));
    }

    #[test]
    fn what_costs_more_than_a_minute_brings_can_be_had_once() {
        let rate = Rate::new(10);
        assert_eq!(rate.take("a", 30, NOW_MS), Ok(()));
        assert!(rate.take("a", 1, NOW_MS + 60_000).is_err());
        assert_eq!(rate.take("a", 1, NOW_MS + 180_000), Ok(()));
    }

    #[test]
    fn nothing_is_limited_by_zero() {
        let rate = Rate::new(0);
        for _ in 0..1_000 {
            assert_eq!(rate.take("a", u32::MAX, NOW_MS), Ok(()));
        }
    }

    #[test]
    fn one_network_is_one_party() {
        let of = |text: &str| party(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8:0:0:ffff::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }
}
