//! Binary: any content, in and out as it is, and as a resource for who asks for FHIR.
//!
//! Spec: <https://hl7.org/fhir/R4/binary.html>.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::server::{Answer, Backend, Call, TestServer, on_both_stores, patient};

on_both_stores!(
    content_goes_in_and_comes_out_as_it_is,
    content_is_updated_under_its_id,
    what_is_no_binary_is_content_whatever_its_type,
    who_asks_for_fhir_gets_the_resource,
    stored_pages_do_not_run_on_our_origin,
    bad_content_is_refused,
    content_of_two_mebibytes_comes_back,
);

const PDF: &[u8] = b"%PDF-1.7 \x00\xff\xfe not text";

fn sending<'a>(server: &'a TestServer, path: &str, content_type: &str) -> Call<'a> {
    let method = if path.contains('/') {
        Method::PUT
    } else {
        Method::POST
    };
    let call = server.request(method, path);
    call.header("content-type", content_type)
}

async fn accepting(server: &TestServer, path: &str, accept: &str) -> Answer {
    let call = server.request(Method::GET, path);
    call.header("accept", accept).send().await
}

/// Creates a Binary with this content; gives back its path.
async fn created(server: &TestServer, content_type: &str, content: &[u8]) -> String {
    let call = sending(server, "Binary", content_type).body(content.to_vec());
    let answer = call.send().await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    format!("Binary/{}", answer.json()["id"].as_str().unwrap())
}

async fn content_goes_in_and_comes_out_as_it_is(backend: Backend) {
    let server = TestServer::start(backend).await;
    let owner = server.create(&patient("Owner")).await;
    let context = format!("Patient/{owner}");
    let call = sending(&server, "Binary", "application/pdf").body(PDF);
    let call = call.header("x-security-context", &context);
    let answer = call.send().await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let stored = answer.json();
    assert_eq!(stored["contentType"], "application/pdf");
    assert_eq!(stored["data"], BASE64_STANDARD.encode(PDF));
    assert_eq!(stored["securityContext"]["reference"], context.as_str());
    let path = format!("Binary/{}", stored["id"].as_str().unwrap());
    assert!(
        answer
            .header("location")
            .ends_with(&format!("{path}/_history/1"))
    );

    for path in [path.clone(), format!("{path}/_history/1")] {
        assert_content(&server, &path, &context).await;
    }
    let known = server.request(Method::GET, &path);
    let known = known.header("if-none-match", "W/\"1\"").send().await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert!(known.body.is_empty());

    server.delete(&path).await;
    accepting(&server, &path, "application/pdf")
        .await
        .assert_refused(410, "deleted", "deleted");
    accepting(&server, "Binary/none", "application/pdf")
        .await
        .assert_refused(404, "not-found", "no Binary");
}

/// Asserts what GET and HEAD answer for a Binary with the PDF.
async fn assert_content(server: &TestServer, path: &str, context: &str) {
    let answer = server.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(&*answer.body, PDF);
    assert_eq!(answer.header("content-type"), "application/pdf");
    assert_eq!(answer.header("x-security-context"), context);
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert_eq!(answer.header("vary").to_ascii_lowercase(), "accept");
    assert!(answer.header("last-modified").ends_with(" GMT"));
    let head = server.request(Method::HEAD, path).send().await;
    assert_eq!(head.status, StatusCode::OK);
    assert!(head.body.is_empty());
    for name in [
        "content-type",
        "content-length",
        "etag",
        "x-security-context",
    ] {
        assert_eq!(head.header(name), answer.header(name), "{name}");
    }
}

