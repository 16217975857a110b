//! Clients of the authorization server that are not ours: apps in a browser and on a server.
//!
//! Their scripts are in `tests/clients`.

use std::net::TcpListener;

use http::{Method, Response, StatusCode};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl,
    Nonce, PkceCodeChallenge, RedirectUrl, TokenResponse,
};
use serde_json::json;

use crate::support::apps::{
    App, Back, ConsentPage, REDIRECT, SCOPES, clinic, patient_browser, send_consent,
};
use crate::support::browser::browse;
use crate::support::clients;
use crate::support::people::PASSWORD;
use crate::support::server::{Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, issuer};

on_both_stores!(
    fhirclient_for_python_works,
    a_relying_party_knows_who_signed_in
);

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn launch(server: &TestServer, client_id: &str) -> String {
    let scopes = ["smart/orchestrate_launch"];
    let ehr = SmartClient::register(server, ClientKey::elliptic("ehr"), &scopes);
    let token = ehr.token(server, "smart/orchestrate_launch").await;
    let url = format!("{}/smart/launch", issuer(server));
    let body = json!({ "client_id": client_id, "patient": "moll" });
    let call = server.request(Method::POST, &url).body(body.to_string());
    let made = call
        .header("content-type", "application/json")
        .header("authorization", &format!("Bearer {token}"))
        .send()
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    made.json()["launch_url"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fhirclient_in_a_browser_works() {
    let server = clinic(Backend::Embedded).await;
    let port = free_port();
    let callback = format!("http://127.0.0.1:{port}/callback");
    let launch_uri = format!("http://127.0.0.1:{port}/launch");
    let options = ["--redirect-uri", &callback, "--launch-uri", &launch_uri];
    let app = App::register_with(&server, "public", &SCOPES, &options);
    let input = json!({
        "clientId": app.client_id,
        "port": port,
        "name": "ada",
        "password": PASSWORD,
        "launch": launch(&server, &app.client_id).await,
    });
    let seen = browse(&server.base, "smart_app.mjs", &input).await;
    for way in ["alone", "launched"] {
        let one = &seen[way];
        assert_eq!(
            (&one["patient"], &one["again"]),
            (&json!("moll"), &json!("moll"))
        );
        assert_eq!(one["user"], "Patient/moll");
        assert_eq!(one["observations"], 2);
        assert_eq!(one["isNew"], true);
    }
    let scope = |way: &str| seen[way]["scope"].as_str().unwrap().to_owned();
    assert!(!scope("alone").contains("Immunization"), "it was unticked");
    assert!(scope("launched").contains("Immunization"));
}

async fn fhirclient_for_python_works(backend: Backend) {
    let server = clinic(backend).await;
    for kind in ["public", "secret"] {
        let app = App::register(&server, kind, &SCOPES);
        let input = json!({
            "client_id": app.client_id,
            "secret": app.secret,
            "redirect_uri": REDIRECT,
            "scope": "openid fhirUser launch/patient offline_access patient/*.rs",
            "name": "ada",
            "password": PASSWORD,
            "patient": "moll",
        });
        let base = server.base.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let mut command = clients::python("smart_client.py").unwrap();
            command.args([base, input.to_string()]).output().unwrap()
        });
        let output = ran.await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kind}: {errors}");
        assert_eq!(output.stdout, b"ok\n", "{errors}");
    }
}

/// Sends what the relying party wants sent.
async fn carry(server: &TestServer, request: HttpRequest) -> Result<HttpResponse, std::io::Error> {
    let (parts, body) = request.into_parts();
    let mut call = server.request(parts.method, &parts.uri.to_string());
    for name in ["accept", "authorization", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            call = call.header(name, value.to_str().unwrap());
        }
    }
    let answer = call.body(String::from_utf8(body).unwrap()).send().await;
    let mut response = Response::new(answer.body.to_vec());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

async fn a_relying_party_knows_who_signed_in(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "secret", &SCOPES);
    let http = |request: HttpRequest| carry(&server, request);
    let at = IssuerUrl::new(issuer(&server).to_owned()).unwrap();
    let found = CoreProviderMetadata::discover_async(at, &http)
        .await
        .unwrap();
    let client = CoreClient::from_provider_metadata(
        found,
        ClientId::new(app.client_id.clone()),
        app.secret.clone().map(ClientSecret::new),
    )
    .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (url, state, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_extra_param("aud", &server.base)
        .set_pkce_challenge(challenge)
        .url();
    let mut browser = patient_browser(&server).await;
    let query = url.query().unwrap();
    let begun = browser.open(&format!("{}?{query}", url.path())).await;
    let path = begun.header("location").to_owned();
    let answer = browser.open(&path).await;
    let page = ConsentPage { path, answer };
    let back = Back::of(&send_consent(&mut browser, &page, &[]).await);
    assert_eq!(back.get("state"), state.secret());
    let code = AuthorizationCode::new(back.get("code").to_owned());
    let tokens = client
        .exchange_code(code)
        .unwrap()
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .unwrap();
    let verifier = client.id_token_verifier();
    let claims = tokens
        .id_token()
        .unwrap()
        .claims(&verifier, &nonce)
        .unwrap();
    assert!(!claims.subject().is_empty());
    let other = Nonce::new_random();
    assert!(
        tokens
            .id_token()
            .unwrap()
            .claims(&verifier, &other)
            .is_err()
    );
}
