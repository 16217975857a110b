//! What introspection tells of tokens that act for people.
//!
//! Spec: RFC 7662, <https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html>.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::apps::{
    App, SCOPES, assert_refused, claims, clinic, pairs, patient_browser, post_form_with,
};
use crate::support::server::{Backend, on_both_stores};
use crate::support::smart::{issuer, post_form};

on_both_stores!(
    a_token_is_told_as_it_was_given,
    what_does_not_count_is_told_as_nothing_else,
);

const WANTED: &str = "openid fhirUser launch/patient offline_access patient/*.rs";

async fn a_token_is_told_as_it_was_given(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let asker = App::register_with(&server, "secret", &SCOPES, &["--introspect"]);
    let mut browser = patient_browser(&server).await;
    let tokens = app.connect(&server, &mut browser, WANTED).await;
    let form = pairs(&[("token", tokens["access_token"].as_str().unwrap())]);
    let header = ("authorization", asker.basic());
    let answer = post_form_with(&server, "/oauth/introspect", &form, (header.0, &header.1)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["active"], true);
    assert_eq!(told["client_id"], app.client_id.as_str());
    assert_eq!(told["scope"], tokens["scope"]);
    assert_eq!(told["patient"], "moll");
    assert!(told["exp"].is_number() && told.get("encounter").is_none());
    let identity = claims(&tokens["id_token"]);
    for name in ["iss", "sub", "fhirUser"] {
        assert_eq!(told[name], identity[name], "{name}");
    }
    assert_eq!(told["iss"], issuer(&server));
}

async fn what_does_not_count_is_told_as_nothing_else(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let other = App::register(&server, "secret", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let tokens = app.connect(&server, &mut browser, WANTED).await;
    let token = tokens["access_token"].as_str().unwrap();
    let inactive = json!({ "active": false });
    let ask = async |token: &str| {
        let mut form = other.credentials();
        form.push(("token".to_owned(), token.to_owned()));
        let answer = post_form(&server, "/oauth/introspect", &form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    };
    let invalid: Value = ask("invalid_token_value").await;
    assert_eq!(invalid, inactive);
    assert_eq!(ask(token).await, inactive, "another client's");
    // A client that cannot prove itself learns nothing.
    let mut form = app.credentials();
    form.push(("token".to_owned(), token.to_owned()));
    let answer = post_form(&server, "/oauth/introspect", &form).await;
    assert_refused(&answer, 401, "invalid_client");
}
