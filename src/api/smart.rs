//! The routes of the authorization server, and the documents by which it is found.
//!
//! Mounted in `access = "smart"` only. The authorization endpoint is a page, with those of
//! `portal`. Spec: RFC 6749, RFC 7009, RFC 7591, RFC 7662, RFC 8414,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::audit::event::{Act, Agent, Event};
use crate::http::oauth::{self, OauthAnswer, Peer};
use crate::http::state::AppState;
use crate::smart::authority::{
    Authority, INTROSPECTION_PATH, JWKS_PATH, LAUNCH_PATH, REGISTRATION_PATH, REVOCATION_PATH,
    STYLE_PATH, TOKEN_PATH,
};
use crate::smart::credentials;
use crate::smart::discovery;
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
        .route(
            "/.well-known/openid-configuration",
            get(openid_configuration),
        )
        .route(JWKS_PATH, get(jwks))
        .route(STYLE_PATH, get(style))
        .route(TOKEN_PATH, post(token))
        .route(INTROSPECTION_PATH, post(introspect))
        .route(REVOCATION_PATH, post(revoke))
        .route(REGISTRATION_PATH, post(register))
        .route(LAUNCH_PATH, post(launch))
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

async fn openid_configuration(State(state): State<AppState>) -> OauthAnswer {
    OauthAnswer(authority(&state).map(|authority| authority.openid_configuration()))
}

async fn style() -> OauthAnswer {
    OauthAnswer(Ok(discovery::style()))
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
    let Peer(address) = Peer::of(&request);
    let (authority, form, _place) = read(state, request).await?;
    let claimed = credentials::claimed(&form).unwrap_or_default();
    match authority.token(&form).await {
        Ok(issued) => {
            let agent = Agent {
                person_id: issued.person_id,
                grant_id: issued.grant_id,
                ..Agent::client(&issued.client_id)
            };
            note(state, Event::success(Act::Token).by(agent.from(address))).await?;
            Ok(issued.answer)
        }
        Err(error) => {
            let agent = Agent::client(&claimed).from(address);
            note(
                state,
                Event::refused(Act::Token, error.code.name()).by(agent),
            )
            .await?;
            Err(error)
        }
    }
}

/// Writes down what was done, before it is told.
async fn note(state: &AppState, event: Event) -> Result<(), OauthError> {
    let recorded = state.journal.record(event).await;
    recorded.map_err(|error| OauthError::internal(&error))
}

async fn introspect(State(state): State<AppState>, request: Request) -> OauthAnswer {
    OauthAnswer(answer_introspection(&state, request).await)
}

async fn answer_introspection(state: &AppState, request: Request) -> Result<Value, OauthError> {
    let headers = request.headers().clone();
    let Peer(address) = Peer::of(&request);
    let bearer = if oauth::is_basic(&headers) {
        None
    } else {
        oauth::bearer(&headers).map_err(|error| OauthError::invalid_client(&error))?
    };
    let (authority, form, _place) = read(state, request).await?;
    let told = authority.introspect(&form, bearer).await?;
    let agent = Agent::client(&credentials::claimed(&form).unwrap_or_default());
    note(
        state,
        Event::success(Act::Introspection).by(agent.from(address)),
    )
    .await?;
    Ok(told)
}

async fn revoke(State(state): State<AppState>, request: Request) -> Response {
    match answer_revocation(&state, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => OauthAnswer(Err(error)).into_response(),
    }
}

async fn answer_revocation(state: &AppState, request: Request) -> Result<(), OauthError> {
    let Peer(address) = Peer::of(&request);
    let (authority, form, _place) = read(state, request).await?;
    authority.revoke(&form).await?;
    let agent = Agent::client(&credentials::claimed(&form).unwrap_or_default());
    note(state, Event::success(Act::Revoke).by(agent.from(address))).await
}

async fn register(State(state): State<AppState>, request: Request) -> Response {
    match answer_registration(&state, request).await {
        Ok(told) => (StatusCode::CREATED, OauthAnswer(Ok(told))).into_response(),
        Err(error) => OauthAnswer(Err(error)).into_response(),
    }
}

async fn answer_registration(state: &AppState, request: Request) -> Result<Value, OauthError> {
    let Peer(address) = Peer::of(&request);
    let (authority, _headers, body) = read_json(state, request).await?;
    let (client, told) = authority.register(&body).await?;
    let agent = Agent::client(&client.client_id).from(address);
    note(state, Event::success(Act::Client).by(agent)).await?;
    Ok(told)
}

async fn launch(State(state): State<AppState>, request: Request) -> Response {
    match answer_launch(&state, request).await {
        Ok(told) => (StatusCode::CREATED, OauthAnswer(Ok(told))).into_response(),
        Err(error) => OauthAnswer(Err(error)).into_response(),
    }
}

async fn answer_launch(state: &AppState, request: Request) -> Result<Value, OauthError> {
    let missing = || OauthError::new(Code::InvalidToken, "Send one access token.");
    let Peer(address) = Peer::of(&request);
    let (authority, headers, body) = read_json(state, request).await?;
    let bearer = oauth::bearer(&headers).map_err(|_several| missing())?;
    let bearer = bearer.ok_or_else(missing)?;
    let told = authority.launch_for_ehr(bearer, &body).await?;
    let event = Event::success(Act::Other).about("launch");
    note(state, event.by(Agent::default().from(address))).await?;
    Ok(told)
}

/// The JSON of a request.
async fn read_json(
    state: &AppState,
    request: Request,
) -> Result<(Arc<Authority>, HeaderMap, Bytes), OauthError> {
    let authority = authority(state)?;
    let Peer(address) = Peer::of(&request);
    authority.count_address(address)?;
    let (parts, body) = request.into_parts();
    let body = oauth::json(&parts.headers, body).await?;
    Ok((authority, parts.headers, body))
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
    let mut form = oauth::form(&parts.headers, body).await?;
    if let Some((client_id, secret)) = oauth::basic(&parts.headers)? {
        form.add_credentials(client_id, secret)?;
    }
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
