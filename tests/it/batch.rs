//! batch: independent entries, each with its own outcome.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    every_entry_has_its_own_outcome,
    every_interaction_works_in_a_batch,
    only_bundles_of_two_kinds_are_taken,
);

async fn every_entry_has_its_own_outcome(backend: Backend) {
    let server = TestServer::start(backend).await;
    let wrong = json!({ "resourceType": "Patient", "gender": "unheard-of" });
    let sent = bundle(
        "batch",
        &[
            entry("POST", "Patient", Some(&patient("Good"))),
            entry("POST", "Patient", Some(&wrong)),
            entry("GET", "Patient/none", None),
            entry("BREW", "Patient", None),
            entry("POST", "Patient", Some(&patient("Fine"))),
            json!({ "resource": patient("NoRequest") }),
        ],
    );
    let answer = server.post("", &sent).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["type"], "batch-response");
    let response = |index: usize| body["entry"][index]["response"].clone();
    let statuses: Vec<_> = (0..6)
        .map(|n| {
            response(n)["status"]
                .as_str()
                .unwrap()
                .get(..3)
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        statuses,
        ["201", "422", "404", "400", "201", "400"],
        "{body}"
    );
    assert_eq!(response(1)["outcome"]["resourceType"], "OperationOutcome");
    assert!(
        response(1)["outcome"]
            .to_string()
            .contains("Patient.gender")
    );
    assert!(
        response(0)["location"]
            .as_str()
            .unwrap()
            .contains("/Patient/")
    );
    assert_eq!(response(0)["etag"], "W/\"1\"");
    assert_eq!(server.get("Patient").await.json()["total"], 2);
}

async fn every_interaction_works_in_a_batch(backend: Backend) {
    let server = TestServer::start(backend).await;
    for id in ["read", "patched", "deleted"] {
        let mut resource = patient("Before");
        resource["id"] = json!(id);
        assert_eq!(
            server.put(&format!("Patient/{id}"), &resource).await.status,
            201
        );
    }
    let mut put = patient("Put");
    put["id"] = json!("put");
    let parameters: Value = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "operation", "part": [
            { "name": "type", "valueCode": "delete" },
            { "name": "path", "valueString": "Patient.name" }
        ] }
    ] });
    let sent = bundle(
        "batch",
        &[
            entry("GET", "Patient/read", None),
            entry("PUT", "Patient/put", Some(&put)),
            entry("PATCH", "Patient/patched", Some(&parameters)),
            entry("DELETE", "Patient/deleted", None),
            entry("GET", "Patient/read/_history/1", None),
            entry("GET", "Patient/read/_history", None),
            entry("GET", "Patient?_id=read", None),
        ],
    );
    let call = server.request(Method::POST, "").json(&sent);
    let answer = call.header("prefer", "return=representation").send().await;
    let body = answer.json();
    let statuses: Vec<_> = body["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            entry["response"]["status"]
                .as_str()
                .unwrap()
                .get(..3)
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        statuses,
        ["200", "201", "200", "204", "200", "200", "200"],
        "{body}"
    );
    assert_eq!(body["entry"][0]["resource"]["id"], "read");
    assert_eq!(body["entry"][1]["resource"]["id"], "put");
    assert_eq!(body["entry"][5]["resource"]["type"], "history");
    assert_eq!(body["entry"][6]["resource"]["total"], 1);
    assert!(
        server
            .get("Patient/patched")
            .await
            .json()
            .get("name")
            .is_none()
    );
    assert_eq!(server.get("Patient/deleted").await.status, StatusCode::GONE);
}

async fn only_bundles_of_two_kinds_are_taken(backend: Backend) {
    let server = TestServer::start(backend).await;
    let answer = server.post("", &bundle("collection", &[])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    server
        .post("", &patient("X"))
        .await
        .assert_refused(400, "invalid", "Bundle");
    let empty = json!({ "resourceType": "Bundle", "type": "batch" });
    let answer = server.post("", &empty).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["type"], "batch-response");
}
