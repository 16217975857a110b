//! `$erase` and what another process writes with a key it still remembers.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use vesta::clock::{Clock, FixedClock};
use vesta::server::Server;

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    a_patient_written_again_is_not_swept,
    a_match_whose_key_is_gone_is_left_out,
    content_and_documents_go_with_their_patient,
);

/// Behind the time that keys are remembered and the margin of the sweep.
const LATER_MS: i64 = 3_600_000;

async fn a_patient_written_again_is_not_swept(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    let id = server.create(&patient("First")).await;
    let erased = server
        .post(&format!("Patient/{id}/$erase"), &json!({}))
        .await;
    assert_eq!(erased.status, StatusCode::OK, "{}", erased.text());
    let mut again = patient("Again");
    again["id"] = json!(id);
    let answer = server.put(&format!("Patient/{id}"), &again).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    server.stop().await;

    let clock = Arc::new(FixedClock::new(now_ms() + LATER_MS));
    let clock = clock as Arc<dyn Clock>;
    let later = Server::start_with(&server.config, clock).await.unwrap();
    // The server sweeps at its start as well: what is asked here may find nothing left to do.
    later.context().records.sweep_erasures().await.unwrap();
    later.stop().await.unwrap();
    server.restart().await;
    let found = server.get(&format!("Patient/{id}")).await;
    assert_eq!(found.json()["name"][0]["family"], "Again");
    assert_eq!(server.get("Patient?family=Again").await.json()["total"], 1);
}

/// Creates content of a patient, as a file and as a document, and some of nobody's.
async fn content(server: &TestServer, patient: &str) -> (Vec<String>, String) {
    let binary = |context: &str| {
        json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "QUJD",
            "securityContext": { "reference": context } })
    };
    let document = json!({ "resourceType": "Bundle", "type": "document",
        "identifier": { "system": "urn:x", "value": "1" }, "timestamp": "2026-01-01T00:00:00Z",
        "entry": [{ "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "resource": { "resourceType": "Composition", "status": "final", "title": "t",
                "date": "2026-01-01", "type": { "text": "t" },
                "author": [{ "display": "a" }], "subject": { "reference": patient } } }] });
    let mut theirs = Vec::new();
    for resource in [binary(patient), document] {
        let id = server.create(&resource).await;
        theirs.push(format!(
            "{}/{id}",
            resource["resourceType"].as_str().unwrap()
        ));
    }
    let nobodys = server.create(&binary("Observation/1")).await;
    (theirs, format!("Binary/{nobodys}"))
}

async fn content_and_documents_go_with_their_patient(backend: Backend) {
    let server = TestServer::start(backend).await;
    let patient = format!("Patient/{}", server.create(&patient("Owner")).await);
    let (theirs, nobodys) = content(&server, &patient).await;
    let erase = async || {
        let answer = server.post(&format!("{patient}/$erase"), &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.text()
    };
    let said = erase().await;
    assert!(said.contains("Erased: 3 versions"), "{said}");
    for path in &theirs {
        server.get(path).await.assert_refused(410, "deleted", "");
    }
    assert_eq!(server.get(&nobodys).await.text(), "ABC");
    let said = erase().await;
    assert!(said.contains("erased already"), "{said}");
    let never = server.post("Patient/never/$erase", &json!({})).await;
    never.assert_refused(404, "not-found", "");
}

fn now_ms() -> i64 {
    vesta::clock::SystemClock.now_ms()
}

/// A server erases, another one goes on with the key it remembers: what it writes is never shown,
/// and swept in the end.
async fn a_match_whose_key_is_gone_is_left_out(backend: Backend) {
    if backend == Backend::Embedded {
        // One process has the store open.
        return;
    }
    let server = TestServer::start_with(backend, |config| {
        config.keys.cached_seconds_max = 3_600;
    })
    .await;
    let other = Server::start(&server.config).await.unwrap();
    let id = server.create(&patient("Kept")).await;
    let path = format!("{}/Patient/{id}", other.base_url());
    let mut changed = patient("Kept");
    changed["id"] = json!(id);
    changed["active"] = json!(true);
    assert_eq!(server.put(&path, &changed).await.status, StatusCode::OK);
    let bystander = server.create(&patient("Kept")).await;

    let erased = server
        .post(&format!("Patient/{id}/$erase"), &json!({}))
        .await;
    assert_eq!(erased.status, StatusCode::OK, "{}", erased.text());
    let answer = server.put(&path, &changed).await;
    assert!(answer.status.is_success(), "{}", answer.text());

    let found = server.get("Patient?family=Kept").await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text());
    let entries = found.json()["entry"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 1, "{}", found.text());
    assert_eq!(entries[0]["resource"]["id"], json!(bystander));
    for path in ["Patient/_history", "_history"] {
        let history = server.get(path).await;
        assert_eq!(history.status, StatusCode::OK, "{path}: {}", history.text());
        assert!(history.text().contains(&bystander), "{path}");
    }

    let clock = Arc::new(FixedClock::new(now_ms() + 2 * LATER_MS));
    let later = Server::start_with(&server.config, clock as Arc<dyn Clock>)
        .await
        .unwrap();
    // Either this or the sweep of its start does it.
    later.context().records.sweep_erasures().await.unwrap();
    assert_one_is_left(&server).await;
    later.stop().await.unwrap();
    other.stop().await.unwrap();
}

/// Waits for index entries to be swept.
async fn assert_one_is_left(server: &TestServer) {
    let mut total = Value::Null;
    for _ in 0..100 {
        total = server.get("Patient?family=Kept").await.json()["total"].clone();
        if total == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{total} are found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_base_url_is_refused_until_it_is_meant() {
    let mut server = TestServer::start_with(Backend::Embedded, |config| {
        config.base_url = Some("https://one.example".to_owned());
    })
    .await;
    server.stop().await;
    let mut config = server.config.clone();
    config.base_url = Some("https://two.example".to_owned());
    let Err(refused) = Server::start(&config).await else {
        panic!("another base was taken");
    };
    let says = refused.to_string();
    assert!(says.contains("https://one.example/fhir"), "{says}");
    assert!(says.contains("former_base_url"), "{says}");
    config.former_base_url = Some("https://one.example/fhir".to_owned());
    Server::start(&config).await.unwrap().stop().await.unwrap();
    config.former_base_url = None;
    Server::start(&config).await.unwrap().stop().await.unwrap();
    config.base_url = None;
    assert!(
        Server::start(&config).await.is_err(),
        "it had a configured one"
    );
}
