//! Search parameters that come, change and go at run time, and the reindex that follows them.
//!
//! Spec: <https://hl7.org/fhir/R4/searchparameter.html>.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use vesta::access::records::reindex::ReindexStep;
use vesta::access::{Intent, Session, check};
use vesta::clock::SystemClock;
use vesta::server::open::open;

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    a_new_parameter_is_used_at_once_and_complete_after_the_walk,
    what_is_under_way_shows_and_makes_no_versions,
    a_changed_parameter_forgets_what_it_found_before,
    a_deleted_parameter_is_unknown_and_its_name_free,
    what_cannot_be_indexed_is_refused_with_what_would_be_right,
    inactive_and_known_definitions_change_nothing,
    a_walk_goes_on_where_it_was_interrupted,
    the_server_walks_by_itself,
    a_condition_on_an_incomplete_parameter_writes_nothing,
);

const EYES: &str = "http://example.org/eyes";

fn definition(code: &str, kind: &str, expression: &str) -> Value {
    json!({
        "resourceType": "SearchParameter", "id": code, "status": "active",
        "url": format!("http://example.org/SearchParameter/{code}"),
        "name": "Custom", "description": "Custom", "code": code, "base": ["Patient"],
        "type": kind, "expression": expression,
    })
}

fn eyes() -> Value {
    let expression = format!("Patient.extension.where(url='{EYES}').value.ofType(string)");
    definition("eyes", "string", &expression)
}

fn seeing(colour: &str) -> Value {
    let mut resource = patient("Eyes");
    resource["extension"] = json!([{ "url": EYES, "valueString": colour }]);
    resource
}

/// A server whose walks the test takes step by step.
async fn server(backend: Backend) -> TestServer {
    TestServer::start_with(backend, |config| {
        config.reindex.resources_per_second_max = 0;
        config.reindex.settle_ms = 0;
    })
    .await
}

async fn step(server: &TestServer, limit: usize) -> ReindexStep {
    let grant = check(&Session::operator(), Intent::Reindex).unwrap();
    let records = &server.context().records;
    records.reindex_step(&grant, limit, 0).await.unwrap()
}

async fn walk(server: &TestServer) {
    while step(server, 100).await != ReindexStep::Idle {}
}

