//! Shares and emergencies as the apps of people ask for them, by `/api/shares`,
//! `/api/shared-record` and `/api/break-the-glass`.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use vesta::clock::SystemClock;

use crate::support::apps::{App, SCOPES, clinic, opens, patient_browser};
use crate::support::people::{Browser, add_user, enrol};
use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::issuer;

on_both_stores!(
    a_record_is_shared_by_a_link,
    a_record_is_shared_with_a_clinician,
    a_clinician_opens_a_record_in_an_emergency,
);

async fn ask(
    server: &TestServer,
    token: &Value,
    (method, path): (Method, &str),
    body: &Value,
) -> Answer {
    let call = server.request(method, &format!("{}{path}", issuer(server)));
    let call = match token.as_str() {
        Some(token) => call.header("authorization", &format!("Bearer {token}")),
        None => call,
    };
    call.json(body).send().await
}

/// The token of an app of the clinic's patient.
async fn patient_token(server: &TestServer) -> Value {
    let app = App::register(server, "public", &SCOPES);
    let mut browser = patient_browser(server).await;
    let scope = "launch/patient patient/*.cruds";
    let tokens = app.connect(server, &mut browser, scope).await;
    tokens["access_token"].clone()
}

/// The token of an app of a clinician who has nothing to do with anybody.
async fn stranger_token(server: &TestServer) -> Value {
    add_user(
        server,
        "wilson",
        "practitioner",
        &["--fhir-user", "Practitioner/wilson"],
    );
    let app = App::register(server, "public", &SCOPES);
    let mut browser = Browser::new(server);
    enrol(&mut browser, "wilson", &SystemClock).await;
    let tokens = app.connect(server, &mut browser, "user/*.rs").await;
    tokens["access_token"].clone()
}

async fn a_record_is_shared_by_a_link(backend: Backend) {
    let server = clinic(backend).await;
    let token = patient_token(&server).await;
    let good = json!({ "to": "link", "categories": ["vital-signs"], "days": 7 });
    let shares = (Method::POST, "/api/shares");
    let refused = ask(&server, &Value::Null, shares.clone(), &good).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    for (bad, status) in [
        (json!({ "to": "link", "days": 0 }), 400),
        (json!({ "to": "link", "days": 7, "patient": "defoe" }), 403),
        (json!({ "to": "everybody", "days": 7 }), 400),
        (json!({ "to": "link", "days": 7, "createdBy": "me" }), 400),
    ] {
        let refused = ask(&server, &token, shares.clone(), &bad).await;
        assert_eq!(refused.status.as_u16(), status, "{bad}: {}", refused.text());
    }
    let made = ask(&server, &token, shares, &good).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    let opening = |link: &Value, passcode: &str| json!({ "link": link, "passcode": passcode, "query": "_type=Observation" });
    let passcode = made["passcode"].as_str().unwrap();
    let open = (Method::POST, "/api/shared-record");
    for (link, passcode) in [(&made["link"], "0"), (&json!("another"), passcode)] {
        let refused = ask(
            &server,
            &Value::Null,
            open.clone(),
            &opening(link, passcode),
        )
        .await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text());
    }
    let right = opening(&made["link"], passcode);
    let shown = ask(&server, &Value::Null, open.clone(), &right).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
    let entries = shown.json()["entry"].as_array().unwrap().clone();
    let ids: Vec<_> = entries.iter().map(|one| &one["resource"]["id"]).collect();
    assert_eq!(ids, ["m2"], "only the part of the record that is shared");
    let list = (Method::GET, "/api/shares");
    let list = ask(&server, &token, list, &json!({})).await;
    assert_eq!(list.json()["shares"][0]["id"], made["id"]);
    assert!(!list.text().contains(passcode), "shown once");
    let path = format!("/api/shares/{}", made["id"].as_str().unwrap());
    let gone = ask(&server, &token, (Method::DELETE, &path), &json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
    let over = ask(&server, &Value::Null, open, &right).await;
    assert_eq!(over.status, StatusCode::NOT_FOUND);
}

async fn a_record_is_shared_with_a_clinician(backend: Backend) {
    let server = clinic(backend).await;
    let own = patient_token(&server).await;
    let other = stranger_token(&server).await;
    assert_eq!(opens(&server, &other, "Observation/m1").await, 404);
    let share = json!({ "to": { "practitioner": "wilson" }, "days": 1 });
    let refused = ask(&server, &other, (Method::POST, "/api/shares"), &share).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let made = ask(&server, &own, (Method::POST, "/api/shares"), &share).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(opens(&server, &other, "Observation/m1").await, 200);
    assert_eq!(opens(&server, &other, "Observation/d1").await, 404);
    let path = format!("/api/shares/{}", made.json()["id"].as_str().unwrap());
    let gone = ask(&server, &own, (Method::DELETE, &path), &json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
    assert_eq!(opens(&server, &other, "Observation/m1").await, 404);
}

async fn a_clinician_opens_a_record_in_an_emergency(backend: Backend) {
    let server = clinic(backend).await;
    let own = patient_token(&server).await;
    let token = stranger_token(&server).await;
    let glass = (Method::POST, "/api/break-the-glass");
    let good = json!({ "patient": "defoe", "reason": "unconscious in the emergency room" });
    let refused = ask(&server, &Value::Null, glass.clone(), &good).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let refused = ask(&server, &own, glass.clone(), &good).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let without = json!({ "patient": "defoe", "reason": " " });
    let refused = ask(&server, &token, glass.clone(), &without).await;
    assert_eq!(refused.status.as_u16(), 422, "{}", refused.text());
    assert_eq!(opens(&server, &token, "Observation/d1").await, 404);
    let opened = ask(&server, &token, glass, &good).await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text());
    assert_eq!(opened.json()["patient"], "defoe");
    assert_eq!(opens(&server, &token, "Observation/d1").await, 200);
    assert_eq!(opens(&server, &token, "Observation/m1").await, 404);
}
