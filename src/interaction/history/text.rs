//! A history as text: its parameters read, its Bundle written.

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

pub(super) fn read_parameters(
    ctx: &Context,
    scope: HistoryScope,
    text: &str,
) -> Result<HistoryRequest, Outcome> {
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
                let place = open(ctx, &request.scope, value);
                request.after = Some(place.ok_or_else(|| bad("a link this server gave out"))?);
            }
            "_summary" if value == "count" => request.count = Some(0),
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
    if let Some(next) = &response.next {
        let mut following: Vec<_> = pairs
            .iter()
            .filter(|(name, _)| name != "_cursor")
            .cloned()
            .collect();
        following.push(("_cursor".to_owned(), next.clone()));
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

/// The text of a place in a history, which belongs to this history alone.
pub(super) fn seal(
    ctx: &Context,
    scope: &HistoryScope,
    position: HistoryPosition,
) -> Result<String, Outcome> {
    let numbers = [
        position.last_updated_ms,
        position.sequence,
        position.version_id,
    ];
    let place: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
    let key = ctx.records.indexer().cursor_key();
    key.seal_place(&name_of(scope), &place, ctx.records.random())
        .map_err(|error| Outcome::internal(error.to_string()))
}

fn open(ctx: &Context, scope: &HistoryScope, text: &str) -> Option<HistoryPosition> {
    let key = ctx.records.indexer().cursor_key();
    let bytes = key.open_place(&name_of(scope), text).ok()?;
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

fn name_of(scope: &HistoryScope) -> String {
    match scope {
        HistoryScope::Instance(address) => {
            format!("{}/{}/_history", address.resource_type, address.id)
        }
        HistoryScope::Type(resource_type) => format!("{resource_type}/_history"),
        HistoryScope::System => "_history".to_owned(),
    }
}
