//! Conditional create, update, patch and delete: criteria that match none, one or several.

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use vesta::server::Server;

use crate::support::server::{
    Answer, Backend, TestServer, bundle, client, entry, exchange, on_both_stores, patient,
};

on_both_stores!(
    a_conditional_create_happens_when_nothing_matches,
    criteria_in_the_url_of_a_create_are_heeded,
    a_conditional_update_creates_or_updates,
    a_conditional_patch_needs_one_match,
    a_conditional_delete_takes_one_or_none,
    a_conditional_delete_takes_several_when_configured,
    criteria_must_be_exact,
    racing_conditional_creates_leave_one_resource,
    racing_conditional_updates_leave_one_resource_with_every_version,
    racing_transactions_leave_one_resource,
);

/// Criteria that match [`identified`] with the same value.
fn criteria(value: &str) -> String {
    format!("identifier=http://example.org/mrn|{value}")
}

fn identified(value: &str, family: &str) -> Value {
    let mut resource = patient(family);
    resource["identifier"] = json!([{ "system": "http://example.org/mrn", "value": value }]);
    resource
}

async fn create_unless(server: &TestServer, value: &str) -> Answer {
    let call = server
        .request(Method::POST, "Patient")
        .json(&identified(value, "Once"));
    call.header("if-none-exist", &criteria(value)).send().await
}

async fn count(server: &TestServer, value: &str) -> u64 {
    let found = server.get(&format!("Patient?{}", criteria(value))).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text());
    found.json()["total"].as_u64().unwrap()
}

async fn a_conditional_create_happens_when_nothing_matches(backend: Backend) {
    let server = TestServer::start(backend).await;
    let first = create_unless(&server, "1").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    let second = create_unless(&server, "1").await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(second.json(), first.json());
    assert_eq!(count(&server, "1").await, 1);
    server.create(&identified("1", "Twin")).await;
    create_unless(&server, "1")
        .await
        .assert_refused(412, "conflict", "several");
}

async fn criteria_in_the_url_of_a_create_are_heeded(backend: Backend) {
    let server = TestServer::start(backend).await;
    let url = format!("Patient?{}", criteria("1"));
    let once = identified("1", "Once");
    let first = server.post(&url, &once).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    let second = server.post(&url, &once).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    assert_eq!(second.json(), first.json());
    let third = server.post("Patient?_format=json", &once).await;
    assert_eq!(third.status, StatusCode::CREATED, "{}", third.text());
    let refused = server.post("Patient?no-such=1", &once).await;
    refused.assert_refused(400, "not-supported", "no-such");
    let call = server.request(Method::POST, &url).json(&once);
    let both = call.header("if-none-exist", &criteria("1")).send().await;
    both.assert_refused(400, "invalid", "not in both");
    let counted = server.get("Patient?_totalMethod=count&_count=0").await;
    assert_eq!(counted.json()["total"], 2);
    let twice = server.get("Patient?_totalMethod=count&_total=none").await;
    twice.assert_refused(400, "structure", "once");
}

async fn a_conditional_update_creates_or_updates(backend: Backend) {
    let server = TestServer::start(backend).await;
    let put = async |value: &str, resource: &Value| {
        server
            .put(&format!("Patient?{}", criteria(value)), resource)
            .await
    };
    let created = put("1", &identified("1", "First")).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    let updated = put("1", &identified("1", "Second")).await;
    assert_eq!(updated.status, StatusCode::OK, "{}", updated.text());
    assert_eq!(updated.header("etag"), "W/\"2\"");
    assert_eq!(updated.json()["id"], created.json()["id"]);
    let mut named = identified("2", "Named");
    named["id"] = json!("chosen");
    let answer = put("2", &named).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.json()["id"], "chosen");
    put("1", &named)
        .await
        .assert_refused(400, "invalid", "Patient.id");
    put("3", &named)
        .await
        .assert_refused(409, "conflict", "exists");
    server.create(&identified("1", "Twin")).await;
    put("1", &identified("1", "Third"))
        .await
        .assert_refused(412, "conflict", "several");
    assert_eq!(count(&server, "1").await, 2);
}

async fn a_conditional_patch_needs_one_match(backend: Backend) {
    let server = TestServer::start(backend).await;
    let patch = async || {
        let operations = json!([{ "op": "replace", "path": "/name/0/family", "value": "New" }]);
        let call = server.request(Method::PATCH, &format!("Patient?{}", criteria("1")));
        let call = call.header("content-type", "application/json-patch+json");
        call.body(operations.to_string()).send().await
    };
    patch().await.assert_refused(404, "not-found", "criteria");
    server.create(&identified("1", "Old")).await;
    let answer = patch().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["name"][0]["family"], "New");
    server.create(&identified("1", "Twin")).await;
    patch().await.assert_refused(412, "conflict", "several");
}

async fn a_conditional_delete_takes_one_or_none(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient?{}", criteria("1"));
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    let id = server.create(&identified("1", "Gone")).await;
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    let answer = server.get(&format!("Patient/{id}")).await;
    assert_eq!(answer.status, StatusCode::GONE);
    server.create(&identified("1", "One")).await;
    server.create(&identified("1", "Two")).await;
    server
        .delete(&path)
        .await
        .assert_refused(412, "conflict", "several");
    assert_eq!(count(&server, "1").await, 2);
}

