//! What patients and clinicians decide about access: shares, and breaking the glass. JSON, no FHIR.
//!
//! `POST`, `GET /api/shares`, `DELETE /api/shares/{id}` and `POST /api/break-the-glass` want an
//! access token of the person; `POST /api/shared-record` wants a link and its passcode.

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::access::Intent;
use crate::access::emergency::EmergencyError;
use crate::access::person::Person;
use crate::access::share::ledger::{self, ShareError, ShareRequest};
use crate::access::share::{Category, Recipient, Share};
use crate::access::trail::Trail;
use crate::api::fhir::locate::Caller;
use crate::api::fhir::searching;
use crate::audit::event::{Act, Agent, Event};
use crate::audit::ledger::JournalError;
use crate::fhir::id;
use crate::fhir::instant::Instant;
use crate::http::body;
use crate::http::payload::{Answer, Rejection};
use crate::http::state::AppState;
use crate::interaction::search::SearchScope;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// Bytes of a body.
const BODY_BYTES_MAX: usize = 16 << 10;

const DAY_MS: i64 = 86_400_000;

/// The routes, at the root of the server.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/shares", get(list).post(create))
        .route("/api/shares/{id}", delete(revoke))
        .route("/api/shared-record", post(shared_record))
        .route("/api/break-the-glass", post(break_the_glass))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewShare {
    /// Whose record; may be left out by who has one only.
    patient: Option<String>,
    to: Recipient,
    #[serde(default)]
    categories: Vec<Category>,
    days: u32,
}

#[derive(Deserialize)]
struct OfPatient {
    patient: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    link: String,
    passcode: String,
    /// A search over the record.
    #[serde(default)]
    query: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Emergency {
    patient: String,
    reason: String,
}

async fn create(caller: Caller, sent: Body) -> Result<Response, Rejection> {
    let new: NewShare = read(&caller.state, sent).await?;
    let person = sharing(&caller)?;
    let patient_id = own_patient(person, new.patient.as_deref())?;
    let reaches = &caller.state.ctx.reaches;
    let days_max = reaches.share_days_max();
    if new.days == 0 || new.days > days_max {
        let text = format!("A record is shared for 1 to {days_max} days.");
        return Err(Outcome::new(Kind::Invalid, text).into());
    }
    if let Recipient::Practitioner(id) | Recipient::Organization(id) = &new.to
        && !id::is_valid(id)
    {
        return Err(Outcome::new(Kind::Invalid, "This is no id of a recipient.").into());
    }
    let request = ShareRequest {
        patient_id,
        to: new.to,
        categories: new.categories,
        ends_ms: caller.state.ctx.clock.now_ms() + i64::from(new.days) * DAY_MS,
        created_by: person.id.clone(),
    };
    let made = ledger::create(reaches.documents(), request).await;
    let made = made.map_err(share_refused)?;
    reaches.note(&made.share);
    record(&caller, Event::success(Act::Grant), &made.share).await?;
    let mut answer = shown(&made.share);
    if let Some((link, passcode)) = made.link
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("link".to_owned(), json!(link));
        members.insert("passcode".to_owned(), json!(passcode));
    }
    Ok(respond(StatusCode::CREATED, &answer))
}

async fn list(caller: Caller, Query(of): Query<OfPatient>) -> Result<Response, Rejection> {
    let person = sharing(&caller)?;
    let patient_id = own_patient(person, of.patient.as_deref())?;
    let shares = ledger::list(caller.state.ctx.reaches.documents(), &patient_id).await;
    let shares = shares.map_err(|error| share_refused(error.into()))?;
    let shares: Vec<Value> = shares.iter().map(shown).collect();
    Ok(respond(StatusCode::OK, &json!({ "shares": shares })))
}

