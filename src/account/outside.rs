//! Signing in with an outside OpenID provider: code flow, PKCE, nonce; its claims say who it is.
//!
//! The provider is asked for its addresses and keys at each sign-in, so that both may change.
//! Whoever signs in so for the first time gets an account; role and resource follow the claims each
//! time. Spec: OpenID Connect Core 1.0 section 3.1, Discovery 1.0, RFC 7636.

use std::pin::Pin;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreProviderMetadata};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::documents::{Before, DocumentError, Kept};
use crate::access::person::{self, Person, Role};
use crate::account::accounts::{Accounts, ms};
use crate::account::administration::{ID_BYTES, checked_name, checked_reference};
use crate::account::credential::Credential;
use crate::account::error::AccountError;
use crate::account::session::{Begun, Stage};
use crate::account::sign_in::{Origin, stage_after_password};
use crate::audit::event::Act;
use crate::config::openid::OpenidConfig;
use crate::fetch::{FetchError, Fetcher, Reach};
use crate::seal::hex;

/// Where the provider sends the browser back to.
pub const CALLBACK_PATH: &str = "/sign-in/provider/callback";

/// The collection of sign-ins under way, by their state.
const REQUESTS: &str = "openid-request";

/// The collection of people by issuer and subject.
const SUBJECTS: &str = "openid-subject";

/// Seconds that somebody may take at the provider.
const REQUEST_SECONDS_MAX: u64 = 900;

/// Ways to sign in that are a second factor, RFC 8176.
const STRONG: [&str; 4] = ["mfa", "otp", "hwk", "swk"];

const RANDOM_BYTES: usize = 32;

/// The provider that people may sign in with.
pub(super) struct Outside {
    config: OpenidConfig,
    issuer: IssuerUrl,
    client_id: ClientId,
    roles: Vec<(String, Role)>,
    http: Http,
}

/// Carries requests to the provider.
struct Http(Fetcher);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.0.fetch(request))
    }
}

/// A provider cannot be used as it is set.
#[derive(Debug, thiserror::Error)]
#[error("openid: {0}")]
pub struct OutsideError(String);

/// A sign-in under way.
#[derive(Serialize, Deserialize)]
struct Underway {
    nonce: String,
    verifier: String,
    next: String,
    /// What ties it to the browser that began it.
    visitor: String,
}

/// Who has signed in elsewhere, and where they were going.
pub struct Arrived {
    /// The session.
    pub begun: Begun,
    /// Where to go on; not checked.
    pub next: String,
}

/// What is taken from an ID token.
#[derive(Debug)]
struct Claims {
    subject: String,
    name: String,
    role: Role,
    fhir_user: Option<String>,
    email: Option<String>,
    is_strong: bool,
}

