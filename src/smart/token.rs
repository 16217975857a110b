//! The token endpoint: an access token for a client that proved itself.
//!
//! Access tokens are JWTs that a document stands behind: the signature says who and what, the
//! document that it still counts. Without the document there is no access.
//! Spec: RFC 6749 section 4.4, RFC 9068,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::documents::Before;
use crate::access::policy::Policy;
use crate::access::scope::{Context, Scope};
use crate::config::smart::ACCESS_TOKEN_SECONDS_MAX;
use crate::smart::assertion;
use crate::smart::authority::{Authority, TOKEN_PATH};
use crate::smart::client::Client;
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;

/// The collection of access tokens that count.
pub(super) const TOKENS: &str = "oauth-token";

/// The `typ` of access tokens.
pub(super) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The only kind of grant so far.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";

/// Bytes of the id of a token.
const ID_BYTES: usize = 16;

/// Scopes of one request, at most.
const SCOPES_MAX: usize = 200;

/// The claims of an access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessClaims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) exp: i64,
    pub(super) iat: i64,
    pub(super) jti: String,
    pub(super) client_id: String,
    pub(super) scope: String,
}

/// What stands behind an access token for as long as it counts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenDocument {
    pub(super) client_id: String,
}

impl Authority {
    /// Answers a request to the token endpoint.
    pub async fn token(&self, form: &Form) -> Result<Value, OauthError> {
        match form.get("grant_type") {
            Some(CLIENT_CREDENTIALS) => {}
            Some(_) => {
                let text = "grant_type must be client_credentials.";
                return Err(OauthError::new(Code::UnsupportedGrantType, text));
            }
            None => {
                let text = "grant_type is missing.";
                return Err(OauthError::new(Code::InvalidRequest, text));
            }
        }
        let client = self.client(form).await?;
        let scopes = self.scopes(&client, form.get("scope"))?;
        self.issue(&client, &scopes).await
    }

    /// The client that a form proves.
    pub(super) async fn client(&self, form: &Form) -> Result<Client, OauthError> {
        let audience = self.url(TOKEN_PATH);
        let client = assertion::authenticate(&self.documents, form, &audience).await?;
        self.count_client(&client)?;
        Ok(client)
    }

    /// What of the scopes that are asked for the client may be given.
    fn scopes(&self, client: &Client, asked: Option<&str>) -> Result<Vec<Scope>, OauthError> {
        let refuse = |text| OauthError::new(Code::InvalidScope, text);
        let asked = asked.ok_or_else(|| refuse("scope is missing: ask for what you need."))?;
        let allowed = client.allowed();
        let indexer = self.records.indexer();
        let now_ms = self.documents.now_ms();
        let mut granted: Vec<Scope> = Vec::new();
        for (place, text) in asked.split_ascii_whitespace().enumerate() {
            if place == SCOPES_MAX {
                return Err(refuse("There are more than 200 scopes."));
            }
            let scope: Scope = text.parse().map_err(|_malformed| {
                refuse("A scope cannot be read. Each reads like system/Observation.rs.")
            })?;
            if scope.context != Context::System {
                return Err(refuse("A client of its own is given system/ scopes only."));
            }
            if !Policy::understands(&scope, &indexer, now_ms) {
                return Err(refuse(
                    "A scope is restricted by something that is no plain search parameter of its \
                     type.",
                ));
            }
            let whole = allowed.iter().find(|one| one.covers(&scope));
            let parts = match whole {
                Some(_) => vec![scope],
                None => allowed
                    .iter()
                    .filter_map(|one| scope.intersection(one))
                    .collect(),
            };
            for part in parts {
                if !granted.contains(&part) {
                    granted.push(part);
                }
            }
        }
        if granted.is_empty() {
            return Err(refuse(
                "Nothing of what is asked for may be given to this client.",
            ));
        }
        Ok(granted)
    }

    async fn issue(&self, client: &Client, scopes: &[Scope]) -> Result<Value, OauthError> {
        let mut id = [0; ID_BYTES];
        let filled = self.documents.random().fill(&mut id);
        filled.map_err(|error| OauthError::internal(&error))?;
        let lifetime = self
            .config
            .access_token_seconds
            .clamp(1, ACCESS_TOKEN_SECONDS_MAX);
        let lifetime_s = i64::try_from(lifetime).unwrap_or(0);
        let now_s = self.documents.now_ms().div_euclid(1_000);
        let scope: Vec<_> = scopes.iter().map(ToString::to_string).collect();
        let claims = AccessClaims {
            iss: self.issuer().to_owned(),
            sub: client.client_id.clone(),
            aud: self.fhir_base().to_owned(),
            exp: now_s.saturating_add(lifetime_s),
            iat: now_s,
            jti: URL_SAFE_NO_PAD.encode(id),
            client_id: client.client_id.clone(),
            scope: scope.join(" "),
        };
        let key = self.keys.current().await?;
        let token = key.sign(ACCESS_TOKEN_TYPE, &claims)?;
        let document = TokenDocument {
            client_id: client.client_id.clone(),
        };
        let expires_ms = Some(claims.exp.saturating_mul(1_000));
        let place = (TOKENS, claims.jti.as_str());
        self.documents
            .put(place, &document, Before::Nothing, expires_ms)
            .await?;
        Ok(json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": lifetime_s,
            "scope": claims.scope,
        }))
    }
}
