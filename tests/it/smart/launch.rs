//! EHR launch: contexts that an EHR makes, each for one app and good once.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use http::{Method, StatusCode};
use oauth2::url::Url;
use serde_json::{Value, json};

use crate::support::apps::{
    App, Back, LAUNCH, REDIRECT, SCOPES, assert_refused, clinic, opens, pairs, path,
    patient_browser, send_consent,
};
use crate::support::people::{Browser, add_user};
use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, issuer, post_form};

on_both_stores!(
    an_ehr_launches_an_app,
    a_launch_is_for_one_app_and_good_once,
    a_launch_for_somebody_is_not_for_others,
    only_an_ehr_makes_contexts,
    contexts_are_looked_at,
    the_launch_page_is_for_clinicians,
);

const WANTED: &str = "openid fhirUser launch launch/encounter offline_access patient/*.rs";

fn ehr(server: &TestServer) -> SmartClient {
    let scopes = ["smart/orchestrate_launch", "system/Patient.rs"];
    SmartClient::register(server, ClientKey::elliptic("ehr"), &scopes)
}

fn app(server: &TestServer) -> App {
    let scopes = [&SCOPES[..], &["launch/encounter"]].concat();
    App::register_with(server, "public", &scopes, &["--launch-uri", LAUNCH])
}

async fn make(server: &TestServer, token: &str, body: &Value) -> Answer {
    let url = format!("{}/smart/launch", issuer(server));
    let call = server.request(Method::POST, &url).body(body.to_string());
    call.header("content-type", "application/json")
        .header("authorization", &format!("Bearer {token}"))
        .send()
        .await
}

async fn orchestrator(server: &TestServer) -> String {
    let ehr = ehr(server);
    ehr.token(server, "smart/orchestrate_launch").await
}

async fn an_ehr_launches_an_app(backend: Backend) {
    let server = clinic(backend).await;
    let app = app(&server);
    let token = orchestrator(&server).await;
    let open = json!([{ "reference": "Observation/m1", "role": "launch" }]);
    let body = json!({
        "client_id": app.client_id,
        "patient": "moll",
        "encounter": "e1",
        "intent": "reconcile-medications",
        "tenant": "ward-7",
        "fhirContext": open,
        "need_patient_banner": false,
    });
    let made = make(&server, &token, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    // The browser goes to the app's launch address with the FHIR base and the context.
    let url = Url::parse(made["launch_url"].as_str().unwrap()).unwrap();
    assert!(url.as_str().starts_with(LAUNCH));
    let told: Vec<_> = url.query_pairs().into_owned().collect();
    let launch = made["launch"].as_str().unwrap();
    assert_eq!(told, pairs(&[("iss", &server.base), ("launch", launch)]));
    let mut browser = patient_browser(&server).await;
    let mut request = app.request(&server, WANTED);
    request.insert("launch".to_owned(), launch.to_owned());
    let page = app.ask(&server, &mut browser, &request).await;
    let back = Back::of(&send_consent(&mut browser, &page, &[]).await);
    let answer = post_form(&server, "/oauth/token", &app.exchange(back.get("code"))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let tokens = answer.json();
    assert_eq!(tokens["scope"], WANTED);
    for (name, value) in [
        ("patient", json!("moll")),
        ("encounter", json!("e1")),
        ("intent", json!("reconcile-medications")),
        ("tenant", json!("ward-7")),
        ("need_patient_banner", json!(false)),
        ("fhirContext", open),
    ] {
        assert_eq!(tokens[name], value, "{name}");
    }
    assert!(tokens["smart_style_url"].is_string());
    assert_eq!(
        opens(&server, &tokens["access_token"], "Encounter/e1").await,
        200
    );
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        200
    );
    // Introspection tells the encounter as well.
    let asker = App::register_with(&server, "secret", &SCOPES, &["--introspect"]);
    let mut form = asker.credentials();
    let access = tokens["access_token"].as_str().unwrap();
    form.push(("token".to_owned(), access.to_owned()));
    let told = post_form(&server, "/oauth/introspect", &form).await.json();
    assert_eq!(
        (&told["patient"], &told["encounter"]),
        (&json!("moll"), &json!("e1"))
    );
}

async fn begin(server: &TestServer, app: &App, launch: &Value) -> Answer {
    let mut request = app.request(server, WANTED);
    request.insert("launch".to_owned(), launch.as_str().unwrap().to_owned());
    Browser::new(server).open(&path(&request)).await
}

async fn a_launch_is_for_one_app_and_good_once(backend: Backend) {
    let server = clinic(backend).await;
    let (one, other) = (app(&server), app(&server));
    let token = orchestrator(&server).await;
    let body = json!({ "client_id": one.client_id, "patient": "moll" });
    let launch = make(&server, &token, &body).await.json()["launch"].clone();
    let refused = Back::of(&begin(&server, &other, &launch).await);
    assert_eq!(
        (refused.place.as_str(), refused.get("error")),
        (REDIRECT, "invalid_request")
    );
    let begun = begin(&server, &one, &launch).await;
    assert!(begun.header("location").starts_with("/oauth/consent/"));
    let again = Back::of(&begin(&server, &one, &launch).await);
    assert_eq!(again.get("error"), "invalid_request");
    let guessed = Back::of(&begin(&server, &one, &json!("0123456789abcdef")).await);
    assert_eq!(guessed.get("error"), "invalid_request");
}

async fn a_launch_for_somebody_is_not_for_others(backend: Backend) {
    let server = clinic(backend).await;
    let app = app(&server);
    let token = orchestrator(&server).await;
    // For another person.
    let body = json!({ "client_id": app.client_id, "patient": "moll", "person": "somebody" });
    let launch = make(&server, &token, &body).await.json()["launch"].clone();
    let begun = begin(&server, &app, &launch).await;
    let mut browser = patient_browser(&server).await;
    let back = Back::of(&browser.open(begun.header("location")).await);
    assert_eq!(back.get("error"), "access_denied");
    // About a record that the person may not open.
    let body = json!({ "client_id": app.client_id, "patient": "defoe" });
    let launch = make(&server, &token, &body).await.json()["launch"].clone();
    let begun = begin(&server, &app, &launch).await;
    let consent = begun.header("location").to_owned();
    let page = browser.open(&consent).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!page.text().contains("Defoe"), "{}", page.text());
    browser.open("/account").await;
    let sent = browser
        .send(&consent, &[("answer", "allow"), ("scope-0", "on")])
        .await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN);
}

