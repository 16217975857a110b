//! What belongs to the matches of a page: what they refer to, and what refers to them.
//!
//! Everything is found through the grant of the request, each resource once, matches not again.
//! What is over the limit of one Bundle is kept for its `next` link.
//! Spec: <https://hl7.org/fhir/R4/search.html#revinclude>.

use std::collections::HashSet;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::access::records::results::Item;
use crate::conformance::search_parameter::{ParameterKind, SearchParameter};
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::fill::Filling;
use crate::interaction::search::matching::{Matching, Walk};
use crate::interaction::search::resolve::{canonical_of, each_target, is_canonical, to_resources};
use crate::interaction::search::{Strictness, parse_pairs};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::cursor::Frozen;
use crate::search::include::Include;
use crate::search::query::{Criterion, Query};
use crate::search::target::Target;
use crate::store::Address;

/// What belongs to the matches of a page.
#[derive(Debug)]
pub(super) struct Found {
    /// What the page has room for.
    pub(super) shown: Vec<Stored>,
    /// All of it, what is shown first.
    items: Vec<Item>,
}

/// Finds everything that belongs to the matches, which have left this room on their page.
pub(super) async fn gather(
    ctx: &Context,
    grant: &Grant,
    (matches, room): (&[Stored], Filling),
    includes: &[Include],
) -> Result<Found, Outcome> {
    let mut gathering = Gathering {
        ctx,
        grant,
        seen: matches.iter().map(|one| item(one, true)).collect(),
        asked: HashSet::default(),
        room,
        found: Found {
            shown: Vec::new(),
            items: Vec::new(),
        },
    };
    gathering
        .seen
        .extend(matches.iter().map(|one| item(one, false)));
    gathering.round(matches, includes).await?;
    let iterated: Vec<Include> = includes
        .iter()
        .filter(|one| one.is_iterated)
        .cloned()
        .collect();
    let mut done = 0;
    while !iterated.is_empty() && done < gathering.found.items.len() {
        let (newest, taken) = gathering.newest(done).await?;
        done += taken;
        gathering.round(&newest, &iterated).await?;
    }
    Ok(gathering.found)
}

/// Keeps what a page has no room for, for its `next` link.
pub(super) async fn keep(
    ctx: &Context,
    grant: &Grant,
    found: &Found,
) -> Result<Option<Frozen>, Outcome> {
    let rest = found.items.get(found.shown.len()..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(None);
    }
    let seconds = ctx.settings.limits.result_seconds_max;
    ctx.records.freeze(grant, rest, seconds).await.map(Some)
}

/// Resources opened at once at first; then as many as will do by the size of those before.
const OPENED_AT_ONCE: usize = 16;

/// The resources of a list in its order, as far as they have room, and how many of the list that
/// were; those that are gone meanwhile are left out.
pub(super) async fn open(
    ctx: &Context,
    grant: &Grant,
    (items, room): (&[Item], &mut Filling),
) -> Result<(Vec<Stored>, usize), Outcome> {
    let mut opened: Vec<Stored> = Vec::new();
    let (mut taken, mut step, mut bytes) = (0, OPENED_AT_ONCE, 0);
    while taken < items.len() {
        let end = taken.saturating_add(step).min(items.len());
        let some = items.get(taken..end).unwrap_or_default();
        for stored in open_all(ctx, grant, some).await? {
            if let Some(stored) = stored {
                bytes += stored.json.len();
                if !room.admits(stored.json.len()) {
                    return Ok((opened, taken));
                }
                opened.push(stored);
            }
            taken += 1;
        }
        let fitting = room.bytes_left() / (bytes / taken.max(1)).max(1);
        step = fitting.clamp(1, ctx.settings.limits.page_max.max(1));
    }
    Ok((opened, taken))
}

/// The resources of a list, each in its place.
async fn open_all(
    ctx: &Context,
    grant: &Grant,
    items: &[Item],
) -> Result<Vec<Option<Stored>>, Outcome> {
    let addresses: Vec<Address> = items.iter().map(|one| one.address.clone()).collect();
    let mut current = std::collections::HashMap::new();
    for stored in ctx.records.get_readable(grant, &addresses).await? {
        current.insert(stored.version.address.clone(), stored);
    }
    let mut opened = Vec::with_capacity(items.len());
    for Item {
        address,
        version_id,
    } in items
    {
        let known = current.get(address).cloned();
        let stored = match version_id {
            Some(id)
                if known
                    .as_ref()
                    .is_none_or(|one| one.version.version_id != *id) =>
            {
                match ctx.records.get_version(grant, address, *id).await {
                    Err(outcome) if matches!(outcome.kind, Kind::Gone | Kind::Forbidden) => None,
                    found => found?,
                }
            }
            _ => known,
        };
        opened.push(stored.filter(|one| !one.is_deleted() && !one.json.is_empty()));
    }
    Ok(opened)
}

