//! The launch page: a clinician opens an app with a patient's record, as from an EHR.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use crate::access::person::{Person, Role};
use crate::audit::event::{Act, Event};
use crate::fhir::id;
use crate::http::state::AppState;
use crate::portal::acts::{by, note};
use crate::portal::authorize::{authority, leading_out, problem};
use crate::portal::form::SignedInForm;
use crate::portal::page::{Frame, Page, Problem, go_to};
use crate::portal::picker::{Candidates, Sought, candidates};
use crate::portal::record;
use crate::portal::session::SignedIn;
use crate::smart::grant::LaunchContext;
use crate::smart::launch::LaunchableApp;

/// The routes of the page.
pub fn routes() -> Router<AppState> {
    Router::new().route("/launch", get(show).post(launch))
}

#[derive(Template)]
#[template(path = "launch.html")]
struct LaunchPage {
    frame: Frame,
    csrf: String,
    apps: Vec<LaunchableApp>,
    found: Candidates,
}

/// Only clinicians launch apps on records of others; a patient opens an app at the app.
fn allow(person: &Person) -> Result<(), Problem> {
    if person.role == Role::Practitioner {
        Ok(())
    } else {
        Err(Problem::forbidden())
    }
}

async fn show(
    State(state): State<AppState>,
    Query(sought): Query<Sought>,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let person = &signed_in.person;
    allow(person)?;
    let apps = authority(&state)?.launchable_apps().await;
    let page = LaunchPage {
        frame: Frame::of_person("Open an app", person, &signed_in.csrf),
        csrf: signed_in.csrf.clone(),
        apps: apps.map_err(|error| problem(&error))?,
        found: candidates(&state, person, sought).await?,
    };
    Ok(leading_out("", Page(page)))
}

async fn launch(State(state): State<AppState>, form: SignedInForm) -> Result<Response, Problem> {
    let person = &form.signed_in.person;
    allow(person)?;
    let refuse = |text: &str| Problem::new(StatusCode::BAD_REQUEST, "That did not work", text);
    let fields = &form.fields;
    let patient = fields.get("patient");
    if record::patient(&state, person, patient).await?.is_none() {
        return Err(refuse("Choose a patient whose record you may open."));
    }
    let encounter = Some(fields.get("encounter")).filter(|text| !text.is_empty());
    if encounter.is_some_and(|text| !id::is_valid(text)) {
        return Err(refuse(
            "The id of a visit has letters, digits, - and . only.",
        ));
    }
    let context = LaunchContext {
        patient: Some(patient.to_owned()),
        encounter: encounter.map(ToOwned::to_owned),
        ..LaunchContext::default()
    };
    let url = authority(&state)?
        .launch_for_person(&person.id, fields.get("app"), context)
        .await;
    let url = url.map_err(|error| problem(&error))?;
    let event = Event::success(Act::Other).about("launch");
    let who = by(person, &form.origin).through(fields.get("app"));
    note(&state, event.by(who).of_patient(patient)).await?;
    Ok(go_to(&url))
}
