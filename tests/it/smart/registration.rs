//! Clients that register themselves, and those that an operator registers.
//!
//! Spec: RFC 7591, RFC 8252.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use vesta::config::AccessMode;
use vesta::config::smart::RegistrationMode;

use crate::support::apps::{App, REDIRECT, SCOPES, assert_refused, fill, path, patient_browser};
use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, issuer, smart_server};

on_both_stores!(
    nobody_registers_where_it_is_off,
    an_administrator_approves,
    an_open_server_takes_apps_at_once,
    what_cannot_be_used_is_refused,
    operators_are_told_what_is_wrong,
);

async fn server_with(backend: Backend, mode: RegistrationMode) -> TestServer {
    TestServer::start_with(backend, |config| {
        config.access = AccessMode::Smart;
        config.smart.registration = mode;
    })
    .await
}

async fn register(server: &TestServer, body: &Value) -> Answer {
    let url = format!("{}/oauth/register", issuer(server));
    server
        .request(Method::POST, &url)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
}

fn description() -> Value {
    json!({
        "client_name": "Heart Diary",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "openid launch/patient offline_access patient/*.rs system/*.cruds",
        "logo_uri": "https://app.example.org/logo.png",
    })
}

async fn configuration(server: &TestServer) -> Value {
    let answer = server.get(".well-known/smart-configuration").await;
    answer.json()
}

async fn nobody_registers_where_it_is_off(backend: Backend) {
    let server = smart_server(backend).await;
    assert_refused(
        &register(&server, &description()).await,
        403,
        "access_denied",
    );
    assert!(
        configuration(&server)
            .await
            .get("registration_endpoint")
            .is_none()
    );
}

