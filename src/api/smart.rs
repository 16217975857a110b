//! The routes of the authorization server, and the documents by which it is found.
//!
//! Mounted in `access = "smart"` only. Spec: RFC 6749, RFC 7009, RFC 7662, RFC 8414,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::http::oauth::{self, OauthAnswer, Peer};
use crate::http::state::AppState;
use crate::smart::authority::{
    Authority, INTROSPECTION_PATH, JWKS_PATH, REVOCATION_PATH, TOKEN_PATH,
};
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;

/// Requests with credentials that are worked on at once: signatures cost processor time.
static ROOM: Semaphore = Semaphore::const_new(64);

/// The routes at the root of the server.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(
            "/fhir/.well-known/smart-configuration",
            get(smart_configuration),
        )
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route(
            "/.well-known/oauth-authorization-server/{*path}",
            get(metadata_of_path),
        )
        .route(JWKS_PATH, get(jwks))
        .route(TOKEN_PATH, post(token))
        .route(INTROSPECTION_PATH, post(introspect))
        .route(REVOCATION_PATH, post(revoke))
}

async fn smart_configuration(State(state): State<AppState>) -> OauthAnswer {
    OauthAnswer(authority(&state).map(|authority| authority.smart_configuration()))
}

async fn metadata(State(state): State<AppState>) -> OauthAnswer {
    OauthAnswer(authority(&state).map(|authority| authority.metadata()))
}

/// An issuer with a path has its document behind that path: RFC 8414 section 3.1.
async fn metadata_of_path(State(state): State<AppState>, Path(path): Path<String>) -> Response {
    match authority(&state) {
        Ok(authority) if authority.issuer_path() == path.trim_end_matches('/') => {
            OauthAnswer(Ok(authority.metadata())).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A bug: the client gets a plain failure, the log the place.
pub fn panicked(_said: Box<dyn Any + Send>) -> Response {
    OauthAnswer(Err(OauthError::internal(&"a handler panicked"))).into_response()
}

async fn jwks(State(state): State<AppState>) -> OauthAnswer {
    OauthAnswer(match authority(&state) {
        Ok(authority) => authority.jwks().await,
        Err(error) => Err(error),
    })
}

async fn token(State(state): State<AppState>, request: Request) -> OauthAnswer {
    OauthAnswer(answer_token(&state, request).await)
}

async fn answer_token(state: &AppState, request: Request) -> Result<Value, OauthError> {
    let (authority, form, _place) = read(state, request).await?;
    authority.token(&form).await
}

async fn introspect(State(state): State<AppState>, request: Request) -> OauthAnswer {
    OauthAnswer(answer_introspection(&state, request).await)
}

async fn answer_introspection(state: &AppState, request: Request) -> Result<Value, OauthError> {
    let headers = request.headers().clone();
    let bearer = oauth::bearer(&headers).map_err(|error| OauthError::invalid_client(&error))?;
    let (authority, form, _place) = read(state, request).await?;
    authority.introspect(&form, bearer).await
}

async fn revoke(State(state): State<AppState>, request: Request) -> Response {
    match answer_revocation(&state, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => OauthAnswer(Err(error)).into_response(),
    }
}

async fn answer_revocation(state: &AppState, request: Request) -> Result<(), OauthError> {
    let (authority, form, _place) = read(state, request).await?;
    authority.revoke(&form).await
}

/// The form of a request that shows credentials, and its place among those that are worked on; too
/// many of them are refused unread.
async fn read(
    state: &AppState,
    request: Request,
) -> Result<(Arc<Authority>, Form, SemaphorePermit<'static>), OauthError> {
    let authority = authority(state)?;
    let Peer(address) = Peer::of(&request);
    authority.count_address(address)?;
    let (parts, body): (_, Body) = request.into_parts();
    let form = oauth::form(&parts.headers, body).await?;
    // After the form, so that nobody keeps a place by sending slowly.
    let place = ROOM.try_acquire().map_err(|_full| {
        let text = "The server works on as many of these as it may. Try again shortly.";
        OauthError::new(Code::TemporarilyUnavailable, text)
    })?;
    Ok((authority, form, place))
}

fn authority(state: &AppState) -> Result<Arc<Authority>, OauthError> {
    let authority = state.authority.as_ref().map(Arc::clone);
    authority.ok_or_else(|| OauthError::new(Code::ServerError, "There is no such service here."))
}
