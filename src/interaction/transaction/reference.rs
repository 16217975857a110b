//! Conditional references (`Patient?identifier=...`), resolved within a transaction.
//!
//! They must match exactly one resource, stored or created by the same Bundle.
//! Spec: <https://hl7.org/fhir/R4/http.html#trules>.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use crate::access::{Grant, Intent};
use crate::fhir::reference::Reference;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::bundle::{EntryRequest, Verb};
use crate::interaction::patch::Patch;
use crate::interaction::search::{self, Sought, Strictness};
use crate::interaction::transaction::identity::{Identities, Resolved};
use crate::interaction::transaction::link::Links;
use crate::interaction::transaction::rewrite;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::index::Indexer;
use crate::search::key::{Entries, Key};
use crate::search::plan::{Candidate, Predicate};
use crate::search::query::Query;
use crate::store::Address;

/// References that are looked up at once.
const LOOKUPS_MAX: usize = 8;

/// Adds every conditional reference of the entries to `links`.
pub(super) async fn resolve(
    ctx: &Context,
    grant: &Grant,
    (entries, patches): (&[EntryRequest], &[Option<Patch>]),
    identities: &Identities,
    links: &mut Links,
) -> Result<(), Outcome> {
    let base_url = &ctx.settings.base_url;
    let (mut wanted, mut seen) = (Vec::new(), HashSet::new());
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
        let new = references.into_iter().filter(|text| seen.insert(*text));
        for text in new {
            let at =
                |outcome: Outcome| outcome.at(format!("Bundle.entry[{}].resource", entry.index));
            wanted.push((text, parse(ctx, text).map_err(at)?, entry.index));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let types = wanted
        .iter()
        .map(|(_, query, _)| query.resource_type)
        .collect();
    let written = &Written::new(ctx, (entries, identities), &types)?;
    let look_up = |(text, query, index): (&str, Query, usize)| {
        let text = text.to_owned();
        async move {
            let found = find_one(ctx, grant, written, &query).await;
            let found =
                found.map_err(|outcome| outcome.at(format!("Bundle.entry[{index}].resource")))?;
            Ok::<_, Outcome>((text, found))
        }
    };
    let mut found = stream::iter(wanted.into_iter().map(look_up)).buffered(LOOKUPS_MAX);
    while let Some(one) = found.next().await {
        let (text, target) = one?;
        links.resolve(&text, format!("{}/{}", target.resource_type, target.id));
    }
    Ok(())
}

fn parse(ctx: &Context, text: &str) -> Result<Query, Outcome> {
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
    Ok(query)
}

/// The resources that a Bundle writes, by their index keys: a Bundle may have thousands of them,
/// and as many references.
struct Written<'a> {
    all: Vec<One<'a>>,
    of_type: HashMap<ResourceType, Vec<usize>>,
    by_key: HashMap<Key, Vec<usize>, foldhash::fast::RandomState>,
    indexer: Arc<Indexer>,
    now_ms: i64,
}

/// A resource that a Bundle writes.
struct One<'a> {
    address: &'a Address,
    resource: &'a Resource,
    entries: Entries,
}

impl<'a> Written<'a> {
    /// Indexes the resources of some types.
    fn new(
        ctx: &Context,
        (entries, identities): (&'a [EntryRequest], &'a Identities),
        types: &HashSet<ResourceType>,
    ) -> Result<Self, Outcome> {
        let mut written = Self {
            all: Vec::new(),
            of_type: HashMap::new(),
            by_key: HashMap::default(),
            indexer: ctx.records.indexer(),
            now_ms: ctx.clock.now_ms(),
        };
        for (entry, resolved) in entries.iter().zip(&identities.resolved) {
            let (Verb::Post { resource, .. } | Verb::Put { resource, .. }) = &entry.verb else {
                continue;
            };
            let (Resolved::Create(address) | Resolved::Put(address, _)) = resolved else {
                continue;
            };
            if !types.contains(&address.resource_type) {
                continue;
            }
            let entries = written.indexer.entries(resource, written.now_ms);
            let entries =
                entries.map_err(|error| Outcome::new(Kind::TooLarge, error.to_string()))?;
            let place = written.all.len();
            for key in &entries.keys {
                written.by_key.entry(key.clone()).or_default().push(place);
            }
            let of_type = written.of_type.entry(address.resource_type);
            of_type.or_default().push(place);
            written.all.push(One {
                address,
                resource,
                entries,
            });
        }
        Ok(written)
    }

    /// The resources of the Bundle that match, up to two.
    fn find(&self, sought: &Sought, resource_type: ResourceType) -> Vec<&'a Address> {
        let places = match &sought.plan.driver {
            Predicate::Key(key) => self.by_key.get(key),
            _ => self.of_type.get(&resource_type),
        };
        let places = places.into_iter().flatten();
        let all = places.filter_map(|place| self.all.get(*place));
        let matching = all.filter(|one| {
            let candidate = Candidate {
                id: &one.address.id,
                last_updated_ms: self.now_ms,
                entries: &one.entries,
            };
            one.address.resource_type == resource_type
                && sought.matches(one.resource, &candidate, &self.indexer)
        });
        matching.map(|one| one.address).take(2).collect()
    }
}

/// The one resource, stored or written by the Bundle, that a reference means.
async fn find_one(
    ctx: &Context,
    grant: &Grant,
    written: &Written<'_>,
    query: &Query,
) -> Result<Address, Outcome> {
    let grant = &grant.within(Intent::Search(Some(query.resource_type)))?;
    let stored = search::find_all(ctx, grant, query, 2).await?;
    let mut found: Vec<Address> = stored.into_iter().map(|s| s.version.address).collect();
    let sought = Sought::new(ctx, grant, query).await?;
    for address in written.find(&sought, query.resource_type) {
        if !found.contains(address) {
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
