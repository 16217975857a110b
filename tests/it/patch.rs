//! patch: JSON Patch and FHIRPath Patch, and results that are refused.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    a_json_patch_changes_the_resource,
    a_fhirpath_patch_changes_the_resource,
    a_fhirpath_patch_may_be_xml,
    a_patch_may_have_a_condition,
    a_patch_with_a_bad_result_is_refused,
    a_patch_that_cannot_be_read_is_refused,
    a_patch_fails_as_what_is_wrong_with_it,
    an_empty_json_patch_changes_nothing,
);

const JSON_PATCH: &str = "application/json-patch+json";

async fn patch(server: &TestServer, path: &str, mime: &str, body: &str) -> Answer {
    let call = server
        .request(Method::PATCH, path)
        .header("content-type", mime);
    call.body(body.to_owned()).send().await
}

async fn patched(server: &TestServer, path: &str, operations: &Value) -> Answer {
    patch(server, path, JSON_PATCH, &operations.to_string()).await
}

/// A FHIRPath Patch of one `replace` of the first family name.
fn replacing(family: &str) -> Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
        { "name": "type", "valueCode": "replace" },
        { "name": "path", "valueString": "Patient.name.first().family" },
        { "name": "value", "valueString": family }
    ] }] })
}

async fn a_json_patch_changes_the_resource(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    let operations = json!([
        { "op": "test", "path": "/name/0/family", "value": "Old" },
        { "op": "replace", "path": "/name/0/family", "value": "New" },
        { "op": "add", "path": "/birthDate", "value": "1970-01-31" },
        { "op": "add", "path": "/name/0/given", "value": ["A", "B"] },
        { "op": "remove", "path": "/name/0/given/0" }
    ]);
    let answer = patched(&server, &path, &operations).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("etag"), "W/\"2\"");
    let body = answer.json();
    assert_eq!(body["name"][0], json!({ "family": "New", "given": ["B"] }));
    assert_eq!(body["birthDate"], "1970-01-31");
    assert_eq!(server.get(&path).await.json(), body);
    assert_eq!(server.get("Patient?family=New").await.json()["total"], 1);
    let same = json!([{ "op": "replace", "path": "/name/0/family", "value": "New" }]);
    let none = patched(&server, &path, &same).await;
    assert_eq!(
        none.header("etag"),
        "W/\"2\"",
        "nothing changed: {}",
        none.text()
    );
    let history = server.get(&format!("{path}/_history")).await.json();
    assert_eq!(history["entry"][0]["request"]["method"], "PATCH");
}

async fn a_fhirpath_patch_changes_the_resource(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    let body = replacing("New").to_string();
    let answer = patch(&server, &path, "application/fhir+json", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(server.get(&path).await.json()["name"][0]["family"], "New");
}

async fn a_fhirpath_patch_may_be_xml(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    let body = r#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>
        <part><name value="type"/><valueCode value="add"/></part>
        <part><name value="path"/><valueString value="Patient"/></part>
        <part><name value="name"/><valueString value="birthDate"/></part>
        <part><name value="value"/><valueDate value="1970-01-31"/></part>
        </parameter></Parameters>"#;
    let answer = patch(&server, &path, "application/fhir+xml", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(server.get(&path).await.json()["birthDate"], "1970-01-31");
}

async fn a_patch_may_have_a_condition(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    let with = async |tag: &str| {
        let call = server.request(Method::PATCH, &path).json(&replacing(tag));
        call.header("if-match", tag).send().await
    };
    with("W/\"2\"")
        .await
        .assert_refused(412, "conflict", "current version is 1");
    assert_eq!(with("W/\"1\"").await.status, StatusCode::OK);
    let removing = json!([{ "op": "remove", "path": "/name" }]);
    let absent = patched(&server, "Patient/none", &removing).await;
    absent.assert_refused(404, "not-found", "Patient");
}

async fn a_patch_with_a_bad_result_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    let bad = [
        json!([{ "op": "add", "path": "/gender", "value": "unheard-of" }]),
        json!([{ "op": "add", "path": "/shoeSize", "value": 43 }]),
        json!([{ "op": "replace", "path": "/id", "value": "other" }]),
        json!([{ "op": "replace", "path": "/resourceType", "value": "Basic" }]),
        json!([{ "op": "remove", "path": "/name/7" }]),
        json!([{ "op": "test", "path": "/name/0/family", "value": "Wrong" }]),
    ];
    for operations in bad {
        let answer = patched(&server, &path, &operations).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{operations}"
        );
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    }
    assert_eq!(server.get(&path).await.header("etag"), "W/\"1\"");
}

async fn a_patch_that_cannot_be_read_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    let answer = patch(&server, &path, JSON_PATCH, "[{").await;
    answer.assert_refused(400, "structure", "");
    let answer = patch(&server, &path, "application/merge-patch+json", "{}").await;
    answer.assert_refused(415, "not-supported", "json-patch");
    let answer = patch(
        &server,
        &path,
        "application/fhir+json",
        &patient("X").to_string(),
    )
    .await;
    answer.assert_refused(415, "not-supported", "Parameters");
}

async fn a_patch_fails_as_what_is_wrong_with_it(backend: Backend) {
    let few = |config: &mut vesta::config::Config| config.limits.patch_operations_max = 2;
    let server = TestServer::start_with(backend, few).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    for malformed in [
        json!({ "op": "remove", "path": "/name" }),
        json!([{ "op": "brew", "path": "/name" }]),
        json!([{ "path": "/name" }]),
    ] {
        let answer = patched(&server, &path, &malformed).await;
        answer.assert_refused(400, "structure", "");
    }
    let nameless = json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation" }] });
    let fhir_json = "application/fhir+json";
    let answer = patch(&server, &path, fhir_json, &nameless.to_string()).await;
    answer.assert_refused(400, "structure", "parameter[0]");
    let operation = json!({ "op": "test", "path": "/name/0/family", "value": "Old" });
    let answer = patched(&server, &path, &json!([operation, operation, operation])).await;
    answer.assert_refused(413, "too-long", "more operations");
    let mut many = replacing("New");
    let operation = many["parameter"][0].clone();
    many["parameter"] = json!([operation, operation, operation]);
    let answer = patch(&server, &path, fhir_json, &many.to_string()).await;
    answer.assert_refused(413, "too-long", "at most 2");
    assert_eq!(server.get(&path).await.header("etag"), "W/\"1\"");
}

async fn an_empty_json_patch_changes_nothing(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Old")).await);
    let answer = patch(&server, &path, JSON_PATCH, " [ ] ").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("etag"), "W/\"1\"");
}
