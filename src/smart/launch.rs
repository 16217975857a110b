//! Launch contexts: what an EHR, or a clinician on this server's own page, opens an app with.
//!
//! A context is for one app, good once and for a few minutes. Whether the person who signs in may
//! open the record is decided when they do.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>.

use oauth2::url::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::documents::{Before, Kept};
use crate::fhir::id;
use crate::smart::asked::{ScopeSet, Word};
use crate::smart::authority::Authority;
use crate::smart::bearer::BearerError;
use crate::smart::client::{self, Client};
use crate::smart::error::{Code, OauthError};
use crate::smart::grant::LaunchContext;
use crate::smart::secret;

/// The collection of launch contexts.
const LAUNCHES: &str = "oauth-launch";

/// How long a context is good, in ms.
const GOOD_MS: i64 = 5 * 60_000;

/// Bytes of the id of a context.
const ID_BYTES: usize = 24;

/// Characters of an intent, a tenant, or the id of a context.
const TEXT_CHARS_MAX: usize = 500;

/// Resources that are open beside the patient and the encounter.
const OPEN_MAX: usize = 20;

#[derive(Debug, Serialize, Deserialize)]
struct LaunchDocument {
    client_id: String,
    /// Who launched it; anybody who may, where an EHR did.
    person_id: Option<String>,
    context: LaunchContext,
}

/// What an EHR asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchRequest {
    /// The app.
    client_id: String,
    /// The id of the person it is for, where the EHR knows it.
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    patient: Option<String>,
    #[serde(default)]
    encounter: Option<String>,
    #[serde(default)]
    intent: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default, rename = "fhirContext")]
    fhir_context: Vec<Value>,
    #[serde(default)]
    need_patient_banner: Option<bool>,
}

/// An app that can be launched.
#[derive(Debug, Clone)]
pub struct LaunchableApp {
    /// Its id.
    pub client_id: String,
    /// What it is called.
    pub name: String,
}

impl Authority {
    /// Makes the context of an EHR that proves itself by an access token: the context's id and the
    /// URL that the browser is sent to.
    pub async fn launch_for_ehr(&self, bearer: &str, body: &[u8]) -> Result<Value, OauthError> {
        let active = self.active(bearer).await.map_err(|error| match error {
            BearerError::Invalid => {
                OauthError::new(Code::InvalidToken, "The access token does not count.")
            }
            BearerError::Failed(error) => error,
        })?;
        let scopes = ScopeSet::read(active.verified.claims.scope.split(' '));
        if active.behalf.is_some() || !scopes.has(Word::OrchestrateLaunch) {
            let text = "Making launch contexts needs the scope smart/orchestrate_launch.";
            return Err(OauthError::new(Code::AccessDenied, text));
        }
        let request: LaunchRequest = serde_json::from_slice(body).map_err(|error| OauthError {
            source: Some(error.to_string()),
            ..OauthError::new(
                Code::InvalidRequest,
                "Send JSON with client_id, and any of person, patient, encounter, intent, tenant, \
                 fhirContext and need_patient_banner.",
            )
        })?;
        let context = request.context()?;
        let (launch, url) = self
            .make_launch(&request.client_id, request.person, context)
            .await?;
        Ok(json!({ "launch": launch, "iss": self.fhir_base(), "launch_url": url }))
    }

    /// Launches an app for a person: the URL that their browser is sent to.
    pub async fn launch_for_person(
        &self,
        person_id: &str,
        client_id: &str,
        context: LaunchContext,
    ) -> Result<String, OauthError> {
        let person_id = Some(person_id.to_owned());
        let (_launch, url) = self.make_launch(client_id, person_id, context).await?;
        Ok(url)
    }

    /// The apps that can be launched.
    pub async fn launchable_apps(&self) -> Result<Vec<LaunchableApp>, OauthError> {
        let all = client::list(&self.documents).await?;
        let can = all.into_iter().filter(can_be_launched);
        let apps = can.map(|client| LaunchableApp {
            client_id: client.client_id,
            name: client.name,
        });
        Ok(apps.collect())
    }

