//! Search as a whole: resources to entries, text to query, query to plan, over R4's definitions.

mod composite;
mod differential;
mod index;
mod lower;
mod modifier;
mod parse;

use std::sync::{Arc, OnceLock};

use crate::conformance::registry::Registry;
use crate::fhir::json::{Limits, parse_resource};
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Issue;
use crate::seal::blind::BlindKey;
use crate::search::index::Indexer;
use crate::search::parse::{ParseOptions, parse};
use crate::search::plan::{Candidate, Plan};
use crate::search::query::Query;

/// 2026-11-22T00:00:00Z
const NOW_MS: i64 = 1_795_305_600_000;

fn indexer() -> &'static Indexer {
    static INDEXER: OnceLock<Indexer> = OnceLock::new();
    INDEXER.get_or_init(|| {
        let registry = Arc::new(Registry::load().unwrap());
        let blind = BlindKey::from_root(&[5; 32]);
        Indexer::new(registry, blind, "http://vesta.test/fhir/")
    })
}

fn resource_type(name: &str) -> ResourceType {
    name.parse().unwrap()
}

fn resource(json: &str) -> Resource {
    parse_resource(json.as_bytes(), Limits { depth_max: 32 }).unwrap()
}

/// The parameters of `name=value&name=value`, without any decoding.
fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn parse_query(name: &str, query: &str) -> Result<Query, Vec<Issue>> {
    let options = ParseOptions {
        now_ms: NOW_MS,
        is_lenient: false,
        chain_depth_max: 4,
    };
    parse(resource_type(name), &pairs(query), indexer(), options)
}

/// What a store does with one resource.
fn plan_holds(plan: &Plan, resource: &Resource, last_updated_ms: i64) -> bool {
    let entries = indexer().entries(resource, last_updated_ms).unwrap();
    let candidate = Candidate {
        id: resource.id().unwrap_or_default(),
        last_updated_ms,
        entries: &entries,
    };
    plan.driver.holds(&candidate) && plan.residual.holds(&candidate)
}

/// Whether a search finds a resource; whatever drives, the answer is the same.
fn finds(name: &str, query: &str, resource: &Resource) -> bool {
    let query = parse_query(name, query).unwrap_or_else(|issues| panic!("{query}: {issues:?}"));
    let lowered = query.lower(indexer());
    let count = lowered.candidates().len();
    let plans = (0..=count).map(|smallest| {
        let counts: Vec<u64> = (0..count)
            .map(|place| u64::from(place != smallest))
            .collect();
        lowered.plan(&counts)
    });
    let answers: Vec<bool> = plans
        .map(|plan| plan_holds(&plan, resource, NOW_MS))
        .collect();
    let by_keys = answers[0];
    assert!(answers.iter().all(|answer| *answer == by_keys), "{query:?}");
    let is_found = by_keys && query.verify(resource, NOW_MS, indexer());
    if !query.needs_verification() && resource.resource_type() == query.resource_type {
        assert_eq!(
            is_found,
            query.matches(resource, NOW_MS, indexer()),
            "{query:?}"
        );
    }
    is_found
}
