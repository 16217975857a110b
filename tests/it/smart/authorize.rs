//! The authorization endpoint and its pages: what an app may ask, where answers go, who agrees.
//!
//! Spec: RFC 6749 sections 3.1 and 4.1, RFC 7636, RFC 9207, OAuth 2.1,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::apps::{
    App, Back, REDIRECT, SCOPES, clinic, opens, path, patient_browser, send_consent,
};
use crate::support::people::{Browser, add_user};
use crate::support::server::{Backend, TestServer, on_both_stores};
use crate::support::smart::{issuer, post_form};

on_both_stores!(
    a_patient_connects_an_app,
    nothing_is_told_where_nothing_is_proved,
    what_is_not_in_order_goes_back_to_the_app,
    a_request_belongs_to_who_came_first,
    who_does_not_agree_gives_nothing,
    a_request_may_be_posted,
    an_app_may_want_a_new_sign_in,
);

const WANTED: &str = "openid fhirUser launch/patient offline_access patient/*.rs";

async fn a_patient_connects_an_app(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = Browser::new(&server);
    // Who is not signed in is sent to sign in, and comes back.
    let request = app.request(&server, WANTED);
    let answer = browser.open(&path(&request)).await;
    let consent = answer.header("location").to_owned();
    let answer = browser.open(&consent).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.header("location").starts_with("/sign-in?next="));
    browser.sign_in("ada").await;
    let back = app.agree(&server, &mut browser, WANTED, &[]).await;
    assert_eq!(back.place, REDIRECT);
    assert_eq!(back.get("state"), "af0ifjsldkj");
    assert_eq!(back.get("iss"), issuer(&server));
    assert!(!back.get("code").is_empty() && back.get("error").is_empty());
    let form = app.exchange(back.get("code"));
    let answer = post_form(&server, "/oauth/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.header("cache-control").contains("no-store"));
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_told(&answer.json());
    assert_opens(&server, &answer.json()).await;
}

/// What a token response says.
fn assert_told(tokens: &Value) {
    for (name, value) in [
        ("token_type", json!("Bearer")),
        ("scope", json!(WANTED)),
        ("patient", json!("moll")),
        ("need_patient_banner", json!(true)),
    ] {
        assert_eq!(tokens[name], value, "{name}");
    }
    assert!(tokens["expires_in"].is_number());
    for name in [
        "access_token",
        "refresh_token",
        "id_token",
        "smart_style_url",
    ] {
        assert!(tokens[name].is_string(), "{name}");
    }
}

/// What it opens.
async fn assert_opens(server: &TestServer, tokens: &Value) {
    let token = &tokens["access_token"];
    for (path, status) in [
        ("Patient/moll", 200),
        ("Observation/m1", 200),
        ("Patient/defoe", 404),
        ("Observation/d1", 404),
    ] {
        assert_eq!(opens(server, token, path).await, status, "{path}");
    }
    let style = server
        .get(tokens["smart_style_url"].as_str().unwrap())
        .await;
    assert_eq!(style.status, StatusCode::OK, "without a token");
    assert!(style.json().is_object());
}

