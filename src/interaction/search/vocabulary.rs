//! Fetches the value sets and code systems that a query names, and fills in their codes.
//!
//! Stored ones count first, then the value sets that R4 binds. What cannot be expanded refuses the
//! search: a result without it would be wrong. Spec: <https://hl7.org/fhir/R4/search.html#token>.

use std::collections::BTreeSet;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::query::encode;
use crate::fhir::resource::Resource;
use crate::interaction::Context;
use crate::interaction::search::{self, Strictness, letter_case};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::param::vocabulary::{Asked, VocabularyCondition};
use crate::search::query::Query;
use crate::terminology::expand::{Codes, ExpandError, Expansion, Sources, expand, hierarchy};

/// Value sets and code systems that one query may need.
const FETCHED_MAX: usize = 64;

/// Codes that one condition may stand for.
const CODES_MAX: usize = 10_000;

/// Fills in the codes of every condition on vocabulary, and settles where case counts.
pub(super) async fn fill(ctx: &Context, grant: &Grant, query: &mut Query) -> Result<(), Outcome> {
    letter_case::settle(ctx, grant, query).await?;
    let grant = &grant.on_terminology();
    let mut sources = Sources::default();
    for condition in query.vocabulary() {
        fill_one(ctx, grant, condition, &mut sources).await?;
    }
    Ok(())
}

async fn fill_one(
    ctx: &Context,
    grant: &Grant,
    condition: &VocabularyCondition,
    sources: &mut Sources,
) -> Result<(), Outcome> {
    let refuse = |reason: String| {
        let text = format!("The codes that are asked for cannot be told: {reason}.");
        Outcome::new(Kind::Unprocessable, text)
    };
    for _ in 0..FETCHED_MAX {
        let missing = match look_up(&condition.asked, sources) {
            Ok(expansion) => return accept(ctx, grant, condition, &expansion).await,
            Err(error) => error,
        };
        let is_found = match &missing {
            ExpandError::ValueSet(url) => fetch_value_set(ctx, grant, url, sources).await?,
            ExpandError::CodeSystem(url) => fetch_code_system(ctx, grant, url, sources).await?,
            ExpandError::Unsupported(_) => false,
        };
        if !is_found {
            return Err(refuse(missing.to_string()));
        }
    }
    let reason = format!("more than {FETCHED_MAX} value sets and code systems are involved");
    Err(refuse(reason))
}

async fn accept(
    ctx: &Context,
    grant: &Grant,
    condition: &VocabularyCondition,
    expansion: &Expansion,
) -> Result<(), Outcome> {
    let mut all = Vec::new();
    for (system, codes) in expansion {
        match codes {
            Codes::All => all.push((system.as_str(), None)),
            Codes::Some(codes) => {
                let is_sensitive = ctx.records.is_case_sensitive(grant, system).await?;
                let code = |code| (system.as_str(), Some((code, is_sensitive)));
                all.extend(codes.iter().map(String::as_str).map(code));
            }
        }
    }
    if all.len() > CODES_MAX {
        let text = format!("A value set has more than {CODES_MAX} codes: name fewer of them.");
        return Err(Outcome::new(Kind::TooCostly, text));
    }
    condition.fill(all.into_iter());
    Ok(())
}

fn look_up(asked: &Asked, sources: &Sources) -> Result<Expansion, ExpandError> {
    let of = |system: &str, codes: BTreeSet<String>| {
        Expansion::from([(system.to_owned(), Codes::Some(codes))])
    };
    match asked {
        Asked::In(url) => expand(url, sources),
        Asked::Above { system, code } => Ok(of(system, hierarchy(system, sources)?.above(code))),
        Asked::Below { system, code } => Ok(of(system, hierarchy(system, sources)?.below(code))),
    }
}

async fn fetch_value_set(
    ctx: &Context,
    grant: &Grant,
    url: &str,
    sources: &mut Sources,
) -> Result<bool, Outcome> {
    if let Some(stored) = fetch(ctx, grant, "ValueSet", url).await? {
        sources.value_sets.insert(url.to_owned(), stored);
        return Ok(true);
    }
    let indexer = ctx.records.indexer();
    let known = (0..).map_while(|place| indexer.registry().shapes().code_set(place));
    let bound = known.filter(|set| set.is_enumerable());
    let Some(set) = bound.into_iter().find(|set| set.value_set == url) else {
        return Ok(false);
    };
    let systems = set.systems.iter().map(|one| {
        let codes = one.codes.iter().map(ToString::to_string).collect();
        (one.system.to_string(), Codes::Some(codes))
    });
    sources.known.insert(url.to_owned(), systems.collect());
    Ok(true)
}

async fn fetch_code_system(
    ctx: &Context,
    grant: &Grant,
    url: &str,
    sources: &mut Sources,
) -> Result<bool, Outcome> {
    if sources.code_systems.contains_key(url) {
        // It is here, and does not hold all of its codes.
        return Ok(false);
    }
    let Some(stored) = fetch(ctx, grant, "CodeSystem", url).await? else {
        return Ok(false);
    };
    sources.code_systems.insert(url.to_owned(), stored);
    Ok(true)
}

/// The newest stored resource with a canonical URL, or the one that `Type/id` names.
async fn fetch(
    ctx: &Context,
    grant: &Grant,
    type_name: &str,
    url: &str,
) -> Result<Option<Resource>, Outcome> {
    let criteria: Vec<(&str, &str)> = match (url.strip_prefix(type_name), url.split_once('|')) {
        (Some(id), _) => vec![("_id", id.trim_start_matches('/'))],
        (None, Some((url, version))) => vec![("url", url), ("version", version)],
        (None, None) => vec![("url", url)],
    };
    let escaped: Vec<_> = criteria
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.replace(',', "\\,")))
        .collect();
    let resource_type = type_name
        .parse()
        .map_err(|_unknown| Outcome::internal("a type of R4 is unknown"))?;
    let query = search::parse(ctx, resource_type, &encode(&escaped), Strictness::Strict)?;
    let found = Box::pin(search::find_all(ctx, grant, &query, 1)).await?;
    found.first().map(Stored::resource).transpose()
}
