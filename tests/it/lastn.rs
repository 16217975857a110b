//! `Observation/$lastn`.
//!
//! Spec: <https://hl7.org/fhir/R4/observation-operation-lastn.html>.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    the_newest_of_every_code_is_shown,
    other_parameters_choose_what_counts,
    parameters_come_in_a_body_and_pages_follow,
    what_is_missing_or_not_understood_is_refused,
);

const LOINC: &str = "http://loinc.org";

async fn observe(server: &TestServer, id: &str, code: &Value, effective: &str) {
    let mut resource = json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": code,
        "category": [{ "coding": [{ "code": "vital-signs" }] }],
        "subject": { "reference": "Patient/a" },
    });
    if !effective.is_empty() {
        resource["effectiveDateTime"] = json!(effective);
    }
    let answer = server.put(&format!("Observation/{id}"), &resource).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}

/// Pulses under two codes that a third resource joins, weights by text, and one of somebody else.
async fn filled(backend: Backend) -> TestServer {
    let server = TestServer::start(backend).await;
    for id in ["a", "b"] {
        let mut person = patient("Last");
        person["id"] = json!(id);
        server.put(&format!("Patient/{id}"), &person).await;
    }
    let pulse = json!({ "coding": [{ "system": LOINC, "code": "8867-4" }] });
    let local = json!({ "coding": [{ "system": "http://local", "code": "pulse" }] });
    let both = json!({ "coding": [
        { "system": LOINC, "code": "8867-4" },
        { "system": "http://local", "code": "pulse" },
    ]});
    let weight = json!({ "text": "Weight" });
    observe(&server, "p3", &pulse, "2020-03-01").await;
    observe(&server, "p1", &both, "2020-01-01T10:00:00Z").await;
    observe(&server, "p4", &local, "2020-04-01").await;
    observe(&server, "p2", &pulse, "2020-02-01").await;
    observe(&server, "w1", &weight, "2019-01-01").await;
    observe(&server, "w0", &weight, "").await;
    let other = json!({
        "resourceType": "Observation", "status": "final", "code": pulse,
        "subject": { "reference": "Patient/b" }, "effectiveDateTime": "2022-01-01",
    });
    server.create(&other).await;
    server
}

fn ids(page: &Value) -> Vec<String> {
    let entries = page["entry"].as_array().cloned().unwrap_or_default();
    let ids = entries.iter().map(|one| {
        assert_eq!(one["search"]["mode"], "match");
        one["resource"]["id"].as_str().unwrap().to_owned()
    });
    ids.collect()
}

async fn get(server: &TestServer, path: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

async fn lastn(server: &TestServer, query: &str) -> Vec<String> {
    let page = get(server, &format!("Observation/$lastn?{query}")).await;
    let found = ids(&page);
    assert_eq!(page["total"], found.len());
    found
}

async fn the_newest_of_every_code_is_shown(backend: Backend) {
    let server = filled(backend).await;
    let of_a = "patient=a&category=vital-signs";
    assert_eq!(lastn(&server, of_a).await, ["p4", "w1"]);
    let two = lastn(&server, &format!("{of_a}&max=2")).await;
    assert_eq!(two, ["p4", "p3", "w1", "w0"]);
    let all = lastn(&server, &format!("{of_a}&max=100")).await;
    assert_eq!(all, ["p4", "p3", "p2", "p1", "w1", "w0"]);
    let xml = server
        .get(&format!("Observation/$lastn?{of_a}&_format=xml"))
        .await;
    assert!(xml.text().contains("<id value=\"p4\"/>"), "{}", xml.text());
}

async fn other_parameters_choose_what_counts(backend: Backend) {
    let server = filled(backend).await;
    let code = format!("subject=Patient/a&code={LOINC}|8867-4");
    assert_eq!(lastn(&server, &code).await, ["p3"]);
    let before = format!("{code}&date=lt2020-02-15&max=5");
    assert_eq!(lastn(&server, &before).await, ["p2", "p1"]);
    let chained = "subject:Patient.family=Last&code=8867-4&max=1";
    assert_eq!(lastn(&server, chained).await.len(), 1);
    assert!(lastn(&server, "patient=nobody&code=1").await.is_empty());
}

async fn parameters_come_in_a_body_and_pages_follow(backend: Backend) {
    let server = filled(backend).await;
    let parameters = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "max", "valuePositiveInt": 3 },
        { "name": "patient", "valueReference": { "reference": "Patient/a" } },
        { "name": "code", "valueCoding": { "system": LOINC, "code": "8867-4" } },
    ]});
    let answer = server
        .post("Observation/$lastn?_count=2", &parameters)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let page = answer.json();
    assert_eq!(page["total"], 3);
    assert_eq!(ids(&page), ["p3", "p2"]);
    let links = page["link"].as_array().unwrap();
    assert!(links.iter().all(|link| {
        let url = link["url"].as_str().unwrap();
        !url.contains("8867") && !url.contains("Patient")
    }));
    let next = links
        .iter()
        .find(|link| link["relation"] == "next")
        .unwrap();
    let newer = json!({ "coding": [{ "system": LOINC, "code": "8867-4" }] });
    observe(&server, "p9", &newer, "2023-01-01").await;
    let page = get(&server, next["url"].as_str().unwrap()).await;
    assert_eq!(ids(&page), ["p1"]);
}

async fn what_is_missing_or_not_understood_is_refused(backend: Backend) {
    let server = filled(backend).await;
    let cases = [
        ("category=vital-signs", "invalid", "patient or subject"),
        ("patient=a", "invalid", "category or code"),
        ("patient=a&code:not=1", "invalid", "category or code"),
        (
            "patient:missing=true&code=1",
            "invalid",
            "patient or subject",
        ),
        ("patient=a&code=1&max=0", "structure", "max"),
        ("patient=a&code=1&max=x", "structure", "max"),
        ("patient=a&code=1&max=1&max=2", "structure", "once"),
        ("patient=a&code=1&nonsense=2", "not-supported", "nonsense"),
        ("patient=a&code=1&_sort=date", "not-supported", "_sort"),
        ("patient=a&code=1&date=xx", "structure", "date"),
    ];
    for (query, code, says) in cases {
        let refused = server.get(&format!("Observation/$lastn?{query}")).await;
        refused.assert_refused(400, code, says);
    }
    let refused = server.get("Condition/$lastn?patient=a&code=1").await;
    refused.assert_refused(404, "not-found", "Observation");
}
