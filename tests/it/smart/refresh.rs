//! Codes and refresh tokens: each good once, for one client, and taken away with what they gave.
//!
//! Spec: RFC 6749 sections 4.1.3 and 6, RFC 7009, OAuth 2.1 section 4.3.

use http::StatusCode;
use serde_json::Value;

use crate::support::apps::{
    App, SCOPES, VERIFIER, assert_refused, challenge, clinic, opens, pairs, patient_browser,
    post_form_with,
};
use crate::support::people::user;
use crate::support::server::{Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, post_form};

on_both_stores!(
    a_code_needs_its_client_and_verifier,
    a_code_that_comes_again_takes_all_away,
    refresh_tokens_rotate,
    a_refresh_may_ask_for_less,
    other_refresh_tokens_are_refused,
    a_refresh_token_that_comes_again_takes_all_away,
    what_is_revoked_is_refused_at_once,
    clients_prove_themselves_in_their_way,
    a_session_bound_grant_ends_with_the_session,
);

const LASTING: &str = "openid fhirUser launch/patient offline_access patient/*.rs";

async fn a_code_needs_its_client_and_verifier(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let other = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let bad = post_form(&server, "/oauth/token", &app.exchange("BAD_CODE")).await;
    assert_refused(&bad, 400, "invalid_grant");
    let mut form = app.exchange("BAD_CODE");
    form.retain(|(name, _)| name != "code");
    let missing = post_form(&server, "/oauth/token", &form).await;
    assert_refused(&missing, 400, "invalid_request");
    for (name, value) in [
        ("code_verifier", ""),
        ("code_verifier", &VERIFIER.replace('d', "e")),
        // Plain: the challenge itself.
        ("code_verifier", &challenge()),
        ("redirect_uri", "https://app.example.org/other"),
        ("redirect_uri", ""),
    ] {
        let back = app.agree(&server, &mut browser, LASTING, &[]).await;
        let mut form = app.exchange(back.get("code"));
        form.retain(|(known, _)| known != name);
        form.push((name.to_owned(), value.to_owned()));
        let answer = post_form(&server, "/oauth/token", &form).await;
        assert_refused(&answer, 400, "invalid_grant");
    }
    let back = app.agree(&server, &mut browser, LASTING, &[]).await;
    let answer = post_form(&server, "/oauth/token", &other.exchange(back.get("code"))).await;
    assert_refused(&answer, 400, "invalid_grant");
    let nobody = App {
        client_id: "BAD_CLIENT_ID".to_owned(),
        secret: None,
    };
    let answer = post_form(&server, "/oauth/token", &nobody.exchange(back.get("code"))).await;
    assert_refused(&answer, 401, "invalid_client");
    // The one whose code it is can still use it.
    let answer = post_form(&server, "/oauth/token", &app.exchange(back.get("code"))).await;
    assert_eq!(answer.status, StatusCode::OK);
}

async fn a_code_that_comes_again_takes_all_away(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let back = app.agree(&server, &mut browser, LASTING, &[]).await;
    let form = app.exchange(back.get("code"));
    let tokens = post_form(&server, "/oauth/token", &form).await.json();
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        200
    );
    let again = post_form(&server, "/oauth/token", &form).await;
    assert_refused(&again, 400, "invalid_grant");
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        401
    );
    let refused = refresh(&server, &app, &tokens, None).await;
    assert_refused(&refused, 400, "invalid_grant");
}

async fn refresh(
    server: &TestServer,
    app: &App,
    tokens: &Value,
    scope: Option<&str>,
) -> crate::support::server::Answer {
    let token = tokens["refresh_token"].as_str().unwrap();
    post_form(server, "/oauth/token", &app.refresh(token, scope)).await
}

