//! What the restrictions of a scope ask of a resource: a search about the resource alone.
//!
//! What a restriction means must not depend on other resources, nor on what a client can define.

use crate::access::scope::Scope;
use crate::conformance::custom::FIRST_NUMBER;
use crate::fhir::resource_type::ResourceType;
use crate::search::index::Indexer;
use crate::search::parse::{self, ParseOptions};
use crate::search::plan::Predicate;
use crate::search::query::{Criterion, Query, ResultOptions};

/// What resources of a type have to meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::access) struct TypeCondition {
    /// As it was asked.
    pub(super) query: Query,
    /// As far as index entries tell.
    pub(super) predicate: Predicate,
}

/// The conditions of a scope, by type; `None` where they cannot be kept on the type it names.
pub(super) fn conditions(
    scope: &Scope,
    indexer: &Indexer,
    now_ms: i64,
) -> Option<Vec<TypeCondition>> {
    let read = |resource_type| condition(resource_type, &scope.restrictions, indexer, now_ms);
    match scope.resource_type {
        Some(only) => Some(vec![read(only)?]),
        None => Some(ResourceType::all().filter_map(read).collect()),
    }
}

/// Conditions on types, each with the values of `category` that a resource must have one of; empty
/// for all of the type. What is no type of this server is left out.
pub(in crate::access) fn of_parts(
    parts: &[(&str, &str)],
    indexer: &Indexer,
    now_ms: i64,
) -> Vec<TypeCondition> {
    let read = |(name, category): &(&str, &str)| {
        let resource_type = name.parse().ok()?;
        if category.is_empty() {
            return Some(TypeCondition {
                query: Query::of(resource_type, Vec::new()),
                predicate: Predicate::All,
            });
        }
        let asked = [("category".to_owned(), (*category).to_owned())];
        condition(resource_type, &asked, indexer, now_ms)
    };
    parts.iter().filter_map(read).collect()
}

fn condition(
    resource_type: ResourceType,
    restrictions: &[(String, String)],
    indexer: &Indexer,
    now_ms: i64,
) -> Option<TypeCondition> {
    let options = ParseOptions {
        now_ms,
        is_lenient: false,
        chain_depth_max: 0,
    };
    let query = parse::parse(resource_type, restrictions, indexer, options).ok()?;
    // What a parameter posted at run time means is decided by whoever may write it.
    let is_of_r4 = |code: &str| {
        let known = indexer.registry().search_parameter(resource_type, code);
        known.is_some_and(|known| known.number < FIRST_NUMBER)
    };
    let is_plain = query.result == ResultOptions::default()
        && query.vocabulary().is_empty()
        && !query.criteria.is_empty()
        && query.criteria.iter().all(|one| is_own(one, &is_of_r4));
    is_plain.then(|| TypeCondition {
        predicate: query.lower(indexer).condition(),
        query,
    })
}

/// Whether a criterion is about the resource itself and nothing else, by parameters of R4.
fn is_own(criterion: &Criterion, is_of_r4: &dyn Fn(&str) -> bool) -> bool {
    match criterion {
        Criterion::Related(_) | Criterion::Inside(_) | Criterion::Referred(_) => false,
        Criterion::Not(inner) => is_own(inner, is_of_r4),
        Criterion::All(parts) | Criterion::Any(parts) => {
            parts.iter().all(|one| is_own(one, is_of_r4))
        }
        Criterion::Parameter { code, .. } | Criterion::Missing { code, .. } => is_of_r4(code),
        Criterion::Words(_) | Criterion::Ids(_) | Criterion::LastUpdated(_) => true,
    }
}
