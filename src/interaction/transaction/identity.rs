//! Which resource each entry of a transaction is about, before anything is written.
//!
//! Two entries that write the same resource, or the one that the same criteria would match, are
//! refused with both named; only two conditional creates on the same criteria become one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::interaction::Context;
use crate::interaction::bundle::{EntryRequest, Verb};
use crate::interaction::conditional::{self, Criteria};
use crate::interaction::patch;
use crate::interaction::stage::Stage;
use crate::interaction::transaction::link::Links;
use crate::interaction::update::{self, Target};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::Address;

/// What an entry is about.
#[derive(Debug)]
pub(super) enum Resolved {
    /// A new resource.
    Create(Address),
    /// The resource that a conditional create found.
    Existing(Stored),
    /// The same conditional create as an entry before.
    SameAs(usize),
    /// An update, of the current version when there is one.
    Put(Address, Option<Stored>),
    /// A patch of this version.
    Patch(Stored),
    /// Deletes, tombstones included.
    Delete(Vec<Stored>),
    /// A read: settled when everything is committed.
    Get,
}

/// What every entry is about, in the order of the Bundle.
#[derive(Debug)]
pub(super) struct Identities {
    pub(super) resolved: Vec<Resolved>,
}

/// Settles the identities of all entries.
pub(super) async fn settle(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    entries: &[EntryRequest],
) -> Result<Identities, Outcome> {
    read_ahead(ctx, grant, stage, entries).await?;
    let keys = keys(ctx, entries)?;
    stage
        .read_ahead(ctx, keys.iter().flatten().cloned().collect())
        .await?;
    let mut resolved = Vec::with_capacity(entries.len());
    let mut writers: HashMap<String, &EntryRequest> = HashMap::new();
    for (entry, key) in entries.iter().zip(keys) {
        let settled = match repeated_create(&mut writers, (entry, key))? {
            Some(index) => Ok(Resolved::SameAs(index)),
            None => settle_one(ctx, grant, stage, entry).await,
        };
        resolved.push(
            settled
                .map_err(|outcome| outcome.at(format!("Bundle.entry[{}].request", entry.index)))?,
        );
    }
    let identities = Identities { resolved };
    identities.refuse_overlaps()?;
    Ok(identities)
}

