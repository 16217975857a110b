//! A full walk while others write: <https://hl7.org/fhir/R4/http.html#paging>.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::search::link;
use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores};

on_both_stores!(
    a_walk_sees_everything_once_while_others_write,
    a_later_page_shows_what_still_matches,
);

/// Matches that are there from start to end.
const KEPT: usize = 50_000;

/// Those of them that sorted searches are about.
const SORTED: usize = 3_000;

/// Entries of a transaction that fills the store.
const BATCH: usize = 5_000;

/// Clients that write meanwhile.
const WRITERS: usize = 4;

/// Entries of what a writer sends at once.
const WRITTEN: usize = 25;

fn basic(id: &str, created: usize) -> Value {
    json!({ "resourceType": "Basic", "id": id, "code": { "coding": [{ "code": "kept" }] },
        "created": format!("20{:02}-01-01", created % 100) })
}

/// Every so many have an identifier as well, by which the sorted searches find them.
fn kept(number: usize, created: usize) -> Value {
    let mut one = basic(&format!("kept-{number}"), created);
    if number < SORTED {
        one["identifier"] = json!([{ "value": "few" }]);
    }
    one
}

fn put(one: &Value) -> Value {
    let url = format!("Basic/{}", one["id"].as_str().unwrap());
    entry("PUT", &url, Some(one))
}

async fn send(server: &TestServer, entries: &[Value]) {
    let answer = server.request(http::Method::POST, "");
    let answer = answer.header("prefer", "return=minimal");
    let answer = answer.json(&bundle("batch", entries)).send().await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

async fn fill(server: &TestServer) {
    let numbers: Vec<usize> = (0..KEPT).collect();
    for chunk in numbers.chunks(BATCH) {
        let puts: Vec<_> = chunk
            .iter()
            .map(|&number| put(&kept(number, number)))
            .collect();
        let answer = server.request(http::Method::POST, "");
        let answer = answer.header("prefer", "return=minimal");
        let answer = answer.json(&bundle("transaction", &puts)).send().await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }
}

/// Creates, changes and deletes until it is told to stop; gives back how much it wrote.
async fn write(server: &TestServer, writer: usize, is_over: &AtomicBool) -> usize {
    let mut written = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut entries = Vec::with_capacity(WRITTEN);
        for _ in 0..WRITTEN {
            let fresh = format!("fresh-{writer}-{}", written / 3 % 200);
            entries.push(match written % 3 {
                0 => put(&basic(&fresh, written)),
                1 if written % 2 == 0 => entry("DELETE", &format!("Basic/{fresh}"), None),
                // What is kept changes what it is sorted by, and matches all the while. Each
                // writer has resources of its own to change.
                _ => put(&kept((written * 7 * WRITERS + writer) % KEPT, written)),
            });
            written += 1;
        }
        send(server, &entries).await;
    }
    written
}

/// Follows the links of a search to its end.
async fn walk(server: &TestServer, query: &str, kept: usize) {
    let mut seen = HashSet::new();
    let mut next = Some(query.to_owned());
    while let Some(url) = next {
        let answer = server.get(&url).await;
        assert_eq!(answer.status.as_u16(), 200, "{query}: {}", answer.text());
        let text = answer.text();
        for id in text.split(r#""fullUrl":""#).skip(1) {
            let id = id.split('"').next().unwrap().rsplit('/').next().unwrap();
            assert!(seen.insert(id.to_owned()), "{query}: {id} is seen twice");
        }
        // The links stand before the entries.
        let head = text.split(r#","entry":"#).next().unwrap();
        let head: Value =
            serde_json::from_str(&format!("{}}}", head.trim_end_matches('}'))).unwrap();
        next = link(&head, "next").map(str::to_owned);
    }
    let missing = (0..kept).filter(|number| !seen.contains(&format!("kept-{number}")));
    assert_eq!(missing.collect::<Vec<_>>(), [0; 0], "{query}");
}

async fn a_walk_sees_everything_once_while_others_write(backend: Backend) {
    let server = TestServer::start(backend).await;
    fill(&server).await;
    let is_over = AtomicBool::new(false);
    let walks = async {
        walk(&server, "Basic?code=kept&_count=1000", KEPT).await;
        for sort in ["created", "-_lastUpdated", "code,-created"] {
            let query = format!("Basic?identifier=few&_count=500&_sort={sort}");
            walk(&server, &query, SORTED).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let writers = (0..WRITERS).map(|writer| write(&server, writer, &is_over));
    let ((), written) = futures::join!(walks, futures::future::join_all(writers));
    assert!(written.iter().all(|count| *count > 0), "{written:?}");
}

async fn a_later_page_shows_what_still_matches(backend: Backend) {
    let server = TestServer::start(backend).await;
    let puts: Vec<_> = (0..6).map(|number| put(&kept(number, number))).collect();
    send(&server, &puts).await;
    let first = server
        .get("Basic?identifier=few&_sort=created&_count=2")
        .await;
    let first = first.json();
    let mut changed = kept(2, 2);
    changed["identifier"] = json!([{ "value": "other" }]);
    send(
        &server,
        &[put(&changed), entry("DELETE", "Basic/kept-3", None)],
    )
    .await;
    let second = server.get(link(&first, "next").unwrap()).await.json();
    assert_eq!(second["entry"], Value::Null, "{second}");
    let third = server.get(link(&second, "next").unwrap()).await.json();
    let ids: Vec<_> = third["entry"].as_array().unwrap().iter().collect();
    let ids: Vec<_> = ids.iter().map(|one| &one["resource"]["id"]).collect();
    assert_eq!(ids, ["kept-4", "kept-5"]);
}
