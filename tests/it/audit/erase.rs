//! After an erasure it is known who saw the record, and not what was asked for.

use http::Method;
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(events_outlive_an_erasure_without_their_queries);

async fn events_outlive_an_erasure_without_their_queries(backend: Backend) {
    let server = TestServer::start_with(backend, |config| config.audit.open_mode = true).await;
    let mut ada = patient("Lovelace");
    ada["id"] = json!("ada");
    assert_eq!(server.put("Patient/ada", &ada).await.status, 201);
    let query = "Condition?patient=ada&code=http://hl7.org/fhir/sid/icd-10%7CB20";
    assert_eq!(server.get(query).await.status, 200);
    assert_eq!(server.get("Patient?family=Lovelace").await.status, 200);
    let before = events(&server).await;
    let queries = |all: &[Value]| {
        let entities = all.iter().flat_map(|one| one["entity"].as_array().unwrap());
        entities.filter(|one| one.get("query").is_some()).count()
    };
    assert_eq!((before.len(), queries(&before)), (3, 2));
    let erased = server
        .request(Method::POST, "Patient/ada/$erase")
        .send()
        .await;
    assert_eq!(erased.status, 200, "{}", erased.text());
    let after = events(&server).await;
    // The erasure itself comes to it, and the search before it.
    assert_eq!((after.len(), queries(&after)), (5, 0));
    let said: Vec<_> = after
        .iter()
        .map(|one| one["subtype"][1]["code"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["erase", "search", "search", "search", "update"]);
    let verified = server.vesta(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

/// The events about the patient, newest first.
async fn events(server: &TestServer) -> Vec<Value> {
    let found = server.get("AuditEvent?patient=Patient/ada").await;
    assert_eq!(found.status, 200, "{}", found.text());
    let found = found.json();
    let entries = found["entry"].as_array().unwrap().iter();
    entries.map(|entry| entry["resource"].clone()).collect()
}
