//! delete: tombstones, and what comes after them.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    a_deleted_resource_comes_back_with_its_history,
    deleting_nothing_succeeds,
    a_delete_may_have_a_condition,
);

async fn a_deleted_resource_comes_back_with_its_history(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut resource = patient("Phoenix");
    resource["id"] = json!("p");
    assert_eq!(
        server.put("Patient/p", &resource).await.status,
        StatusCode::CREATED
    );
    let answer = server.delete("Patient/p").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("etag"), "W/\"2\"");
    assert!(answer.body.is_empty());
    server
        .get("Patient/p")
        .await
        .assert_refused(410, "deleted", "version 2");
    assert_eq!(server.get("Patient?name=Phoenix").await.json()["total"], 0);
    let patched = server.request(Method::PATCH, "Patient/p");
    let patched = patched
        .header("content-type", "application/json-patch+json")
        .body("[{\"op\":\"remove\",\"path\":\"/name\"}]");
    patched
        .send()
        .await
        .assert_refused(410, "deleted", "version 2");
    let back = server.put("Patient/p", &resource).await;
    assert_eq!(back.status, StatusCode::CREATED, "{}", back.text());
    assert_eq!(back.header("etag"), "W/\"3\"");
    assert_eq!(server.get("Patient?name=Phoenix").await.json()["total"], 1);
    let history = server.get("Patient/p/_history").await.json();
    let methods: Vec<_> = history["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["request"]["method"].as_str().unwrap())
        .collect();
    assert_eq!(methods, ["PUT", "DELETE", "PUT"]);
    assert!(history["entry"][1].get("resource").is_none());
}

async fn deleting_nothing_succeeds(backend: Backend) {
    let server = TestServer::start(backend).await;
    assert_eq!(
        server.delete("Patient/never").await.status,
        StatusCode::NO_CONTENT
    );
    server
        .get("Patient/never")
        .await
        .assert_refused(404, "not-found", "Patient");
    let path = format!("Patient/{}", server.create(&patient("Once")).await);
    for _ in 0..3 {
        assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(
        server.get(&format!("{path}/_history")).await.json()["total"],
        2
    );
    let call = server
        .request(Method::DELETE, &path)
        .header("prefer", "return=OperationOutcome");
    let answer = call.send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["resourceType"], "OperationOutcome");
}

async fn a_delete_may_have_a_condition(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Guarded")).await);
    let delete = async |tag: &str| {
        server
            .request(Method::DELETE, &path)
            .header("if-match", tag)
            .send()
            .await
    };
    delete("W/\"5\"")
        .await
        .assert_refused(412, "conflict", "current version is 1");
    assert_eq!(server.get(&path).await.status, StatusCode::OK);
    assert_eq!(delete("W/\"1\"").await.status, StatusCode::NO_CONTENT);
}
