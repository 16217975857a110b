//! The way to an outside provider and back, for people who sign in there.

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use crate::account::error::AccountError;
use crate::account::outside::CALLBACK_PATH;
use crate::http::state::AppState;
use crate::portal::page::Problem;
use crate::portal::session::{self, Visitor, is_local};
use crate::portal::sign_in::{Next, onwards};

/// Where the way to the provider begins.
pub const PROVIDER_PATH: &str = "/sign-in/provider";

/// The routes of the way there and back.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(PROVIDER_PATH, get(go))
        .route(CALLBACK_PATH, get(arrive))
}

/// What the provider sends the browser back with.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
}

async fn go(
    State(state): State<AppState>,
    Query(Next { next }): Query<Next>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let next = if is_local(&next) { next } else { String::new() };
    let place = accounts.go_outside(&next, &visitor.csrf).await?;
    Ok((visitor.jar, Redirect::to(&place)).into_response())
}

async fn arrive(
    State(state): State<AppState>,
    Query(answer): Query<Answer>,
    request: Request,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let (parts, _body) = request.into_parts();
    if !answer.error.is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "You were not signed in",
            "The sign-in was broken off where it took place. You can try it again.",
        ));
    }
    let visitor = Visitor::known(&accounts, &parts.headers).ok_or(AccountError::Link)?;
    let origin = session::origin(&accounts, &parts);
    let back = (answer.state.as_str(), answer.code.as_str());
    let arrived = accounts.arrive(back, &visitor.csrf, &origin).await?;
    Ok(onwards(&accounts, arrived.begun, &arrived.next))
}