async fn nothing_is_told_where_nothing_is_proved(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = Browser::new(&server);
    for (name, value) in [
        ("client_id", ""),
        ("client_id", "somebody"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example.org/callback"),
        ("redirect_uri", "https://app.example.org/callback/"),
        ("redirect_uri", "https://app.example.org/callback?a=b"),
        ("redirect_uri", "https://app.example.org/callback#a"),
        ("redirect_uri", "HTTPS://app.example.org/callback"),
        (
            "redirect_uri",
            "https://app.example.org@evil.example.org/callback",
        ),
    ] {
        let mut request = app.request(&server, WANTED);
        request.insert(name.to_owned(), value.to_owned());
        let answer = browser.open(&path(&request)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}={value}");
        assert!(answer.headers.get("location").is_none(), "{name}={value}");
        assert!(answer.text().contains("This app could not be connected"));
        assert!(!answer.text().contains("evil.example.org"));
    }
    let twice = format!("{}&state=b", path(&app.request(&server, WANTED)));
    let answer = browser.open(&twice).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let disabled = server.vesta(&["client", "disable", &app.client_id]);
    assert!(disabled.status.success());
    let answer = browser.open(&path(&app.request(&server, WANTED))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

async fn what_is_not_in_order_goes_back_to_the_app(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        (
            "request_uri",
            "https://app.example.org/r",
            "invalid_request",
        ),
        // Without PKCE, with plain, with something that is no hash.
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        // For another server's data.
        ("aud", "", "invalid_request"),
        (
            "aud",
            "https://elsewhere.example.org/fhir",
            "invalid_request",
        ),
        ("scope", "", "invalid_scope"),
        ("scope", "system/*.rs", "invalid_scope"),
        ("scope", "nonsense patient/Nothing.rs", "invalid_scope"),
        ("scope", "launch patient/*.rs", "invalid_request"),
        ("launch", "abc", "invalid_scope"),
        ("prompt", "none", "interaction_required"),
        ("prompt", "dance", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
    ] {
        let mut request = app.request(&server, WANTED);
        request.insert(name.to_owned(), value.to_owned());
        let back = Back::of(&browser.open(&path(&request)).await);
        assert_eq!(back.place, REDIRECT, "{name}={value}");
        assert_eq!(back.get("error"), error, "{name}={value}");
        assert_eq!(back.get("state"), "af0ifjsldkj");
        assert_eq!(back.get("iss"), issuer(&server));
        assert!(back.get("code").is_empty());
    }
    let mut request = app.request(&server, WANTED);
    request.insert("aud".to_owned(), format!("{}/", server.base));
    let page = app.ask(&server, &mut browser, &request).await;
    assert_eq!(page.answer.status, StatusCode::OK, "a slash at the end");
}

async fn a_request_belongs_to_who_came_first(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    add_user(&server, "eve", "patient", &["--fhir-user", "Patient/defoe"]);
    let mut ada = patient_browser(&server).await;
    let page = app
        .ask(&server, &mut ada, &app.request(&server, WANTED))
        .await;
    let mut eve = Browser::new(&server);
    eve.sign_in("eve").await;
    assert_eq!(eve.open(&page.path).await.status, StatusCode::BAD_REQUEST);
    eve.open("/account").await;
    let sent = eve.send(&page.path, &[("answer", "allow")]).await;
    assert_eq!(sent.status, StatusCode::BAD_REQUEST);
    // Without the token that the page gave, nothing happens.
    let fields = [("answer", "allow"), ("csrf", "guessed")];
    let sent = ada.send_raw(&page.path, &fields).await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN);
    // Nobody can choose a record that is not theirs.
    let other = ada
        .send(&format!("{}/patient", page.path), &[("patient", "defoe")])
        .await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    ada.open(&page.path).await;
    let back = Back::of(&send_consent(&mut ada, &page, &[]).await);
    assert!(!back.get("code").is_empty());
    // An answer is given once.
    let again = send_consent(&mut ada, &page, &[]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
}

async fn who_does_not_agree_gives_nothing(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let no = [("answer", "deny")];
    let nothing = [("scope-0", ""), ("identity", "")];
    for changes in [&no[..], &nothing] {
        let back = app.agree(&server, &mut browser, WANTED, changes).await;
        assert_eq!(back.place, REDIRECT);
        assert_eq!(back.get("error"), "access_denied");
        assert!(back.get("code").is_empty());
        assert_eq!(back.get("state"), "af0ifjsldkj");
    }
    // A patient whom nobody has confirmed has no record to share.
    add_user(&server, "new", "patient", &[]);
    let mut browser = Browser::new(&server);
    browser.sign_in("new").await;
    let page = app
        .ask(&server, &mut browser, &app.request(&server, WANTED))
        .await;
    assert_eq!(page.answer.status, StatusCode::SEE_OTHER);
    let picker = browser.open(page.answer.header("location")).await;
    assert!(picker.text().contains("There is no record yet"));
}

async fn a_request_may_be_posted(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let form: Vec<_> = app.request(&server, WANTED).into_iter().collect();
    let answer = post_form(&server, "/oauth/authorize", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let consent = answer.header("location").to_owned();
    let mut browser = patient_browser(&server).await;
    let page = browser.open(&consent).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Heart Diary") && page.text().contains("app.example.org"));
    // The page can be framed by nobody, and its form ends at the app.
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("https://app.example.org"), "{policy}");
    let answer = server
        .request(Method::PUT, &format!("{}/oauth/authorize", issuer(&server)))
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

async fn an_app_may_want_a_new_sign_in(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    for (name, value) in [("prompt", "login"), ("max_age", "0")] {
        let mut request = app.request(&server, WANTED);
        request.insert(name.to_owned(), value.to_owned());
        let page = app.ask(&server, &mut browser, &request).await;
        assert_eq!(page.answer.status, StatusCode::SEE_OTHER, "{name}");
        assert!(page.answer.header("location").starts_with("/sign-in?next="));
        browser.sign_in("ada").await;
        let page = browser.open(&page.path).await;
        assert_eq!(page.status, StatusCode::OK, "{name}: {}", page.text());
    }
    let mut request = app.request(&server, WANTED);
    request.insert("max_age".to_owned(), "3600".to_owned());
    let page = app.ask(&server, &mut browser, &request).await;
    assert_eq!(page.answer.status, StatusCode::OK);
}