async fn only_an_ehr_makes_contexts(backend: Backend) {
    let server = clinic(backend).await;
    let app = app(&server);
    let body = json!({ "client_id": app.client_id, "patient": "moll" });
    let ehr = ehr(&server);
    let other = ehr.token(&server, "system/Patient.rs").await;
    assert_refused(&make(&server, &other, &body).await, 403, "access_denied");
    assert_refused(
        &make(&server, "not.a.token", &body).await,
        401,
        "invalid_token",
    );
    let url = format!("{}/smart/launch", issuer(&server));
    let call = server.request(Method::POST, &url).body(body.to_string());
    let without = call.header("content-type", "application/json").send().await;
    assert_refused(&without, 401, "invalid_token");
    // The token of a person's app makes none, whatever it asked for.
    let mut browser = patient_browser(&server).await;
    let wanted = "launch/patient patient/*.rs smart/orchestrate_launch";
    let tokens = app.connect(&server, &mut browser, wanted).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_refused(&make(&server, access, &body).await, 403, "access_denied");
}

async fn contexts_are_looked_at(backend: Backend) {
    let server = clinic(backend).await;
    let (app, token) = (app(&server), orchestrator(&server).await);
    let unlaunchable = App::register(&server, "public", &SCOPES);
    for (name, value) in [
        ("client_id", json!("nobody")),
        ("client_id", json!(unlaunchable.client_id)),
        ("patient", json!("not an id")),
        ("encounter", json!("../Patient/1")),
        ("intent", json!("x".repeat(501))),
        ("fhirContext", json!(["Observation/m1"])),
        ("fhirContext", json!([{ "reference": "Nothing/1" }])),
        (
            "fhirContext",
            json!(vec![json!({ "reference": "Task/1" }); 21]),
        ),
        ("need_patient_banner", json!("yes")),
        ("is_admin", json!(true)),
    ] {
        let mut body = json!({ "client_id": app.client_id, "patient": "moll" });
        body[name] = value.clone();
        let answer = make(&server, &token, &body).await;
        assert_refused(&answer, 400, "invalid_request");
    }
}

async fn the_launch_page_is_for_clinicians(backend: Backend) {
    let server = clinic(backend).await;
    app(&server);
    add_user(&server, "root", "administrator", &[]);
    let mut browser = patient_browser(&server).await;
    let page = browser.open("/launch").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    browser.open("/account").await;
    let sent = browser.send("/launch", &[("patient", "moll")]).await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN);
    let nobody = Browser::new(&server).open("/launch").await;
    assert!(nobody.header("location").starts_with("/sign-in?next="));
}
