//! The pages for signing in with name and password, and for signing out.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::account::accounts::Accounts;
use crate::account::error::AccountError;
use crate::account::session::{Begun, Stage};
use crate::http::state::AppState;
use crate::portal::form::{SignedInForm, VisitorForm};
use crate::portal::outside::PROVIDER_PATH;
use crate::portal::page::{Frame, Page, Problem, go_to, wait, with_status};
use crate::portal::session::{self, Visitor, is_local, with_next};

/// The routes for signing in and out.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/signed-out", get(signed_out))
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub struct Next {
    /// A place on this server.
    #[serde(default)]
    pub next: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    csrf: String,
    next: String,
    sign_in_name: String,
    problem: Option<String>,
    takes_registrations: bool,
    /// What an outside provider is called, and where the way to it begins.
    provider: Option<String>,
    provider_path: String,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    frame: Frame,
}

impl SignInPage {
    fn new(accounts: &Accounts, csrf: String, next: &str) -> Self {
        let next = if is_local(next) { next } else { "" };
        Self {
            frame: Frame::of_visitor("Sign in"),
            csrf,
            next: next.to_owned(),
            sign_in_name: String::new(),
            problem: None,
            takes_registrations: accounts.takes_registrations(),
            provider: accounts.provider_name().map(ToOwned::to_owned),
            provider_path: with_next(PROVIDER_PATH, Some(next)),
        }
    }
}

async fn show(
    State(state): State<AppState>,
    Query(Next { next }): Query<Next>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let page = SignInPage::new(&accounts, visitor.csrf, &next);
    Ok((visitor.jar, Page(page)).into_response())
}

async fn sign_in(State(state): State<AppState>, form: VisitorForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let fields = &form.fields;
    let (name, next) = (fields.get("name"), fields.get("next"));
    let tried = accounts.sign_in(name, fields.get("password"), &form.origin);
    let (status, text) = match tried.await {
        Ok(begun) => return Ok(onwards(&accounts, begun, next)),
        Err(AccountError::Refused) => (
            StatusCode::UNAUTHORIZED,
            "This name and this password do not belong together. Please check both and try again."
                .to_owned(),
        ),
        Err(AccountError::Locked { wait_seconds }) => {
            (StatusCode::TOO_MANY_REQUESTS, wait(wait_seconds))
        }
        Err(other) => return Err(other.into()),
    };
    let page = SignInPage {
        sign_in_name: name.to_owned(),
        problem: Some(text),
        ..SignInPage::new(&accounts, form.visitor.csrf, next)
    };
    Ok(with_status(status, page))
}

/// Where a sign-in goes on: to its second factor, to where it was going, or to the account.
pub(super) fn onwards(accounts: &Accounts, begun: Begun, next: &str) -> Response {
    let next = Some(next).filter(|next| is_local(next));
    let place = match begun.stage {
        Stage::Full => next.unwrap_or("/account").to_owned(),
        Stage::NeedsFactor => with_next("/second-factor", next),
        Stage::NeedsEnrolment => with_next("/second-factor/new", next),
    };
    (session::keep(accounts, begun.token), go_to(&place)).into_response()
}

async fn sign_out(State(state): State<AppState>, form: SignedInForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let person = &form.signed_in.person;
    accounts.sign_out(person, &form.origin).await?;
    Ok((session::forget(&accounts), go_to("/signed-out")).into_response())
}

async fn signed_out() -> Page<SignedOutPage> {
    Page(SignedOutPage {
        frame: Frame::of_visitor("You are signed out"),
    })
}