impl Outside {
    /// The provider of a configuration, if it has one; `is_local` where only this machine reaches
    /// the server.
    pub(super) fn new(config: &OpenidConfig, is_local: bool) -> Result<Option<Self>, OutsideError> {
        let failed = |text: &dyn std::fmt::Display| OutsideError(text.to_string());
        let Some(issuer) = &config.issuer else {
            return Ok(None);
        };
        let client_id = config.client_id.clone();
        let client_id = client_id.ok_or_else(|| failed(&"client_id is needed beside issuer"))?;
        let mut roles = Vec::new();
        for text in &config.roles {
            let pair = text.split_once('=');
            let (value, role) = pair.ok_or_else(|| failed(&"a role is written VALUE=ROLE"))?;
            let role = role.parse().map_err(|error| failed(&error))?;
            roles.push((value.to_owned(), role));
        }
        let reach = if is_local { Reach::Local } else { Reach::Any };
        Ok(Some(Self {
            issuer: IssuerUrl::new(issuer.clone()).map_err(|error| failed(&error))?,
            client_id: ClientId::new(client_id),
            roles,
            http: Http(Fetcher::new(reach).map_err(|error| failed(&error))?),
            config: config.clone(),
        }))
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, AccountError> {
        let issuer = self.issuer.clone();
        let found = CoreProviderMetadata::discover_async(issuer, &self.http).await;
        found.map_err(|error| away(&error))
    }

    fn secret(&self) -> Option<ClientSecret> {
        self.config.client_secret.clone().map(ClientSecret::new)
    }

    /// The role that claims give: of several, the first one in the configuration.
    fn role(&self, claims: &Value) -> Option<Role> {
        let claim = claims.get(&self.config.role_claim)?;
        let has = |value: &str| match claim {
            Value::String(text) => text == value,
            Value::Array(all) => all.iter().any(|one| one.as_str() == Some(value)),
            _ => false,
        };
        let mut known = self.roles.iter();
        known.find(|(value, _)| has(value)).map(|(_, role)| *role)
    }

    fn claims(&self, claims: &Value, subject: String) -> Result<Claims, AccountError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let role = self.role(claims).ok_or_else(|| {
            AccountError::Unusable(
                "Your organisation has not given you a role here. Ask there for one.".to_owned(),
            )
        })?;
        let described = text(&self.config.fhir_user_claim);
        let fhir_user = described.map(|described| reference(role, described));
        let ways = claims.get("amr").and_then(Value::as_array);
        let is_strong = ways.is_some_and(|ways| {
            let mut ways = ways.iter().filter_map(Value::as_str);
            ways.any(|way| STRONG.contains(&way))
        });
        let name = text("name").or_else(|| text("preferred_username"));
        Ok(Claims {
            name: checked_name(name.unwrap_or(&subject))?,
            fhir_user: checked_reference(role, fhir_user)?,
            email: text("email").map(ToOwned::to_owned),
            is_strong: is_strong || self.config.has_second_factor,
            subject,
            role,
        })
    }
}

/// Some providers give only the id, others a whole URL.
fn reference(role: Role, described: &str) -> String {
    if !described.contains('/') {
        return match role {
            Role::Patient => format!("Patient/{described}"),
            Role::Practitioner => format!("Practitioner/{described}"),
            Role::Proxy => format!("RelatedPerson/{described}"),
            Role::Administrator | Role::Auditor => format!("Person/{described}"),
        };
    }
    let mut parts = described.rsplit('/');
    let (id, type_name) = (parts.next(), parts.next());
    format!(
        "{}/{}",
        type_name.unwrap_or_default(),
        id.unwrap_or_default()
    )
}

/// The provider cannot be asked, or answers with what cannot be used.
fn away(error: &dyn std::error::Error) -> AccountError {
    let mut text = format!("the outside provider: {error}");
    let mut source = error.source();
    while let Some(deeper) = source {
        text = format!("{text}: {deeper}");
        source = deeper.source();
    }
    AccountError::Unavailable(text)
}

impl Accounts {
    /// What the button for the outside provider says, if there is one.
    pub fn provider_name(&self) -> Option<&str> {
        let outside = self.outside.as_ref()?;
        Some(&outside.config.name)
    }

