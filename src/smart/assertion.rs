//! `private_key_jwt`: a client proves itself by a short-lived assertion that it signed.
//!
//! ES384 and RS384 only, under a key that was registered: neither the algorithm nor a key in the
//! header is taken at its word. Every assertion is good once, on whichever process it comes.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>,
//! RFC 7523 section 3.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use crate::access::documents::{Before, DocumentError, Documents};
use crate::smart::authority::{Authority, TOKEN_PATH};
use crate::smart::client::{self, Client, ClientKind};
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;

/// The only kind of assertion there is.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What clients may sign with, as it is published.
pub const ALGORITHMS: [&str; 2] = ["ES384", "RS384"];

/// How far ahead an assertion may end, in seconds.
const LIFETIME_SECONDS_MAX: i64 = 300;

/// How much clocks may differ, in seconds.
const SKEW_SECONDS: i64 = 30;

/// Characters of an assertion, and of the id in it.
const ASSERTION_CHARS_MAX: usize = 8_192;
const ID_CHARS_MAX: usize = 256;

/// Keys of one client.
const KEYS_MAX: usize = 20;

/// Bytes of the smallest RSA modulus.
const RSA_BYTES_MIN: usize = 256;

/// The collection of assertions that were used.
const USED: &str = "oauth-assertion";

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    jti: String,
}

impl Authority {
    /// The client that an assertion in a form proves.
    pub(super) async fn client_of_assertion(&self, form: &Form) -> Result<Client, OauthError> {
        let missing = "Authenticate with client_assertion_type and client_assertion.";
        let missing = || OauthError::new(Code::InvalidClient, missing);
        if form.get("client_assertion_type").ok_or_else(missing)? != ASSERTION_TYPE {
            return Err(OauthError::new(
                Code::InvalidClient,
                "client_assertion_type must be \
                 urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
            ));
        }
        let assertion = form.get("client_assertion").ok_or_else(missing)?;
        if assertion.len() > ASSERTION_CHARS_MAX {
            return Err(OauthError::invalid_client(&"the assertion is too long"));
        }
        let claimed = claimed_client(assertion)?;
        if form.get("client_id").is_some_and(|given| given != claimed) {
            return Err(OauthError::invalid_client(
                &"client_id is not that of the assertion",
            ));
        }
        let client = client::find(&self.documents, &claimed).await?;
        let client =
            client.ok_or_else(|| OauthError::invalid_client(&"there is no such client"))?;
        if !client.may_act() || client.kind != ClientKind::Keys {
            return Err(OauthError::invalid_client(
                &"the client is disabled, waits, or has no keys",
            ));
        }
        let refuse = |reason: String| OauthError::invalid_client(&reason);
        let header = header_of(assertion).map_err(refuse)?;
        let keys = self.keys_of(&client, &header).await?;
        let claims = verify(assertion, &header, &keys).map_err(refuse)?;
        let now_s = self.documents.now_ms().div_euclid(1_000);
        let audience = self.url(TOKEN_PATH);
        check_claims(&claims, &client, &audience, now_s)
            .map_err(|reason| OauthError::invalid_client(&reason))?;
        use_once(&self.documents, &client, &claims).await?;
        self.count_client(&client)?;
        Ok(client)
    }

    /// The keys of a client, among them the one that a header names where there is such a key.
    async fn keys_of(&self, client: &Client, header: &Header) -> Result<JwkSet, OauthError> {
        let Some(url) = &client.jwks_uri else {
            return read_keys(&client.jwks).map_err(|reason| OauthError::invalid_client(&reason));
        };
        let now_ms = self.documents.now_ms();
        let is_known = |keys: &JwkSet| key_of(header, keys).is_some();
        self.remote_keys
            .of(url, now_ms, &is_known)
            .await
            .map_err(|reason| OauthError::invalid_client(&reason))
    }
}

/// How many keys of a JWK set clients may sign with; why there can be none.
pub fn usable_keys(jwks: &str) -> Result<usize, String> {
    let set = read_keys(jwks)?;
    let usable = set.keys.iter().filter(|key| algorithm_of(key).is_some());
    Ok(usable.count())
}

/// Reads a JWK set. Keys of kinds that are not known here are left out.
pub(super) fn read_keys(jwks: &str) -> Result<JwkSet, String> {
    let parsed: Value = serde_json::from_str(jwks).map_err(|error| error.to_string())?;
    let keys = parsed.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| "it has no array keys".to_owned())?;
    if keys.len() > KEYS_MAX {
        return Err(format!("it has more than {KEYS_MAX} keys"));
    }
    let secret = ["d", "p", "q", "dp", "dq", "qi", "k"];
    if keys
        .iter()
        .any(|key| secret.iter().any(|name| key.get(name).is_some()))
    {
        return Err("it holds a private key: register public keys only".to_owned());
    }
    let keys = keys.iter();
    let keys = keys.filter_map(|key| serde_json::from_value(key.clone()).ok());
    Ok(JwkSet {
        keys: keys.collect(),
    })
}

