//! Conditional references (`Patient?identifier=...`), resolved within a transaction.
//!
//! They must match exactly one resource, stored or created by the same Bundle.
//! Spec: <https://hl7.org/fhir/R4/http.html#trules>.

use crate::access::Grant;
use crate::fhir::reference::Reference;
use crate::interaction::Context;
use crate::interaction::bundle::{EntryRequest, Verb};
use crate::interaction::patch::Patch;
use crate::interaction::search::{self, Strictness};
use crate::interaction::transaction::identity::{Identities, Resolved};
use crate::interaction::transaction::link::Links;
use crate::interaction::transaction::rewrite;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::Address;

/// Adds every conditional reference of the entries to `links`.
pub(super) async fn resolve(
    ctx: &Context,
    grant: &Grant,
    (entries, patches): (&[EntryRequest], &[Option<Patch>]),
    identities: &Identities,
    links: &mut Links,
) -> Result<(), Outcome> {
    let base_url = &ctx.settings.base_url;
    for (entry, patch) in entries.iter().zip(patches) {
        let references = match (&entry.verb, patch) {
            (Verb::Post { resource, .. } | Verb::Put { resource, .. }, _)
            | (_, Some(Patch::Fhirpath(resource))) => {
                rewrite::conditional_references(resource, base_url)
            }
            (_, Some(Patch::Json(operations))) => {
                rewrite::conditional_references_of_json_patch(operations, base_url)
            }
            _ => continue,
        };
        for text in references {
            if links.is_resolved(text) {
                continue;
            }
            let target = resolve_one(ctx, grant, (entries, identities), text)
                .await
                .map_err(|outcome| outcome.at(format!("Bundle.entry[{}].resource", entry.index)))?;
            links.resolve(text, format!("{}/{}", target.resource_type, target.id));
        }
    }
    Ok(())
}

async fn resolve_one(
    ctx: &Context,
    grant: &Grant,
    (entries, identities): (&[EntryRequest], &Identities),
    text: &str,
) -> Result<Address, Outcome> {
    let Reference::Conditional {
        resource_type,
        query,
    } = Reference::parse(rewrite::relative(text, &ctx.settings.base_url), None)
    else {
        return Err(Outcome::new(
            Kind::Invalid,
            "A conditional reference must be an R4 resource type, a question mark and criteria.",
        ));
    };
    let query = search::parse(ctx, resource_type, query, Strictness::Strict)?;
    if query.criteria.is_empty() {
        return Err(unresolved("everything"));
    }
    let stored = search::find_all(ctx, grant, &query, 2).await?;
    let mut found: Vec<Address> = stored.into_iter().map(|s| s.version.address).collect();
    for (entry, resolved) in entries.iter().zip(&identities.resolved) {
        let (Verb::Post { resource, .. } | Verb::Put { resource, .. }) = &entry.verb else {
            continue;
        };
        let (Resolved::Create(address) | Resolved::Put(address, _)) = resolved else {
            continue;
        };
        if address.resource_type == resource_type
            && !found.contains(address)
            && search::matches(ctx, grant, &query, resource).await?
        {
            found.push(address.clone());
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(unresolved("nothing")),
        (Some(_), false) => Err(unresolved("several resources")),
    }
}

fn unresolved(what: &str) -> Outcome {
    Outcome::new(
        Kind::PreconditionFailed,
        format!("A conditional reference matches {what}: it must match exactly one resource."),
    )
}
