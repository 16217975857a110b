//! The authorization endpoint: where an app sends a person's browser.
//!
//! What is not in order is told on a page until it is proved where the app's answers go, and to the
//! app from then on. Spec: RFC 6749 section 3.1,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};

use crate::http::oauth::{self, Peer};
use crate::http::state::AppState;
use crate::portal::page::{Problem, go_to};
use crate::portal::routes::POLICY;
use crate::smart::authority::{AUTHORIZATION_PATH, Authority};
use crate::smart::authorize::Refused;
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;

/// Where the forms of pages that end at an app may lead.
const LEADING_OUT: &str = "form-action 'self' https: http://localhost:* http://127.0.0.1:*";

/// The routes of the endpoint.
pub fn routes() -> Router<AppState> {
    Router::new().route(AUTHORIZATION_PATH, get(by_link).post(by_form))
}

/// The authorization server of a server that has one.
pub(super) fn authority(state: &AppState) -> Result<Arc<Authority>, Problem> {
    let authority = state.authority.as_ref().map(Arc::clone);
    authority.ok_or_else(|| {
        let text = "Apps cannot be connected with this server.";
        Problem::new(StatusCode::NOT_FOUND, "Not here", text)
    })
}

async fn by_link(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let peer = Peer::of(&request);
    let form = Form::read(&query.unwrap_or_default()).map_err(|error| problem(&error))?;
    begin(&state, &form, peer).await
}

async fn by_form(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let peer = Peer::of(&request);
    let (parts, body) = request.into_parts();
    let form = oauth::form(&parts.headers, body).await;
    begin(&state, &form.map_err(|error| problem(&error))?, peer).await
}

async fn begin(state: &AppState, form: &Form, Peer(address): Peer) -> Result<Response, Problem> {
    let authority = authority(state)?;
    authority
        .count_address(address)
        .map_err(|error| problem(&error))?;
    match authority.begin_authorization(form).await {
        Ok(request_id) => Ok(go_to(&super::consent::path(&request_id))),
        Err(refused) => told(refused),
    }
}

/// Tells the app, or the person in front of the page, that a request comes to nothing.
pub(super) fn told(refused: Refused) -> Result<Response, Problem> {
    match refused {
        Refused::Client { url, error } => {
            let code = error.code.name();
            tracing::info!(code, "an authorization request was refused");
            Ok(go_to(&url))
        }
        Refused::Page(error) => Err(problem(&error)),
    }
}

/// A page whose form ends at an app. Browsers follow a form's redirects only to where they may, and
/// apps send them on: to any host by TLS, to this machine, and to the app's own scheme.
pub(super) fn leading_out(target: &str, page: impl IntoResponse) -> Response {
    let allowed = format!("{LEADING_OUT} {target}");
    let policy = POLICY.replace("form-action 'self'", allowed.trim_end());
    let mut response = page.into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The page for what went wrong with an app.
pub(super) fn problem(error: &OauthError) -> Problem {
    if error.code.status() >= 500 {
        return Problem::unavailable(&error.source.as_deref().unwrap_or(error.description));
    }
    let status = match error.code {
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::AccessDenied => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let title = "This app could not be connected";
    Problem::new(status, title, error.description)
}
