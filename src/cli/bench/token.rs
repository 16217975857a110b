//! An access token for the smart server of a run, got as any backend service gets one.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>.

use std::fs;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use http::Method;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::bench::place::Place;
use crate::cli::bench::process::{self, Process};
use crate::cli::bench::traffic::{Call, send_alone};
use crate::clock::{Clock, SystemClock};
use crate::fhir::query;
use crate::smart::authority::TOKEN_PATH;

/// What the run may do: read and search everything, by scopes that are looked at.
const SCOPE: &str = "system/*.rs";

/// The id of the key.
const KEY_ID: &str = "bench";

/// Seconds that an assertion counts.
const ASSERTION_SECONDS: i64 = 240;

/// Gets a token from a server that runs.
pub(super) async fn get(place: &Place, server: &Process) -> Result<Arc<str>, Failure> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new());
    let made = made.map_err(|_unspecified| "no key can be made")?;
    let key = EncodingKey::from_ec_der(made.as_ref());
    let mut public = Jwk::from_encoding_key(&key, Algorithm::ES384)?;
    public.common.key_id = Some(KEY_ID.to_owned());
    let file = place.directory().join("client.jwks");
    fs::write(&file, json!({ "keys": [public] }).to_string())?;
    let client_id = process::add_client(place, &file, SCOPE)?;
    let url = format!("http://{}{TOKEN_PATH}", server.address());
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": url,
        "exp": SystemClock.now_ms() / 1_000 + ASSERTION_SECONDS,
        "jti": format!("bench-{}", std::process::id()),
    });
    let mut header = Header::new(Algorithm::ES384);
    header.kid = Some(KEY_ID.to_owned());
    let assertion = jsonwebtoken::encode(&header, &claims, &key)?;
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", SCOPE),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let call = Call {
        method: Method::POST,
        path: TOKEN_PATH.to_owned(),
        body: query::encode(&form).into(),
        content_type: "application/x-www-form-urlencoded",
        token: None,
    };
    let answer: Value = serde_json::from_slice(&send_alone(server.address(), call).await?)?;
    let token = answer.get("access_token").and_then(Value::as_str);
    Ok(token.ok_or("the server gave no token")?.into())
}
