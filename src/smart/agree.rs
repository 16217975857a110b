//! The person's part of an authorization: whose record, what of it, and yes or no.
//!
//! A request belongs to the first person whose browser goes on with it. What is agreed to is never
//! more than what was asked for, and each request is answered once.
//! Spec: OAuth 2.1, <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>.

use std::time::Duration;

use oauth2::url::Url;

use crate::access::documents::{Before, DocumentError, Kept};
use crate::access::person::{Person, Role};
use crate::smart::asked::{ScopeSet, Word};
use crate::smart::authority::Authority;
use crate::smart::authorize::{REQUESTS, Refused, RequestDocument};
use crate::smart::client;
use crate::smart::code;
use crate::smart::error::{Code, OauthError};
use crate::smart::grant::{self, GrantDocument, LaunchContext, Refresh};
use crate::smart::secret::{self, SecretChain};

/// How long a grant may last that goes on while the person is away: a year.
pub const LASTING_MAX: Duration = Duration::from_hours(366 * 24);

/// How long a grant may last that ends with the person's session.
const SESSION_MS_MAX: i64 = 30 * 86_400_000;

/// Bytes of the id of a grant.
const ID_BYTES: usize = 16;

/// Who goes on with a request.
#[derive(Debug, Clone, Copy)]
pub struct Agent<'a> {
    /// The person.
    pub person: &'a Person,
    /// Their session.
    pub session_id: &'a str,
    /// When they proved who they are, in ms since the epoch.
    pub signed_in_ms: i64,
}

/// What comes next for a request.
#[derive(Debug)]
pub enum Step {
    /// The person has to sign in again first.
    SignIn,
    /// The person has to say whose record it is about.
    Patient(Box<Question>),
    /// The person has to agree.
    Consent(Box<Question>),
}

/// What a person is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The app.
    pub client_id: String,
    /// What the app is called.
    pub client_name: String,
    /// Where the browser goes afterwards, as far as a person can tell: a host, or an app's scheme.
    pub goes_to: String,
    /// The origin or scheme of that place, as a content security policy names it.
    pub target: String,
    /// What the app asks for.
    pub scopes: ScopeSet,
    /// In which context.
    pub context: LaunchContext,
    /// Whether an EHR launched it.
    pub is_ehr_launch: bool,
}

/// What came of it when a person agreed.
#[derive(Debug)]
pub struct Agreed {
    /// The URL that the browser goes to.
    pub url: String,
    /// The grant; `None` where nothing was left to be granted.
    pub grant_id: Option<String>,
}

/// What a person agrees to.
#[derive(Debug, Clone)]
pub struct Agreement {
    /// The scopes that were left in.
    pub scopes: ScopeSet,
    /// How long the app may go on while the person is away.
    pub lasts: Duration,
}

impl Authority {
    /// What comes next for a request that a person goes on with.
    pub async fn next_step(&self, request_id: &str, agent: Agent<'_>) -> Result<Step, Refused> {
        let found: Option<Kept<RequestDocument>> = self.documents.get(REQUESTS, request_id).await?;
        // Before it is anybody's: somebody else may sign in.
        if !self.is_fresh(&found.ok_or_else(gone)?.content, agent.signed_in_ms) {
            return Ok(Step::SignIn);
        }
        let request = self.claim(request_id, agent).await?.content;
        let client = client::find(&self.documents, &request.client_id).await?;
        let client = client.ok_or_else(gone)?;
        let question = Question {
            client_id: client.client_id,
            client_name: client.name,
            goes_to: place_of(&request.redirect_uri).0,
            target: place_of(&request.redirect_uri).1,
            scopes: request.scopes(),
            is_ehr_launch: request.is_ehr_launch,
            context: request.context,
        };
        let is_open = needs_patient(&question.scopes) && question.context.patient.is_none();
        Ok(if is_open {
            Step::Patient(Box::new(question))
        } else {
            Step::Consent(Box::new(question))
        })
    }

