//! Assertions that prove nothing: forged, replayed, for somebody else, too old or too long-lived.
//!
//! Spec: RFC 7523 section 3, RFC 8725,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use vesta::server::Server;

use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::{
    ClientKey, SmartClient, assertion, fresh, issuer, now_s, post_form, smart_server,
};

on_both_stores!(an_assertion_is_good_once);

async fn show(server: &TestServer, signed: &str) -> Answer {
    let mut form = assertion(signed);
    form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
    form.push(("scope".to_owned(), "system/Patient.rs".to_owned()));
    post_form(server, "/oauth/token", &form).await
}

async fn assert_refused(server: &TestServer, signed: &str, what: &str) {
    let answer = show(server, signed).await;
    assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_client", "{what}");
    // Whatever is wrong, the answer is the same: it does not tell which clients there are.
    let text = answer.json()["error_description"].to_string();
    assert!(
        text.contains("is not known here, or its credentials"),
        "{what}: {text}"
    );
}

async fn an_assertion_is_good_once(backend: Backend) {
    let server = smart_server(backend).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let claims = client.claims();
    let signed = client.sign(&claims);
    assert_eq!(show(&server, &signed).await.status, 200);
    assert_refused(&server, &signed, "replayed").await;
    // Signed anew under the same id it is the same assertion.
    assert_refused(&server, &client.sign(&claims), "signed again").await;
    if backend == Backend::Mongo {
        let mut config = server.config.clone();
        config.base_url = Some(issuer(&server).to_owned());
        let second = Server::start(&config).await.unwrap();
        let form = {
            let mut form = assertion(&signed);
            form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
            form.push(("scope".to_owned(), "system/Patient.rs".to_owned()));
            vesta::fhir::query::encode(&form)
        };
        let answer = server
            .request(
                http::Method::POST,
                &format!("http://{}/oauth/token", second.address()),
            )
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await;
        assert_eq!(answer.status, 401, "replayed to another process");
        second.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_do_not_fit_are_refused() {
    let server = smart_server(Backend::Embedded).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let with = |name: &str, value: Value| {
        let mut claims = client.claims();
        claims[name] = value;
        client.sign(&claims)
    };
    let now_s = now_s();
    for (name, value) in [
        ("iss", json!("somebody")),
        ("sub", json!("somebody")),
        ("aud", json!(server.base)),
        ("aud", json!("https://elsewhere.example.org/oauth/token")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!(now_s - 3_600)),
        ("exp", json!(now_s + 3_600)),
        ("exp", json!(i64::MAX)),
        ("exp", json!("soon")),
        ("nbf", json!(now_s + 3_600)),
        ("iat", json!(now_s + 3_600)),
        ("jti", json!("")),
        ("jti", json!("x".repeat(300))),
        ("jti", Value::Null),
    ] {
        assert_refused(
            &server,
            &with(name, value.clone()),
            &format!("{name} = {value}"),
        )
        .await;
    }
    let url = format!("{}/oauth/token", issuer(&server));
    let several = with("aud", json!([url, "https://elsewhere.example.org"]));
    assert_eq!(show(&server, &several).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_that_are_none_are_refused() {
    let server = smart_server(Backend::Embedded).await;
    let client = SmartClient::register(&server, ClientKey::rsa("k"), &["system/*.rs"]);
    let claims = || client.claims();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for none in ["none", "None", "NONE", "nOnE"] {
        let head = part(&json!({ "alg": none, "kid": "k" }));
        assert_refused(&server, &format!("{head}.{}.", part(&claims())), "unsigned").await;
    }
    // The public key, which everybody has, taken for a shared secret.
    let public = client.key.public.to_string();
    let modulus = client.key.public["n"].as_str().unwrap().to_owned();
    for secret in [
        public.into_bytes(),
        modulus.clone().into_bytes(),
        URL_SAFE_NO_PAD.decode(modulus).unwrap(),
    ] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384] {
            let mut header = Header::new(algorithm);
            header.kid = Some("k".to_owned());
            let key = EncodingKey::from_secret(&secret);
            let signed = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
            assert_refused(&server, &signed, "a secret").await;
        }
    }
    let sign =
        |header: &Header, key: &EncodingKey| jsonwebtoken::encode(header, &claims(), key).unwrap();
    let own = |change: &dyn Fn(&mut Header)| {
        let mut header = Header::new(Algorithm::RS384);
        header.kid = Some("k".to_owned());
        change(&mut header);
        sign(&header, &client.key.encoding)
    };
    assert_eq!(show(&server, &own(&|_header| {})).await.status, 200);
    // Weaker or other algorithms of the same family.
    for algorithm in [Algorithm::RS256, Algorithm::RS512, Algorithm::PS384] {
        assert_refused(
            &server,
            &own(&|header| header.alg = algorithm),
            "another algorithm",
        )
        .await;
    }
    assert_refused(&server, &own(&|header| header.kid = None), "no kid").await;
    assert_refused(
        &server,
        &own(&|header| header.kid = Some("x".to_owned())),
        "other kid",
    )
    .await;
    assert_refused(
        &server,
        &own(&|header| header.typ = Some("at+jwt".to_owned())),
        "typ",
    )
    .await;
    // Keys that the assertion brings along.
    let attacker = ClientKey::rsa("k");
    let brought = serde_json::from_value(attacker.public.clone()).ok();
    let mut header = Header::new(Algorithm::RS384);
    header.kid = Some("k".to_owned());
    header.jwk = brought;
    assert_refused(&server, &sign(&header, &attacker.encoding), "its own key").await;
    header.jwk = None;
    header.jku = Some("https://attacker.example.org/jwks".to_owned());
    assert_refused(
        &server,
        &sign(&header, &attacker.encoding),
        "its own key set",
    )
    .await;
    header.jku = None;
    assert_refused(
        &server,
        &sign(&header, &attacker.encoding),
        "another's signature",
    )
    .await;
    // Changed after it was signed.
    let signed = client.sign(&claims());
    let parts: Vec<_> = signed.split('.').collect();
    let changed = format!("{}.{}.{}", parts[0], part(&claims()), parts[2]);
    assert_refused(&server, &changed, "changed claims").await;
    assert_refused(&server, &format!("{}.{}.", parts[0], parts[1]), "cut off").await;
    for text in ["", "a", "a.b", "a.b.c", "....", &"x".repeat(20_000)] {
        let answer = show(&server, text).await;
        assert_eq!(answer.status.as_u16(), 401, "{text:.20}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_pass_for_another() {
    let server = smart_server(Backend::Embedded).await;
    let one = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let other = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let mut claims = one.claims();
    claims["iss"] = json!(other.client_id);
    claims["sub"] = json!(other.client_id);
    assert_refused(&server, &one.sign(&claims), "signed by another client").await;
    claims["iss"] = json!(fresh());
    claims["sub"] = claims["iss"].clone();
    assert_refused(&server, &one.sign(&claims), "a client that there is not").await;
}