/// One read for all versions that entries name by id.
async fn read_ahead(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    entries: &[EntryRequest],
) -> Result<(), Outcome> {
    let mut wanted: Vec<Address> = entries
        .iter()
        .filter_map(|entry| match &entry.verb {
            Verb::Put {
                resource,
                target: Target::Id(id),
                ..
            } => Some(Address {
                resource_type: resource.resource_type(),
                id: id.clone(),
            }),
            Verb::Patch {
                resource_type,
                target: Target::Id(id),
                ..
            }
            | Verb::Delete {
                resource_type,
                target: Target::Id(id),
                ..
            } => Some(Address {
                resource_type: *resource_type,
                id: id.clone(),
            }),
            _ => None,
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    // What a limited bearer may look at differs from entry to entry: each reads for itself.
    if wanted.is_empty() || !grant.is_unlimited() {
        return Ok(());
    }
    let mut found: HashMap<Address, Stored> = ctx
        .records
        .get_many(grant, &wanted)
        .await?
        .into_iter()
        .map(|stored| (stored.version.address.clone(), stored))
        .collect();
    for address in wanted {
        let current = found.remove(&address);
        stage.remember(address, current);
    }
    Ok(())
}

/// The keys of the criteria that entries have.
fn keys(ctx: &Context, entries: &[EntryRequest]) -> Result<Vec<Option<String>>, Outcome> {
    let key = |entry: &EntryRequest| {
        let criteria = entry.verb.criteria();
        let key = criteria.map(|criteria| criteria.key(ctx)).transpose();
        key.map_err(|outcome| outcome.at(format!("Bundle.entry[{}].request", entry.index)))
    };
    entries.iter().map(key).collect()
}

/// The entry before that creates on the same criteria.
///
/// # Errors
/// 400 when an entry before writes on the same criteria otherwise: what the first one leaves would
/// decide what the second one is about, so that both could create.
fn repeated_create<'a>(
    writers: &mut HashMap<String, &'a EntryRequest>,
    (entry, key): (&'a EntryRequest, Option<String>),
) -> Result<Option<usize>, Outcome> {
    let Some(key) = key else {
        return Ok(None);
    };
    match writers.entry(key) {
        Entry::Vacant(vacant) => {
            vacant.insert(entry);
            Ok(None)
        }
        Entry::Occupied(first) => {
            let first = *first.get();
            match (&first.verb, &entry.verb) {
                (Verb::Post { .. }, Verb::Post { .. }) => Ok(Some(first.index)),
                _ => Err(overlap(first.index, entry.index)),
            }
        }
    }
}

async fn settle_one(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    entry: &EntryRequest,
) -> Result<Resolved, Outcome> {
    let narrowed = entry.verb.intent().map(|intent| grant.within(intent));
    let narrowed = narrowed.transpose()?;
    let grant = narrowed.as_ref().unwrap_or(grant);
    match &entry.verb {
        Verb::Get { .. } => Ok(Resolved::Get),
        Verb::Post {
            resource,
            if_none_exist,
        } => {
            let resource_type = resource.resource_type();
            if let Some(query) = if_none_exist {
                let criteria = Criteria {
                    resource_type,
                    query,
                };
                let found = conditional::find_one(ctx, grant, stage, &criteria).await?;
                if let Some(found) = found {
                    return Ok(Resolved::Existing(found));
                }
            }
            Ok(Resolved::Create(Address {
                resource_type,
                id: ctx.records.new_id(),
            }))
        }
        Verb::Put {
            resource, target, ..
        } => {
            let (current, address) =
                update::find_target(ctx, grant, stage, (resource, target)).await?;
            Ok(Resolved::Put(address, current))
        }
        Verb::Patch {
            resource_type,
            target,
            ..
        } => patch::find_target(ctx, grant, stage, (*resource_type, target))
            .await
            .map(Resolved::Patch),
        Verb::Delete {
            resource_type,
            target,
            ..
        } => {
            let found = crate::interaction::delete::find_target(
                ctx,
                grant,
                stage,
                (*resource_type, target),
            )
            .await?;
            Ok(Resolved::Delete(found))
        }
    }
}

impl Identities {
    /// What other entries may call the resource of an entry, and what its reference becomes.
    ///
    /// # Errors
    /// 400 when two resources of the Bundle have one name: a link to it could mean either.
    pub(super) fn links(&self, entries: &[EntryRequest], base_url: &str) -> Result<Links, Outcome> {
        let mut named: HashMap<&str, (&Address, usize)> = HashMap::new();
        for (entry, resolved) in entries.iter().zip(&self.resolved) {
            let Some(full_url) = &entry.full_url else {
                continue;
            };
            let Some(address) = self.address(resolved) else {
                continue;
            };
            match named.insert(full_url, (address, entry.index)) {
                Some((other, first)) if other != address => {
                    return Err(ambiguous(first, entry.index));
                }
                _ => {}
            }
        }
        let link = |(name, (address, _)): (&str, (&Address, usize))| {
            let reference = format!("{}/{}", address.resource_type, address.id);
            (name.to_owned(), reference)
        };
        Ok(Links::new(base_url, named.into_iter().map(link).collect()))
    }

    pub(super) fn address<'a>(&'a self, resolved: &'a Resolved) -> Option<&'a Address> {
        match resolved {
            Resolved::Create(address) | Resolved::Put(address, _) => Some(address),
            Resolved::Existing(stored) | Resolved::Patch(stored) => Some(&stored.version.address),
            Resolved::SameAs(index) => self
                .resolved
                .get(*index)
                .and_then(|other| self.address(other)),
            Resolved::Delete(_) | Resolved::Get => None,
        }
    }

    fn refuse_overlaps(&self) -> Result<(), Outcome> {
        let mut seen: HashMap<&Address, usize> = HashMap::new();
        for (index, resolved) in self.resolved.iter().enumerate() {
            let written: Vec<&Address> = match resolved {
                Resolved::Create(address) | Resolved::Put(address, _) => vec![address],
                Resolved::Patch(stored) => vec![&stored.version.address],
                Resolved::Delete(found) => found.iter().map(|s| &s.version.address).collect(),
                Resolved::Existing(_) | Resolved::SameAs(_) | Resolved::Get => Vec::new(),
            };
            for address in written {
                if let Some(first) = seen.insert(address, index) {
                    return Err(overlap(first, index));
                }
            }
        }
        self.refuse_deleting_what_exists(&seen)
    }

    /// A conditional create that answers with a resource must not see it deleted.
    fn refuse_deleting_what_exists(&self, seen: &HashMap<&Address, usize>) -> Result<(), Outcome> {
        for (index, resolved) in self.resolved.iter().enumerate() {
            let Resolved::Existing(stored) = resolved else {
                continue;
            };
            let Some(writer) = seen.get(&stored.version.address) else {
                continue;
            };
            if matches!(self.resolved.get(*writer), Some(Resolved::Delete(_))) {
                return Err(overlap(index.min(*writer), index.max(*writer)));
            }
        }
        Ok(())
    }
}

fn overlap(first: usize, second: usize) -> Outcome {
    Outcome::new(
        Kind::Invalid,
        format!(
            "Entries {first} and {second} write the same resource: a transaction may write each \
             resource once."
        ),
    )
    .at(format!("Bundle.entry[{first}]"))
    .at(format!("Bundle.entry[{second}]"))
}

fn ambiguous(first: usize, second: usize) -> Outcome {
    Outcome::new(
        Kind::Invalid,
        format!(
            "Entries {first} and {second} have the same fullUrl: a link to it could mean either. \
             Give each a fullUrl of its own, such as a urn:uuid."
        ),
    )
    .at(format!("Bundle.entry[{first}].fullUrl"))
    .at(format!("Bundle.entry[{second}].fullUrl"))
}

#[cfg(test)]
mod tests {
    use super::{Identities, Resolved};
    use crate::store::Address;

    #[test]
    fn writing_a_resource_twice_names_both_entries() {
        let address = Address {
            resource_type: "Patient".parse().unwrap(),
            id: "1".into(),
        };
        let put = || Resolved::Put(address.clone(), None);
        let identities = Identities {
            resolved: vec![put(), Resolved::Get, put()],
        };
        let outcome = identities.refuse_overlaps().unwrap_err();
        assert_eq!(
            outcome.issues[0].expression,
            ["Bundle.entry[0]", "Bundle.entry[2]"]
        );
    }
}
