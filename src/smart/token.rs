//! The token endpoint: access tokens for clients that act by themselves or for a person.
//!
//! Access tokens are JWTs that a document stands behind: the signature says who and what, the
//! document that it still counts. Without the document there is no access.
//! Spec: RFC 6749 sections 4 to 6, RFC 9068,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::documents::Before;
use crate::access::person;
use crate::access::policy::Policy;
use crate::access::scope::Context;
use crate::smart::asked::{self, Asked, SCOPES_MAX, ScopeSet, Word};
use crate::smart::authority::{Authority, STYLE_PATH};
use crate::smart::client::Client;
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;
use crate::smart::grant::GrantDocument;
use crate::smart::{refresh, secret};

/// The collection of access tokens that count.
pub(super) const TOKENS: &str = "oauth-token";

/// The `typ` of access tokens.
pub(super) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// A client that acts by itself.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// A person agreed.
pub const AUTHORIZATION_CODE: &str = "authorization_code";
/// What was agreed to goes on.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// Bytes of the id of a token.
const ID_BYTES: usize = 16;

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
    /// The grant that a person gave, for which the client acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grant_id: Option<String>,
}

/// What stands behind an access token for as long as it counts.
#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "they name what they are ids of")]
pub(super) struct TokenDocument {
    pub(super) client_id: String,
    #[serde(default)]
    pub(super) person_id: Option<String>,
    #[serde(default)]
    pub(super) grant_id: Option<String>,
}

/// What the token endpoint gives.
#[derive(Debug)]
pub struct Issued {
    /// The answer.
    pub answer: Value,
    /// To which client.
    pub client_id: String,
    /// For whom the client acts.
    pub person_id: Option<String>,
    /// By which grant of theirs.
    pub grant_id: Option<String>,
}

/// Whom an access token is for.
struct Holder<'a> {
    client: &'a Client,
    /// The grant of the person for whom the client acts.
    grant: Option<&'a GrantDocument>,
    scope: String,
}

impl Authority {
    /// Answers a request to the token endpoint.
    pub async fn token(&self, form: &Form) -> Result<Issued, OauthError> {
        let refuse = |code, text| Err(OauthError::new(code, text));
        match form.get("grant_type") {
            Some(CLIENT_CREDENTIALS) => {
                let client = self.client_of_assertion(form).await?;
                let scopes = self.own_scopes(&client, form.get("scope"))?;
                self.issue(&Holder {
                    client: &client,
                    grant: None,
                    scope: scopes.to_string(),
                })
                .await
            }
            Some(AUTHORIZATION_CODE) => {
                let client = self.any_client(form).await?;
                let grant = self.use_code(form, &client).await?;
                let scopes = grant.scopes();
                self.give(&client, &grant, &scopes).await
            }
            Some(REFRESH_TOKEN) => {
                let client = self.refreshing_client(form).await?;
                let (grant, scopes) = self.use_refresh_token(form, &client).await?;
                self.give(&client, &grant, &scopes).await
            }
            Some(_) => refuse(
                Code::UnsupportedGrantType,
                "grant_type must be authorization_code, refresh_token or client_credentials.",
            ),
            None => refuse(Code::InvalidRequest, "grant_type is missing."),
        }
    }