async fn an_administrator_approves(backend: Backend) {
    let server = server_with(backend, RegistrationMode::Approval).await;
    fill(&server).await;
    let endpoint = configuration(&server).await["registration_endpoint"].clone();
    assert_eq!(endpoint, format!("{}/oauth/register", issuer(&server)));
    let answer = register(&server, &description()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert!(answer.header("cache-control").contains("no-store"));
    let told = answer.json();
    // Nothing that acts without a person.
    assert_eq!(
        told["scope"],
        "openid launch/patient offline_access patient/*.rs"
    );
    assert!(told.get("client_secret").is_none() && told.get("logo_uri").is_none());
    let app = App {
        client_id: told["client_id"].as_str().unwrap().to_owned(),
        secret: None,
    };
    let mut browser = patient_browser(&server).await;
    let request = app.request(&server, "launch/patient patient/*.rs");
    let refused = browser.open(&path(&request)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("has not been approved yet"));
    let listed = server.vesta(&["client", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains(&format!("{} waiting public", app.client_id)),
        "{listed}"
    );
    let approved = server.vesta(&["client", "approve", &app.client_id]);
    assert!(approved.status.success());
    let tokens = app
        .connect(&server, &mut browser, "launch/patient patient/*.rs")
        .await;
    assert_eq!(tokens["patient"], "moll");
}

async fn an_open_server_takes_apps_at_once(backend: Backend) {
    let server = server_with(backend, RegistrationMode::Open).await;
    fill(&server).await;
    let mut body = description();
    body["token_endpoint_auth_method"] = json!("client_secret_post");
    let told = register(&server, &body).await.json();
    assert_eq!(told["client_secret_expires_at"], 0);
    let app = App {
        client_id: told["client_id"].as_str().unwrap().to_owned(),
        secret: told["client_secret"].as_str().map(ToOwned::to_owned),
    };
    let mut browser = patient_browser(&server).await;
    let tokens = app
        .connect(&server, &mut browser, "launch/patient patient/*.rs")
        .await;
    assert_eq!(tokens["patient"], "moll");
    // Without a word about it a client has a secret, as the RFC says.
    let told = register(&server, &json!({ "redirect_uris": [REDIRECT] }))
        .await
        .json();
    assert_eq!(told["token_endpoint_auth_method"], "client_secret_basic");
    assert!(told["client_secret"].is_string());
}

/// Changes of a description that make it one that cannot be used, and how that is told.
fn unusable() -> Vec<(&'static str, Value, &'static str)> {
    let private =
        json!({ "keys": [{ "kty": "RSA", "kid": "a", "n": "AQ", "e": "AQAB", "d": "AQ" }] });
    vec![
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
        (
            "redirect_uris",
            json!(["http://app.example.org/cb"]),
            "invalid_client_metadata",
        ),
        (
            "redirect_uris",
            json!(["javascript:alert(1)"]),
            "invalid_client_metadata",
        ),
        ("redirect_uris", json!("x"), "invalid_client_metadata"),
        ("client_name", json!("a\nb"), "invalid_client_metadata"),
        (
            "client_name",
            json!("a".repeat(101)),
            "invalid_client_metadata",
        ),
        (
            "grant_types",
            json!(["client_credentials"]),
            "invalid_client_metadata",
        ),
        (
            "grant_types",
            json!(["implicit"]),
            "invalid_client_metadata",
        ),
        (
            "response_types",
            json!(["token"]),
            "invalid_client_metadata",
        ),
        (
            "token_endpoint_auth_method",
            json!("magic"),
            "invalid_client_metadata",
        ),
        (
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            "invalid_client_metadata",
        ),
        ("jwks", private, "invalid_client_metadata"),
        (
            "jwks_uri",
            json!("http://127.0.0.1/keys"),
            "invalid_client_metadata",
        ),
        (
            "jwks_uri",
            json!("https://169.254.169.254/"),
            "invalid_client_metadata",
        ),
        (
            "initiate_login_uri",
            json!("ftp://app.example.org/"),
            "invalid_client_metadata",
        ),
        ("scope", json!("system/*.rs"), "invalid_client_metadata"),
        (
            "software_statement",
            json!("a.b.c"),
            "invalid_client_metadata",
        ),
    ]
}

async fn what_cannot_be_used_is_refused(backend: Backend) {
    let server = server_with(backend, RegistrationMode::Open).await;
    for (name, value, code) in unusable() {
        let mut body = description();
        body[name] = value;
        let answer = register(&server, &body).await;
        assert_refused(&answer, 400, code);
    }
    let key = ClientKey::elliptic("k");
    let mut body = description();
    body["token_endpoint_auth_method"] = json!("private_key_jwt");
    body["jwks"] = json!({ "keys": [key.public] });
    let answer = register(&server, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.json()["jwks"]["keys"][0]["kid"], "k");
    let url = format!("{}/oauth/register", issuer(&server));
    let call = server.request(Method::POST, &url).body("a=b".to_owned());
    let form = call
        .header("content-type", "application/x-www-form-urlencoded")
        .send()
        .await;
    assert_refused(&form, 400, "invalid_request");
}

async fn operators_are_told_what_is_wrong(backend: Backend) {
    let server = smart_server(backend).await;
    let add = |more: &[&str]| {
        let fixed = ["client", "add", "--name", "x", "--scope", "patient/*.rs"];
        let output = server.vesta(&[&fixed[..], more].concat());
        assert!(!output.status.success(), "{more:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let uri = ["--redirect-uri", REDIRECT];
    for (more, words) in [
        (&["--kind", "public"][..], "needs a redirect URI"),
        (&[], "needs a redirect URI"),
        (&["--kind", "magic"], "public, secret, keys"),
        (&["--kind", "keys", uri[0], uri[1]], "brings a JWK set"),
        (
            &[
                "--kind",
                "public",
                "--redirect-uri",
                "http://app.example.org/",
            ],
            "begins with https://",
        ),
        (
            &["--kind", "public", uri[0], uri[1], "--scope", "system/*.rs"],
            "only a client with keys",
        ),
    ] {
        let error = add(more);
        assert!(error.contains(words), "{more:?}: {error}");
    }
    let app = App::register(&server, "secret", &SCOPES);
    let listed = server.vesta(&["client", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("active secret") && listed.contains(REDIRECT),
        "{listed}"
    );
    assert!(!listed.contains(app.secret.as_deref().unwrap()));
}
