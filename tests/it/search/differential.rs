//! Random queries, answered by the server and by a plain reading of the same resources.
//!
//! The plain reading ([`naive`]) takes elements of the JSON by their names and compares them in
//! memory; it shares nothing with the server but R4: <https://hl7.org/fhir/R4/search.html>.

mod generate;
mod naive;
mod special;

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::OnceLock;

use serde_json::Value;

use crate::search::differential::generate::Query;
use crate::search::differential::naive::Naive;
use crate::support::random::Random;
use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores};

on_both_stores!(random_queries_find_what_a_plain_reading_finds);

const SEED: u64 = 20_261_122;
const QUERIES: usize = 1_000;

/// Resources that are sent at once.
const CHUNK: usize = 250;

/// Differences that are printed.
const SHOWN_MAX: usize = 12;

/// The resources, and each query with the ids that it has to find.
struct Expected {
    resources: Vec<Value>,
    queries: Vec<(Query, Vec<String>)>,
}

fn expected() -> &'static Expected {
    static EXPECTED: OnceLock<Expected> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let mut random = Random::new(SEED);
        let resources = generate::resources(&mut random);
        let naive = Naive::new(&resources);
        let queries = std::iter::repeat_with(|| generate::query(&mut random));
        let queries: Vec<_> = queries
            .take(QUERIES)
            .map(|query| {
                let ids = naive.answer(&query);
                (query, ids)
            })
            .collect();
        Expected { resources, queries }
    })
}

async fn random_queries_find_what_a_plain_reading_finds(backend: Backend) {
    let server = TestServer::start(backend).await;
    let expected = expected();
    assert_eq!(expected.resources.len(), 2_000);
    for chunk in expected.resources.chunks(CHUNK) {
        let entries: Vec<_> = chunk
            .iter()
            .map(|one| {
                let url = format!(
                    "{}/{}",
                    one["resourceType"].as_str().unwrap(),
                    one["id"].as_str().unwrap()
                );
                entry("PUT", &url, Some(one))
            })
            .collect();
        let answer = server.post("", &bundle("transaction", &entries)).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    }
    let (mut differences, mut shown) = (0, String::new());
    for (query, ids) in &expected.queries {
        let answer = server.get(&query.url()).await;
        let text = answer.text();
        let found: Vec<_> = full_ids(&text).collect();
        let wanted: Vec<_> = ids.iter().map(String::as_str).collect();
        let has_total = text.contains(&format!(r#""total":{},"#, wanted.len()));
        if answer.status.as_u16() == 200 && has_total && is_page(query, &found, &wanted) {
            continue;
        }
        differences += 1;
        if differences <= SHOWN_MAX {
            let missing: Vec<_> = wanted.iter().filter(|id| !found.contains(id)).collect();
            let extra: Vec<_> = found.iter().filter(|id| !wanted.contains(id)).collect();
            let refusal = if answer.status.is_success() {
                ""
            } else {
                &text
            };
            writeln!(
                shown,
                "{}\n  {} {refusal} found {}, expected {}; missing {:?}; too many {:?}",
                query.text(),
                answer.status.as_u16(),
                found.len(),
                wanted.len(),
                missing.iter().take(3).collect::<Vec<_>>(),
                extra.iter().take(3).collect::<Vec<_>>(),
            )
            .unwrap();
        }
    }
    assert_eq!(differences, 0, "seed {SEED}:\n{shown}");
}

/// Whether a page is the first one of what is wanted.
fn is_page(query: &Query, found: &[&str], wanted: &[&str]) -> bool {
    let length = wanted.len().min(generate::PAGE_MAX);
    if query.sort.is_some() {
        return wanted.get(..length) == Some(found);
    }
    let wanted: HashSet<_> = wanted.iter().collect();
    let different: HashSet<_> = found.iter().filter(|id| wanted.contains(id)).collect();
    found.len() == length && different.len() == length
}

/// The ids of a Bundle's entries, in order, without reading the JSON: there are many.
fn full_ids(text: &str) -> impl Iterator<Item = &str> {
    let urls = text.split(r#""fullUrl":""#).skip(1);
    urls.filter_map(|rest| rest.split('"').next()?.rsplit('/').next())
}

#[test]
fn the_queries_are_neither_all_empty_nor_all_full() {
    let queries = &expected().queries;
    let with_answer = queries.iter().filter(|(_, ids)| !ids.is_empty()).count();
    let few = queries.iter().filter(|(_, ids)| ids.len() < 200).count();
    assert!(with_answer > QUERIES / 3, "{with_answer} find something");
    assert!(few > QUERIES / 2, "{few} leave something out");
    for sort in [
        "_filter",
        "_has:",
        ":missing",
        ":not",
        ":contains",
        ":exact",
        "$",
        "_sort",
    ] {
        let count = queries
            .iter()
            .filter(|(query, _)| query.text().contains(sort));
        assert!(count.count() >= 10, "{sort}");
    }
}