fn item(stored: &Stored, has_version: bool) -> Item {
    Item {
        address: stored.version.address.clone(),
        version_id: has_version.then_some(stored.version.version_id),
    }
}

struct Gathering<'a> {
    ctx: &'a Context,
    grant: &'a Grant,
    /// Matches and included resources, with their version and without.
    seen: HashSet<Item>,
    /// Canonical URLs that were looked for.
    asked: HashSet<(String, Option<String>)>,
    room: Filling,
    found: Found,
}

impl Gathering<'_> {
    /// Adds what belongs to `sources`.
    async fn round(&mut self, sources: &[Stored], includes: &[Include]) -> Result<(), Outcome> {
        let mut resources = Vec::with_capacity(sources.len());
        for stored in sources {
            resources.push(stored.resource()?);
        }
        let (mut items, mut canonicals) = (Vec::new(), Vec::new());
        for include in includes.iter().filter(|one| !one.is_reverse) {
            for resource in &resources {
                self.targets(include, resource, &mut items, &mut canonicals);
            }
        }
        self.add_items(items).await?;
        for (canonical, types) in canonicals {
            self.add_canonical(&canonical, &types).await?;
        }
        for include in includes.iter().filter(|one| one.is_reverse) {
            self.add_referring(include, &resources).await?;
        }
        Ok(())
    }

    /// What a resource refers to.
    fn targets(
        &mut self,
        include: &Include,
        resource: &Resource,
        items: &mut Vec<Item>,
        canonicals: &mut Vec<(Target, Vec<ResourceType>)>,
    ) {
        let resource_type = resource.resource_type();
        if include.source.is_some_and(|source| source != resource_type) {
            return;
        }
        let indexer = self.ctx.records.indexer();
        for parameter in parameters(self.ctx, resource_type, include) {
            let place = (resource_type, parameter.code.as_str());
            each_target(&indexer, place, resource, &mut |target| match target {
                Target::Local {
                    resource_type,
                    id,
                    version_id,
                } if include.target.is_none_or(|only| only == resource_type) => {
                    let address = Address { resource_type, id };
                    let item = Item {
                        address,
                        version_id,
                    };
                    if !self.seen.contains(&item) && !items.contains(&item) {
                        items.push(item);
                    }
                }
                Target::Local { .. } => {}
                canonical @ Target::Canonical { .. } => {
                    let mut types = parameter.targets.clone();
                    types.retain(|one| include.target.is_none_or(|only| only == *one));
                    canonicals.push((canonical, types));
                }
            });
        }
    }

    async fn add_items(&mut self, items: Vec<Item>) -> Result<(), Outcome> {
        let mut done = 0;
        while done < items.len() {
            let some = items.get(done..).unwrap_or_default();
            let (opened, taken) = self.some(some).await?;
            done += taken;
            for stored in opened {
                self.add(stored)?;
            }
        }
        Ok(())
    }

    /// The included resources from a place on, or some of them.
    async fn newest(&self, done: usize) -> Result<(Vec<Stored>, usize), Outcome> {
        if let Some(shown) = self.found.shown.get(done..).filter(|some| !some.is_empty()) {
            return Ok((shown.to_vec(), shown.len()));
        }
        self.some(self.found.items.get(done..).unwrap_or_default())
            .await
    }

    /// As many resources of a list as are held in memory at once.
    async fn some(&self, items: &[Item]) -> Result<(Vec<Stored>, usize), Outcome> {
        let limits = &self.ctx.settings.limits;
        let mut room = Filling::new(usize::MAX, limits.page_bytes_max);
        open(self.ctx, self.grant, (items, &mut room)).await
    }

    /// Adds the newest resource of a canonical URL.
    async fn add_canonical(
        &mut self,
        canonical: &Target,
        types: &[ResourceType],
    ) -> Result<(), Outcome> {
        let Target::Canonical { url, version } = canonical else {
            return Ok(());
        };
        if !self.asked.insert((url.clone(), version.clone())) {
            return Ok(());
        }
        let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,");
        let mut pairs = vec![("url".to_owned(), escaped(url))];
        if let Some(version) = version {
            pairs.push(("version".to_owned(), escaped(version).replace('|', "\\|")));
        }
        for &one in types.iter().filter(|one| self.grant.finds(**one)) {
            // A type without a URL cannot be meant.
            let Ok(query) = parse_pairs(self.ctx, one, &pairs, Strictness::Strict) else {
                continue;
            };
            let mut matching = self.matching(vec![query]).await?;
            let found = matching
                .page(self.ctx, self.grant, &Walk::of(None, 1))
                .await?;
            for stored in found.matches {
                self.add(stored)?;
            }
        }
        Ok(())
    }

    /// Adds what refers to one of the resources.
    async fn add_referring(
        &mut self,
        include: &Include,
        resources: &[Resource],
    ) -> Result<(), Outcome> {
        let sources: Vec<ResourceType> = match include.source {
            Some(source) => vec![source],
            None => ResourceType::all().collect(),
        };
        let indexer = self.ctx.records.indexer();
        let mut queries = Vec::new();
        for source in sources.into_iter().filter(|one| self.grant.finds(*one)) {
            let mut ways = Vec::new();
            for parameter in parameters(self.ctx, source, include) {
                let is_url = is_canonical(&indexer, source, &parameter.code);
                let targets = targets_for(resources, include, parameter, is_url);
                if !targets.is_empty() {
                    let code = &parameter.code;
                    ways.push(to_resources(code, targets, is_url));
                }
            }
            match (ways.pop(), ways.is_empty()) {
                (None, _) => {}
                (Some(only), true) => queries.push(Query::of(source, vec![only])),
                (Some(last), false) => {
                    ways.push(last);
                    queries.push(Query::of(source, vec![Criterion::Any(ways)]));
                }
            }
        }
        if queries.is_empty() {
            return Ok(());
        }
        let matching = self.matching(queries).await?;
        let limit = self.ctx.settings.limits.include_total_max;
        let (ctx, grant) = (self.ctx, self.grant);
        let mut visit = |stored: Stored| self.add(stored);
        let is_whole = matching.each(ctx, grant, (limit, true), &mut visit).await?;
        if is_whole {
            Ok(())
        } else {
            Err(too_many(limit))
        }
    }

    async fn matching(&self, queries: Vec<Query>) -> Result<Matching, Outcome> {
        Matching::new(self.ctx, self.grant, queries, (None, None)).await
    }

    fn add(&mut self, stored: Stored) -> Result<(), Outcome> {
        let limit = self.ctx.settings.limits.include_total_max;
        if !self.seen.insert(item(&stored, true)) {
            return Ok(());
        }
        self.seen.insert(item(&stored, false));
        if self.found.items.len() == limit {
            return Err(too_many(limit));
        }
        self.found.items.push(item(&stored, true));
        if self.room.admits(stored.json.len()) {
            self.found.shown.push(stored);
        }
        Ok(())
    }
}

