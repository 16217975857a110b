//! What lies above and below resources, by the references that say what they are part of.
//!
//! Level by level, each resource once, so that circles end.
//! Spec: <https://hl7.org/fhir/R4/search.html#recursive>.

use std::collections::BTreeSet;

use compact_str::CompactString;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::search::matching::Matching;
use crate::interaction::search::resolve::{each_target, references, too_many_targets};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::query::Query;
use crate::search::target::Target;
use crate::store::Address;

/// Levels that are walked.
const LEVELS_MAX: usize = 64;

/// The type of a hierarchy, with the parameter that leads upwards.
type Hierarchy = (ResourceType, CompactString);

/// What is named, as references name it, and what lies below it or above it.
pub(super) async fn walk(
    ctx: &Context,
    grant: &Grant,
    named: &[String],
    (hierarchies, is_above): (&[Hierarchy], bool),
) -> Result<BTreeSet<String>, Outcome> {
    let mut found: BTreeSet<String> = named.iter().cloned().collect();
    for hierarchy in hierarchies {
        let mut level = members_of(named, hierarchy);
        for step in 0.. {
            if level.is_empty() {
                break;
            }
            check_level(step)?;
            let next = if is_above {
                parents(ctx, grant, &level, hierarchy).await?
            } else {
                children(ctx, grant, level, hierarchy).await?
            };
            level = next.difference(&found).cloned().collect();
            found.extend(next);
            check_size(ctx, &found)?;
        }
    }
    Ok(found)
}

/// Those of the references that may stand in a hierarchy; resources of other servers may have
/// something below them here.
fn members_of(named: &[String], (resource_type, _): &Hierarchy) -> Vec<String> {
    let is_of_it = |one: &&String| {
        let local = one.split_once('/').map(|(name, _)| name.parse());
        match local {
            Some(Ok(of)) => resource_type == &of,
            Some(Err(_)) | None => true,
        }
    };
    named.iter().filter(is_of_it).cloned().collect()
}

async fn children(
    ctx: &Context,
    grant: &Grant,
    level: Vec<String>,
    (resource_type, parent): &Hierarchy,
) -> Result<BTreeSet<String>, Outcome> {
    let query = Query::of(*resource_type, vec![references(parent, level)]);
    let matching = Matching::new(ctx, grant, vec![query], (None, None)).await?;
    let limit = ctx.settings.limits.chain_targets_max;
    let mut found = BTreeSet::new();
    let mut add = |stored: Stored| {
        let address = &stored.version.address;
        found.insert(format!("{}/{}", address.resource_type, address.id));
        Ok(())
    };
    let is_whole = matching.each(ctx, grant, (limit, false), &mut add).await?;
    if is_whole {
        Ok(found)
    } else {
        Err(too_many_targets(limit))
    }
}

async fn parents(
    ctx: &Context,
    grant: &Grant,
    level: &[String],
    (resource_type, parent): &Hierarchy,
) -> Result<BTreeSet<String>, Outcome> {
    let prefix = format!("{resource_type}/");
    let local = level.iter().filter_map(|one| one.strip_prefix(&prefix));
    let addresses: Vec<_> = local
        .map(|id| Address {
            resource_type: *resource_type,
            id: id.to_owned(),
        })
        .collect();
    let indexer = ctx.records.indexer();
    let mut found = BTreeSet::new();
    for stored in ctx.records.get_many(grant, &addresses).await? {
        if stored.is_deleted() {
            continue;
        }
        let place = (*resource_type, parent.as_str());
        each_target(&indexer, place, &stored.resource()?, &mut |target| {
            if let Target::Local {
                resource_type: of,
                id,
                ..
            } = target
                && of == *resource_type
            {
                found.insert(format!("{of}/{id}"));
            }
        });
    }
    Ok(found)
}

fn check_level(step: usize) -> Result<(), Outcome> {
    if step < LEVELS_MAX {
        return Ok(());
    }
    let text = format!("A hierarchy has more than {LEVELS_MAX} levels: name a resource within it.");
    Err(Outcome::new(Kind::TooCostly, text))
}

fn check_size(ctx: &Context, found: &BTreeSet<String>) -> Result<(), Outcome> {
    let limit = ctx.settings.limits.chain_targets_max;
    if found.len() <= limit {
        return Ok(());
    }
    Err(too_many_targets(limit))
}