    /// Notes whose record a request is about. That the person may open it, the caller has seen.
    pub async fn choose_patient(
        &self,
        request_id: &str,
        agent: Agent<'_>,
        patient_id: &str,
    ) -> Result<(), Refused> {
        let mut kept = self.claim(request_id, agent).await?;
        if kept.content.is_ehr_launch && kept.content.context.patient.is_some() {
            let text = "The launch is about another patient.";
            return Err(Refused::Page(OauthError::new(Code::InvalidRequest, text)));
        }
        kept.content.context.patient = Some(patient_id.to_owned());
        self.rewrite(request_id, &kept).await
    }

    /// Lets the app have what the person agreed to.
    pub async fn agree(
        &self,
        request_id: &str,
        agent: Agent<'_>,
        agreement: &Agreement,
    ) -> Result<Agreed, Refused> {
        let kept = self.claim(request_id, agent).await?;
        let request = &kept.content;
        let scopes = agreement.scopes.within(&request.scopes());
        if scopes.resources.is_empty() && !scopes.has(Word::Openid) {
            return Ok(Agreed {
                url: self.deny(request_id, agent).await?,
                grant_id: None,
            });
        }
        let patient = request.context.patient.as_deref();
        if needs_patient(&scopes) && patient.is_none() {
            let text = "Nobody said whose record it is about.";
            return Err(Refused::Page(OauthError::new(Code::InvalidRequest, text)));
        }
        if patient.is_some_and(|patient| !may_be_about(agent.person, patient)) {
            self.finish(request_id).await?;
            let text = "The person may not open the record that the launch is about.";
            let error = OauthError::new(Code::AccessDenied, text);
            return Err(self.refusal(&request.way_back(), error));
        }
        self.close(request_id, &kept).await?;
        let grant = self.grant_of(request, agent, &scopes, agreement.lasts)?;
        grant::keep(&self.documents, &grant).await?;
        let code = code::make(&self.documents, request, &grant).await?;
        let url = request.way_back().url(self.issuer(), &[("code", &code)])?;
        Ok(Agreed {
            url,
            grant_id: Some(grant.id),
        })
    }

    /// Tells the app that the person does not agree: the URL that the browser goes to.
    pub async fn deny(&self, request_id: &str, agent: Agent<'_>) -> Result<String, Refused> {
        let kept = self.claim(request_id, agent).await?;
        self.finish(request_id).await?;
        let error = OauthError::new(Code::AccessDenied, "The person did not agree.");
        match self.refusal(&kept.content.way_back(), error) {
            Refused::Client { url, .. } => Ok(url),
            page @ Refused::Page(_) => Err(page),
        }
    }

    /// Whether a person signed in late enough for a request; who did so for it always has.
    fn is_fresh(&self, request: &RequestDocument, signed_in_ms: i64) -> bool {
        if signed_in_ms > request.begun_ms {
            return true;
        }
        let age_ms = self.documents.now_ms().saturating_sub(signed_in_ms);
        let is_young = |max_s: i64| age_ms <= max_s.saturating_mul(1_000);
        !request.wants_sign_in && request.max_age_s.is_none_or(is_young)
    }

    /// The request, as this person's; the first one who comes with it keeps it.
    async fn claim(
        &self,
        request_id: &str,
        agent: Agent<'_>,
    ) -> Result<Kept<RequestDocument>, Refused> {
        let found = self.documents.get(REQUESTS, request_id).await?;
        let mut kept: Kept<RequestDocument> = found.ok_or_else(gone)?;
        match kept.content.person_id.as_deref() {
            Some(owner) if owner == agent.person.id => return Ok(kept),
            Some(_other) => return Err(gone()),
            None => {}
        }
        let launched_by = kept.content.launched_by.as_deref();
        if launched_by.is_some_and(|person_id| person_id != agent.person.id) {
            self.finish(request_id).await?;
            let text = "The app was launched for somebody else.";
            let error = OauthError::new(Code::AccessDenied, text);
            return Err(self.refusal(&kept.content.way_back(), error));
        }
        kept.content.person_id = Some(agent.person.id.clone());
        let own = agent.person.own_patients();
        let is_open = needs_patient(&kept.content.scopes());
        if is_open && let ([only], None) = (own.as_slice(), &kept.content.context.patient) {
            kept.content.context.patient = Some((*only).to_owned());
        }
        self.rewrite(request_id, &kept).await?;
        kept.revision = kept.revision.saturating_add(1);
        Ok(kept)
    }