    /// Where to send the browser of somebody who wants to sign in elsewhere.
    pub async fn go_outside(&self, next: &str, visitor: &str) -> Result<String, AccountError> {
        let outside = self.outside.as_ref().ok_or(AccountError::Unknown)?;
        let metadata = outside.metadata().await?;
        let underway = Underway {
            nonce: self.fresh::<RANDOM_BYTES>()?,
            verifier: self.fresh::<RANDOM_BYTES>()?,
            next: next.to_owned(),
            visitor: visitor.to_owned(),
        };
        let state = self.fresh::<RANDOM_BYTES>()?;
        let expires_ms = self.now_ms().saturating_add(ms(REQUEST_SECONDS_MAX));
        let place = (REQUESTS, state.as_str());
        let put = self
            .documents
            .put(place, &underway, Before::Nothing, Some(expires_ms));
        put.await?;
        let client_id = outside.client_id.clone();
        let client = CoreClient::from_provider_metadata(metadata, client_id, outside.secret());
        let client = client.set_redirect_uri(self.callback()?);
        let verifier = PkceCodeVerifier::new(underway.verifier);
        let (csrf, nonce) = (CsrfToken::new(state), Nonce::new(underway.nonce));
        let scopes = outside.config.scopes.iter().cloned().map(Scope::new);
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || csrf,
                move || nonce,
            )
            .add_scopes(scopes)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }

    fn callback(&self) -> Result<RedirectUrl, AccountError> {
        let url = RedirectUrl::new(format!("{}{CALLBACK_PATH}", self.base_url()));
        url.map_err(|error| away(&error))
    }

    /// Takes somebody back from the provider with the code that it gave them.
    pub async fn arrive(
        &self,
        back: (&str, &str),
        visitor: &str,
        origin: &Origin,
    ) -> Result<Arrived, AccountError> {
        match self.try_arrival(back, visitor, origin).await {
            Ok(arrived) => Ok(arrived),
            Err(error) => Err(self.note_refused(origin, None, error).await),
        }
    }

    async fn try_arrival(
        &self,
        (ticket, code): (&str, &str),
        visitor: &str,
        origin: &Origin,
    ) -> Result<Arrived, AccountError> {
        let outside = self.outside.as_ref().ok_or(AccountError::Unknown)?;
        let kept: Option<Kept<Underway>> = self.documents.get(REQUESTS, ticket).await?;
        let underway = kept.ok_or(AccountError::Link)?.content;
        // Another browser's code would sign this one in as somebody else.
        if underway.visitor != visitor {
            return Err(AccountError::Link);
        }
        self.documents.delete(REQUESTS, ticket).await?;
        let claims = self.redeem(outside, code, &underway).await?;
        let person = self.outsider(outside, &claims, origin).await?;
        if person.is_disabled {
            return Err(AccountError::Refused);
        }
        let found = self.by_id(&person.id).await?;
        let (person, credential) = found.ok_or(AccountError::Unknown)?;
        let stage = if claims.is_strong {
            Stage::Full
        } else {
            stage_after_password(&person, &credential)
        };
        Ok(Arrived {
            begun: self.begin(person, stage, origin).await?,
            next: underway.next,
        })
    }

    async fn redeem(
        &self,
        outside: &Outside,
        code: &str,
        underway: &Underway,
    ) -> Result<Claims, AccountError> {
        let (metadata, client_id) = (outside.metadata().await?, outside.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata, client_id, outside.secret());
        let client = client.set_redirect_uri(self.callback()?);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| away(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(underway.verifier.clone()))
            .request_async(&outside.http)
            .await
            .map_err(|error| away(&error))?;
        let token: &CoreIdToken = answer.id_token().ok_or(AccountError::Refused)?;
        let nonce = Nonce::new(underway.nonce.clone());
        let verifier = client.id_token_verifier();
        let found = token.claims(&verifier, &nonce);
        let found = found.map_err(|error| {
            tracing::warn!(%error, "an ID token of the outside provider was refused");
            AccountError::Refused
        })?;
        let subject = found.subject().as_str().to_owned();
        outside.claims(&payload(token)?, subject)
    }

    /// The account of somebody who signs in elsewhere, as the claims have it now.
    async fn outsider(
        &self,
        outside: &Outside,
        claims: &Claims,
        origin: &Origin,
    ) -> Result<Person, AccountError> {
        let place = format!("{}\0{}", outside.issuer.as_str(), claims.subject);
        let known: Option<Kept<String>> = self.documents.get(SUBJECTS, &place).await?;
        if let Some(Kept { content: id, .. }) = &known
            && let Some(person) = person::find(&self.documents, id).await?
        {
            return self.renewed(person.content, claims, origin).await;
        }
        let person = Person {
            id: self.fresh::<ID_BYTES>()?,
            name: claims.name.clone(),
            role: claims.role,
            fhir_user: claims.fhir_user.clone(),
            acts_for: Vec::new(),
            is_disabled: false,
            created_ms: self.now_ms(),
        };
        let before = known.map_or(Before::Nothing, |kept| Before::Revision(kept.revision));
        let put = self
            .documents
            .put((SUBJECTS, &place), &person.id, before, None);
        match put.await {
            Err(DocumentError::Changed) => return Err(AccountError::Busy),
            done => done?,
        }
        // Never the name of an account of ours: the provider must not take one over.
        let digest = hex::encode(blake3::hash(place.as_bytes()).as_bytes());
        let mut credential = Credential::new(format!("outside:{digest}"), claims.email.clone());
        credential.is_outside = true;
        self.create(&person, &credential).await?;
        self.note_own((Act::Registration, origin), &person).await?;
        Ok(person)
    }

    async fn renewed(
        &self,
        person: Person,
        claims: &Claims,
        origin: &Origin,
    ) -> Result<Person, AccountError> {
        let has_other_role = person.role != claims.role;
        let has_other_resource = claims.fhir_user.is_some() && person.fhir_user != claims.fhir_user;
        if !has_other_role && !has_other_resource {
            return Ok(person);
        }
        let person = self
            .change_person(&person.id, |person| {
                if has_other_role {
                    person.acts_for.clear();
                    person.fhir_user = None;
                }
                person.role = claims.role;
                if claims.fhir_user.is_some() {
                    person.fhir_user.clone_from(&claims.fhir_user);
                }
                Ok(())
            })
            .await?;
        self.revoke_sessions(&person.id, None).await?;
        self.note_own((Act::Account, origin), &person).await?;
        Ok(person)
    }
}

