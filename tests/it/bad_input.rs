//! Input that is broken or hostile: refused with a reason, and the server goes on.

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;

use crate::support::server::{Answer, Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    malformed_json,
    malformed_xml,
    an_external_entity,
    a_billion_laughs,
    deep_json,
    deep_xml,
    duplicate_keys,
    a_body_over_the_limit,
    a_compressed_bomb,
    invalid_utf8,
    an_empty_body,
    bad_ids,
    unknown_types_and_routes,
    wrong_methods,
    a_truncated_compressed_body,
    a_plus_that_became_a_space_is_told_of,
);

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";

/// Posts a body as a Patient to a server of its own; nothing may be written, and it goes on.
async fn posted(backend: Backend, mime: &str, body: impl Into<Bytes>) -> Answer {
    let server = TestServer::start(backend).await;
    let call = server
        .request(Method::POST, "Patient")
        .header("content-type", mime);
    let answer = call.body(body).send().await;
    assert_eq!(server.get("Patient").await.json()["total"], 0);
    server.create(&patient("After")).await;
    answer
}

async fn malformed_json(backend: Backend) {
    let answer = posted(
        backend,
        JSON,
        "{\"resourceType\": \"Patient\", \"active\": tru}",
    )
    .await;
    answer.assert_refused(400, "structure", "");
    let answer = posted(backend, JSON, "{\"resourceType\": \"Patient\"} {}").await;
    answer.assert_refused(400, "structure", "");
    let answer = posted(backend, JSON, "[1, 2]").await;
    answer.assert_refused(400, "structure", "");
}

async fn malformed_xml(backend: Backend) {
    let body = "<Patient xmlns=\"http://hl7.org/fhir\"><active value=\"true\"></Patient>";
    posted(backend, XML, body)
        .await
        .assert_refused(400, "structure", "");
    let body = "<Patient><active value=\"true\"/></Patient>";
    posted(backend, XML, body)
        .await
        .assert_refused(400, "structure", "");
}

async fn an_external_entity(backend: Backend) {
    let body = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>\
        <Patient xmlns=\"http://hl7.org/fhir\"><name><family value=\"&e;\"/></name></Patient>";
    let answer = posted(backend, XML, body).await;
    answer.assert_refused(400, "structure", "");
    assert!(!answer.text().contains("root:"));
}

async fn a_billion_laughs(backend: Backend) {
    let mut body = "<!DOCTYPE x [<!ENTITY l0 \"ha\">".to_owned();
    for level in 1..10 {
        let refers = format!("&l{};", level - 1).repeat(10);
        write!(body, "<!ENTITY l{level} \"{refers}\">").unwrap();
    }
    body.push_str("]><Patient xmlns=\"http://hl7.org/fhir\"><name><family value=\"&l9;\"/></name>");
    body.push_str("</Patient>");
    posted(backend, XML, body)
        .await
        .assert_refused(400, "structure", "");
}

async fn deep_json(backend: Backend) {
    const DEPTH: usize = 10_000;
    let open = "{\"extension\":[".repeat(DEPTH);
    let close = "]}".repeat(DEPTH);
    let body = format!("{{\"resourceType\":\"Patient\",\"extension\":[{open}{close}]}}");
    posted(backend, JSON, body)
        .await
        .assert_refused(400, "structure", "");
}

async fn deep_xml(backend: Backend) {
    const DEPTH: usize = 10_000;
    let open = "<extension url=\"http://x\">".repeat(DEPTH);
    let close = "</extension>".repeat(DEPTH);
    let body = format!("<Patient xmlns=\"http://hl7.org/fhir\">{open}{close}</Patient>");
    posted(backend, XML, body)
        .await
        .assert_refused(400, "structure", "");
}

async fn duplicate_keys(backend: Backend) {
    let body = "{\"resourceType\":\"Patient\",\"active\":true,\"active\":false}";
    posted(backend, JSON, body)
        .await
        .assert_refused(400, "structure", "active");
}

