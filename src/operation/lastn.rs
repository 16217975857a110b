//! `Observation/$lastn`: of every kind of observation the newest ones.
//!
//! Observations are of one kind when their codes share a coding or have the same text, also by way
//! of others. Newest is by the end of the effective time; those without one come last.
//! Spec: <https://hl7.org/fhir/R4/observation-operation-lastn.html>.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::access::records::results::Item;
use crate::fhir::query;
use crate::fhir::resource::{Node, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::search::{self, SearchResponse, Strictness, collect};
use crate::operation::listing::{self, Call, List};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::index::Indexer;
use crate::search::param::date::{self, Interval};
use crate::search::query::Query;

/// Observations of one kind, when `max` is absent.
const MAX_DEFAULT: usize = 1;

/// An observation, as far as it decides what is shown.
struct Seen {
    item: Item,
    kinds: Vec<String>,
    /// The end and the start of its time, in ms.
    time: Option<(i64, i64)>,
}

/// Answers a call.
pub async fn lastn(ctx: &Context, grant: &Grant, call: &Call) -> Result<SearchResponse, Outcome> {
    let asked = listing::read(ctx, grant, call)?;
    let (query, max) = read(ctx, &asked.pairs)?;
    let count = query.result.count;
    if let Some(kept) = asked.kept {
        return listing::further(ctx, grant, (call, &asked), (kept, count)).await;
    }
    let limit = ctx.settings.limits.sort_candidates_max;
    let indexer = ctx.records.indexer();
    let mut seen = Vec::new();
    let mut visit = |stored: Stored| {
        seen.push(look_at(stored, &indexer)?);
        Ok(())
    };
    if !collect::each_match(ctx, grant, (query, limit), &mut visit).await? {
        let text = format!(
            "More than {limit} observations meet this: add a condition that fewer meet, such as \
             one patient, a code or a date."
        );
        return Err(Outcome::new(Kind::TooCostly, text));
    }
    let items = newest(seen, max);
    let list = List {
        matches: items.len(),
        items,
        ..List::default()
    };
    listing::first(ctx, grant, (call, &asked), (&list, count)).await
}

/// Reads the parameters: those of a search on observations, and `max`.
fn read(ctx: &Context, pairs: &[(String, String)]) -> Result<(Query, usize), Outcome> {
    let (own, others): (Vec<_>, Vec<_>) =
        pairs.iter().cloned().partition(|(name, _)| name == "max");
    let mut max = None;
    for (_, value) in own {
        let read = value.parse().ok().filter(|max: &usize| *max > 0);
        let read = read.ok_or_else(|| {
            Outcome::new(Kind::Malformed, "max is a whole number of 1 or more.").at("http.max")
        })?;
        listing::once(&mut max, "max", read)?;
    }
    let names = |wanted: &[&str]| {
        let mut names = others.iter().filter_map(|(name, _)| condition_on(name));
        names.any(|name| wanted.contains(&name))
    };
    if !names(&["patient", "subject"]) {
        let text = "$lastn needs to know whose observations: give patient or subject.";
        return Err(Outcome::new(Kind::Invalid, text));
    }
    if !names(&["category", "code"]) {
        let text = "$lastn needs to know which observations: give category or code.";
        return Err(Outcome::new(Kind::Invalid, text));
    }
    let observation = observation()?;
    let text = query::encode(&others);
    let query = search::parse(ctx, observation, &text, Strictness::Strict)?;
    if !query.result.sort.is_empty() || !query.result.includes.is_empty() {
        let text = "$lastn has its own order and includes nothing: leave _sort, _include and \
                    _revinclude out.";
        return Err(Outcome::new(Kind::Unsupported, text));
    }
    Ok((query, max.unwrap_or(MAX_DEFAULT)))
}

/// The parameter that a name is a condition on; `None` where it only says what must not be.
fn condition_on(name: &str) -> Option<&str> {
    let end = name.find([':', '.']).unwrap_or(name.len());
    let (code, rest) = name.split_at_checked(end)?;
    let is_negative = [":missing", ":not", ":not-in"].contains(&rest);
    (!is_negative).then_some(code)
}

fn observation() -> Result<ResourceType, Outcome> {
    let found = "Observation".parse();
    found.map_err(|_unknown| Outcome::internal("there is no type Observation"))
}

fn look_at(stored: Stored, indexer: &Indexer) -> Result<Seen, Outcome> {
    let resource = stored.resource()?;
    Ok(Seen {
        kinds: kinds(&resource),
        time: time(&resource, indexer).map(|time| (time.high_ms, time.low_ms)),
        item: Item {
            address: stored.version.address,
            version_id: None,
        },
    })
}

/// What the code of an observation is called, each in a form of its own.
fn kinds(resource: &Resource) -> Vec<String> {
    let Some(code) = resource.object().get("code").and_then(Node::as_object) else {
        return Vec::new();
    };
    let codings = code.items("coding").iter().filter_map(Node::as_object);
    let codings = codings.filter_map(|coding| {
        let system = coding.get_str("system").unwrap_or_default();
        Some(format!("{system}|{}", coding.get_str("code")?))
    });
    // No system holds a blank, so that no text is taken for a coding.
    let text = code.get_str("text").map(|text| format!(" {text}"));
    codings.chain(text).collect()
}

fn time(resource: &Resource, indexer: &Indexer) -> Option<Interval> {
    let registry = indexer.registry();
    let parameter = registry.search_parameter(resource.resource_type(), "date")?;
    let mut time = None;
    indexer.each_value(parameter, resource, &mut |found| {
        time = time.or_else(|| date::interval(found));
    });
    time
}

/// The newest `max` of every kind; kinds by their newest observation.
fn newest(mut seen: Vec<Seen>, max: usize) -> Vec<Item> {
    // Stable: what was written last comes first among those of one time.
    seen.sort_by_key(|one| Reverse(one.time));
    let groups = group(&seen);
    let mut shown: HashMap<usize, Vec<Item>> = HashMap::new();
    let mut order = Vec::new();
    for (one, group) in seen.into_iter().zip(groups) {
        let items = shown.entry(group).or_default();
        if items.is_empty() {
            order.push(group);
        }
        if items.len() < max {
            items.push(one.item);
        }
    }
    let groups = order.iter().filter_map(|group| shown.remove(group));
    groups.flatten().collect()
}

/// The group of each: those that share a name, also by way of others, have the same.
fn group(seen: &[Seen]) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..seen.len()).collect();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (place, one) in seen.iter().enumerate() {
        for name in &one.kinds {
            let first = *known.entry(name).or_insert(place);
            let (one, other) = (root(&parents, first), root(&parents, place));
            if let Some(parent) = parents.get_mut(one.max(other)) {
                *parent = one.min(other);
            }
        }
    }
    (0..seen.len()).map(|place| root(&parents, place)).collect()
}

