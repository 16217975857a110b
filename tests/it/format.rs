//! Content negotiation, views, encodings and what browsers need.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    accept_and_format_choose_the_representation,
    what_cannot_be_represented_is_refused,
    every_interaction_speaks_xml,
    answers_can_be_laid_out_and_cut,
    bodies_are_compressed_both_ways,
    browsers_may_call_from_elsewhere,
    every_answer_has_a_request_id,
);

const XML: &str = "application/fhir+xml";

async fn accepted(server: &TestServer, path: &str, accept: &str) -> String {
    let answer = server
        .request(Method::GET, path)
        .header("accept", accept)
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{accept}: {}", answer.text());
    answer.header("content-type").to_owned()
}

async fn accept_and_format_choose_the_representation(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Seen")).await);
    for (accept, expected) in [
        ("*/*", "application/fhir+json"),
        ("application/json", "application/fhir+json"),
        (
            "application/fhir+json; fhirVersion=4.0",
            "application/fhir+json",
        ),
        ("application/fhir+xml", XML),
        ("text/xml", XML),
        (
            "application/fhir+json;q=0.1, application/fhir+xml;q=0.9",
            XML,
        ),
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/fhir+json",
        ),
    ] {
        let content_type = accepted(&server, &path, accept).await;
        assert!(
            content_type.starts_with(expected),
            "{accept}: {content_type}"
        );
        assert!(content_type.contains("fhirVersion=4.0"), "{content_type}");
    }
    for (format, expected) in [
        ("xml", XML),
        ("json", "application/fhir+json"),
        ("application/fhir%2Bxml", XML),
        ("application/fhir+xml", XML),
    ] {
        let path = format!("{path}?_format={format}");
        let content_type = accepted(&server, &path, "text/turtle").await;
        assert!(
            content_type.starts_with(expected),
            "{format}: {content_type}"
        );
    }
}

async fn what_cannot_be_represented_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Seen")).await);
    for accept in [
        "text/turtle",
        "application/fhir+json; fhirVersion=5.0",
        "image/png",
    ] {
        let answer = server
            .request(Method::GET, &path)
            .header("accept", accept)
            .send()
            .await;
        answer.assert_refused(406, "not-supported", "Accept");
    }
    let answer = server.get(&format!("{path}?_format=ttl")).await;
    answer.assert_refused(406, "not-supported", "_format");
    for mime in [
        "text/plain",
        "application/fhir+json; fhirVersion=3.0",
        "text/html",
    ] {
        let call = server
            .request(Method::POST, "Patient")
            .header("content-type", mime);
        let answer = call.body(patient("X").to_string()).send().await;
        answer.assert_refused(415, "not-supported", "Content-Type");
    }
    let call = server
        .request(Method::POST, "Patient")
        .body(patient("X").to_string());
    call.send()
        .await
        .assert_refused(415, "not-supported", "Content-Type");
}

/// Sends XML, asks for XML, and checks that the answer is a success in XML.
async fn with_xml(server: &TestServer, method: Method, path: &str, body: &str) -> Answer {
    let call = server
        .request(method, path)
        .header("accept", XML)
        .header("content-type", XML);
    let answer = call.body(body.to_owned()).send().await;
    let text = answer.text();
    assert!(answer.status.is_success(), "{path}: {text}");
    if !answer.body.is_empty() {
        assert!(answer.header("content-type").starts_with(XML));
        assert!(text.contains("xmlns=\"http://hl7.org/fhir\""), "{text}");
    }
    answer
}

async fn every_interaction_speaks_xml(backend: Backend) {
    let server = TestServer::start(backend).await;
    let with = async |method, path, body: &str| with_xml(&server, method, path, body).await;
    let body = |id: &str, family: &str| {
        format!(
            "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"{id}\"/><name>\
             <family value=\"{family}\"/></name></Patient>"
        )
    };
    let created = with(Method::POST, "Patient", &body("x", "Posted")).await;
    assert_eq!(created.status, StatusCode::CREATED);
    with(Method::PUT, "Patient/x", &body("x", "Put")).await;
    let read = with(Method::GET, "Patient/x", "").await.text();
    assert!(read.contains("value=\"Put\""), "{read}");
    with(Method::GET, "Patient/x/_history/1", "").await;
    with(Method::GET, "Patient/x/_history", "").await;
    let found = with(Method::GET, "Patient?family=Put", "").await.text();
    assert!(found.contains("<total value=\"1\"/>"), "{found}");
    with(Method::GET, "metadata", "").await;
    let batch = format!(
        "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"transaction\"/><entry><resource>{}\
         </resource><request><method value=\"POST\"/><url value=\"Patient\"/></request></entry>\
         </Bundle>",
        body("y", "Bundled")
    );
    let answered = with(Method::POST, "", &batch).await.text();
    assert!(answered.contains("transaction-response"), "{answered}");
    with(Method::DELETE, "Patient/x", "").await;
    let refused = server
        .request(Method::GET, "Patient/x")
        .header("accept", XML)
        .send()
        .await;
    assert_eq!(refused.status, StatusCode::GONE);
    let text = refused.text();
    assert!(text.contains("<OperationOutcome"), "{text}");
    let json = server.get("Patient?family=Bundled").await.json();
    let name = &json["entry"][0]["resource"]["name"];
    assert_eq!(*name, json!([{ "family": "Bundled" }]));
}

