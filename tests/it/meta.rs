//! `$meta`, `$meta-add`, `$meta-delete`.
//!
//! Spec: <https://hl7.org/fhir/R4/resource-operation-meta.html>,
//! <https://hl7.org/fhir/R4/resource-operation-meta-add.html>,
//! <https://hl7.org/fhir/R4/resource-operation-meta-delete.html>.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    what_is_in_use_is_listed_by_system_type_instance_and_version,
    adding_makes_no_version_and_is_found,
    deleting_takes_out_what_is_there,
    what_follows_a_change_keeps_it,
    xml_goes_in_and_comes_out,
    superseded_versions_are_not_changed,
    what_is_not_a_meta_is_refused,
    what_is_not_there_is_refused,
);

fn tagged(code: &str) -> Value {
    let mut resource = patient("Meta");
    resource["meta"] = json!({
        "profile": ["http://example.org/p"],
        "tag": [{ "system": "http://t", "code": code }],
        "security": [{ "system": "http://s", "code": "R" }],
    });
    resource
}

fn parameters(meta: &Value) -> Value {
    json!({
        "resourceType": "Parameters",
        "parameter": [{ "name": "meta", "valueMeta": meta }],
    })
}

fn tag(code: &str) -> Value {
    parameters(&json!({ "tag": [{ "system": "http://t", "code": code }] }))
}

fn returned(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let parameters = answer.json();
    assert_eq!(parameters["resourceType"], "Parameters");
    assert_eq!(parameters["parameter"][0]["name"], "return");
    parameters["parameter"][0]["valueMeta"].clone()
}

fn codes(meta: &Value) -> Vec<String> {
    let tags = meta["tag"].as_array().cloned().unwrap_or_default();
    let codes = tags.iter().map(|tag| tag["code"].as_str().unwrap());
    codes.map(str::to_owned).collect()
}

async fn total(server: &TestServer, query: &str) -> u64 {
    let answer = server.get(query).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["total"].as_u64().unwrap()
}

async fn what_is_in_use_is_listed_by_system_type_instance_and_version(backend: Backend) {
    let server = TestServer::start(backend).await;
    let none = server.get("$meta").await;
    assert_eq!(none.json(), json!({ "resourceType": "Parameters" }));
    let id = server.create(&tagged("a")).await;
    server.create(&tagged("b")).await;
    let group = json!({
        "resourceType": "Group", "type": "person", "actual": true,
        "meta": { "tag": [{ "system": "http://t", "code": "c" }] },
    });
    server.create(&group).await;
    let system = returned(&server.get("$meta").await);
    assert_eq!(codes(&system), ["a", "b", "c"]);
    assert_eq!(system["profile"], json!(["http://example.org/p"]));
    assert_eq!(system["security"].as_array().unwrap().len(), 1);
    let by_post = server.request(Method::POST, "$meta").send().await;
    assert_eq!(returned(&by_post), system);
    let of_type = returned(&server.get("Patient/$meta").await);
    assert_eq!(codes(&of_type), ["a", "b"]);
    assert!(of_type.get("versionId").is_none());

    let mut second = tagged("d");
    second["id"] = json!(id);
    server.put(&format!("Patient/{id}"), &second).await;
    let current = returned(&server.get(&format!("Patient/{id}/$meta")).await);
    assert_eq!(current["versionId"], "2");
    assert_eq!(codes(&current), ["d"]);
    let first = format!("Patient/{id}/_history/1/$meta");
    let first = server.request(Method::POST, &first).send().await;
    assert_eq!(returned(&first)["versionId"], "1");
    assert_eq!(codes(&returned(&first)), ["a"]);
    assert_eq!(
        codes(&returned(&server.get("Patient/$meta").await)),
        ["b", "d"]
    );
}

async fn adding_makes_no_version_and_is_found(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&tagged("a")).await;
    let before = server.get(&format!("Patient/{id}")).await;
    let path = format!("Patient/{id}/$meta-add");
    let added = parameters(&json!({
        "versionId": "77",
        "profile": ["http://example.org/p", "http://example.org/q"],
        "tag": [{ "system": "http://t", "code": "b" }],
        "security": [{ "system": "http://s", "code": "V", "display": "very" }],
    }));
    let answer = server.post(&path, &added).await;
    let meta = returned(&answer);
    assert_eq!(meta["versionId"], "1");
    assert_eq!(codes(&meta), ["a", "b"]);
    assert_eq!(meta["profile"].as_array().unwrap().len(), 2);
    assert_eq!(answer.header("etag"), before.header("etag"));
    let after = server.get(&format!("Patient/{id}")).await.json();
    assert_eq!(after["meta"], meta);
    assert_ne!(
        after["meta"]["lastUpdated"],
        before.json()["meta"]["lastUpdated"]
    );
    assert_eq!(total(&server, &format!("Patient/{id}/_history")).await, 1);
    for query in [
        "Patient?_tag=http://t|b",
        "Patient?_profile=http://example.org/q",
        "Patient?_security=http://s|V",
        "Patient?_tag=http://t|a&name=Meta",
    ] {
        assert_eq!(total(&server, query).await, 1, "{query}");
    }
    let again = server.post(&path, &added).await;
    assert_eq!(returned(&again), meta, "adding again changes nothing");
    let by_version = format!("Patient/{id}/_history/1/$meta-add");
    let by_version = server.post(&by_version, &tag("c")).await;
    assert_eq!(codes(&returned(&by_version)), ["a", "b", "c"]);
}