async fn content_is_updated_under_its_id(backend: Backend) {
    let server = TestServer::start(backend).await;
    let put = async |content: &'static str, header: (&str, &str)| {
        let call = sending(&server, "Binary/note", "text/plain; charset=utf-8");
        call.header(header.0, header.1).body(content).send().await
    };
    let first = put("eins", ("if-none-match", "*")).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    let same = put("eins", ("if-match", "W/\"1\"")).await;
    assert_eq!(same.header("etag"), "W/\"1\"");
    let second = put("zwei", ("prefer", "return=minimal")).await;
    assert_eq!(second.status, StatusCode::OK);
    assert!(second.body.is_empty());
    put("drei", ("if-match", "W/\"1\"")).await.assert_refused(
        412,
        "conflict",
        "current version is 2",
    );
    let current = server.get("Binary/note").await;
    assert_eq!(current.text(), "zwei");
    assert_eq!(current.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(server.get("Binary/note/_history/1").await.text(), "eins");

    let call = server.request(Method::PUT, "Binary?_id=note").body("a,b");
    let call = call.header("content-type", "text/csv");
    let by_criteria = call.send().await;
    assert_eq!(by_criteria.status, StatusCode::OK, "{}", by_criteria.text());
    assert_eq!(server.get("Binary/note").await.text(), "a,b");

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"fuenf").unwrap();
    let call = sending(&server, "Binary/note", "text/plain");
    let call = call.header("content-encoding", "gzip");
    call.body(packed.finish().unwrap()).send().await;
    assert_eq!(server.get("Binary/note").await.text(), "fuenf");
}

async fn what_is_no_binary_is_content_whatever_its_type(backend: Backend) {
    let server = TestServer::start(backend).await;
    let xml = r#"<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>"#;
    for (content_type, content) in [
        ("application/fhir+json", r#"{"resourceType": "Patient"}"#),
        (
            "application/fhir+json; fhirVersion=3.0",
            r#"{"resourceType": "Binary"}"#,
        ),
        ("application/fhir+xml", xml),
        ("application/json", "[1, 2"),
        ("text/xml", "<?xml version=\"1.0\"?><note/>"),
        ("application/dicom", "\0\0DICM"),
    ] {
        let path = created(&server, content_type, content.as_bytes()).await;
        let answer = server.get(&path).await;
        assert_eq!(answer.text(), content);
        assert_eq!(answer.header("content-type"), content_type);
        let resource = accepting(&server, &path, "application/fhir+json").await;
        assert_eq!(resource.json()["contentType"], content_type);
    }
    let binary = json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "QUJD" });
    let xml = r#"<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="QUJD"/></Binary>"#;
    for (content_type, resource) in [
        ("application/fhir+json", binary.to_string().as_str()),
        ("application/json", &binary.to_string()),
        ("application/fhir+xml", xml),
    ] {
        let path = created(&server, content_type, resource.as_bytes()).await;
        assert_eq!(server.get(&path).await.text(), "ABC", "{content_type}");
    }
}

async fn who_asks_for_fhir_gets_the_resource(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = created(&server, "application/pdf", PDF).await;
    for accept in [
        "application/fhir+json",
        "application/json",
        "*/*, application/fhir+json",
    ] {
        let answer = accepting(&server, &path, accept).await;
        assert_eq!(
            answer.json()["data"],
            BASE64_STANDARD.encode(PDF),
            "{accept}"
        );
        assert_eq!(answer.header("content-disposition"), "");
    }
    let answer = accepting(&server, &path, "application/fhir+xml").await;
    assert!(
        answer
            .text()
            .contains("<contentType value=\"application/pdf\"/>")
    );
    let answer = server.get(&format!("{path}?_format=json")).await;
    assert_eq!(answer.json()["resourceType"], "Binary");
    for accept in ["application/pdf", "*/*", "image/png", "text/turtle"] {
        assert_eq!(
            &*accepting(&server, &path, accept).await.body,
            PDF,
            "{accept}"
        );
    }
    let old = accepting(&server, &path, "application/fhir+json; fhirVersion=3.0").await;
    old.assert_refused(406, "not-supported", "fhirVersion 4.0");
    let turtle = server.get(&format!("{path}?_format=ttl")).await;
    turtle.assert_refused(406, "not-supported", "_format");
    let history = accepting(&server, &format!("{path}/_history"), "application/pdf").await;
    history.assert_refused(406, "not-supported", "Accept");
    let found = server.get("Binary").await.json();
    assert_eq!(
        found["entry"][0]["resource"]["contentType"],
        "application/pdf"
    );
    let other = format!("Patient/{}", server.create(&patient("Other")).await);
    let other = accepting(&server, &other, "application/pdf").await;
    other.assert_refused(406, "not-supported", "Accept");
}

