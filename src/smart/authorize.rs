//! The authorization endpoint: what an app asks a person for, checked before the person is asked.
//!
//! Until client and redirect URI are proved to belong together nothing goes to the redirect URI.
//! A request that is in order is kept, sealed, and goes on with the person who signs in.
//! Spec: RFC 6749 section 4.1, OAuth 2.1, RFC 9207,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>.

use oauth2::url::Url;
use serde::{Deserialize, Serialize};

use crate::access::documents::Before;
use crate::access::policy::Policy;
use crate::smart::asked::{ScopeSet, Word};
use crate::smart::authority::Authority;
use crate::smart::client::{self, Client};
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;
use crate::smart::grant::LaunchContext;
use crate::smart::{pkce, secret};

/// The collection of requests that wait for a person.
pub(super) const REQUESTS: &str = "oauth-request";

/// How long a request waits for its person, in ms: long enough to sign in with a second factor.
pub(super) const REQUEST_MS: i64 = 30 * 60_000;

/// Bytes of the id of a request.
const ID_BYTES: usize = 24;

/// Characters of what the client gets back as it came.
const ECHO_CHARS_MAX: usize = 2_000;

/// Seconds that `max_age` may name: a year.
const MAX_AGE_SECONDS_MAX: i64 = 366 * 86_400;

/// An authorization request that waits for a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RequestDocument {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    /// What is asked for, as far as the client may be given it.
    pub(super) scopes: Vec<String>,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    /// Whether the person has to sign in although they are.
    pub(super) wants_sign_in: bool,
    /// How long ago the person may have signed in, in seconds.
    pub(super) max_age_s: Option<i64>,
    /// What the EHR said, or the person chose.
    pub(super) context: LaunchContext,
    /// Whether the EHR chose the context.
    pub(super) is_ehr_launch: bool,
    /// The person that the EHR's launch is for.
    pub(super) launched_by: Option<String>,
    pub(super) begun_ms: i64,
    /// Whose browser it came on with; nobody else goes on with it.
    pub(super) person_id: Option<String>,
}

impl RequestDocument {
    pub(super) fn scopes(&self) -> ScopeSet {
        ScopeSet::of_texts(&self.scopes)
    }

    pub(super) fn way_back(&self) -> WayBack {
        WayBack {
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
        }
    }
}

/// Where the answer to an authorization request goes.
#[derive(Debug, Clone)]
pub struct WayBack {
    redirect_uri: String,
    state: Option<String>,
}

/// An authorization request that comes to nothing.
#[derive(Debug)]
pub enum Refused {
    /// Told on a page: nothing proves that the redirect URI is the client's.
    Page(OauthError),
    /// Told to the client: the browser is sent to this URL.
    Client {
        /// Where.
        url: String,
        /// Why.
        error: OauthError,
    },
}

impl From<OauthError> for Refused {
    fn from(error: OauthError) -> Self {
        Self::Page(error)
    }
}

impl From<crate::access::documents::DocumentError> for Refused {
    fn from(error: crate::access::documents::DocumentError) -> Self {
        Self::Page(error.into())
    }
}

impl WayBack {
    /// The URL that carries parameters back to the client, with `state` and `iss`.
    pub(super) fn url(&self, issuer: &str, parameters: &[(&str, &str)]) -> Result<String, Refused> {
        let mut url = Url::parse(&self.redirect_uri)
            .map_err(|error| Refused::Page(OauthError::internal(&error)))?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.extend_pairs(parameters);
            if let Some(state) = &self.state {
                pairs.append_pair("state", state);
            }
            pairs.append_pair("iss", issuer);
        }
        Ok(url.into())
    }
}

impl Authority {
    /// Takes an authorization request; the id under which it waits for a person.
    pub async fn begin_authorization(&self, form: &Form) -> Result<String, Refused> {
        let (client, way_back) = self.asker_of(form).await?;
        match self.request(form, &client, &way_back).await {
            Ok(request) => Ok(self.keep_request(&request).await?),
            Err(error) => Err(self.refusal(&way_back, error)),
        }
    }

    /// A refusal that goes to the client.
    pub(super) fn refusal(&self, way_back: &WayBack, error: OauthError) -> Refused {
        let parameters = [
            ("error", error.code.name()),
            ("error_description", error.description),
        ];
        match way_back.url(self.issuer(), &parameters) {
            Ok(url) => Refused::Client { url, error },
            Err(refused) => refused,
        }
    }

    /// The client and where its answer goes, proved to belong together.
    async fn asker_of(&self, form: &Form) -> Result<(Client, WayBack), Refused> {
        let refuse = |text| Refused::Page(OauthError::new(Code::InvalidRequest, text));
        let client_id = form
            .get("client_id")
            .ok_or_else(|| refuse("The app did not say which app it is (client_id)."))?;
        let unknown = || refuse("This server does not know the app that sent you here.");
        let client = client::find(&self.documents, client_id).await?;
        let client = client.filter(|client| !client.is_disabled);
        let client = client.ok_or_else(unknown)?;
        if client.is_waiting {
            return Err(refuse(
                "The app that sent you here has not been approved yet. Ask whoever runs this \
                 server.",
            ));
        }
        let redirect_uri = form
            .get("redirect_uri")
            .ok_or_else(|| refuse("The app did not say where to answer (redirect_uri)."))?;
        if !client
            .redirect_uris
            .iter()
            .any(|known| known == redirect_uri)
        {
            return Err(refuse(
                "The app wants its answer at an address that it is not registered with.",
            ));
        }
        let state = form.get("state");
        if state.is_some_and(|state| state.len() > ECHO_CHARS_MAX) {
            return Err(refuse("The app sent a state that is too long."));
        }
        let way_back = WayBack {
            redirect_uri: redirect_uri.to_owned(),
            state: state.map(ToOwned::to_owned),
        };
        Ok((client, way_back))
    }

