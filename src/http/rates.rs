//! What requests cost, and who has how much left: addresses, clients, people.
//!
//! One unit is a resource read by its id. What makes the server look at more costs more, before it
//! is known how much that will be.

use std::net::IpAddr;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use crate::access::rate::{self, Exhausted, Rate};
use crate::config::AccessMode;
use crate::config::rate::RateConfig;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

const READ_UNITS: u32 = 1;
const WRITE_UNITS: u32 = 2;
const SEARCH_UNITS: u32 = 5;
/// A search that follows references, or over all types.
const WIDE_SEARCH_UNITS: u32 = 20;
const OPERATION_UNITS: u32 = 5;
/// Everything of a patient, the newest of everything.
const WIDE_OPERATION_UNITS: u32 = 50;
const BUNDLE_UNITS: u32 = 10;
/// So many bytes of a body cost one more.
const UNIT_BYTES: u64 = 4 << 10;
/// The most that the size of a body can cost.
const BODY_UNITS_MAX: u64 = 10_000;

/// Whose requests count together.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The client that asks.
    pub client_id: &'a str,
    /// The person it asks for.
    pub person_id: Option<&'a str>,
}

/// What everybody has left.
pub struct Rates {
    addresses: Rate<IpAddr>,
    clients: Rate<[u8; 32]>,
    people: Rate<[u8; 32]>,
}

impl Rates {
    /// Nobody has taken anything. In open mode nobody can be told apart, and nothing is counted.
    pub fn new(config: &RateConfig, mode: AccessMode) -> Self {
        let limit = |units| if mode == AccessMode::Open { 0 } else { units };
        Self {
            addresses: Rate::new(limit(config.address_units_per_minute_max)),
            clients: Rate::new(limit(config.client_units_per_minute_max)),
            people: Rate::new(limit(config.account_units_per_minute_max)),
        }
    }

    /// Counts a request of an address, before anything is known of it.
    pub fn count_address(&self, address: IpAddr, units: u32, now_ms: i64) -> Result<(), Outcome> {
        let taken = self.addresses.take(rate::party(address), units, now_ms);
        taken.map_err(throttled)
    }

    /// Counts a request of somebody who was let in.
    pub fn count_account(
        &self,
        account: Account<'_>,
        units: u32,
        now_ms: i64,
    ) -> Result<(), Outcome> {
        let key = |id: &str| *blake3::hash(id.as_bytes()).as_bytes();
        if let Some(person_id) = account.person_id {
            let taken = self.people.take(key(person_id), units, now_ms);
            taken.map_err(throttled)?;
        }
        let taken = self.clients.take(key(account.client_id), units, now_ms);
        taken.map_err(throttled)
    }
}

fn throttled(exhausted: Exhausted) -> Outcome {
    let text = format!(
        "You asked for more than a minute allows. Try again in {} seconds.",
        exhausted.retry_seconds
    );
    Outcome::new(Kind::Throttled, text).retry_after(exhausted.retry_seconds)
}

/// What a request to the FHIR base costs.
pub fn units(method: &Method, uri: &Uri, headers: &HeaderMap) -> u32 {
    let path = uri.path();
    let path = path.strip_prefix("/fhir").unwrap_or(path);
    let query = uri.query().unwrap_or_default();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let last = parts.last().copied().unwrap_or_default();
    let is_reading = *method == Method::GET || *method == Method::HEAD;
    let base = match (parts.len(), last) {
        (_, "$everything" | "$lastn" | "$erase") => WIDE_OPERATION_UNITS,
        (_, name) if name.starts_with('$') => OPERATION_UNITS,
        (1, "metadata") => READ_UNITS,
        (0, _) if *method == Method::POST => BUNDLE_UNITS,
        (0, _) | (1, "_search" | "_history") => WIDE_SEARCH_UNITS,
        (_, "_search") => of_query(query),
        (2.., "_history") => SEARCH_UNITS,
        (1 | 3, _) if is_reading => of_query(query),
        _ if is_reading => READ_UNITS,
        _ if query.is_empty() => WRITE_UNITS,
        // Conditional: it searches first.
        _ => WRITE_UNITS + of_query(query),
    };
    let bytes = headers.get(CONTENT_LENGTH);
    let bytes = bytes.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = (bytes.unwrap_or(0_u64) / UNIT_BYTES).min(BODY_UNITS_MAX);
    base.saturating_add(u32::try_from(body).unwrap_or(u32::MAX))
}

/// What a request costs.
pub fn units_of(parts: &Parts) -> u32 {
    units(&parts.method, &parts.uri, &parts.headers)
}

fn of_query(query: &str) -> u32 {
    let names = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default());
    let is_wide = |name: &str| {
        name.contains('.')
            || [
                "_include",
                "_revinclude",
                "_has",
                "_filter",
                "_sort",
                "_text",
                "_content",
            ]
            .iter()
            .any(|start| name.starts_with(start))
    };
    if names.into_iter().any(is_wide) {
        WIDE_SEARCH_UNITS
    } else {
        SEARCH_UNITS
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::units;

    fn cost(method: &Method, path: &str, bytes: usize) -> u32 {
        let mut headers = HeaderMap::new();
        if bytes > 0 {
            headers.insert("content-length", bytes.into());
        }
        units(method, &path.parse().unwrap(), &headers)
    }

    #[test]
    fn what_makes_more_work_costs_more() {
        for (method, path, bytes, units) in [
            (Method::GET, "/fhir/metadata", 0, 1),
            (Method::GET, "/fhir/Patient/1", 0, 1),
            (Method::HEAD, "/fhir/Patient/1/_history/2", 0, 1),
            (Method::GET, "/fhir/Patient/1/_history", 0, 5),
            (Method::GET, "/fhir/_history", 0, 20),
            (Method::GET, "/fhir/Patient?name=x", 0, 5),
            (Method::GET, "/fhir/Patient", 0, 5),
            (Method::GET, "/fhir/Patient/1/Observation?code=x", 0, 5),
            (Method::GET, "/fhir/Observation?subject.name=x", 0, 20),
            (
                Method::GET,
                "/fhir/Patient?_revinclude=Observation:subject",
                0,
                20,
            ),
            (Method::POST, "/fhir/Patient/_search", 0, 5),
            (Method::POST, "/fhir/_search", 0, 20),
            (Method::GET, "/fhir/Patient/1/$everything", 0, 50),
            (Method::GET, "/fhir/Observation/$lastn", 0, 50),
            (Method::GET, "/fhir/Patient/1/$meta", 0, 5),
            (Method::POST, "/fhir/Patient", 100, 2),
            (Method::PUT, "/fhir/Patient?identifier=x", 100, 7),
            (Method::DELETE, "/fhir/Patient/1", 0, 2),
            (Method::POST, "/fhir", 1 << 20, 266),
            (Method::POST, "/fhir/", usize::MAX >> 1, 10_010),
            (Method::GET, "/fhir?_type=Patient", 0, 20),
        ] {
            assert_eq!(cost(&method, path, bytes), units, "{method} {path}");
        }
    }
}