async fn stored_pages_do_not_run_on_our_origin(backend: Backend) {
    let server = TestServer::start(backend).await;
    let page = "<script>fetch('/fhir/Patient')</script>";
    let path = created(&server, "text/html", page.as_bytes()).await;
    let answer = accepting(&server, &path, "text/html,*/*;q=0.8").await;
    assert_eq!(answer.text(), page);
    assert_eq!(answer.header("content-disposition"), "attachment");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let policy = answer.header("content-security-policy");
    assert_eq!(policy, "default-src 'none'; sandbox");
    assert_eq!(answer.header("cache-control"), "no-store");

    // A type that is none is not passed on.
    let odd = json!({ "resourceType": "Binary", "contentType": "text", "data": "QUJD" });
    let path = format!("Binary/{}", server.create(&odd).await);
    let answer = server.get(&path).await;
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let empty = json!({ "resourceType": "Binary", "contentType": "text/plain" });
    let path = format!("Binary/{}", server.create(&empty).await);
    let answer = server.get(&path).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
}

async fn bad_content_is_refused(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.limits.body_bytes_max = 1_000;
    })
    .await;
    let post = async |content_type: &str, content: Vec<u8>| {
        let call = sending(&server, "Binary", content_type).body(content);
        call.send().await
    };
    let untyped = server
        .request(Method::POST, "Binary")
        .body(PDF)
        .send()
        .await;
    untyped.assert_refused(415, "not-supported", "Content-Type is missing");
    for wild in ["*/*", "application/*", "pdf"] {
        let answer = post(wild, PDF.to_vec()).await;
        answer.assert_refused(415, "not-supported", "media type");
    }
    let answer = post("application/pdf", Vec::new()).await;
    answer.assert_refused(400, "structure", "empty");
    let answer = post("application/pdf", vec![b'x'; 1_001]).await;
    answer.assert_refused(413, "too-long", "1000");
    let broken = br#"{"resourceType": "Binary", "contentType": "text/plain""#;
    let answer = post("application/json", broken.to_vec()).await;
    answer.assert_refused(400, "structure", "");
    let broken = br#"<Binary xmlns="http://hl7.org/fhir"><contentType value="a/b">"#;
    let answer = post("application/fhir+xml", broken.to_vec()).await;
    answer.assert_refused(400, "structure", "");

    let call = sending(&server, "Binary", "text/plain").body("x");
    let call = call.header("x-security-context", "nobody here");
    call.send()
        .await
        .assert_refused(422, "value", "securityContext");
    let call = sending(&server, "Binary", "text/plain").body("x");
    let call = call.header("x-security-context", "Patient/1");
    let call = call.header("x-security-context", "Patient/2");
    call.send()
        .await
        .assert_refused(400, "invalid", "X-Security-Context");
    let stated = json!({
        "resourceType": "Binary", "contentType": "text/plain", "data": "QUJD",
        "securityContext": { "reference": "Patient/1" },
    });
    let call = server.request(Method::POST, "Binary").json(&stated);
    let call = call.header("x-security-context", "Patient/2");
    call.send()
        .await
        .assert_refused(400, "invalid", "different things");
    let answer = sending(&server, "Binary/not_an_id", "text/plain")
        .body("x")
        .send()
        .await;
    answer.assert_refused(400, "invalid", "An id is");
    let elsewhere = server.request(Method::POST, "Patient").body("x");
    let elsewhere = elsewhere.header("content-type", "text/plain").send().await;
    elsewhere.assert_refused(415, "not-supported", "Content-Type");
    assert_eq!(server.get("Binary").await.json()["total"], 0);
}

async fn content_of_two_mebibytes_comes_back(backend: Backend) {
    let server = TestServer::start(backend).await;
    let noise: Vec<u8> = (0_u32..1 << 19)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let path = created(&server, "image/x-noise", &noise).await;
    let answer = server.get(&path).await;
    assert!(answer.body == noise);
    assert_eq!(answer.header("content-length"), noise.len().to_string());
}