/// All claims of a token whose signature was verified.
fn payload(token: &CoreIdToken) -> Result<Value, AccountError> {
    let text = token.to_string();
    let part = text.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(part);
    let bytes = bytes.map_err(|error| away(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| away(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Outside;
    use crate::access::person::Role;
    use crate::config::openid::OpenidConfig;

    fn outside() -> Outside {
        let config = OpenidConfig {
            issuer: Some("https://provider.example".to_owned()),
            client_id: Some("vesta".to_owned()),
            roles: vec![
                "doctors=practitioner".to_owned(),
                "people=patient".to_owned(),
            ],
            ..OpenidConfig::default()
        };
        Outside::new(&config, false).unwrap().unwrap()
    }

    #[test]
    fn claims_say_who_somebody_is() {
        let read = |claims| outside().claims(&claims, "s".to_owned());
        let doctor = read(json!({ "role": ["x", "doctors", "people"], "fhirUser": "7" })).unwrap();
        assert_eq!(doctor.role, Role::Practitioner);
        assert_eq!(doctor.fhir_user.as_deref(), Some("Practitioner/7"));
        assert!(!doctor.is_strong);
        let url = "https://other.example/fhir/Patient/9";
        let patient = json!({ "role": "people", "fhirUser": url, "amr": ["pwd", "otp"] });
        let patient = read(patient).unwrap();
        assert_eq!(patient.fhir_user.as_deref(), Some("Patient/9"));
        assert!(patient.is_strong);
        assert!(read(json!({ "role": "nurses" })).is_err());
        assert!(read(json!({})).is_err());
        assert!(read(json!({ "role": "people", "fhirUser": "Practitioner/1" })).is_err());
    }

    #[test]
    fn a_provider_is_set_whole_or_refused() {
        let of = |config: OpenidConfig| Outside::new(&config, false);
        assert!(of(OpenidConfig::default()).unwrap().is_none());
        let issuer = Some("https://provider.example".to_owned());
        let without = OpenidConfig {
            issuer: issuer.clone(),
            ..OpenidConfig::default()
        };
        assert!(of(without).is_err());
        for roles in ["doctors", "doctors=king"] {
            let wrong = OpenidConfig {
                issuer: issuer.clone(),
                client_id: Some("vesta".to_owned()),
                roles: vec![roles.to_owned()],
                ..OpenidConfig::default()
            };
            assert!(of(wrong).is_err(), "{roles}");
        }
    }
}
