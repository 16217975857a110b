//! Identity tokens: who signed in, signed by the published key, and readable to the app.
//!
//! Spec: <https://openid.net/specs/openid-connect-core-1_0.html>, RFC 7517,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use http::StatusCode;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::support::apps::{App, SCOPES, claims, clinic, opens, patient_browser};
use crate::support::people::{Browser, add_user};
use crate::support::server::{Backend, on_both_stores};
use crate::support::smart::{issuer, now_s, post_form};

on_both_stores!(
    an_identity_token_says_who_signed_in,
    who_is_known_can_be_looked_up,
    identity_is_told_to_who_asks_for_it,
    tokens_are_not_taken_for_each_other,
);

const WANTED: &str = "openid fhirUser profile launch/patient patient/Observation.rs";

async fn an_identity_token_says_who_signed_in(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let mut request = app.request(&server, WANTED);
    request.insert("nonce".to_owned(), "n-0S6_WzA2Mj".to_owned());
    let page = app.ask(&server, &mut browser, &request).await;
    let sent = crate::support::apps::send_consent(&mut browser, &page, &[]).await;
    let back = crate::support::apps::Back::of(&sent);
    let tokens = post_form(&server, "/oauth/token", &app.exchange(back.get("code"))).await;
    let tokens = tokens.json();
    let token = tokens["id_token"].as_str().unwrap();
    let url = format!("{}/.well-known/openid-configuration", issuer(&server));
    let configuration = server.get(&url).await.json();
    for name in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(!configuration[name].is_null(), "{name}");
    }
    let algorithms = configuration["id_token_signing_alg_values_supported"].as_array();
    assert!(algorithms.unwrap().iter().any(|one| one == "RS256"));
    let keys = server
        .get(configuration["jwks_uri"].as_str().unwrap())
        .await;
    assert_eq!(keys.status, StatusCode::OK);
    let keys: JwkSet = serde_json::from_slice(&keys.body).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.alg, Algorithm::RS256);
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[&app.client_id]);
    validation.set_issuer(&[configuration["issuer"].as_str().unwrap()]);
    let key = DecodingKey::from_jwk(key).unwrap();
    let claims = decode::<Value>(token, &key, &validation).unwrap().claims;
    assert_eq!(claims["iss"], issuer(&server));
    assert_eq!(claims["aud"], app.client_id.as_str());
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
    let subject = claims["sub"].as_str().unwrap();
    assert!(!subject.is_empty() && subject.len() < 256);
    let about_now = |name: &str| (now_s() - claims[name].as_i64().unwrap()).abs() < 120;
    assert!(about_now("iat") && about_now("auth_time"));
    assert!(claims["exp"].as_i64().unwrap() > now_s());
    let fhir_user = format!("{}/Patient/moll", server.base);
    assert_eq!(claims["fhirUser"], fhir_user.as_str());
    assert_eq!(claims["profile"], fhir_user.as_str());
}

async fn who_is_known_can_be_looked_up(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    // Nothing but observations is asked for: the patient may be read all the same.
    let tokens = app.connect(&server, &mut browser, WANTED).await;
    let token = &tokens["access_token"];
    assert_eq!(opens(&server, token, "Patient/moll").await, 200);
    assert_eq!(opens(&server, token, "Patient/defoe").await, 404);
    assert_eq!(opens(&server, token, "Patient?_id=moll").await, 403);
    let silent = "launch/patient patient/Observation.rs";
    let tokens = app.connect(&server, &mut browser, silent).await;
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        403
    );
}

async fn identity_is_told_to_who_asks_for_it(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let tokens = app
        .connect(&server, &mut browser, "launch/patient patient/*.rs")
        .await;
    assert!(tokens.get("id_token").is_none());
    let tokens = app.connect(&server, &mut browser, "openid").await;
    let told = claims(&tokens["id_token"]);
    assert!(told.get("fhirUser").is_none() && told.get("profile").is_none());
    assert!(tokens.get("patient").is_none(), "nobody asked for it");
    // Each person has a subject of their own.
    add_user(&server, "eve", "patient", &["--fhir-user", "Patient/defoe"]);
    let mut other = Browser::new(&server);
    other.sign_in("eve").await;
    let others = app.connect(&server, &mut other, "openid").await;
    assert_ne!(claims(&others["id_token"])["sub"], told["sub"]);
}

async fn tokens_are_not_taken_for_each_other(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let tokens = app
        .connect(&server, &mut browser, &format!("{WANTED} offline_access"))
        .await;
    for name in ["id_token", "refresh_token"] {
        assert_eq!(
            opens(&server, &tokens[name], "Patient/moll").await,
            401,
            "{name}"
        );
    }
    let access = tokens["access_token"].as_str().unwrap();
    let answer = post_form(&server, "/oauth/token", &app.refresh(access, None)).await;
    crate::support::apps::assert_refused(&answer, 400, "invalid_grant");
}
