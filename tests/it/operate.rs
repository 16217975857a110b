//! Running the server: what it says it does, its health, a graceful stop, a full disk.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vesta::conformance::registry::Registry;
use vesta::conformance::search_parameter::{ParameterKind, SearchParameter};

use crate::support::mongod::Mongod;
use crate::support::server::{Backend, TestServer, entry, on_both_stores, patient};

/// Tries until a server that is up again has to be found.
const ATTEMPTS_MAX: usize = 100;

on_both_stores!(
    the_statement_names_every_type_and_interaction,
    every_claimed_search_parameter_is_served,
    claimed_interactions_work,
    terminology_capabilities_are_served,
    health_and_measurements_are_served,
    a_stop_lets_requests_under_way_finish,
    a_store_survives_a_restart,
);

async fn statement(server: &TestServer) -> Value {
    let answer = server.get("metadata").await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

fn of_type<'a>(statement: &'a Value, name: &str) -> &'a Value {
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    resources
        .iter()
        .find(|resource| resource["type"] == name)
        .unwrap()
}

async fn the_statement_names_every_type_and_interaction(backend: Backend) {
    let server = TestServer::start(backend).await;
    let statement = statement(&server).await;
    assert_eq!(statement["resourceType"], "CapabilityStatement");
    assert_eq!(statement["fhirVersion"], "4.0.1");
    assert_eq!(statement["kind"], "instance");
    assert_eq!(statement["implementation"]["url"], server.base.as_str());
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    assert!(resources.len() > 140, "{}", resources.len());
    let codes: Vec<_> = statement["rest"][0]["interaction"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interaction| interaction["code"].as_str().unwrap())
        .collect();
    let expected = ["transaction", "batch", "search-system", "history-system"];
    assert_eq!(codes, expected);
    let answer = server.get("metadata?mode=everything").await;
    answer.assert_refused(400, "structure", "mode");
}

/// A value that fits parameters of a type.
fn sample_value(parameter: &SearchParameter) -> String {
    let of_kind = |kind| match kind {
        ParameterKind::Number => "1",
        ParameterKind::Date => "2020-01-31",
        ParameterKind::Reference => "Patient/1",
        ParameterKind::Quantity => "5.4|http://unitsofmeasure.org|mg",
        ParameterKind::Uri => "http://example.org/x",
        _ => "x",
    };
    match parameter.code.as_str() {
        "_filter" => return "_id%20eq%20x".to_owned(),
        "near" => return "52.4|4.9|1|km".to_owned(),
        _ => {}
    }
    if parameter.kind != ParameterKind::Composite {
        return of_kind(parameter.kind).to_owned();
    }
    let components = parameter.components.iter();
    let values: Vec<_> = components.map(|one| of_kind(one.kind)).collect();
    values.join("$")
}

async fn every_claimed_search_parameter_is_served(backend: Backend) {
    let server = TestServer::start(backend).await;
    let statement = statement(&server).await;
    let registry = Registry::load().unwrap();
    for name in [
        "Patient",
        "Observation",
        "ValueSet",
        "RiskAssessment",
        "Location",
    ] {
        let parameters = of_type(&statement, name)["searchParam"].as_array().unwrap();
        assert!(parameters.len() > 5, "{name}");
        let searches = parameters.iter().map(|parameter| {
            let code = parameter["name"].as_str().unwrap();
            let defined = registry.search_parameter(name.parse().unwrap(), code);
            let value = sample_value(defined.unwrap());
            entry("GET", &format!("{name}?{code}={value}"), None)
        });
        let searches: Vec<_> = searches.collect();
        let sent = json!({ "resourceType": "Bundle", "type": "batch", "entry": searches });
        let answer = server.post("", &sent).await.json();
        for (answer, search) in answer["entry"].as_array().unwrap().iter().zip(&searches) {
            let status = answer["response"]["status"].as_str().unwrap();
            assert_eq!(status, "200 OK", "{}: {answer}", search["request"]["url"]);
        }
    }
}

async fn claimed_interactions_work(backend: Backend) {
    let server = TestServer::start(backend).await;
    let statement = statement(&server).await;
    for resource in [
        patient("Claimed"),
        json!({ "resourceType": "Basic", "code": { "text": "x" } }),
        json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" } }),
        json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "eA==" }),
    ] {
        let name = resource["resourceType"].as_str().unwrap();
        let claimed = of_type(&statement, name)["interaction"].as_array().unwrap();
        let id = server.create(&resource).await;
        let mut changed = resource.clone();
        changed["id"] = json!(id);
        changed["language"] = json!("en");
        let patch = json!([{ "op": "replace", "path": "/language", "value": "de" }]);
        for interaction in claimed {
            let code = interaction["code"].as_str().unwrap();
            let (method, url, sent) = match code {
                "read" => (Method::GET, format!("{name}/{id}"), Value::Null),
                "vread" => (Method::GET, format!("{name}/{id}/_history/1"), Value::Null),
                "update" => (Method::PUT, format!("{name}/{id}"), changed.clone()),
                "patch" => (Method::PATCH, format!("{name}/{id}"), patch.clone()),
                "history-instance" => (Method::GET, format!("{name}/{id}/_history"), Value::Null),
                "history-type" => (Method::GET, format!("{name}/_history"), Value::Null),
                "create" => (Method::POST, name.to_owned(), resource.clone()),
                "search-type" => (Method::GET, format!("{name}?_id={id}"), Value::Null),
                "delete" => (Method::DELETE, format!("{name}/other"), Value::Null),
                other => panic!("an interaction the test does not know: {other}"),
            };
            let mime = if code == "patch" {
                "application/json-patch+json"
            } else {
                "application/fhir+json"
            };
            let call = server.request(method, &url).header("content-type", mime);
            let answer = call.body(sent.to_string()).send().await;
            assert!(
                answer.status.is_success(),
                "{name} {code}: {}",
                answer.text()
            );
        }
    }
}

