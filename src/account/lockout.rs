//! How often a password or code may be tried: who is wrong too often waits, longer each time.
//!
//! Counted for each account and each address in the store, so that all processes count together. A
//! try is counted before it is looked at, so that many at once are not more than one after the
//! other; names that nobody has are counted alike. Spec: NIST SP 800-63B section 5.2.2.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Kept};
use crate::account::accounts::{Accounts, ms};
use crate::account::error::AccountError;

/// The collection of counts.
const TRIES: &str = "sign-in-tries";

/// The first wait, in seconds; each further one is twice as long.
const WAIT_SECONDS_MIN: u64 = 30;

/// The longest wait, in seconds.
const WAIT_SECONDS_MAX: u64 = 3_600;

/// Seconds of quiet after which a count is forgotten.
const FORGOTTEN_SECONDS: u64 = 2 * WAIT_SECONDS_MAX;

/// How often a count that somebody else overtook is tried again: each of many tries at once.
const ATTEMPTS_MAX: usize = 64;

/// Tries in a row.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Tries {
    count: u32,
    /// When the next one is looked at, in ms since the epoch.
    free_ms: i64,
}

/// What is counted.
#[derive(Debug, Clone)]
pub(super) enum Counted<'a> {
    /// Passwords for a sign-in name, which nobody may have.
    Name(&'a str),
    /// Second factors of a person, and passwords entered once more.
    Factor(&'a str),
    /// Everything from an address.
    Address(IpAddr),
    /// What causes mail, from an address.
    MailFrom(IpAddr),
    /// What causes mail, to whoever has a sign-in name.
    MailTo(&'a str),
}

impl Counted<'_> {
    fn id(&self) -> String {
        match self {
            Self::Name(name) => format!("name {name}"),
            Self::Factor(person) => format!("factor {person}"),
            Self::MailFrom(address) => format!("mail from {}", network(*address)),
            Self::MailTo(name) => format!("mail to {name}"),
            Self::Address(address) => format!("address {}", network(*address)),
        }
    }
}

/// What is counted as one address: whoever has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(long) => match long.to_ipv4_mapped() {
            Some(short) => IpAddr::V4(short),
            None => IpAddr::V6((u128::from(long) & !u128::from(u64::MAX)).into()),
        },
    }
}

impl Accounts {
    /// Counts a try before it is looked at; refused while one has to wait.
    pub(super) async fn count_try(&self, what: Counted<'_>) -> Result<(), AccountError> {
        let free = match what {
            Counted::Name(_) | Counted::Factor(_) | Counted::MailTo(_) => {
                self.config.account_tries_max
            }
            Counted::Address(_) | Counted::MailFrom(_) => self.config.address_tries_max,
        };
        let id = what.id();
        for _ in 0..ATTEMPTS_MAX {
            let now_ms = self.now_ms();
            let known: Option<Kept<Tries>> = self.documents.get(TRIES, &id).await?;
            let (mut tries, before) = match known {
                Some(kept) => (kept.content, Before::Revision(kept.revision)),
                None => (Tries::default(), Before::Nothing),
            };
            if now_ms < tries.free_ms {
                let wait_ms = tries.free_ms.saturating_sub(now_ms);
                let wait_seconds = u64::try_from(wait_ms).unwrap_or_default().div_ceil(1_000);
                return Err(AccountError::Locked { wait_seconds });
            }
            tries.count = tries.count.saturating_add(1);
            let over = tries.count.saturating_add(1).checked_sub(free.max(1));
            let over = over.filter(|over| *over > 0);
            if let Some(over) = over {
                tries.free_ms = now_ms.saturating_add(ms(wait_seconds(over)));
            }
            let expires_ms = now_ms.saturating_add(ms(FORGOTTEN_SECONDS));
            let put = self
                .documents
                .put((TRIES, &id), &tries, before, Some(expires_ms));
            match put.await {
                Err(DocumentError::Changed) => {}
                other => return Ok(other?),
            }
        }
        Err(AccountError::Busy)
    }

    /// Forgets the tries: the right one was among them.
    pub(super) async fn forget_tries(&self, what: Counted<'_>) -> Result<(), AccountError> {
        Ok(self.documents.delete(TRIES, &what.id()).await?)
    }

    /// Takes back one try from an address, which was right. The others stay: who has an account
    /// must not have a way to try others for ever.
    pub(super) async fn forgive_address(&self, address: IpAddr) -> Result<(), AccountError> {
        let id = Counted::Address(address).id();
        let known: Option<Kept<Tries>> = self.documents.get(TRIES, &id).await?;
        let Some(mut kept) = known else {
            return Ok(());
        };
        kept.content.count = kept.content.count.saturating_sub(1);
        kept.content.free_ms = 0;
        let expires_ms = self.now_ms().saturating_add(ms(FORGOTTEN_SECONDS));
        let before = Before::Revision(kept.revision);
        let put = self
            .documents
            .put((TRIES, &id), &kept.content, before, Some(expires_ms));
        match put.await {
            // Somebody counts at this moment; one try more or less does not matter.
            Err(DocumentError::Changed) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// How long to wait after the first, second, third try too many.
fn wait_seconds(over: u32) -> u64 {
    let doublings = over.saturating_sub(1).min(16);
    (WAIT_SECONDS_MIN << doublings).min(WAIT_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::{network, wait_seconds};

    #[test]
    fn each_wait_is_longer_up_to_an_hour() {
        let waits: Vec<_> = (1..=9).map(wait_seconds).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        assert_eq!(wait_seconds(u32::MAX), 3_600);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8::1:2:3:4"), "2001:db8::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