async fn refresh_tokens_rotate(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let tokens = app.connect(&server, &mut browser, LASTING).await;
    let second = refresh(&server, &app, &tokens, None).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    assert!(second.header("cache-control").contains("no-store"));
    assert_eq!(second.header("pragma"), "no-cache");
    let second = second.json();
    for (name, value) in [
        ("scope", LASTING),
        ("token_type", "Bearer"),
        ("patient", "moll"),
    ] {
        assert_eq!(second[name], value, "{name}");
    }
    assert!(second["expires_in"].is_number());
    assert_ne!(second["refresh_token"], tokens["refresh_token"]);
    let token = &second["access_token"];
    assert_eq!(opens(&server, token, "Patient/moll").await, 200);
    // Without offline_access there is none.
    let visit = "openid launch/patient patient/*.rs";
    let tokens = app.connect(&server, &mut browser, visit).await;
    assert!(tokens.get("refresh_token").is_none());
}

async fn a_refresh_may_ask_for_less(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let tokens = app.connect(&server, &mut browser, LASTING).await;
    // The whole former scope is accepted.
    let same = refresh(&server, &app, &tokens, Some(LASTING)).await.json();
    assert_eq!(same["scope"], LASTING);
    let less = refresh(&server, &app, &same, Some("patient/Patient.r")).await;
    let less = less.json();
    assert_eq!(less["scope"], "patient/Patient.r");
    let token = &less["access_token"];
    assert_eq!(opens(&server, token, "Patient/moll").await, 200);
    assert_eq!(opens(&server, token, "Observation/m1").await, 403);
    // Less once is not less for good. A public client may leave out which one it is.
    let token = less["refresh_token"].as_str().unwrap();
    let form = pairs(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
    let whole = post_form(&server, "/oauth/token", &form).await.json();
    assert_eq!(whole["scope"], LASTING);
}

async fn other_refresh_tokens_are_refused(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let other = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let tokens = app.connect(&server, &mut browser, LASTING).await;
    let stranger = refresh(&server, &other, &tokens, None).await;
    assert_refused(&stranger, 400, "invalid_grant");
    let wider = refresh(&server, &app, &tokens, Some("patient/*.cruds")).await;
    assert_refused(&wider, 400, "invalid_scope");
    let good = tokens["refresh_token"].as_str().unwrap();
    let next = good.replace(".1.", ".2.");
    for guess in ["0b6a2f3e-92a5-4a0b-a6a6-6a1fd8b1c7b6", "a.1.b", &next] {
        let answer = post_form(&server, "/oauth/token", &app.refresh(guess, None)).await;
        assert_refused(&answer, 400, "invalid_grant");
    }
    // Whoever guesses ends nothing.
    let answer = refresh(&server, &app, &tokens, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

async fn a_refresh_token_that_comes_again_takes_all_away(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let first = app.connect(&server, &mut browser, LASTING).await;
    let second = refresh(&server, &app, &first, None).await.json();
    let stolen = refresh(&server, &app, &first, None).await;
    assert_refused(&stolen, 400, "invalid_grant");
    for tokens in [&first, &second] {
        assert_eq!(
            opens(&server, &tokens["access_token"], "Patient/moll").await,
            401
        );
    }
    let refused = refresh(&server, &app, &second, None).await;
    assert_refused(&refused, 400, "invalid_grant");
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one story, told in the order in which it happens"
)]
async fn what_is_revoked_is_refused_at_once(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let other = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    // By another client: nothing happens.
    let tokens = app.connect(&server, &mut browser, LASTING).await;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let mut form = other.credentials();
    form.push(("token".to_owned(), text("refresh_token")));
    let answer = post_form(&server, "/oauth/revoke", &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        200
    );
    // By the client.
    let mut form = app.credentials();
    form.push(("token".to_owned(), text("refresh_token")));
    post_form(&server, "/oauth/revoke", &form).await;
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        401
    );
    // By the person, on the page of their apps.
    let tokens = app.connect(&server, &mut browser, LASTING).await;
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        200
    );
    let page = browser.open("/apps").await;
    assert!(page.text().contains("Heart Diary") && page.text().contains("The whole health record"));
    assert!(
        page.text().contains("Last used</dt><dd>20"),
        "{}",
        page.text()
    );
    let grant = crate::support::people::field(&page, "app").unwrap();
    let answer = browser.send("/apps/disconnect", &[("app", &grant)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        401
    );
    let refused = refresh(&server, &app, &tokens, None).await;
    assert_refused(&refused, 400, "invalid_grant");
    assert!(
        browser
            .open("/apps")
            .await
            .text()
            .contains("No app is connected")
    );
    // By shutting the person out.
    let tokens = app.connect(&server, &mut browser, LASTING).await;
    user(&server, &["disable", "ada"]);
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        401
    );
    let refused = refresh(&server, &app, &tokens, None).await;
    assert_refused(&refused, 400, "invalid_grant");
}

