//! Members and fields that are not the client's to set: versions, instants, ids, roles.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::people::{Browser, PASSWORD, add_user};
use crate::support::server::{Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, fresh, post_form, smart_server};

on_both_stores!(what_the_server_sets_is_not_taken_from_the_client);

async fn what_the_server_sets_is_not_taken_from_the_client(backend: Backend) {
    let server = TestServer::start(backend).await;
    let sent = json!({
        "resourceType": "Patient", "id": "chosen", "name": [{ "family": "A" }],
        "meta": { "versionId": "99", "lastUpdated": "1999-01-01T00:00:00Z" },
    });
    let created = server.post("Patient", &sent).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let created = created.json();
    assert_ne!(created["id"], "chosen");
    let id = created["id"].as_str().unwrap().to_owned();
    let mut changed = sent.clone();
    changed["id"] = json!(id);
    changed["active"] = json!(true);
    let updated = server.put(&format!("Patient/{id}"), &changed).await.json();
    for (resource, version) in [(created, "1"), (updated, "2")] {
        assert_eq!(resource["meta"]["versionId"], version);
        let instant = resource["meta"]["lastUpdated"].as_str().unwrap();
        assert!(!instant.starts_with("1999"), "{instant}");
    }
    // The id in the body is not that of the URL.
    let other = server.put("Patient/another", &changed).await;
    other.assert_refused(400, "invalid", "id");
    let patched = server
        .request(Method::PATCH, &format!("Patient/{id}"))
        .header("content-type", "application/json-patch+json")
        .body(json!([{ "op": "replace", "path": "/id", "value": "taken" }]).to_string())
        .send()
        .await;
    assert!(patched.status.is_client_error(), "{}", patched.text());
    assert_eq!(
        server.get("Patient/taken").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_sets_nothing_but_its_fields() {
    let server = smart_server(Backend::Embedded).await;
    add_user(&server, "ada@example.org", "patient", &[]);
    let mut browser = Browser::new(&server);
    browser.open("/sign-in").await;
    let answer = browser
        .send(
            "/sign-in",
            &[
                ("name", "ada@example.org"),
                ("password", PASSWORD),
                ("role", "administrator"),
                ("stage", "full"),
                ("person_id", "1"),
                ("fhir_user", "Practitioner/1"),
            ],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = browser.open("/account").await.text();
    assert!(!page.contains("dministrator"), "{page}");
    // A client gets what it may have, whatever else it writes beside.
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/Patient.r"]);
    let mut form = client.credentials();
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("scope", "system/Patient.cruds"),
        ("sub", "admin"),
        ("person_id", "1"),
        ("grant_id", "1"),
        ("exp", "9999999999"),
        ("jti", &fresh()),
        ("client_name", "root"),
    ] {
        form.push((name.to_owned(), value.to_owned()));
    }
    let answer = post_form(&server, "/oauth/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["scope"], "system/Patient.r");
    assert!(answer.json()["expires_in"].as_u64().unwrap() <= 3_600);
}