async fn put(server: &TestServer, definition: &Value) {
    let id = definition["id"].as_str().unwrap();
    let answer = server
        .put(&format!("SearchParameter/{id}"), definition)
        .await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

/// How many match, and whether the answer says that it may be incomplete.
async fn search(server: &TestServer, query: &str) -> (usize, bool) {
    let answer = server.get(query).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let bundle = answer.json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let of = |mode: &str| {
        let found = entries.iter().filter(|one| one["search"]["mode"] == mode);
        found.collect::<Vec<_>>().len()
    };
    let warns = answer.text().contains("\"incomplete\"");
    assert_eq!(of("outcome"), usize::from(warns), "{bundle}");
    (of("match"), warns)
}

async fn is_complete(server: &TestServer) -> bool {
    let answer = server.get("$reindex-status").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let status = answer.json();
    let parameters = status["parameter"].as_array().unwrap().clone();
    let last = parameters.last().unwrap();
    assert_eq!(last["name"], "complete");
    last["valueBoolean"].as_bool().unwrap()
}

async fn a_new_parameter_is_used_at_once_and_complete_after_the_walk(backend: Backend) {
    let server = server(backend).await;
    for _ in 0..5 {
        server.create(&seeing("blue")).await;
    }
    let unknown = server.get("Patient?eyes=blue").await;
    unknown.assert_refused(400, "not-supported", "eyes");
    put(&server, &eyes()).await;
    assert_eq!(search(&server, "Patient?eyes=blue").await, (0, true));
    server.create(&seeing("blue")).await;
    assert_eq!(search(&server, "Patient?eyes=blue").await, (1, true));
    assert!(!is_complete(&server).await);
    assert_eq!(step(&server, 2).await, ReindexStep::Walked(2));
    assert_eq!(search(&server, "Patient?eyes=blue").await, (3, true));
    walk(&server).await;
    assert_eq!(search(&server, "Patient?eyes=blue").await, (6, false));
    assert_eq!(
        search(&server, "Patient?eyes=blue&name=eyes").await,
        (6, false)
    );
    assert!(is_complete(&server).await);
}

async fn what_is_under_way_shows_and_makes_no_versions(backend: Backend) {
    let server = server(backend).await;
    server.create(&seeing("blue")).await;
    put(&server, &eyes()).await;
    let metrics = server.get(&server.base.replace("/fhir", "/metrics")).await;
    assert!(metrics.text().contains("vesta_reindex_types_pending 1"));
    walk(&server).await;
    let history = server.get("Patient/_history").await.json();
    assert_eq!(history["total"], 1, "a walk makes no versions");
    let statement = server.get("metadata").await.text();
    assert!(statement.contains("http://example.org/SearchParameter/eyes"));
}

async fn a_changed_parameter_forgets_what_it_found_before(backend: Backend) {
    let server = server(backend).await;
    put(&server, &eyes()).await;
    walk(&server).await;
    server.create(&seeing("blue")).await;
    let mut described = eyes();
    described["description"] = json!("Otherwise");
    put(&server, &described).await;
    assert_eq!(search(&server, "Patient?eyes=blue").await, (1, false));
    let changed = definition("eyes", "string", "Patient.name.family");
    put(&server, &changed).await;
    assert_eq!(search(&server, "Patient?eyes=blue").await, (0, true));
    walk(&server).await;
    assert_eq!(search(&server, "Patient?eyes=blue").await, (0, false));
    assert_eq!(search(&server, "Patient?eyes=eyes").await, (1, false));
}

async fn a_deleted_parameter_is_unknown_and_its_name_free(backend: Backend) {
    let server = server(backend).await;
    put(&server, &eyes()).await;
    walk(&server).await;
    server.create(&seeing("blue")).await;
    let deleted = server.delete("SearchParameter/eyes").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let unknown = server.get("Patient?eyes=blue").await;
    unknown.assert_refused(400, "not-supported", "eyes");
    walk(&server).await;
    let mut other = definition("eyes", "token", "Patient.gender");
    other["url"] = json!("http://example.org/other");
    let in_transaction = bundle(
        "transaction",
        &[entry("PUT", "SearchParameter/eyes", Some(&other))],
    );
    let answer = server.post("", &in_transaction).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let mut female = seeing("green");
    female["gender"] = json!("female");
    server.create(&female).await;
    walk(&server).await;
    assert_eq!(search(&server, "Patient?eyes=female").await, (1, false));
}

async fn what_cannot_be_indexed_is_refused_with_what_would_be_right(backend: Backend) {
    let server = server(backend).await;
    put(&server, &eyes()).await;
    let mut known_code = definition("family", "string", "Patient.name.given");
    let mut foreign_url = definition("own", "string", "Patient.name");
    foreign_url["url"] = json!("http://hl7.org/fhir/SearchParameter/individual-family");
    let mut taken = definition("eyes2", "string", "Patient.name.given");
    taken["code"] = json!("eyes");
    known_code["id"] = json!("own-family");
    let mut underscore = definition("own", "string", "Patient.name");
    underscore["code"] = json!("_own");
    let mut none = definition("none", "string", "x");
    none.as_object_mut().unwrap().remove("expression");
    let mut no_type = definition("no-type", "string", "Patient.name");
    no_type["base"] = json!(["Human"]);
    let cases = [
        (known_code, "choose another code"),
        (foreign_url, "choose a URL"),
        (taken, "Choose another code"),
        (none, "expression"),
        (no_type, "base"),
        (
            definition("broken", "string", "Patient.name.("),
            "expression",
        ),
        (
            definition("absent", "string", "Patient.nickname"),
            "no element 'nickname'",
        ),
        (definition("misfit", "date", "Patient.name"), "HumanName"),
        (definition("a.b", "string", "Patient.name"), "characters"),
        (underscore, "underscore"),
        (definition("spot", "special", "Patient.address"), "special"),
    ];
    for (definition, says) in cases {
        let refused = server.post("SearchParameter", &definition).await;
        let text = refused.text();
        assert_eq!(refused.status.as_u16(), 422, "{text}");
        assert!(
            text.to_lowercase().contains(&says.to_lowercase()),
            "{says}: {text}"
        );
    }
    assert_eq!(server.context().records.custom_parameters().len(), 1);
}

async fn inactive_and_known_definitions_change_nothing(backend: Backend) {
    let server = server(backend).await;
    let mut draft = eyes();
    draft["status"] = json!("draft");
    put(&server, &draft).await;
    let mut known = definition("family", "string", "Patient.name.family");
    known["url"] = json!("http://hl7.org/fhir/SearchParameter/individual-family");
    put(&server, &known).await;
    assert!(is_complete(&server).await);
    let unknown = server.get("Patient?eyes=blue").await;
    unknown.assert_refused(400, "not-supported", "eyes");
    put(&server, &eyes()).await;
    assert_eq!(search(&server, "Patient?eyes=blue").await, (0, true));
}

async fn a_walk_goes_on_where_it_was_interrupted(backend: Backend) {
    let mut server = server(backend).await;
    for _ in 0..6 {
        server.create(&seeing("grey")).await;
    }
    put(&server, &eyes()).await;
    assert_eq!(step(&server, 2).await, ReindexStep::Walked(2));
    server.restart().await;
    assert_eq!(search(&server, "Patient?eyes=grey").await, (2, true));
    assert_eq!(step(&server, 3).await, ReindexStep::Walked(3));
    assert_eq!(search(&server, "Patient?eyes=grey").await, (5, true));
    match backend {
        Backend::Embedded => finish_on_the_command_line(&mut server).await,
        Backend::Mongo => finish_by_another_process(&mut server).await,
    }
}

async fn finish_on_the_command_line(server: &mut TestServer) {
    server.stop().await;
    let output = server.vesta(&["reindex", "--type", "Patient", "--parameter", "eyes"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("anew"), "{said}");
    server.restart().await;
    assert_eq!(search(server, "Patient?eyes=grey").await, (6, false));
}

async fn finish_by_another_process(server: &mut TestServer) {
    let other = open(&server.config, Arc::new(SystemClock)).await.unwrap();
    let grant = check(&Session::operator(), Intent::Reindex).unwrap();
    let records = &other.ctx.records;
    assert_eq!(records.custom_parameters().len(), 1);
    let refused = records.reindex_step(&grant, 9, 0).await.unwrap();
    assert_eq!(refused, ReindexStep::Elsewhere);
    server.stop().await;
    while records.reindex_step(&grant, 9, 0).await.unwrap() != ReindexStep::Idle {}
    let parameters = records.custom_parameters();
    assert!(parameters.iter().all(|one| one.is_complete));
}

async fn the_server_walks_by_itself(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.reindex.settle_ms = 0;
        config.reindex.poll_ms = 5;
        config.reindex.step_resources_max = 2;
        config.reindex.resources_per_second_max = 1_000_000;
    })
    .await;
    for _ in 0..5 {
        server.create(&seeing("brown")).await;
    }
    put(&server, &eyes()).await;
    while !is_complete(&server).await {}
    assert_eq!(search(&server, "Patient?eyes=brown").await, (5, false));
}

async fn a_condition_on_an_incomplete_parameter_writes_nothing(backend: Backend) {
    let server = server(backend).await;
    server.create(&seeing("red")).await;
    put(&server, &eyes()).await;
    let conditional = || {
        let call = server.request(http::Method::POST, "Patient");
        let call = call.header("if-none-exist", "eyes=red");
        call.json(&seeing("red"))
    };
    let refused = conditional().send().await;
    refused.assert_refused(503, "transient", "incomplete");
    walk(&server).await;
    let found = conditional().send().await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text());
}
