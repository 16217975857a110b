//! The patient picker: whose record an app, or a launch, is about.
//!
//! Who acts for several patients picks one of them; clinicians look for one by name, among those
//! whom they may see.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use crate::access::person::{Person, Role};
use crate::http::state::AppState;
use crate::portal::authorize::{authority, leading_out, told};
use crate::portal::consent::{self, agent};
use crate::portal::form::SignedInForm;
use crate::portal::page::{Frame, Page, Problem, go_to};
use crate::portal::record::{self, Shown};
use crate::portal::session::{SignedIn, with_next};
use crate::smart::agree::Step;

/// The routes of the page.
pub fn routes() -> Router<AppState> {
    Router::new().route("/oauth/consent/{request}/patient", get(show).post(choose))
}

/// The path of a request's page.
pub(super) fn path(request_id: &str) -> String {
    format!("{}/patient", consent::path(request_id))
}

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Sought {
    /// The name.
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// The patients among whom somebody picks.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Those to pick from.
    pub(super) patients: Vec<Shown>,
    /// Whether others can be looked for by name.
    pub(super) may_search: bool,
    /// What was looked for.
    pub(super) name: String,
    /// Whether something was looked for.
    pub(super) has_searched: bool,
}

#[derive(Template)]
#[template(path = "picker.html")]
struct PickerPage {
    frame: Frame,
    csrf: String,
    request: String,
    client: String,
    found: Candidates,
}

/// The patients among whom a person picks.
pub(super) async fn candidates(
    state: &AppState,
    person: &Person,
    sought: Sought,
) -> Result<Candidates, Problem> {
    let mut patients = Vec::new();
    for id in person.own_patients() {
        patients.extend(record::patient(state, person, id).await?);
    }
    let may_search = person.role == Role::Practitioner;
    let has_searched = may_search && sought.name.is_some();
    let name = sought.name.unwrap_or_default();
    if has_searched {
        patients = record::patients_called(state, person, &name).await?;
    }
    Ok(Candidates {
        patients,
        may_search,
        name,
        has_searched,
    })
}

async fn show(
    State(state): State<AppState>,
    Path(request): Path<String>,
    Query(sought): Query<Sought>,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let step = authority(&state)?
        .next_step(&request, agent(&signed_in))
        .await;
    let question = match step {
        Ok(Step::SignIn) => return Ok(go_to(&with_next("/sign-in", Some(&path(&request))))),
        Ok(Step::Patient(question) | Step::Consent(question)) => question,
        Err(refused) => return told(refused),
    };
    let page = PickerPage {
        frame: Frame::of_person("Whose record?", &signed_in.person, &signed_in.csrf),
        csrf: signed_in.csrf.clone(),
        client: question.client_name.clone(),
        found: candidates(&state, &signed_in.person, sought).await?,
        request,
    };
    Ok(leading_out(&question.target, Page(page)))
}

async fn choose(
    State(state): State<AppState>,
    Path(request): Path<String>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let id = form.fields.get("patient");
    let person = &form.signed_in.person;
    if record::patient(&state, person, id).await?.is_none() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This record is not open to you",
            "Go back and choose one of the people on the page.",
        ));
    }
    let authority = authority(&state)?;
    let chosen = authority
        .choose_patient(&request, agent(&form.signed_in), id)
        .await;
    match chosen {
        Ok(()) => Ok(go_to(&consent::path(&request))),
        Err(refused) => told(refused),
    }
}
