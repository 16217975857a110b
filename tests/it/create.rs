//! create: ids of the server's choice, the headers, and what `Prefer` asks for.

use std::collections::HashSet;

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    a_create_gets_an_id_and_says_where_it_is,
    prefer_decides_what_comes_back,
    a_create_that_is_wrong_writes_nothing,
    conditional_references_need_a_transaction,
);

async fn a_create_gets_an_id_and_says_where_it_is(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut sent = patient("New");
    sent["id"] = json!("mine");
    sent["meta"] = json!({
        "versionId": "77", "lastUpdated": "1999-01-01T00:00:00Z",
        "tag": [{ "system": "http://example.org/tags", "code": "kept" }]
    });
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let answer = server.post("Patient", &sent).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let body = answer.json();
        let id = body["id"].as_str().unwrap().to_owned();
        assert_ne!(id, "mine");
        let location = format!("{}/Patient/{id}/_history/1", server.base);
        assert_eq!(answer.header("location"), location);
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert!(answer.header("last-modified").ends_with(" GMT"));
        assert_eq!(body["meta"]["versionId"], "1");
        assert_ne!(body["meta"]["lastUpdated"], "1999-01-01T00:00:00Z");
        assert_eq!(body["meta"]["tag"][0]["code"], "kept");
        assert_eq!(server.get(&location).await.json(), body);
        ids.insert(id);
    }
    assert_eq!(ids.len(), 3);
    server
        .get("Patient/mine")
        .await
        .assert_refused(404, "not-found", "Patient");
}

async fn prefer_decides_what_comes_back(backend: Backend) {
    let server = TestServer::start(backend).await;
    let with = async |preference: &str| {
        let call = server
            .request(Method::POST, "Patient")
            .json(&patient("New"));
        let answer = call.header("prefer", preference).send().await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert!(answer.header("location").contains("/Patient/"));
        assert_eq!(answer.header("etag"), "W/\"1\"");
        answer
    };
    assert!(with("return=minimal").await.body.is_empty());
    assert_eq!(
        with("return=representation").await.json()["resourceType"],
        "Patient"
    );
    let outcome = with("return=OperationOutcome").await.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(outcome["issue"][0]["severity"], "information");
    assert_eq!(with("respond-async, return=minimal").await.body.len(), 0);
}

async fn a_create_that_is_wrong_writes_nothing(backend: Backend) {
    let server = TestServer::start(backend).await;
    let wrong = json!({ "resourceType": "Patient", "gender": "unheard-of", "shoeSize": 43 });
    let answer = server.post("Patient", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = answer.json()["issue"].to_string();
    assert!(
        text.contains("Patient.gender") && text.contains("shoeSize"),
        "{text}"
    );
    let answer = server.post("Observation", &patient("Lost")).await;
    answer.assert_refused(400, "invalid", "Observation");
    let found = server.get("Patient").await.json();
    assert_eq!(found["total"], 0, "{found}");
}

async fn conditional_references_need_a_transaction(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut basic = json!({
        "resourceType": "Basic", "code": { "text": "x" },
        "subject": { "reference": "Patient?identifier=http://example.org/mrn|1" }
    });
    let answer = server.post("Basic", &basic).await;
    answer.assert_refused(422, "invalid", "transaction");
    basic["id"] = json!("b");
    let answer = server.put("Basic/b", &basic).await;
    answer.assert_refused(422, "invalid", "transaction");
}