async fn a_body_over_the_limit(backend: Backend) {
    let small = |config: &mut vesta::config::Config| config.limits.body_bytes_max = 10_000;
    let server = TestServer::start_with(backend, small).await;
    let answer = server.post("Patient", &patient(&"x".repeat(10_001))).await;
    answer.assert_refused(413, "too-long", "10000 bytes");
    server.create(&patient("After")).await;
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn a_compressed_bomb(backend: Backend) {
    let small = |config: &mut vesta::config::Config| config.limits.body_bytes_max = 100_000;
    let server = TestServer::start_with(backend, small).await;
    let plain = vec![b' '; 50_000_000];
    for (encoding, bomb) in [
        ("gzip", gzipped(&plain)),
        ("zstd", zstd::encode_all(&plain[..], 3).unwrap()),
    ] {
        assert!(bomb.len() < 100_000);
        let call = server
            .request(Method::POST, "Patient")
            .header("content-type", JSON);
        let answer = call
            .header("content-encoding", encoding)
            .body(bomb)
            .send()
            .await;
        answer.assert_refused(413, "too-long", "100000 bytes");
    }
    server.create(&patient("After")).await;
}

async fn invalid_utf8(backend: Backend) {
    let mut body = patient("SPOT").to_string().into_bytes();
    let spot = body.windows(4).position(|four| four == b"SPOT").unwrap();
    body[spot] = 0xff;
    posted(backend, JSON, body)
        .await
        .assert_refused(400, "structure", "UTF-8");
    let mut body = b"<Patient xmlns=\"http://hl7.org/fhir\"><language value=\"".to_vec();
    body.extend_from_slice(b"\xc3\x28\"/></Patient>");
    posted(backend, XML, body)
        .await
        .assert_refused(400, "structure", "UTF-8");
}

async fn an_empty_body(backend: Backend) {
    posted(backend, JSON, "")
        .await
        .assert_refused(400, "structure", "empty");
    posted(backend, XML, "")
        .await
        .assert_refused(400, "structure", "empty");
}

async fn bad_ids(backend: Backend) {
    let server = TestServer::start(backend).await;
    for id in ["under_score", "%20", "a%2Fb", "%C3%A9", &"x".repeat(65)] {
        let answer = server.get(&format!("Patient/{id}")).await;
        answer.assert_refused(400, "invalid", "id is 1 to 64");
        let answer = server.delete(&format!("Patient/{id}")).await;
        answer.assert_refused(400, "invalid", "id is 1 to 64");
    }
    let longest = "x".repeat(64);
    server
        .get(&format!("Patient/{longest}"))
        .await
        .assert_refused(404, "not-found", "Patient");
}

async fn unknown_types_and_routes(backend: Backend) {
    let server = TestServer::start(backend).await;
    for path in [
        "Patients",
        "patient",
        "Patient/1/name",
        "Patient/1/_history/1/x",
        "%FF",
        "_x",
    ] {
        let answer = server.get(path).await;
        answer.assert_refused(404, "not-found", "");
    }
    server
        .post("Patients", &patient("X"))
        .await
        .assert_refused(404, "not-found", "R4");
    let root = server.base.trim_end_matches("/fhir").to_owned();
    server
        .get(&format!("{root}/elsewhere"))
        .await
        .assert_refused(404, "not-found", "/fhir");
    server
        .get(&format!("{root}/"))
        .await
        .assert_refused(404, "not-found", "/fhir");
}

async fn wrong_methods(backend: Backend) {
    let server = TestServer::start(backend).await;
    for (method, path, allowed) in [
        (Method::POST, "Patient/1", "PUT"),
        (Method::PUT, "metadata", "GET"),
        (Method::DELETE, "_history", "GET"),
        (Method::GET, "Patient/_search", "POST"),
        (Method::PUT, "Patient/1/_history/1", "GET"),
        (Method::GET, "Patient/1/$erase", "POST"),
    ] {
        let answer = server.request(method, path).send().await;
        answer.assert_refused(405, "not-supported", "method");
        assert!(
            answer.header("allow").contains(allowed),
            "{path}: {:?}",
            answer.headers
        );
    }
}

async fn a_truncated_compressed_body(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut body = gzipped(patient("Cut").to_string().as_bytes());
    body.truncate(body.len() / 2);
    let call = server
        .request(Method::POST, "Patient")
        .header("content-type", JSON);
    let answer = call
        .header("content-encoding", "gzip")
        .body(body)
        .send()
        .await;
    answer.assert_refused(400, "structure", "decompressed");
    assert_eq!(server.get("Patient").await.json()["total"], 0);
}

async fn a_plus_that_became_a_space_is_told_of(backend: Backend) {
    let server = TestServer::start(backend).await;
    let instant = "2026-01-31T10:00:00+02:00";
    for query in [
        "Patient?_lastUpdated=ge",
        "Observation?date=",
        "Observation?date=2020,lt",
        "Observation?subject:Patient.birthdate=",
        "Patient?_has:Observation:subject:date=gt",
        "Observation?code-value-date=a$",
        "Patient/$everything?start=",
        "Patient/$everything?_since=",
        "Patient/_history?_since=",
        "Patient/_history?_at=",
    ] {
        let answer = server.get(&format!("{query}{instant}")).await;
        answer.assert_refused(400, "structure", "%2B");
    }
    let meant = server
        .get("Observation?date=2026-01-31T10:00:00%2B02:00")
        .await;
    assert_eq!(meant.status, 200, "{}", meant.text());
    let other = server.get("Observation?date=yesterday").await;
    assert!(!other.text().contains("%2B"), "{}", other.text());
}
