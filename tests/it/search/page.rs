//! A full walk while others write: <https://hl7.org/fhir/R4/http.html#paging>.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::search::{entries, found, link};
use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores};

on_both_stores!(a_walk_sees_everything_once_while_others_write);

/// Matches that are there from start to end.
const KEPT: usize = 1_500;

/// Entries of a transaction that fills the store.
const BATCH: usize = 500;

fn patient(number: usize) -> Value {
    json!({ "resourceType": "Patient", "id": format!("kept-{number}"), "active": true,
        "name": [{ "family": format!("Family{}", number % 97) }],
        "birthDate": format!("19{:02}-01-01", number % 100) })
}

async fn fill(server: &TestServer) {
    let numbers: Vec<usize> = (0..KEPT).collect();
    for chunk in numbers.chunks(BATCH) {
        let puts = chunk.iter().map(|&number| {
            entry(
                "PUT",
                &format!("Patient/kept-{number}"),
                Some(&patient(number)),
            )
        });
        let puts: Vec<_> = puts.collect();
        let answer = server.post("", &bundle("transaction", &puts)).await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }
}

/// Creates, changes and deletes patients until it is told to stop.
async fn write(server: &TestServer, is_over: &AtomicBool) -> usize {
    let mut written = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut fresh = patient(written);
        fresh["id"] = json!(format!("fresh-{}", written % 50));
        let path = format!("Patient/fresh-{}", written % 50);
        assert!(server.put(&path, &fresh).await.status.is_success());
        // A kept one changes what it is sorted by, and matches all the while.
        let number = (written * 7) % KEPT;
        let mut changed = patient(number);
        changed["birthDate"] = json!(format!("20{:02}-02-02", written % 20));
        changed["name"][0]["family"] = json!(format!("Changed{written}"));
        let path = format!("Patient/kept-{number}");
        assert!(server.put(&path, &changed).await.status.is_success());
        if written % 3 == 0 {
            let path = format!("Patient/fresh-{}", written % 50);
            assert!(server.delete(&path).await.status.is_success());
        }
        written += 1;
    }
    written
}

async fn walk(server: &TestServer, query: &str) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut next = Some(query.to_owned());
    while let Some(url) = next {
        let page = found(server, &url).await;
        for name in entries(&page, "match") {
            *seen.entry(name).or_default() += 1;
        }
        next = link(&page, "next").map(str::to_owned);
    }
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{query}: {twice:?}");
    let missing = (0..KEPT).filter(|number| !seen.contains_key(&format!("Patient/kept-{number}")));
    assert_eq!(missing.collect::<Vec<_>>(), [0; 0], "{query}");
}

async fn a_walk_sees_everything_once_while_others_write(backend: Backend) {
    let server = TestServer::start(backend).await;
    fill(&server).await;
    let is_over = AtomicBool::new(false);
    let walks = async {
        for query in [
            "Patient?active=true&_count=100",
            "Patient?active=true&_count=100&_sort=birthdate",
            "Patient?active=true&_count=100&_sort=-_lastUpdated",
            "Patient?active=true&_count=100&_sort=family,-birthdate",
        ] {
            walk(&server, query).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let ((), written) = futures::join!(walks, write(&server, &is_over));
    assert!(written > 0);
}