    async fn rewrite(&self, request_id: &str, kept: &Kept<RequestDocument>) -> Result<(), Refused> {
        let until_ms = kept
            .content
            .begun_ms
            .saturating_add(super::authorize::REQUEST_MS);
        let before = Before::Revision(kept.revision);
        let place = (REQUESTS, request_id);
        let put = self
            .documents
            .put(place, &kept.content, before, Some(until_ms));
        match put.await {
            Err(DocumentError::Changed) => Err(gone()),
            done => Ok(done?),
        }
    }

    /// Ends a request that was answered: only one of several answers gets through.
    async fn close(&self, request_id: &str, kept: &Kept<RequestDocument>) -> Result<(), Refused> {
        self.rewrite(request_id, kept).await?;
        self.finish(request_id).await
    }

    async fn finish(&self, request_id: &str) -> Result<(), Refused> {
        Ok(self.documents.delete(REQUESTS, request_id).await?)
    }

    fn grant_of(
        &self,
        request: &RequestDocument,
        agent: Agent<'_>,
        scopes: &ScopeSet,
        lasts: Duration,
    ) -> Result<GrantDocument, OauthError> {
        let random = self.documents.random();
        let now_ms = self.documents.now_ms();
        let is_lasting = scopes.has(Word::OfflineAccess);
        let is_of_session = !is_lasting && scopes.has(Word::OnlineAccess);
        let lasts_ms = if is_lasting {
            i64::try_from(lasts.min(LASTING_MAX).as_millis()).unwrap_or(0)
        } else if is_of_session {
            SESSION_MS_MAX
        } else {
            let token_ms = self.access_token_seconds().saturating_mul(1_000);
            token_ms.saturating_add(code::GOOD_MS)
        };
        let refresh = (is_lasting || is_of_session).then(|| SecretChain::start(random));
        let refresh = refresh.transpose()?;
        Ok(GrantDocument {
            id: crate::seal::hex::encode(&secret::fresh::<ID_BYTES>(random)?),
            person_id: agent.person.id.clone(),
            client_id: request.client_id.clone(),
            scopes: scopes.to_texts(),
            context: request.context.clone(),
            created_ms: now_ms,
            expires_ms: now_ms.saturating_add(lasts_ms),
            auth_time_s: agent.signed_in_ms.div_euclid(1_000),
            nonce: request.nonce.clone(),
            session_id: is_of_session.then(|| agent.session_id.to_owned()),
            refresh: refresh.map(|chain| Refresh { chain, place: 1 }),
        })
    }
}

/// Whether scopes are about the record of one patient.
fn needs_patient(scopes: &ScopeSet) -> bool {
    scopes.has(Word::LaunchPatient) || scopes.is_about_patient()
}

/// Whether a person may open a record at all, as far as their role tells: whose reach follows from
/// care relationships is looked at where records are read.
fn may_be_about(person: &Person, patient_id: &str) -> bool {
    match person.role {
        Role::Patient | Role::Proxy => person.own_patients().contains(&patient_id),
        Role::Practitioner => true,
        Role::Administrator | Role::Auditor => false,
    }
}

/// Where a redirect URI leads: in a person's words, and in those of a content security policy.
fn place_of(redirect_uri: &str) -> (String, String) {
    let Ok(url) = Url::parse(redirect_uri) else {
        return (String::new(), "'none'".to_owned());
    };
    match url.host_str() {
        Some(host) if url.origin().is_tuple() => {
            (host.to_owned(), url.origin().ascii_serialization())
        }
        _ => (url.scheme().to_owned(), format!("{}:", url.scheme())),
    }
}

fn gone() -> Refused {
    Refused::Page(OauthError::new(
        Code::InvalidRequest,
        "This request has been answered already, took too long, or began in another browser. Go \
         back to the app and start again.",
    ))
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn a_person_is_told_where_the_browser_goes() {
        let both = |uri| {
            let (words, policy) = place_of(uri);
            format!("{words} {policy}")
        };
        assert_eq!(
            both("https://app.example.org:8443/cb?a=b"),
            "app.example.org https://app.example.org:8443"
        );
        assert_eq!(
            both("org.example.app:/cb"),
            "org.example.app org.example.app:"
        );
    }
}