/// The root of a group is its first member: a parent never comes behind its child.
fn root(parents: &[usize], mut place: usize) -> usize {
    while let Some(&parent) = parents.get(place)
        && parent != place
    {
        place = parent;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::{Seen, condition_on, newest};
    use crate::access::records::results::Item;
    use crate::store::Address;

    fn seen(id: &str, time: i64, kinds: &[&str]) -> Seen {
        let address = Address {
            resource_type: "Observation".parse().unwrap(),
            id: id.to_owned(),
        };
        Seen {
            item: Item {
                address,
                version_id: None,
            },
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            time: (time > 0).then_some((time, time)),
        }
    }

    fn ids(seen: Vec<Seen>, max: usize) -> Vec<String> {
        let items = newest(seen, max).into_iter();
        items.map(|item| item.address.id).collect()
    }

    #[test]
    fn kinds_are_joined_by_what_their_codes_share() {
        let all = || {
            vec![
                seen("a1", 1, &["s|a"]),
                seen("b9", 9, &["s|b"]),
                seen("ab5", 5, &["s|a", "s|b"]),
                seen("c3", 3, &["s|c", " text"]),
                seen("t7", 7, &[" text"]),
                seen("never", 0, &["s|c"]),
                seen("none", 2, &[]),
            ]
        };
        assert_eq!(ids(all(), 1), ["b9", "t7", "none"]);
        assert_eq!(ids(all(), 2), ["b9", "ab5", "t7", "c3", "none"]);
        let whole = ["b9", "ab5", "a1", "t7", "c3", "never", "none"];
        assert_eq!(ids(all(), 9), whole);
    }

    #[test]
    fn conditions_are_told_from_their_opposites() {
        assert_eq!(condition_on("subject:Patient.name"), Some("subject"));
        assert_eq!(condition_on("code:in"), Some("code"));
        assert_eq!(condition_on("code:not"), None);
        assert_eq!(condition_on("patient:missing"), None);
    }
}
