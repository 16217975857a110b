//! history: of an instance, a type and the whole system, in pages, since and at a time.

use std::collections::HashSet;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    every_scope_shows_its_versions_newest_first,
    pages_never_repeat_while_others_write,
    since_and_at_cut_the_history,
    bad_parameters_are_named,
);

async fn put(server: &TestServer, id: &str, family: &str) {
    let mut resource = patient(family);
    resource["id"] = json!(id);
    let answer = server.put(&format!("Patient/{id}"), &resource).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

/// `Type/id/version` of every entry.
fn versions(page: &Value) -> Vec<String> {
    let entries = page["entry"].as_array().cloned().unwrap_or_default();
    let location = |entry: &Value| entry["response"]["location"].as_str().unwrap().to_owned();
    entries
        .iter()
        .map(|entry| location(entry).replace("/_history", ""))
        .collect()
}

fn next(page: &Value) -> Option<String> {
    let links = page["link"].as_array().unwrap();
    let next = links.iter().find(|link| link["relation"] == "next")?;
    Some(next["url"].as_str().unwrap().to_owned())
}

async fn every_scope_shows_its_versions_newest_first(backend: Backend) {
    let server = TestServer::start(backend).await;
    put(&server, "a", "One").await;
    put(&server, "b", "One").await;
    put(&server, "a", "Two").await;
    server
        .create(&json!({ "resourceType": "Basic", "code": { "text": "x" } }))
        .await;
    server.delete("Patient/a").await;
    let page = server.get("Patient/a/_history").await.json();
    assert_eq!(page["type"], "history");
    assert_eq!(page["total"], 3);
    assert_eq!(
        versions(&page),
        ["Patient/a/3", "Patient/a/2", "Patient/a/1"]
    );
    let [deleted, second, first] = &page["entry"].as_array().unwrap()[..] else {
        panic!("three entries: {page}");
    };
    assert_eq!(
        deleted["request"],
        json!({ "method": "DELETE", "url": "Patient/a" })
    );
    assert!(deleted.get("resource").is_none());
    assert_eq!(second["resource"]["name"][0]["family"], "Two");
    assert_eq!(second["response"]["etag"], "W/\"2\"");
    assert_eq!(first["response"]["status"], "201 Created");
    let page = server.get("Patient/_history").await.json();
    assert_eq!(
        versions(&page),
        ["Patient/a/3", "Patient/a/2", "Patient/b/1", "Patient/a/1"]
    );
    let page = server.get("_history").await.json();
    assert_eq!(page["total"], 5);
    assert!(versions(&page)[1].starts_with("Basic/"));
    assert_eq!(
        page["entry"][1]["request"],
        json!({ "method": "POST", "url": "Basic" })
    );
    server
        .get("Patient/none/_history")
        .await
        .assert_refused(404, "not-found", "Patient");
    assert_eq!(server.get("Device/_history").await.json()["total"], 0);
}

async fn pages_never_repeat_while_others_write(backend: Backend) {
    let server = TestServer::start(backend).await;
    for number in 0..12 {
        put(
            &server,
            &format!("p{}", number % 5),
            &format!("Family{number}"),
        )
        .await;
    }
    for path in ["_history", "Patient/_history", "Patient/p1/_history"] {
        let before = versions(&server.get(&format!("{path}?_count=100")).await.json());
        let mut seen = Vec::new();
        let mut url = Some(format!("{path}?_count=2"));
        while let Some(here) = url {
            let page = server.get(&here).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text());
            let page = page.json();
            assert!(versions(&page).len() <= 2);
            seen.extend(versions(&page));
            url = next(&page);
            put(&server, "p1", &format!("Meanwhile{}", seen.len())).await;
        }
        assert_eq!(seen, before, "{path}");
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    }
}

async fn since_and_at_cut_the_history(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut times = Vec::new();
    for family in ["One", "Two", "Three"] {
        put(&server, "a", family).await;
        let stored = server.get("Patient/a").await.json();
        times.push(stored["meta"]["lastUpdated"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for path in ["Patient/a/_history", "Patient/_history", "_history"] {
        let page = server
            .get(&format!("{path}?_since={}", times[1]))
            .await
            .json();
        assert_eq!(versions(&page), ["Patient/a/3", "Patient/a/2"], "{path}");
        let page = server
            .get(&format!("{path}?_since=2999-01-01T00:00:00Z"))
            .await
            .json();
        assert_eq!(page["total"], 0);
    }
    let at = server
        .get(&format!("Patient/a/_history?_at={}", times[1]))
        .await
        .json();
    assert!(versions(&at).contains(&"Patient/a/2".to_owned()), "{at}");
    assert!(!versions(&at).contains(&"Patient/a/3".to_owned()), "{at}");
    let today = server
        .get(&format!(
            "Patient/a/_history?_at={}",
            times[0].get(..10).unwrap()
        ))
        .await
        .json();
    assert_eq!(today["total"], 3, "{today}");
    let before = server.get("Patient/a/_history?_at=1999").await.json();
    assert_eq!(before["total"], 0);
}

async fn bad_parameters_are_named(backend: Backend) {
    let server = TestServer::start(backend).await;
    put(&server, "a", "One").await;
    for (query, code, name) in [
        ("_since=yesterday", "structure", "_since"),
        ("_at=noon", "structure", "_at"),
        ("_count=many", "structure", "_count"),
        ("_count=-1", "structure", "_count"),
        ("_cursor=AAAA", "structure", "_cursor"),
        ("colour=red", "not-supported", "colour"),
    ] {
        let answer = server.get(&format!("Patient/a/_history?{query}")).await;
        answer.assert_refused(400, code, name);
    }
    let cut = server.get("Patient/a/_history?_count=1000000").await;
    assert_eq!(cut.status, StatusCode::OK);
}
