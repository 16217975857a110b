//! The searchset Bundle of a page, spliced together from stored bytes.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#bundle>.

use crate::access::records::Stored;
use crate::fhir::bundle::{BundleWriter, Entry};
use crate::fhir::instant::Instant;
use crate::interaction::Context;
use crate::interaction::search::SearchResponse;
use crate::outcome;

/// Bytes that an entry has beside its resource and the base, about.
const AROUND_ENTRY_BYTES: usize = 128;

/// Writes a page as a Bundle.
pub fn to_bundle(ctx: &Context, response: &SearchResponse) -> Vec<u8> {
    let base_url = &ctx.settings.base_url;
    let slash = if response.path.is_empty() { "" } else { "/" };
    let path = format!("{base_url}{slash}{}", response.path);
    let links: Vec<_> = response
        .links
        .iter()
        .map(|(relation, query)| {
            let question = if query.is_empty() { "" } else { "?" };
            (*relation, format!("{path}{question}{query}"))
        })
        .collect();
    let now = Instant::from_millis(ctx.clock.now_ms()).to_string();
    let mut bundle = BundleWriter::new("searchset", &now, response.total, &links);
    let all = response.matches.iter().chain(&response.included);
    let bytes = all.map(|one| one.json.len() + base_url.len() + AROUND_ENTRY_BYTES);
    bundle.reserve(bytes.sum());
    let mut write = |all: &[Stored], mode| {
        for (place, stored) in all.iter().enumerate() {
            let address = &stored.version.address;
            let mut full_url = format!("{base_url}/{}/{}", address.resource_type, address.id);
            if mode == "match"
                && let Some(Some(inner)) = response.inner_ids.get(place)
            {
                full_url.push('#');
                full_url.push_str(inner);
            }
            bundle.entry(&Entry {
                full_url: Some(&full_url),
                resource: Some(&stored.json),
                search_mode: Some(mode),
                ..Entry::default()
            });
        }
    };
    write(&response.matches, "match");
    write(&response.included, "include");
    if !response.notes.is_empty() {
        bundle.entry(&Entry {
            resource: Some(&outcome::to_json(&response.notes)),
            search_mode: Some("outcome"),
            ..Entry::default()
        });
    }
    bundle.finish()
}