    async fn request(
        &self,
        form: &Form,
        client: &Client,
        way_back: &WayBack,
    ) -> Result<RequestDocument, OauthError> {
        self.check_protocol(form)?;
        let scopes = self.asked(form, client)?;
        let (wants_sign_in, max_age_s) = freshness(form)?;
        let nonce = form.get("nonce");
        if nonce.is_some_and(|nonce| nonce.len() > ECHO_CHARS_MAX) {
            return Err(OauthError::new(Code::InvalidRequest, "nonce is too long."));
        }
        let launch = match form.get("launch") {
            Some(launch) if scopes.has(Word::Launch) => {
                Some(self.use_launch(launch, client).await?)
            }
            Some(_) => {
                let text = "A launch needs the scope launch, and a client that may have it.";
                return Err(OauthError::new(Code::InvalidScope, text));
            }
            None if scopes.has(Word::Launch) => {
                let text = "The scope launch needs the parameter launch of an EHR.";
                return Err(OauthError::new(Code::InvalidRequest, text));
            }
            None => None,
        };
        let is_ehr_launch = launch.is_some();
        let (context, launched_by) = launch.unwrap_or_default();
        Ok(RequestDocument {
            client_id: client.client_id.clone(),
            redirect_uri: way_back.redirect_uri.clone(),
            state: way_back.state.clone(),
            scopes: scopes.to_texts(),
            challenge: form.get("code_challenge").unwrap_or_default().to_owned(),
            nonce: nonce.map(ToOwned::to_owned),
            wants_sign_in,
            max_age_s,
            context,
            is_ehr_launch,
            launched_by,
            begun_ms: self.documents.now_ms(),
            person_id: None,
        })
    }

    /// What every request needs, whoever asks for whatever.
    fn check_protocol(&self, form: &Form) -> Result<(), OauthError> {
        let refuse = |text| Err(OauthError::new(Code::InvalidRequest, text));
        match form.get("response_type") {
            Some("code") => {}
            Some(_) => {
                let text = "response_type must be code.";
                return Err(OauthError::new(Code::UnsupportedResponseType, text));
            }
            None => return refuse("response_type is missing."),
        }
        if form
            .get("response_mode")
            .is_some_and(|mode| mode != "query")
        {
            return refuse("response_mode must be query.");
        }
        if form.get("request").is_some() || form.get("request_uri").is_some() {
            return refuse("Request objects are not supported.");
        }
        if !form.get("code_challenge").is_some_and(pkce::is_challenge) {
            return refuse("code_challenge is missing or no SHA-256 in base64url: PKCE is needed.");
        }
        if form.get("code_challenge_method") != Some(pkce::METHOD) {
            return refuse("code_challenge_method must be S256.");
        }
        let Some(audience) = form.get("aud") else {
            return refuse("aud is missing: name the FHIR base URL.");
        };
        if audience.trim_end_matches('/') != self.fhir_base() {
            return refuse("aud is not the FHIR base URL of this server.");
        }
        Ok(())
    }

    /// What of the scopes that are asked for the client may be given, and can be kept here.
    fn asked(&self, form: &Form, client: &Client) -> Result<ScopeSet, OauthError> {
        let refuse = |text| OauthError::new(Code::InvalidScope, text);
        let text = form
            .get("scope")
            .ok_or_else(|| refuse("scope is missing: ask for what you need."))?;
        let mut asked = ScopeSet::read(text.split_ascii_whitespace()).within(&client.allowed_set());
        let indexer = self.records.indexer();
        let now_ms = self.documents.now_ms();
        asked.words.retain(|word| !word.is_for_clients());
        asked.resources.retain(|scope| {
            scope.context != crate::access::scope::Context::System
                && Policy::understands(scope, &indexer, now_ms)
        });
        let is_for_something = !asked.resources.is_empty() || asked.has(Word::Openid);
        is_for_something
            .then_some(asked)
            .ok_or_else(|| refuse("Nothing of what is asked for may be given to this app."))
    }

    async fn keep_request(&self, request: &RequestDocument) -> Result<String, OauthError> {
        let id = secret::fresh::<ID_BYTES>(self.documents.random())?;
        let id = crate::seal::hex::encode(&id);
        let until_ms = Some(request.begun_ms.saturating_add(REQUEST_MS));
        let place = (REQUESTS, id.as_str());
        self.documents
            .put(place, request, Before::Nothing, until_ms)
            .await?;
        Ok(id)
    }
}

/// Whether the person has to sign in although they are, and how long ago it may have been.
fn freshness(form: &Form) -> Result<(bool, Option<i64>), OauthError> {
    let refuse = |text| OauthError::new(Code::InvalidRequest, text);
    let mut wants_sign_in = false;
    for prompt in form.get("prompt").unwrap_or_default().split(' ') {
        match prompt {
            "" | "consent" | "select_account" => {}
            "login" => wants_sign_in = true,
            // Nothing is given here without a page on which the person agrees.
            "none" => {
                let text = "The person has to be asked, so prompt cannot be none.";
                return Err(OauthError::new(Code::InteractionRequired, text));
            }
            _ => return Err(refuse("prompt is one of login, consent, select_account.")),
        }
    }
    let max_age_s = form.get("max_age").map(str::parse::<i64>).transpose();
    let max_age_s = max_age_s.map_err(|_malformed| refuse("max_age is a number of seconds."))?;
    let is_possible = max_age_s.is_none_or(|age| (0..=MAX_AGE_SECONDS_MAX).contains(&age));
    is_possible
        .then_some((wants_sign_in, max_age_s))
        .ok_or_else(|| refuse("max_age is a number of seconds, a year at most."))
}
