//! The first page of somebody who is signed in.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use crate::access::person::Role;
use crate::http::state::AppState;
use crate::portal::page::{Frame, Page, Problem, go_to};
use crate::portal::session::{self, SignedIn};

/// The route of the page.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(|| async { go_to("/account") }))
        .route("/account", get(show))
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    name: String,
    role: Role,
    /// Whether there is a second step when they sign in.
    has_factor: bool,
    /// Whether nobody has confirmed yet which patient this is.
    is_unconfirmed: bool,
}

async fn show(
    State(state): State<AppState>,
    signed_in: SignedIn,
) -> Result<Page<HomePage>, Problem> {
    let accounts = session::accounts(&state)?;
    let person = signed_in.person;
    let factors = accounts.factors(&person).await?;
    Ok(Page(HomePage {
        frame: Frame::of_person("Your account", &person, &signed_in.csrf),
        role: person.role,
        has_factor: factors.has_factor(),
        is_unconfirmed: person.role == Role::Patient && person.fhir_user.is_none(),
        name: person.name,
    }))
}
