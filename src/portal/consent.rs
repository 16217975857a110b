//! The consent page: what an app asks for, in words, and what the person lets it have.
//!
//! Every scope can be left out; nothing is given before the person agrees.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>, OAuth 2.1 section 7.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use crate::audit::event::{Act, Event};
use crate::http::state::AppState;
use crate::portal::acts::{by, note};
use crate::portal::authorize::{authority, leading_out, told};
use crate::portal::form::{Fields, SignedInForm};
use crate::portal::page::{Frame, Page, Problem, go_to};
use crate::portal::record::{self, Shown};
use crate::portal::session::{SignedIn, with_next};
use crate::smart::agree::{Agent, Agreement, Step};
use crate::smart::asked::{ScopeSet, Word};
use crate::smart::choice::{self, Choice};

/// How long a grant may last, as the page offers it: what the form calls it, days, words.
const LASTING: [(&str, u64, &str); 4] = [
    ("year", 366, "1 year"),
    ("quarter", 93, "3 months"),
    ("month", 31, "1 month"),
    ("day", 1, "1 day"),
];

/// The routes of the page.
pub fn routes() -> Router<AppState> {
    Router::new().route("/oauth/consent/{request}", get(show).post(answer))
}

/// The path of a request's page.
pub(super) fn path(request_id: &str) -> String {
    format!("/oauth/consent/{request_id}")
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage {
    frame: Frame,
    csrf: String,
    request: String,
    client: String,
    goes_to: String,
    /// Whose record it is about, and whether that is the person's own.
    patient: Option<Shown>,
    is_own: bool,
    /// Whether somebody else can still be chosen.
    may_choose: bool,
    choices: Vec<Choice>,
    wants_identity: bool,
    lasts: Lasts,
    lasting: &'static [(&'static str, u64, &'static str)],
}

/// What decides how long an app is connected.
enum Lasts {
    /// The person, on the page.
    Chosen,
    /// The person's session.
    Session,
    /// Nothing: for this visit only.
    Visit,
}

impl Lasts {
    fn of(scopes: &ScopeSet) -> Self {
        if scopes.has(Word::OfflineAccess) {
            Self::Chosen
        } else if scopes.has(Word::OnlineAccess) {
            Self::Session
        } else {
            Self::Visit
        }
    }
}

/// Who goes on with a request.
pub(super) fn agent(signed_in: &SignedIn) -> Agent<'_> {
    Agent {
        person: &signed_in.person,
        session_id: &signed_in.session_id,
        signed_in_ms: signed_in.signed_in_ms,
    }
}

async fn show(
    State(state): State<AppState>,
    Path(request): Path<String>,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let step = authority(&state)?
        .next_step(&request, agent(&signed_in))
        .await;
    let question = match step {
        Ok(Step::SignIn) => return Ok(go_to(&with_next("/sign-in", Some(&path(&request))))),
        Ok(Step::Patient(_)) => return Ok(go_to(&super::picker::path(&request))),
        Ok(Step::Consent(question)) => question,
        Err(refused) => return told(refused),
    };
    let person = &signed_in.person;
    let patient = match &question.context.patient {
        Some(id) => Some(visible(&state, &signed_in, id).await?),
        None => None,
    };
    let own = person.own_patients();
    let is_own = patient
        .as_ref()
        .is_some_and(|shown| person.fhir_id("Patient") == Some(shown.id.as_str()));
    let page = ConsentPage {
        frame: Frame::of_person("Connect an app", person, &signed_in.csrf),
        csrf: signed_in.csrf.clone(),
        client: question.client_name.clone(),
        goes_to: question.goes_to.clone(),
        is_own,
        may_choose: patient.is_some() && !question.is_ehr_launch && own.len() != 1,
        patient,
        choices: choice::choices(&question.scopes),
        wants_identity: wants_identity(&question.scopes),
        lasts: Lasts::of(&question.scopes),
        lasting: &LASTING,
        request,
    };
    Ok(leading_out(&question.target, Page(page)))
}

/// A patient whom the person may see: whom they may not, no app may for them.
async fn visible(state: &AppState, signed_in: &SignedIn, id: &str) -> Result<Shown, Problem> {
    let found = record::patient(state, &signed_in.person, id).await?;
    found.ok_or_else(|| {
        Problem::new(
            StatusCode::FORBIDDEN,
            "This record is not open to you",
            "The app wants to work with a record that you cannot open with this account. Go back \
             to the app, or to whoever opened it for you.",
        )
    })
}

async fn answer(
    State(state): State<AppState>,
    Path(request): Path<String>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let authority = authority(&state)?;
    let agent = agent(&form.signed_in);
    let fields = &form.fields;
    let allows = fields.get("answer") == "allow";
    let question = match authority.next_step(&request, agent).await {
        Ok(Step::Consent(question)) => question,
        Ok(Step::Patient(question)) if !allows => question,
        Ok(Step::SignIn | Step::Patient(_)) => return Ok(go_to(&path(&request))),
        Err(refused) => return told(refused),
    };
    let who = by(&form.signed_in.person, &form.origin).through(&question.client_id);
    if !allows {
        let event = Event::refused(Act::Grant, "the person did not agree");
        note(&state, event.by(who)).await?;
        return match authority.deny(&request, agent).await {
            Ok(url) => Ok(go_to(&url)),
            Err(refused) => told(refused),
        };
    }
    if let Some(id) = &question.context.patient {
        visible(&state, &form.signed_in, id).await?;
    }
    let agreement = agreement(&question.scopes, fields);
    let agreed = match authority.agree(&request, agent, &agreement).await {
        Ok(agreed) => agreed,
        Err(refused) => return told(refused),
    };
    let event = match &agreed.grant_id {
        Some(grant_id) => Event::success(Act::Grant).about(grant_id),
        None => Event::refused(Act::Grant, "the person left nothing in"),
    };
    let patient = question.context.patient.iter();
    let event = patient.fold(event.by(who), |event, id| event.of_patient(id));
    // Without a word of it in the journal the app does not get its code.
    note(&state, event).await?;
    Ok(go_to(&agreed.url))
}

/// What the person left in.
fn agreement(scopes: &ScopeSet, fields: &Fields) -> Agreement {
    let is_on = |name: &str| fields.get(name) == "on";
    let kept = |place: usize| is_on(&format!("scope-{place}"));
    let only = |place: usize| -> Vec<String> {
        let name = format!("only-{place}");
        fields.all(&name).map(ToOwned::to_owned).collect()
    };
    let mut left = ScopeSet {
        words: Vec::new(),
        resources: choice::chosen(scopes, &kept, &only),
    };
    for word in &scopes.words {
        let is_left = match word {
            Word::Openid | Word::FhirUser | Word::Profile => is_on("identity"),
            Word::OfflineAccess => is_on("stay"),
            Word::Launch
            | Word::LaunchPatient
            | Word::LaunchEncounter
            | Word::OnlineAccess
            | Word::OrchestrateLaunch => true,
        };
        if is_left {
            left.push_word(*word);
        }
    }
    let lasts = fields.get("lasts");
    let lasts = LASTING.iter().find(|(name, ..)| *name == lasts);
    // What is not on the page lasts as short as may be.
    let days = lasts.map_or(1, |(_, days, _)| *days);
    Agreement {
        scopes: left,
        lasts: Duration::from_hours(days * 24),
    }
}

fn wants_identity(scopes: &ScopeSet) -> bool {
    let identity = [Word::Openid, Word::FhirUser, Word::Profile];
    identity.into_iter().any(|word| scopes.has(word))
}