async fn terminology_capabilities_are_served(backend: Backend) {
    let server = TestServer::start(backend).await;
    let answer = server.get("metadata?mode=terminology").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["resourceType"], "TerminologyCapabilities");
    assert_eq!(answer.json()["status"], "active");
}

async fn health_and_measurements_are_served(backend: Backend) {
    let server = TestServer::start(backend).await;
    server.create(&patient("Unmistakable")).await;
    server.get("Patient?name=Unmistakable").await;
    let root = server.base.trim_end_matches("/fhir").to_owned();
    for path in ["livez", "readyz"] {
        assert_eq!(
            server.get(&format!("{root}/{path}")).await.status,
            StatusCode::OK
        );
    }
    let text = server.get(&format!("{root}/metrics")).await.text();
    for needed in [
        "vesta_requests_total{interaction=\"create\",status=\"201\"} 1",
        "vesta_request_seconds_bucket{interaction=\"search-type\"",
        "vesta_store_write_queue_depth",
        "vesta_store_connections_in_use",
    ] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    assert!(!text.contains("Unmistakable"));
}

/// A client is half through its body when the stop begins.
async fn a_stop_lets_requests_under_way_finish(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let (address, _path) = address.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = patient("UnderWay").to_string();
    let (front, rest) = body.split_at(10);
    let head = format!(
        "POST /fhir/Patient HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/fhir+json\r\n\
         content-length: {}\r\n\r\n{front}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let finish = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let ((), answer) = tokio::join!(server.stop(), finish);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "it no longer listens"
    );
    server.restart().await;
    assert_eq!(
        server.get("Patient?family=UnderWay").await.json()["total"],
        1
    );
}

async fn a_store_survives_a_restart(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Stays")).await);
    let before = server.get(&path).await.json();
    server.restart().await;
    assert_eq!(server.get(&path).await.json(), before);
    assert_eq!(server.get("Patient?family=Stays").await.json()["total"], 1);
}

/// The embedded store's own limit stands in for the end of the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_503_until_there_is_room() {
    let small = |config: &mut vesta::config::Config| {
        config.embedded.records_bytes_max = Some(2 << 20);
    };
    let mut server = TestServer::start_with(Backend::Embedded, small).await;
    let kept = format!("Patient/{}", server.create(&patient("Kept")).await);
    let mut random = crate::support::random::Random::new(7);
    let mut refused = None;
    for _ in 0..200 {
        let text: String = (0..50_000)
            .map(|_| char::from(b'a' + random.byte(26)))
            .collect();
        let basic = json!({ "resourceType": "Basic", "code": { "text": text } });
        let answer = server.post("Basic", &basic).await;
        if answer.status != StatusCode::CREATED {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    refused.assert_refused(503, "transient", "");
    assert_eq!(refused.header("retry-after"), "2");
    assert_eq!(
        server.get(&kept).await.status,
        StatusCode::OK,
        "reads go on"
    );
    server.config.embedded.records_bytes_max = None;
    server.restart().await;
    server.create(&patient("After")).await;
    assert_eq!(server.get(&kept).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_primary_is_503_until_there_is_one() {
    let mongod = Mongod::start_private().await;
    let server = TestServer::start_with(Backend::Mongo, |config| {
        config.store = mongod.uri("vesta");
        config.mongo.server_selection_ms_max = 300;
    })
    .await;
    let id = server.create(&patient("Before")).await;
    mongod.stop();
    let refused = server.post("Patient", &patient("Meanwhile")).await;
    refused.assert_refused(503, "transient", "");
    assert_ne!(refused.header("retry-after"), "");
    let path = format!("Patient/{id}");
    for path in [path.as_str(), "Patient?family=Before"] {
        let refused = server.get(path).await;
        refused.assert_refused(503, "transient", "");
        assert_ne!(refused.header("retry-after"), "");
    }
    mongod.start().await;
    let mut answer = server.post("Patient", &patient("After")).await;
    // The driver looks for a primary as long as it may for each request.
    for _ in 0..ATTEMPTS_MAX {
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        answer = server.post("Patient", &patient("After")).await;
    }
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(server.get(&path).await.status, StatusCode::OK);
    assert_eq!(
        server.get("Patient?family=Meanwhile").await.json()["total"],
        0
    );
}