/// The reference parameters of a type that an include names.
fn parameters<'c>(
    ctx: &'c Context,
    resource_type: ResourceType,
    include: &Include,
) -> Vec<&'c SearchParameter> {
    let all = ctx.registry.search_parameters(resource_type).iter();
    all.filter(|one| one.kind == ParameterKind::Reference && one.expression.is_some())
        .filter(|one| include.code.as_ref().is_none_or(|code| *code == one.code))
        .collect()
}

/// What a parameter would have to refer to.
fn targets_for(
    resources: &[Resource],
    include: &Include,
    parameter: &SearchParameter,
    is_url: bool,
) -> Vec<String> {
    let mut targets = Vec::new();
    for resource in resources {
        let resource_type = resource.resource_type();
        let is_target = include.target.is_none_or(|only| only == resource_type)
            && (parameter.targets.is_empty() || parameter.targets.contains(&resource_type));
        if !is_target {
            continue;
        }
        targets.extend(resource.id().map(|id| format!("{resource_type}/{id}")));
        if is_url {
            targets.extend(canonical_of(resource));
        }
    }
    targets
}

fn too_many(limit: usize) -> Outcome {
    Outcome::new(
        Kind::TooCostly,
        format!(
            "The page would include more than {limit} resources: ask for fewer matches with \
             _count, or name the types that shall be included."
        ),
    )
}
