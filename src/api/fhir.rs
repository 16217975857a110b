//! The routes of the FHIR base: every interaction of the REST page.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html>. Operations (`$...`) are in [`super::operation`].

mod bundle;
mod instance;
pub(crate) mod locate;
pub(crate) mod searching;
mod versions;
mod writing;

use std::any::Any;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use crate::http::payload::Rejection;
use crate::http::state::AppState;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// The routes below the FHIR base.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/", system())
        .route("/metadata", get(bundle::capabilities))
        .route("/_history", get(versions::system_history))
        .route("/_search", post(searching::search_system_by_post))
        .route(
            "/{type}",
            get(searching::search_type)
                .post(writing::create)
                .put(writing::conditional_update)
                .patch(writing::conditional_patch)
                .delete(writing::conditional_delete),
        )
        .route("/{type}/_search", post(searching::search_type_by_post))
        .route("/{type}/_history", get(versions::type_history))
        .route(
            "/{type}/{id}",
            get(instance::read)
                .put(instance::update)
                .patch(instance::patch)
                .delete(instance::delete),
        )
        .route("/{type}/{id}/{what}", get(searching::search_compartment))
        .route(
            "/{type}/{id}/{what}/_search",
            post(searching::search_compartment_by_post),
        )
        .route("/{type}/{id}/_history", get(versions::instance_history))
        .route("/{type}/{id}/_history/{version_id}", get(instance::vread))
}

/// The FHIR base itself, with and without a slash behind.
pub fn system() -> axum::routing::MethodRouter<AppState> {
    get(searching::search_system)
        .merge(post(bundle::bundle))
        .merge(delete(bundle::delete_nothing))
}

/// What no route takes.
pub async fn nothing_here() -> Rejection {
    Rejection(Outcome::new(
        Kind::NotFound,
        "There is nothing at this URL. The base is /fhir.",
    ))
}

/// A bug: the client gets a plain failure. What a panic says may be of a record, so the log has its
/// place instead.
pub fn panicked(_said: Box<dyn Any + Send>) -> Response {
    Rejection(Outcome::internal("a handler panicked")).into_response()
}