async fn answers_can_be_laid_out_and_cut(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut resource = patient("Seen");
    resource["text"] = json!({
        "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">seen</div>"
    });
    resource["birthDate"] = json!("1970-01-31");
    resource["maritalStatus"] = json!({ "text": "married" });
    let path = format!("Patient/{}", server.create(&resource).await);
    let whole = server.get(&path).await;
    let pretty = server.get(&format!("{path}?_pretty=true")).await;
    assert!(pretty.text().lines().count() > 5);
    assert_eq!(pretty.json(), whole.json());
    let view = async |query: &str| server.get(&format!("{path}?{query}")).await.json();
    let has = |value: &Value, names: &[&str]| {
        names
            .iter()
            .map(|name| value.get(*name).is_some())
            .collect::<Vec<_>>()
    };
    let names = ["text", "birthDate", "maritalStatus", "meta"];
    assert_eq!(
        has(&view("_summary=true").await, &names),
        [false, true, false, true]
    );
    assert_eq!(
        has(&view("_summary=text").await, &names),
        [true, false, false, true]
    );
    assert_eq!(
        has(&view("_summary=data").await, &names),
        [false, true, true, true]
    );
    assert_eq!(view("_summary=false").await, whole.json());
    assert_eq!(
        has(&view("_elements=birthDate").await, &names),
        [false, true, false, true]
    );
    let cut = view("_elements=birthDate").await;
    assert!(
        cut["meta"]["tag"].to_string().contains("SUBSETTED"),
        "{cut}"
    );
    let counted = server.get("Patient?_summary=count").await.json();
    assert_eq!(counted["total"], 1);
    assert!(counted.get("entry").is_none(), "{counted}");
    let answer = server.get(&format!("{path}?_summary=most")).await;
    answer.assert_refused(400, "structure", "_summary");
    let answer = server.get(&format!("{path}?_pretty=very")).await;
    answer.assert_refused(400, "structure", "_pretty");
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn bodies_are_compressed_both_ways(backend: Backend) {
    let server = TestServer::start(backend).await;
    let sent = patient("Compressed").to_string().into_bytes();
    let mut path = String::new();
    for (encoding, body) in [
        ("gzip", gzipped(&sent)),
        ("zstd", zstd::encode_all(&sent[..], 3).unwrap()),
        ("identity", sent.clone()),
    ] {
        let call = server.request(Method::POST, "Patient").body(body);
        let call = call.header("content-type", "application/fhir+json");
        let answer = call.header("content-encoding", encoding).send().await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{encoding}: {}",
            answer.text()
        );
        path = format!("Patient/{}", answer.json()["id"].as_str().unwrap());
    }
    let whole = server.get(&path).await.body;
    for encoding in ["gzip", "br", "zstd"] {
        let call = server
            .request(Method::GET, &path)
            .header("accept-encoding", encoding);
        let answer = call.send().await;
        assert_eq!(answer.header("content-encoding"), encoding);
        let body = match encoding {
            "gzip" => {
                let mut out = Vec::new();
                GzDecoder::new(&answer.body[..])
                    .read_to_end(&mut out)
                    .unwrap();
                out
            }
            "zstd" => zstd::decode_all(&answer.body[..]).unwrap(),
            _ => {
                assert_ne!(answer.body, whole);
                continue;
            }
        };
        assert_eq!(body, whole, "{encoding}");
        // What the server compressed it can read as well.
    }
    let call = server
        .request(Method::POST, "Patient")
        .header("content-encoding", "compress");
    let answer = call
        .header("content-type", "application/fhir+json")
        .body(sent)
        .send()
        .await;
    answer.assert_refused(415, "not-supported", "Content-Encoding");
}

async fn browsers_may_call_from_elsewhere(backend: Backend) {
    let any = |config: &mut vesta::config::Config| config.rest.cors_origins = vec!["*".to_owned()];
    let server = TestServer::start_with(backend, any).await;
    let call = server
        .request(Method::OPTIONS, "Patient/1")
        .header("origin", "https://app.example");
    let call = call.header("access-control-request-method", "PUT");
    let preflight = call
        .header("access-control-request-headers", "content-type,if-match")
        .send();
    let preflight = preflight.await;
    assert!(preflight.status.is_success(), "{}", preflight.status);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(
        preflight
            .header("access-control-allow-methods")
            .contains("PUT")
    );
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("if-match")
    );
    let call = server
        .request(Method::GET, "metadata")
        .header("origin", "https://app.example");
    let answer = call.send().await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let exposed = answer.header("access-control-expose-headers");
    for name in ["etag", "location", "last-modified", "x-request-id"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    let chosen = |config: &mut vesta::config::Config| {
        config.rest.cors_origins = vec!["https://ours.example".to_owned()];
    };
    let server = TestServer::start_with(backend, chosen).await;
    for (origin, allowed) in [
        ("https://ours.example", true),
        ("https://app.example", false),
    ] {
        let call = server
            .request(Method::GET, "metadata")
            .header("origin", origin);
        let answer = call.send().await;
        assert_eq!(
            answer.header("access-control-allow-origin") == origin,
            allowed,
            "{origin}"
        );
    }
}

async fn every_answer_has_a_request_id(backend: Backend) {
    let server = TestServer::start(backend).await;
    let first = server
        .get("metadata")
        .await
        .header("x-request-id")
        .to_owned();
    let second = server
        .get("Patient/none")
        .await
        .header("x-request-id")
        .to_owned();
    assert!(!first.is_empty() && first != second);
    let call = server
        .request(Method::GET, "metadata")
        .header("x-request-id", "mine-1");
    assert_eq!(call.send().await.header("x-request-id"), "mine-1");
    let call = server
        .request(Method::GET, "metadata")
        .header("x-request-id", "not \"usable\"");
    assert_ne!(call.send().await.header("x-request-id"), "not \"usable\"");
    let sent = bundle("batch", &[entry("GET", "Patient/none", None)]);
    assert!(
        !server
            .post("", &sent)
            .await
            .header("x-request-id")
            .is_empty()
    );
}
