//! The first page of somebody who is signed in.

use askama::Template;
use axum::Router;
use axum::routing::get;

use crate::access::person::Role;
use crate::http::state::AppState;
use crate::portal::page::{Frame, Page};
use crate::portal::session::SignedIn;

/// The route of the page.
pub fn routes() -> Router<AppState> {
    Router::new().route("/account", get(show))
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    name: String,
    /// Whether nobody has confirmed yet which patient this is.
    is_unconfirmed: bool,
}

async fn show(signed_in: SignedIn) -> Page<HomePage> {
    let person = signed_in.person;
    Page(HomePage {
        frame: Frame::of_person("Your account", &person, &signed_in.csrf),
        is_unconfirmed: person.role == Role::Patient && person.fhir_user.is_none(),
        name: person.name,
    })
}
