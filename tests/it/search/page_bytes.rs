//! Pages of resources that are too large for one: they end early and go on behind `next`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::search::{found, link, put};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    pages_end_when_their_bytes_are_full,
    included_resources_share_the_room,
    a_resource_larger_than_a_page_has_one,
);

/// Room for three or four large resources.
const PAGE_BYTES: usize = 20_000;

const PATIENTS: usize = 9;

async fn start(backend: Backend, page_bytes_max: usize) -> TestServer {
    let small = |config: &mut vesta::config::Config| config.limits.page_bytes_max = page_bytes_max;
    TestServer::start_with(backend, small).await
}

/// A text that is no shorter when it is compressed: what is sealed is as large as what is shown.
fn noise(seed: usize, length: usize) -> String {
    let mut state = u32::try_from(seed).unwrap().wrapping_mul(2_654_435_761) | 1;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        text.push(char::from(b'!' + u8::try_from(state % 90).unwrap()));
    }
    text.replace('\\', "/")
}

fn patient(number: usize, length: usize) -> Value {
    json!({ "resourceType": "Patient", "id": format!("p{number}"),
        "birthDate": format!("19{number:02}-01-01"),
        "name": [{ "family": "Large", "text": noise(number, length) }] })
}

fn observation(number: usize) -> Value {
    json!({ "resourceType": "Observation", "id": format!("o{number}"), "status": "final",
        "code": { "text": noise(number + 500, 4_000) },
        "subject": { "reference": format!("Patient/p{}", number % PATIENTS) } })
}

async fn fill(server: &TestServer) {
    for number in 0..PATIENTS {
        put(server, &patient(number, 4_000)).await;
    }
    for number in 0..2 * PATIENTS {
        put(server, &observation(number)).await;
    }
}

/// What a walk along a relation shows, by `Type/id/version`, and in how many pages. No page has
/// more bytes of resources than it may, unless they are of one.
async fn walk(
    server: &TestServer,
    query: &str,
    relation: &str,
) -> (BTreeMap<String, usize>, usize) {
    let (mut seen, mut pages) = (BTreeMap::new(), 0);
    let mut next = Some(query.to_owned());
    while let Some(url) = next {
        let page = found(server, &url).await;
        let entries = page["entry"].as_array().cloned().unwrap_or_default();
        let bytes: usize = entries
            .iter()
            .map(|entry| entry["resource"].to_string().len())
            .sum();
        assert!(
            bytes <= PAGE_BYTES || entries.len() == 1,
            "{query}: {bytes}"
        );
        assert!(!entries.is_empty(), "{query}: an empty page");
        for entry in &entries {
            let resource = &entry["resource"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let name = format!(
                "{}/{}/{}",
                text(&resource["resourceType"]),
                text(&resource["id"]),
                text(&resource["meta"]["versionId"])
            );
            *seen.entry(name).or_default() += 1;
        }
        pages += 1;
        next = link(&page, relation).map(str::to_owned);
        assert!(pages < 200, "{query} goes in circles");
    }
    (seen, pages)
}

async fn assert_whole(server: &TestServer, query: &str, count: usize) {
    let (seen, pages) = walk(server, query, "next").await;
    assert!(seen.values().all(|times| *times == 1), "{query}: {seen:?}");
    assert_eq!(seen.len(), count, "{query}: {seen:?}");
    assert!(pages > count / 5, "{query}: {pages} pages");
}

async fn pages_end_when_their_bytes_are_full(backend: Backend) {
    let server = start(backend, PAGE_BYTES).await;
    fill(&server).await;
    for number in 0..PATIENTS {
        put(&server, &patient(number, 4_500)).await;
    }
    for (query, count) in [
        ("Patient?_count=100", PATIENTS),
        ("Patient?family=Large&_count=5", PATIENTS),
        ("Patient?_sort=birthdate&_count=100", PATIENTS),
        ("?_type=Patient,Observation&_count=100", 3 * PATIENTS),
        ("Patient/_history?_count=100", 2 * PATIENTS),
        ("_history?_count=100", 4 * PATIENTS),
        ("Patient/p1/$everything", 3),
        ("Patient/$everything?_count=100", 3 * PATIENTS),
    ] {
        assert_whole(&server, query, count).await;
    }
    let written = found(&server, "Patient/p1").await["meta"]["lastUpdated"].clone();
    let (year, _) = written.as_str().unwrap().split_once('-').unwrap();
    assert_whole(&server, &format!("_history?_at={year}"), 4 * PATIENTS).await;
    let total = found(&server, "Patient?family=Large").await;
    assert_eq!(total["total"], PATIENTS);
    // From the last page back to the first one.
    let mut last = found(&server, "Patient?_count=100").await;
    while let Some(next) = link(&last, "next") {
        last = found(&server, next).await;
    }
    let own = link(&last, "self").unwrap().to_owned();
    let (seen, _) = walk(&server, &own, "previous").await;
    assert_eq!(seen.len(), PATIENTS, "{seen:?}");
}

async fn included_resources_share_the_room(backend: Backend) {
    let server = start(backend, PAGE_BYTES).await;
    fill(&server).await;
    for (query, count) in [
        (
            "Patient?_revinclude=Observation:subject&_count=1",
            3 * PATIENTS,
        ),
        (
            "Patient?_revinclude=Observation:subject&_count=100",
            3 * PATIENTS,
        ),
        (
            "Patient?_sort=birthdate&_revinclude=Observation:subject",
            3 * PATIENTS,
        ),
        ("Patient?_id=p1&_revinclude=Observation:subject", 3),
        (
            "Observation?_id=o1&_include=Observation:subject&_revinclude:iterate=Observation:subject",
            3,
        ),
    ] {
        let (seen, _) = walk(&server, query, "next").await;
        assert_eq!(seen.len(), count, "{query}: {seen:?}");
        assert!(seen.values().all(|times| *times == 1), "{query}: {seen:?}");
    }
}

async fn a_resource_larger_than_a_page_has_one(backend: Backend) {
    let server = start(backend, 1_000).await;
    for number in 0..4 {
        put(&server, &patient(number, 4_000)).await;
    }
    for query in [
        "Patient",
        "Patient?_sort=birthdate",
        "Patient/_history",
        "_history",
    ] {
        let (seen, pages) = walk(&server, query, "next").await;
        assert_eq!((seen.len(), pages), (4, 4), "{query}: {seen:?}");
    }
    // What decides does not depend on what a page shows.
    put(
        &server,
        &json!({ "resourceType": "Patient", "id": "p9", "birthDate": "1903-01-01" }),
    )
    .await;
    let call = server.request(http::Method::PUT, "Patient?birthdate=1903-01-01");
    let several = call.json(&patient(3, 4_000)).send().await;
    several.assert_refused(412, "conflict", "several resources");
}