    async fn make_launch(
        &self,
        client_id: &str,
        person_id: Option<String>,
        context: LaunchContext,
    ) -> Result<(String, String), OauthError> {
        let refuse = |text| OauthError::new(Code::InvalidRequest, text);
        let client = client::find(&self.documents, client_id).await?;
        let client = client.filter(can_be_launched);
        let client = client.ok_or_else(|| refuse("There is no such app that can be launched."))?;
        let launch_uri = client.launch_uri.as_deref().unwrap_or_default();
        let launch = secret::fresh::<ID_BYTES>(self.documents.random())?;
        let launch = crate::seal::hex::encode(&launch);
        let mut url = Url::parse(launch_uri).map_err(|error| OauthError::internal(&error))?;
        url.query_pairs_mut()
            .append_pair("iss", self.fhir_base())
            .append_pair("launch", &launch);
        let document = LaunchDocument {
            client_id: client.client_id,
            person_id,
            context,
        };
        let until_ms = Some(self.documents.now_ms().saturating_add(GOOD_MS));
        let place = (LAUNCHES, launch.as_str());
        self.documents
            .put(place, &document, Before::Nothing, until_ms)
            .await?;
        Ok((launch, url.into()))
    }

    /// Uses a context for the client it was made for: it is good no longer. The context, and for
    /// whom it is.
    pub(super) async fn use_launch(
        &self,
        launch: &str,
        client: &Client,
    ) -> Result<(LaunchContext, Option<String>), OauthError> {
        let refuse = || {
            let text = "The launch is not known, was used, has expired or is another app's.";
            OauthError::new(Code::InvalidRequest, text)
        };
        if launch.len() > TEXT_CHARS_MAX {
            return Err(refuse());
        }
        let found: Option<Kept<LaunchDocument>> = self.documents.get(LAUNCHES, launch).await?;
        let kept = found.ok_or_else(refuse)?;
        if kept.content.client_id != client.client_id {
            return Err(refuse());
        }
        // Whoever comes second finds that this was written.
        let until_ms = Some(self.documents.now_ms().saturating_add(GOOD_MS));
        let used = format!("{launch} used");
        let place = (LAUNCHES, used.as_str());
        let mark = self.documents.put(place, &(), Before::Nothing, until_ms);
        mark.await.map_err(|error| match error {
            crate::access::documents::DocumentError::Changed => refuse(),
            error => error.into(),
        })?;
        self.documents.delete(LAUNCHES, launch).await?;
        Ok((kept.content.context, kept.content.person_id))
    }
}

impl LaunchRequest {
    fn context(&self) -> Result<LaunchContext, OauthError> {
        let refuse = |text| Err(OauthError::new(Code::InvalidRequest, text));
        let ids = [&self.patient, &self.encounter];
        if !ids.into_iter().flatten().all(|id| id::is_valid(id)) {
            return refuse("patient and encounter are ids of resources.");
        }
        let texts = [&self.intent, &self.tenant];
        let is_short = |text: &String| text.chars().count() <= TEXT_CHARS_MAX;
        if !texts.into_iter().flatten().all(is_short) {
            return refuse("intent and tenant have 500 characters at most.");
        }
        if self.fhir_context.len() > OPEN_MAX || !self.fhir_context.iter().all(is_open) {
            return refuse(
                "fhirContext is a list of objects, each with a relative reference, a canonical or \
                 an identifier.",
            );
        }
        Ok(LaunchContext {
            patient: self.patient.clone(),
            encounter: self.encounter.clone(),
            intent: self.intent.clone(),
            tenant: self.tenant.clone(),
            fhir_context: self.fhir_context.clone(),
            need_patient_banner: self.need_patient_banner,
        })
    }
}

fn can_be_launched(client: &Client) -> bool {
    client.may_act() && client.launch_uri.is_some() && client.allowed_set().has(Word::Launch)
}

/// Whether a value names something that is open, as the specification has it.
fn is_open(value: &Value) -> bool {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let reference = text("reference").map(|reference| {
        let parts = reference.split_once('/');
        parts.is_some_and(|(name, id)| {
            name.parse::<crate::fhir::resource_type::ResourceType>()
                .is_ok()
                && id::is_valid(id)
        })
    });
    let canonical = text("canonical").map(|url| url.starts_with("http"));
    let identifier = value.get("identifier").map(Value::is_object);
    let named = [reference, canonical, identifier];
    let mut named = named.into_iter().flatten().peekable();
    named.peek().is_some() && named.all(|is_good| is_good)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_open;

    #[test]
    fn what_is_open_is_named_in_one_of_three_ways() {
        for good in [
            json!({ "reference": "ImagingStudy/1" }),
            json!({ "canonical": "http://example.org/q", "type": "Questionnaire" }),
            json!({ "identifier": { "value": "1" }, "type": "Task" }),
        ] {
            assert!(is_open(&good), "{good}");
        }
        for bad in [
            json!("ImagingStudy/1"),
            json!({}),
            json!({ "reference": "Nothing/1" }),
            json!({ "reference": "http://elsewhere/Patient/1" }),
            json!({ "canonical": "urn:x" }),
            json!({ "identifier": "1" }),
        ] {
            assert!(!is_open(&bad), "{bad}");
        }
    }
}