async fn a_conditional_delete_takes_several_when_configured(backend: Backend) {
    let several = |config: &mut vesta::config::Config| {
        config.rest.conditional_delete_multiple = true;
        config.rest.conditional_delete_max = 3;
    };
    let server = TestServer::start_with(backend, several).await;
    for value in ["1", "1", "1", "2", "2", "2", "2"] {
        server.create(&identified(value, "Many")).await;
    }
    let answer = server.delete(&format!("Patient?{}", criteria("1"))).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(count(&server, "1").await, 0);
    let answer = server.delete(&format!("Patient?{}", criteria("2"))).await;
    answer.assert_refused(412, "conflict", "more than the 3");
    assert_eq!(count(&server, "2").await, 4);
    let statement = server.get("metadata").await.json();
    assert_eq!(
        statement["rest"][0]["resource"][0]["conditionalDelete"],
        "multiple"
    );
}

async fn criteria_must_be_exact(backend: Backend) {
    let server = TestServer::start(backend).await;
    server.create(&identified("1", "Safe")).await;
    server
        .delete("Patient")
        .await
        .assert_refused(412, "conflict", "empty");
    server
        .delete("Patient?identifer=1")
        .await
        .assert_refused(400, "not-supported", "identifer");
    server
        .delete("Patient?birthdate=noon")
        .await
        .assert_refused(400, "structure", "birthdate");
    let call = server.request(Method::DELETE, "Patient?identifer=1");
    let lenient = call.header("prefer", "handling=lenient").send().await;
    lenient.assert_refused(400, "not-supported", "identifer");
    let call = server
        .request(Method::POST, "Patient")
        .json(&identified("1", "Safe"));
    call.header("if-none-exist", "")
        .send()
        .await
        .assert_refused(412, "conflict", "empty");
    assert_eq!(count(&server, "1").await, 1);
}

async fn racing_conditional_creates_leave_one_resource(backend: Backend) {
    const WRITERS: usize = 64;
    let server = TestServer::start(backend).await;
    let answers = join_all((0..WRITERS).map(|_| create_unless(&server, "raced"))).await;
    for answer in &answers {
        assert!(
            answer.status.is_success(),
            "{}: {}",
            answer.status,
            answer.text()
        );
    }
    let created = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::CREATED)
        .count();
    assert_eq!(created, 1);
    assert_eq!(count(&server, "raced").await, 1);
}

async fn racing_conditional_updates_leave_one_resource_with_every_version(backend: Backend) {
    const WRITERS: usize = 16;
    let server = TestServer::start(backend).await;
    let path = format!("Patient?{}", criteria("raced"));
    // None of them names an id, and what a lost attempt would have been called does not count.
    let writes = (0..WRITERS).map(|number| {
        let mut patient = identified("raced", &format!("Name{number}"));
        patient.as_object_mut().unwrap().remove("id");
        let (server, path) = (&server, &path);
        async move { server.put(path, &patient).await }
    });
    for answer in join_all(writes).await {
        let says = answer.text();
        assert!(answer.status.is_success(), "{}: {says}", answer.status);
    }
    assert_eq!(count(&server, "raced").await, 1);
    let history = server.get("Patient/_history").await.json();
    assert_eq!(history["total"], WRITERS, "a version was lost");
    let names: std::collections::BTreeSet<String> = history["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["name"].to_string())
        .collect();
    assert_eq!(names.len(), WRITERS, "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_database_leave_one_resource() {
    const WRITERS: usize = 64;
    let first = TestServer::start(Backend::Mongo).await;
    let second = Server::start(&first.config).await.unwrap();
    let client = client();
    let once = identified("raced", "Once");
    let mut conditional = entry("POST", "Patient", Some(&identified("both", "Once")));
    conditional["request"]["ifNoneExist"] = json!(criteria("both"));
    let transaction = bundle("transaction", &[conditional]);
    let writes = (0..WRITERS * 2).map(|number| {
        let bases = [first.base.as_str(), second.base_url()];
        let base = bases[number % 2];
        let request = Request::builder().method(Method::POST);
        let (request, body) = if number < WRITERS {
            let request = request.uri(format!("{base}/Patient"));
            (request.header("if-none-exist", criteria("raced")), &once)
        } else {
            (request.uri(base), &transaction)
        };
        let request = request.header("content-type", "application/fhir+json");
        let body = Full::new(Bytes::from(body.to_string()));
        exchange(&client, request.body(body).unwrap())
    });
    for answer in join_all(writes).await {
        let answer = answer.unwrap();
        let says = answer.text();
        assert!(answer.status.is_success(), "{}: {says}", answer.status);
    }
    assert_eq!(count(&first, "raced").await, 1);
    assert_eq!(count(&first, "both").await, 1);
    second.stop().await.unwrap();
}

async fn racing_transactions_leave_one_resource(backend: Backend) {
    const WRITERS: usize = 64;
    let server = TestServer::start(backend).await;
    let mut conditional = entry("POST", "Patient", Some(&identified("raced", "Once")));
    conditional["request"]["ifNoneExist"] = json!(criteria("raced"));
    conditional["fullUrl"] = json!("urn:uuid:5e8e5c40-8d8e-4d8c-9a5d-0d3f0b8f9a11");
    let basic = json!({
        "resourceType": "Basic", "code": { "text": "x" },
        "subject": { "reference": "urn:uuid:5e8e5c40-8d8e-4d8c-9a5d-0d3f0b8f9a11" }
    });
    let sent = bundle(
        "transaction",
        &[conditional, entry("POST", "Basic", Some(&basic))],
    );
    let answers = join_all((0..WRITERS).map(|_| server.post("", &sent))).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    assert_eq!(count(&server, "raced").await, 1);
    let patient = server
        .get(&format!("Patient?{}", criteria("raced")))
        .await
        .json();
    let id = patient["entry"][0]["resource"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = server
        .get(&format!("Basic?subject=Patient/{id}"))
        .await
        .json();
    assert_eq!(found["total"], WRITERS);
}
