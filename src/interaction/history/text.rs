//! A history as text: its parameters read, its Bundle written.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access::records::Stored;
use crate::fhir::bundle::{BundleWriter, Entry, EntryRequest, EntryResponse};
use crate::fhir::date::PartialDate;
use crate::fhir::instant::Instant;
use crate::fhir::query;
use crate::interaction::Context;
use crate::interaction::history::{HistoryRequest, HistoryResponse};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{HistoryPosition, HistoryScope, Method};

pub(super) fn read_parameters(scope: HistoryScope, text: &str) -> Result<HistoryRequest, Outcome> {
    let mut request = HistoryRequest {
        scope,
        since: None,
        at: None,
        count: None,
        after: None,
    };
    query::check(text).map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))?;
    for (name, value) in &query::pairs(text) {
        let bad = |right: &str| {
            let hint = query::plus_hint(value).unwrap_or_default();
            Outcome::new(Kind::Malformed, format!("{name} must be {right}.{hint}"))
        };
        match name.as_str() {
            "_since" => {
                let since = Instant::parse(value).ok_or_else(|| {
                    bad("an instant with a time zone, as in 2026-01-31T10:00:00Z")
                })?;
                request.since = Some(since);
            }
            "_at" => {
                let at = PartialDate::parse(value);
                request.at = Some(at.ok_or_else(|| bad("a date or dateTime"))?);
            }
            "_count" => {
                request.count = Some(value.parse().map_err(|_nan| bad("a number of entries"))?);
            }
            "_cursor" => {
                let place = decode(value);
                request.after = Some(place.ok_or_else(|| bad("a link this server gave out"))?);
            }
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            _ => {
                return Err(Outcome::new(
                    Kind::Unsupported,
                    format!("A history has no parameter {name}."),
                ));
            }
        }
    }
    Ok(request)
}

/// Writes a page of a history as a Bundle; `path` and `text` are those of the request.
pub fn to_bundle(ctx: &Context, path: &str, text: &str, response: &HistoryResponse) -> Vec<u8> {
    let base_url = &ctx.settings.base_url;
    let pairs = query::pairs(text);
    let url = |pairs: &[(String, String)]| {
        let question = if pairs.is_empty() { "" } else { "?" };
        format!("{base_url}/{path}{question}{}", query::encode(pairs))
    };
    let mut links = vec![("self", url(&pairs))];
    if let Some(next) = response.next {
        let mut following: Vec<_> = pairs
            .iter()
            .filter(|(name, _)| name != "_cursor")
            .cloned()
            .collect();
        following.push(("_cursor".to_owned(), encode(next)));
        links.push(("next", url(&following)));
    }
    let now = Instant::from_millis(ctx.clock.now_ms()).to_string();
    let mut bundle = BundleWriter::new("history", &now, Some(response.total), &links);
    for stored in &response.versions {
        write_entry(&mut bundle, base_url, stored);
    }
    bundle.finish()
}

fn write_entry(bundle: &mut BundleWriter, base_url: &str, stored: &Stored) {
    let version = &stored.version;
    let address = format!("{}/{}", version.address.resource_type, version.address.id);
    let (method, status) = match version.method {
        Method::Post => ("POST", "201 Created"),
        Method::Put if version.version_id == 1 => ("PUT", "201 Created"),
        Method::Put => ("PUT", "200 OK"),
        Method::Patch => ("PATCH", "200 OK"),
        Method::Delete => ("DELETE", "204 No Content"),
    };
    let is_post = version.method == Method::Post;
    let url = if is_post {
        version.address.resource_type.name()
    } else {
        address.as_str()
    };
    let location = format!("{address}/_history/{}", version.version_id);
    bundle.entry(&Entry {
        full_url: Some(&format!("{base_url}/{address}")),
        resource: (!stored.json.is_empty()).then_some(&stored.json),
        search_mode: None,
        request: Some(EntryRequest { method, url }),
        response: Some(EntryResponse {
            status,
            location: Some(&location),
            etag: Some(&format!("W/\"{}\"", version.version_id)),
            last_modified: Some(&stored.last_updated().to_string()),
            outcome: None,
        }),
    });
}

/// A place in a history holds numbers only: nothing in it needs to be hidden.
fn encode(position: HistoryPosition) -> String {
    let numbers = [
        position.last_updated_ms,
        position.sequence,
        position.version_id,
    ];
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<HistoryPosition> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<8>();
    match (numbers, rest) {
        ([last_updated, sequence, version], []) => Some(HistoryPosition {
            last_updated_ms: i64::from_be_bytes(*last_updated),
            sequence: i64::from_be_bytes(*sequence),
            version_id: i64::from_be_bytes(*version),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::store::HistoryPosition;

    #[test]
    fn a_place_survives_the_url() {
        let place = HistoryPosition {
            last_updated_ms: 1,
            sequence: -2,
            version_id: i64::MAX,
        };
        assert_eq!(decode(&encode(place)), Some(place));
        assert_eq!(decode("AAAA"), None);
        assert_eq!(decode("not base64!"), None);
    }
}