async fn clients_prove_themselves_in_their_way(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "secret", &SCOPES);
    assert!(app.secret.is_some());
    let mut browser = patient_browser(&server).await;
    let without = App {
        secret: None,
        ..app.clone()
    };
    let wrong = App {
        secret: Some("wrong".to_owned()),
        ..app.clone()
    };
    let back = app.agree(&server, &mut browser, LASTING, &[]).await;
    for impostor in [&without, &wrong] {
        let form = impostor.exchange(back.get("code"));
        let answer = post_form(&server, "/oauth/token", &form).await;
        assert_refused(&answer, 401, "invalid_client");
    }
    // HTTP Basic, as most libraries send it.
    let form = pairs(&[
        ("grant_type", "authorization_code"),
        ("code", back.get("code")),
        ("redirect_uri", crate::support::apps::REDIRECT),
        ("code_verifier", VERIFIER),
    ]);
    let basic = |app: &App| ("authorization", app.basic());
    let (name, value) = basic(&wrong);
    let answer = post_form_with(&server, "/oauth/token", &form, (name, &value)).await;
    assert_refused(&answer, 401, "invalid_client");
    assert!(answer.header("www-authenticate").starts_with("Basic"));
    let (name, value) = basic(&app);
    let both = app.exchange(back.get("code"));
    let answer = post_form_with(&server, "/oauth/token", &both, (name, &value)).await;
    assert_refused(&answer, 400, "invalid_request");
    let answer = post_form_with(&server, "/oauth/token", &form, (name, &value)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    // By a key: a client with one is not let in without.
    for key in [ClientKey::elliptic("e"), ClientKey::rsa("r")] {
        let options = ["--redirect-uri", crate::support::apps::REDIRECT];
        let keyed = SmartClient::register_with(&server, key, &SCOPES, &options);
        let as_app = App {
            client_id: keyed.client_id.clone(),
            secret: None,
        };
        let back = as_app.agree(&server, &mut browser, LASTING, &[]).await;
        let form = as_app.exchange(back.get("code"));
        let answer = post_form(&server, "/oauth/token", &form).await;
        assert_refused(&answer, 401, "invalid_client");
        let mut signed = form.clone();
        signed.extend(keyed.credentials());
        let answer = post_form(&server, "/oauth/token", &signed).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let tokens = answer.json();
        let token = tokens["refresh_token"].as_str().unwrap();
        let bare = pairs(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
        let answer = post_form(&server, "/oauth/token", &bare).await;
        assert_refused(&answer, 401, "invalid_client");
        let mut form = as_app.refresh(token, None);
        form.extend(keyed.credentials());
        let answer = post_form(&server, "/oauth/token", &form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
}

async fn a_session_bound_grant_ends_with_the_session(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let scope = "launch/patient online_access patient/*.rs";
    let tokens = app.connect(&server, &mut browser, scope).await;
    let tokens = refresh(&server, &app, &tokens, None).await.json();
    assert_eq!(tokens["scope"], scope);
    browser.open("/account").await;
    let out = browser.send("/sign-out", &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    let refused = refresh(&server, &app, &tokens, None).await;
    assert_refused(&refused, 400, "invalid_grant");
}