async fn revoke(
    caller: Caller,
    Path(id): Path<String>,
    Query(of): Query<OfPatient>,
) -> Result<Response, Rejection> {
    let person = sharing(&caller)?;
    let patient_id = own_patient(person, of.patient.as_deref())?;
    let reaches = &caller.state.ctx.reaches;
    let share = ledger::revoke(reaches.documents(), &patient_id, &id).await;
    let share = share.map_err(share_refused)?;
    reaches.note(&share);
    record(&caller, Event::success(Act::Revoke), &share).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The record behind a link, as far as it is shared: a search over all of it.
async fn shared_record(
    State(state): State<AppState>,
    trail: Option<Extension<Trail>>,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let trail = trail.map(|Extension(trail)| trail);
    let opening: Opening = read(&state, sent).await?;
    let reaches = &state.ctx.reaches;
    let documents = reaches.documents();
    let share = ledger::find_by_link(documents, &opening.link, &opening.passcode).await;
    let session = match share {
        Ok(share) => reaches.session_of_link(&share).await?.on_trail(trail),
        Err(error) => {
            let event = Event::refused(Act::Grant, "link or passcode unknown");
            state
                .journal
                .record(event)
                .await
                .map_err(|error| unrecorded(&error))?;
            return Err(share_refused(error).into());
        }
    };
    let caller = Caller::of(&state, session);
    searching::answer(
        &caller,
        SearchScope::system(),
        (Some(opening.query), String::new()),
        &headers,
    )
    .await
}

async fn break_the_glass(caller: Caller, sent: Body) -> Result<Response, Rejection> {
    let asked: Emergency = read(&caller.state, sent).await?;
    let person = caller.session().person().ok_or_else(nobody)?;
    let glass = caller.state.ctx.reaches.glass();
    if !id::is_valid(&asked.patient) {
        return Err(emergency_refused(EmergencyError::NoPatient).into());
    }
    let noted = |event: Event| {
        let event = event.for_purpose("BTG").by(agent(person));
        event.of_patient(&asked.patient)
    };
    // Written down before anything is open.
    let journal = &caller.state.journal;
    let event = noted(Event::success(Act::BreakGlass));
    journal
        .record(event)
        .await
        .map_err(|error| unrecorded(&error))?;
    let opened = glass.break_for(person, &asked.patient, &asked.reason).await;
    if opened.is_err() {
        let event = noted(Event::refused(Act::BreakGlass, "not opened"));
        journal
            .record(event)
            .await
            .map_err(|error| unrecorded(&error))?;
    }
    let opened = opened.map_err(emergency_refused)?;
    let ends = Instant::from_millis(opened.ends_ms).to_string();
    let answer = json!({ "patient": opened.patient_id, "ends": ends });
    Ok(respond(StatusCode::CREATED, &answer))
}

/// Who shares: somebody whose token lets them decide about the record, which is what a consent is.
fn sharing(caller: &Caller) -> Result<&Person, Outcome> {
    let consent = "Consent".parse();
    let consent = consent.map_err(|_unknown| Outcome::internal("consents are no type"))?;
    caller.grant(Intent::Create(consent))?;
    caller.session().person().ok_or_else(nobody)
}

/// The patient that is meant, of those that are the person's own.
fn own_patient(person: &Person, named: Option<&str>) -> Result<String, Outcome> {
    let own = person.own_patients();
    let chosen = match (named, own.as_slice()) {
        (Some(named), own) => own.iter().find(|one| **one == named),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    chosen.map(ToString::to_string).ok_or_else(|| {
        let text = "Say with patient whose record it is: only your own, or that of somebody for \
                    whom you act.";
        Outcome::new(Kind::Forbidden, text)
    })
}

async fn record(caller: &Caller, event: Event, share: &Share) -> Result<(), Outcome> {
    let event = match caller.session().person() {
        Some(person) => event.by(agent(person)),
        None => event,
    };
    let event = event.about(&share.id).of_patient(&share.patient_id);
    caller
        .state
        .journal
        .record(event)
        .await
        .map_err(|error| unrecorded(&error))
}

fn agent(person: &Person) -> Agent {
    Agent::person(&person.id, person.role.name(), person.fhir_user.as_deref())
}

fn shown(share: &Share) -> Value {
    let categories: Vec<&str> = share.categories.iter().map(|one| one.name()).collect();
    json!({
        "id": share.id,
        "patient": share.patient_id,
        "to": share.to,
        "categories": categories,
        "created": Instant::from_millis(share.created_ms).to_string(),
        "ends": Instant::from_millis(share.ends_ms).to_string(),
    })
}

async fn read<T: DeserializeOwned>(state: &AppState, sent: Body) -> Result<T, Outcome> {
    let bytes = body::read(state, sent).await?;
    if bytes.len() > BODY_BYTES_MAX {
        return Err(Outcome::new(
            Kind::TooLarge,
            "The body is larger than this takes.",
        ));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        let text = format!("The body is not what this takes: {error}.");
        Outcome::new(Kind::Malformed, text)
    })
}

fn respond(status: StatusCode, value: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json")];
    (status, headers, value.to_string()).into_response()
}

fn nobody() -> Outcome {
    let text = "This is for people who have signed in: the token is not that of a person.";
    Outcome::new(Kind::Forbidden, text)
}

fn share_refused(error: ShareError) -> Outcome {
    match error {
        ShareError::TooMany => Outcome::new(Kind::Unprocessable, sentence(&error)),
        ShareError::Unknown => Outcome::new(Kind::NotFound, sentence(&error)),
        ShareError::Failed(error) => unavailable(&error),
    }
}

fn emergency_refused(error: EmergencyError) -> Outcome {
    let kind = match &error {
        EmergencyError::NotAClinician => Kind::Forbidden,
        EmergencyError::Reason | EmergencyError::TooMany => Kind::Unprocessable,
        EmergencyError::NoPatient => Kind::NotFound,
        EmergencyError::Failed(error) => return unavailable(error),
        EmergencyError::Untold(_) => {
            let EmergencyError::Untold(outcome) = error else {
                return Outcome::internal("an emergency failed");
            };
            return outcome;
        }
    };
    Outcome::new(kind, sentence(&error))
}

fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|one| one.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

fn unavailable(error: &dyn std::fmt::Display) -> Outcome {
    Outcome::new(
        Kind::Unavailable,
        "This cannot be done now. Try again shortly.",
    )
    .caused_by(error)
}

fn unrecorded(error: &JournalError) -> Outcome {
    let text = "This cannot be written down now, and is therefore refused.";
    Outcome::new(Kind::Unavailable, text).caused_by(error)
}