async fn deleting_takes_out_what_is_there(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&tagged("a")).await;
    let path = format!("Patient/{id}/$meta-delete");
    let absent = server.post(&path, &tag("never")).await;
    assert_eq!(
        codes(&returned(&absent)),
        ["a"],
        "no error when it is not there"
    );
    let all = parameters(&json!({
        "profile": ["http://example.org/p"],
        "tag": [{ "system": "http://t", "code": "a", "display": "named otherwise" }],
    }));
    let meta = returned(&server.post(&path, &all).await);
    assert!(meta.get("tag").is_none() && meta.get("profile").is_none());
    assert_eq!(meta["security"].as_array().unwrap().len(), 1);
    assert_eq!(meta["versionId"], "1");
    assert_eq!(total(&server, "Patient?_tag=http://t|a").await, 0);
    assert_eq!(
        total(&server, "Patient?_profile=http://example.org/p").await,
        0
    );
    assert_eq!(total(&server, "Patient?_security=http://s|R").await, 1);
}

async fn what_follows_a_change_keeps_it(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    let id = server.create(&patient("Patch")).await;
    let path = format!("Patient/{id}");
    returned(
        &server
            .post(&format!("{path}/$meta-add"), &tag("kept"))
            .await,
    );
    server.restart().await;
    let steps = json!([{ "op": "add", "path": "/active", "value": true }]);
    let patched = server
        .request(Method::PATCH, &path)
        .header("content-type", "application/json-patch+json")
        .header("if-match", "W/\"1\"")
        .body(steps.to_string())
        .send()
        .await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.text());
    assert_eq!(patched.json()["meta"]["versionId"], "2");
    assert_eq!(codes(&patched.json()["meta"]), ["kept"]);
    let first = server.get(&format!("{path}/_history/1")).await;
    assert_eq!(codes(&first.json()["meta"]), ["kept"]);
    let stale = server
        .request(Method::POST, &format!("{path}/$meta-delete"))
        .header("if-match", "W/\"1\"")
        .json(&tag("kept"))
        .send()
        .await;
    stale.assert_refused(412, "conflict", "If-Match");
}

async fn xml_goes_in_and_comes_out(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Xml")).await;
    let body = "<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"meta\"/>\
                <valueMeta><tag><system value=\"http://t\"/><code value=\"x\"/></tag></valueMeta>\
                </parameter></Parameters>";
    let answer = server
        .request(Method::POST, &format!("Patient/{id}/$meta-add"))
        .header("content-type", "application/fhir+xml")
        .header("accept", "application/fhir+xml")
        .body(body)
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(
        answer.text().contains("<code value=\"x\"/>"),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("<name value=\"return\"/>"));
    let read = server.get("Patient/$meta?_format=xml").await;
    assert!(
        read.text().contains("<code value=\"x\"/>"),
        "{}",
        read.text()
    );
}

async fn superseded_versions_are_not_changed(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("One")).await;
    let mut second = patient("Two");
    second["id"] = json!(id);
    server.put(&format!("Patient/{id}"), &second).await;
    for operation in ["$meta-add", "$meta-delete"] {
        let path = format!("Patient/{id}/_history/1/{operation}");
        let refused = server.post(&path, &tag("x")).await;
        refused.assert_refused(501, "not-supported", "the current version");
        let path = format!("Patient/{id}/_history/3/{operation}");
        let refused = server.post(&path, &tag("x")).await;
        refused.assert_refused(404, "not-found", "no such version");
    }
}

async fn what_is_not_a_meta_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Bad")).await;
    let path = format!("Patient/{id}/$meta-add");
    let refused = server.post(&path, &patient("Body")).await;
    refused.assert_refused(400, "invalid", "Parameters");
    let empty = json!({ "resourceType": "Parameters" });
    let refused = server.post(&path, &empty).await;
    refused.assert_refused(400, "invalid", "one parameter");
    let other = json!({
        "resourceType": "Parameters",
        "parameter": [{ "name": "meta", "valueString": "x" }],
    });
    let refused = server.post(&path, &other).await;
    refused.assert_refused(400, "invalid", "valueMeta");
    let unknown = parameters(&json!({ "tags": [{ "code": "x" }] }));
    let refused = server.post(&path, &unknown).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let refused = server.get(&path).await;
    refused.assert_refused(405, "not-supported", "method");
    assert_eq!(
        server.get(&format!("Patient/{id}")).await.json()["meta"]["tag"],
        Value::Null
    );
}

async fn what_is_not_there_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    for path in ["Patient/none/$meta", "Patient/none/_history/1/$meta"] {
        let refused = server.get(path).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
    }
    let refused = server.post("Patient/none/$meta-add", &tag("x")).await;
    refused.assert_refused(404, "not-found", "no Patient");
    let refused = server.get("Patients/$meta").await;
    refused.assert_refused(404, "not-found", "resource type");
    let id = server.create(&patient("Gone")).await;
    server.delete(&format!("Patient/{id}")).await;
    let refused = server.get(&format!("Patient/{id}/$meta")).await;
    refused.assert_refused(410, "deleted", "deleted");
    let refused = server
        .post(&format!("Patient/{id}/$meta-delete"), &tag("x"))
        .await;
    refused.assert_refused(410, "deleted", "deleted");
}
