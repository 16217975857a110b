//! The page of connected apps: what each may do, when it last did, and the button that ends it.
//!
//! Spec: RFC 7009 in the hands of the person who gave the grant.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};

use crate::access::person::Person;
use crate::audit::event::{Act, Event};
use crate::fhir::instant::Instant;
use crate::http::state::AppState;
use crate::portal::acts::{by, note};
use crate::portal::authorize::{authority, problem};
use crate::portal::form::SignedInForm;
use crate::portal::page::{Frame, Page, Problem, go_to};
use crate::portal::record;
use crate::portal::session::SignedIn;
use crate::smart::asked::Word;
use crate::smart::authority::GRANTS_PATH;
use crate::smart::choice::{self, Choice};
use crate::smart::grant::GivenGrant;

/// The routes of the page.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(GRANTS_PATH, get(show))
        .route("/apps/disconnect", post(disconnect))
}

#[derive(Template)]
#[template(path = "grants.html")]
struct GrantsPage {
    frame: Frame,
    csrf: String,
    apps: Vec<AppShown>,
}

/// A grant as the page shows it.
struct AppShown {
    id: String,
    name: String,
    choices: Vec<Choice>,
    knows_identity: bool,
    is_lasting: bool,
    patient: Option<String>,
    since: String,
    until: String,
    last_used: Option<String>,
}

async fn show(
    State(state): State<AppState>,
    signed_in: SignedIn,
) -> Result<Page<GrantsPage>, Problem> {
    let person = &signed_in.person;
    let given = authority(&state)?.grants_of(&person.id).await;
    let mut apps = Vec::new();
    for grant in given.map_err(|error| problem(&error))? {
        apps.push(shown(&state, person, grant).await?);
    }
    Ok(Page(GrantsPage {
        frame: Frame::of_person("Connected apps", person, &signed_in.csrf),
        csrf: signed_in.csrf.clone(),
        apps,
    }))
}

async fn shown(state: &AppState, person: &Person, grant: GivenGrant) -> Result<AppShown, Problem> {
    // Whose record it is goes without saying where it is the person's own.
    let other = grant.patient.as_deref();
    let other = other.filter(|id| person.fhir_id("Patient") != Some(*id));
    let patient = match other {
        Some(id) => record::patient(state, person, id).await?,
        None => None,
    };
    Ok(AppShown {
        choices: choice::choices(&grant.scopes),
        knows_identity: grant.scopes.has(Word::Openid),
        is_lasting: grant.is_lasting,
        patient: patient.map(|shown| shown.name),
        since: day(grant.created_ms),
        until: day(grant.expires_ms),
        last_used: grant.last_used_ms.map(moment),
        name: grant.client_name,
        id: grant.id,
    })
}

async fn disconnect(
    State(state): State<AppState>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let person = &form.signed_in.person;
    let revoked = authority(&state)?
        .revoke_grant(&person.id, form.fields.get("app"))
        .await;
    if let Some(grant) = revoked.map_err(|error| problem(&error))? {
        let event = Event::success(Act::Revoke).about(&grant.id);
        let event = event.by(by(person, &form.origin));
        let patient = grant.patient.iter();
        note(
            &state,
            patient.fold(event, |event, id| event.of_patient(id)),
        )
        .await?;
    }
    Ok(go_to(GRANTS_PATH))
}

/// A day as it is read everywhere.
fn day(ms: i64) -> String {
    let text = Instant::from_millis(ms).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// A day and a time to the minute.
fn moment(ms: i64) -> String {
    let text = Instant::from_millis(ms).to_string();
    let minutes: String = text.chars().take("2026-01-01T00:00".len()).collect();
    format!("{} UTC", minutes.replace('T', " "))
}