/// Which client a form says it is from, before anything is proved: for the journal.
pub(super) fn claimed(form: &Form) -> Option<String> {
    let assertion = form.get("client_assertion")?;
    (assertion.len() <= ASSERTION_CHARS_MAX).then_some(())?;
    claimed_client(assertion).ok()
}

/// The algorithm that a key may sign assertions by.
fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    let common = &key.common;
    let is_for_signing = common
        .public_key_use
        .as_ref()
        .is_none_or(|one| *one == PublicKeyUse::Signature);
    let has_id = common.key_id.as_ref().is_some_and(|id| !id.is_empty());
    let (algorithm, name) = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) if modulus_bytes(&rsa.n) >= RSA_BYTES_MIN => {
            (Algorithm::RS384, KeyAlgorithm::RS384)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => {
            (Algorithm::ES384, KeyAlgorithm::ES384)
        }
        _ => return None,
    };
    let agrees = common.key_algorithm.is_none_or(|named| named == name);
    (is_for_signing && has_id && agrees).then_some(algorithm)
}

/// Bytes of a modulus in base64url, without leading zeros.
fn modulus_bytes(text: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .unwrap_or_default();
    bytes.iter().skip_while(|byte| **byte == 0).count()
}

/// The issuer of an assertion, not verified.
fn claimed_client(assertion: &str) -> Result<String, OauthError> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Issuer>(assertion);
    let claims = claims.map_err(|error| OauthError::invalid_client(&error))?;
    Ok(claims.iss)
}

/// The header of an assertion, not verified.
fn header_of(assertion: &str) -> Result<Header, String> {
    let header = decode_header(assertion).map_err(|error| error.to_string())?;
    if header.crit.is_some() || header.jku.is_some() || header.jwk.is_some() {
        return Err("the header brings a key or wants something understood".to_owned());
    }
    let is_jwt = |typ: &String| typ.eq_ignore_ascii_case("JWT");
    if !header.typ.as_ref().is_none_or(is_jwt) {
        return Err("the header has another typ".to_owned());
    }
    Ok(header)
}

/// The key that a header names. The algorithm is the key's: what the header says has to agree.
fn key_of<'k>(header: &Header, keys: &'k JwkSet) -> Option<&'k Jwk> {
    let kid = header.kid.as_deref()?;
    let mut candidates = keys.keys.iter();
    candidates.find(|key| {
        key.common.key_id.as_deref() == Some(kid) && algorithm_of(key) == Some(header.alg)
    })
}

/// Verifies the signature under one of the client's keys.
fn verify(assertion: &str, header: &Header, keys: &JwkSet) -> Result<Claims, String> {
    let key = key_of(header, keys).ok_or("the header names no key of the client's")?;
    let decoding = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    let mut validation = Validation::new(header.alg);
    // Time and audience are checked below, by this server's clock and rules.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = decode::<Claims>(assertion, &decoding, &validation);
    Ok(decoded.map_err(|error| error.to_string())?.claims)
}

fn check_claims(
    claims: &Claims,
    client: &Client,
    audience: &str,
    now_s: i64,
) -> Result<(), &'static str> {
    if claims.iss != client.client_id || claims.sub != client.client_id {
        return Err("iss and sub must both be the client's id");
    }
    let is_for_us = match &claims.aud {
        Value::String(one) => one == audience,
        Value::Array(several) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if !is_for_us {
        return Err("aud must be the URL of the token endpoint");
    }
    if claims.exp <= now_s.saturating_sub(SKEW_SECONDS) {
        return Err("the assertion has expired");
    }
    if claims.exp > now_s.saturating_add(LIFETIME_SECONDS_MAX + SKEW_SECONDS) {
        return Err("exp may be five minutes ahead at most");
    }
    let latest_s = now_s.saturating_add(SKEW_SECONDS);
    let begins = [claims.nbf, claims.iat].into_iter().flatten();
    if begins.into_iter().any(|begin| begin > latest_s) {
        return Err("the assertion is not good yet");
    }
    if claims.jti.is_empty() || claims.jti.chars().count() > ID_CHARS_MAX {
        return Err("jti must have 1 to 256 characters");
    }
    Ok(())
}

/// Marks an assertion as used, for all processes.
async fn use_once(
    documents: &Documents,
    client: &Client,
    claims: &Claims,
) -> Result<(), OauthError> {
    let id = format!("{}\0{}", client.client_id, claims.jti);
    // As long as it could be shown again, and a little longer.
    let expires_ms = claims
        .exp
        .saturating_add(2 * SKEW_SECONDS)
        .saturating_mul(1_000);
    let put = documents.put((USED, &id), &(), Before::Nothing, Some(expires_ms));
    match put.await {
        Err(DocumentError::Changed) => Err(OauthError::invalid_client(&"it was used before")),
        done => Ok(done?),
    }
}