    /// What of the scopes that are asked for the client may be given by itself.
    fn own_scopes(&self, client: &Client, asked: Option<&str>) -> Result<ScopeSet, OauthError> {
        let refuse = |text| OauthError::new(Code::InvalidScope, text);
        let asked = asked.ok_or_else(|| refuse("scope is missing: ask for what you need."))?;
        let allowed = client.allowed_set();
        let indexer = self.records.indexer();
        let now_ms = self.documents.now_ms();
        let mut granted = ScopeSet::default();
        for (place, text) in asked.split_ascii_whitespace().enumerate() {
            if place == SCOPES_MAX {
                return Err(refuse("There are more than 200 scopes."));
            }
            let one: Asked = text.parse().map_err(|_malformed| {
                refuse("A scope cannot be read. Each reads like system/Observation.rs.")
            })?;
            let own = "A client of its own is given system/ scopes only.";
            match one {
                Asked::Word(word) if !word.is_for_clients() => return Err(refuse(own)),
                Asked::Word(word) if allowed.has(word) => granted.push_word(word),
                Asked::Word(_) => {}
                Asked::Resources(scope) if scope.context != Context::System => {
                    return Err(refuse(own));
                }
                Asked::Resources(scope) if !Policy::understands(&scope, &indexer, now_ms) => {
                    return Err(refuse(
                        "A scope is restricted by something that is no plain search parameter of \
                         its type.",
                    ));
                }
                Asked::Resources(scope) => {
                    for part in asked::narrow(&scope, &allowed.resources) {
                        granted.push(part);
                    }
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

    /// Tokens for what a person agreed to, and what else the app is told with them.
    async fn give(
        &self,
        client: &Client,
        grant: &GrantDocument,
        scopes: &ScopeSet,
    ) -> Result<Issued, OauthError> {
        let gone = || {
            let text = "The person who agreed may no longer sign in.";
            OauthError::new(Code::InvalidGrant, text)
        };
        let person = person::find(&self.documents, &grant.person_id).await?;
        let person = person.map(|kept| kept.content);
        let person = person.filter(|one| !one.is_disabled).ok_or_else(gone)?;
        let holder = Holder {
            client,
            grant: Some(grant),
            scope: scopes.to_string(),
        };
        let mut issued = self.issue(&holder).await?;
        let identity = self.identity_token(grant, scopes, &person).await?;
        if let Some(members) = issued.answer.as_object_mut() {
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    members.insert(name.to_owned(), value);
                }
            };
            set("refresh_token", refresh::token_of(grant).map(Value::from));
            set("id_token", identity.map(Value::from));
            for (name, value) in self.context_of(grant, scopes) {
                set(name, Some(value));
            }
        }
        Ok(issued)
    }

    /// What the app is told of the context it works in.
    fn context_of(&self, grant: &GrantDocument, scopes: &ScopeSet) -> Vec<(&'static str, Value)> {
        let context = &grant.context;
        let mut told = Vec::new();
        if let Some(patient) = &context.patient {
            told.push(("patient", json!(patient)));
            let banner = context.need_patient_banner.unwrap_or(true);
            told.push(("need_patient_banner", json!(banner)));
        }
        let is_launched = scopes.has(Word::Launch) || scopes.has(Word::LaunchEncounter);
        if let Some(encounter) = context.encounter.as_ref().filter(|_| is_launched) {
            told.push(("encounter", json!(encounter)));
        }
        if let Some(intent) = &context.intent {
            told.push(("intent", json!(intent)));
        }
        if let Some(tenant) = &context.tenant {
            told.push(("tenant", json!(tenant)));
        }
        if !context.fhir_context.is_empty() {
            told.push(("fhirContext", json!(context.fhir_context)));
        }
        told.push(("smart_style_url", json!(self.url(STYLE_PATH))));
        told
    }

    async fn issue(&self, holder: &Holder<'_>) -> Result<Issued, OauthError> {
        let id = secret::fresh::<ID_BYTES>(self.documents.random())?;
        let lifetime_s = self.access_token_seconds();
        let now_s = self.documents.now_ms().div_euclid(1_000);
        let client_id = &holder.client.client_id;
        let person_id = holder.grant.map(|grant| grant.person_id.clone());
        let grant_id = holder.grant.map(|grant| grant.id.clone());
        let claims = AccessClaims {
            iss: self.issuer().to_owned(),
            sub: person_id.clone().unwrap_or_else(|| client_id.clone()),
            aud: self.fhir_base().to_owned(),
            exp: now_s.saturating_add(lifetime_s),
            iat: now_s,
            jti: URL_SAFE_NO_PAD.encode(id),
            client_id: client_id.clone(),
            scope: holder.scope.clone(),
            grant_id: grant_id.clone(),
        };
        let key = self.keys.current().await?;
        let token = key.sign(ACCESS_TOKEN_TYPE, &claims)?;
        let document = TokenDocument {
            client_id: client_id.clone(),
            person_id,
            grant_id,
        };
        let expires_ms = Some(claims.exp.saturating_mul(1_000));
        let place = (TOKENS, claims.jti.as_str());
        self.documents
            .put(place, &document, Before::Nothing, expires_ms)
            .await?;
        Ok(Issued {
            answer: json!({
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": lifetime_s,
                "scope": claims.scope,
            }),
            client_id: document.client_id,
            person_id: document.person_id,
            grant_id: document.grant_id,
        })
    }
}
