//! Where people see to their own account: password, second step, and where they are signed in.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::account::accounts::Accounts;
use crate::account::error::AccountError;
use crate::http::state::AppState;
use crate::portal::form::SignedInForm;
use crate::portal::page::{Frame, Page, Problem, go_to, wait, with_status};
use crate::portal::second_factor::RecoveryPage;
use crate::portal::session::{self, SignedIn};
use crate::portal::words;

/// The routes of the page and its forms.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/account/security", get(show))
        .route("/account/password", post(change_password))
        .route("/account/recovery-codes", post(renew_recovery_codes))
        .route("/account/second-factor/remove", post(remove_factor))
        .route("/account/sessions/end", post(end_session))
        .route("/account/sessions/end-others", post(end_others))
}

/// What has just been done, for the page to say.
#[derive(Debug, Default, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    frame: Frame,
    csrf: String,
    sign_in_name: Option<String>,
    has_password: bool,
    has_app: bool,
    has_factor: bool,
    recovery_left: usize,
    passkeys: Vec<ShownPasskey>,
    chars_min: usize,
    problem: Option<String>,
    notice: Option<&'static str>,
    needs_factor: bool,
    sessions: Vec<ShownSession>,
}

struct ShownPasskey {
    id: String,
    name: String,
    since: String,
}

struct ShownSession {
    id: String,
    name: String,
    since: String,
    seen: String,
    is_this: bool,
}

async fn show(
    State(state): State<AppState>,
    Query(done): Query<Done>,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let notice = match done.done.as_str() {
        "recovery" => Some(
            "You used a recovery code, which does not work again. Make new ones when few are left.",
        ),
        "password" => Some("Your password is changed. You are signed out everywhere else."),
        "removed" => Some("It is removed."),
        "ended" => Some("You are signed out there."),
        _ => None,
    };
    let page = page(&accounts, signed_in, None, notice).await?;
    Ok(Page(page).into_response())
}

async fn page(
    accounts: &Accounts,
    signed_in: SignedIn,
    problem: Option<String>,
    notice: Option<&'static str>,
) -> Result<SecurityPage, Problem> {
    let person = &signed_in.person;
    let sessions = accounts.sessions(&person.id).await?;
    let sessions = sessions.into_iter().map(|one| ShownSession {
        is_this: one.id == signed_in.session_id,
        name: words::browser(&one.agent),
        since: words::moment(one.created_ms),
        seen: words::moment(one.seen_ms),
        id: one.id,
    });
    let factors = accounts.factors(person).await?;
    let passkeys = factors.passkeys.iter().map(|kept| ShownPasskey {
        id: kept.id.clone(),
        name: kept.name.clone(),
        since: words::moment(kept.created_ms),
    });
    let passkeys = passkeys.collect();
    Ok(SecurityPage {
        frame: Frame::of_person("Password and security", person, &signed_in.csrf),
        has_factor: factors.has_factor(),
        sign_in_name: factors.sign_in_name,
        has_password: factors.has_password,
        has_app: factors.has_app,
        recovery_left: factors.recovery_left,
        passkeys,
        chars_min: accounts.password_chars_min(),
        problem,
        notice,
        needs_factor: person.role.needs_second_factor(),
        sessions: sessions.collect(),
        csrf: signed_in.csrf,
    })
}

/// Shows the page again with what was not right.
async fn again(
    accounts: &Accounts,
    form: SignedInForm,
    error: AccountError,
) -> Result<Response, Problem> {
    let (status, text) = match error {
        AccountError::Refused => (
            StatusCode::UNAUTHORIZED,
            "The password that you have now is not right. Nothing was changed.".to_owned(),
        ),
        AccountError::Locked { wait_seconds } => {
            (StatusCode::TOO_MANY_REQUESTS, wait(wait_seconds))
        }
        AccountError::Unusable(text) => (StatusCode::BAD_REQUEST, text),
        other => return Err(other.into()),
    };
    let page = page(accounts, form.signed_in, Some(text), None).await?;
    Ok(with_status(status, page))
}

async fn change_password(
    State(state): State<AppState>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let person = &form.signed_in.person;
    let (present, new) = (form.fields.get("password"), form.fields.get("new"));
    let from = (form.signed_in.session_id.as_str(), &form.origin);
    match accounts.change_password(person, (present, new), from).await {
        Ok(()) => Ok(go_to("/account/security?done=password")),
        Err(error) => again(&accounts, form, error).await,
    }
}

async fn renew_recovery_codes(
    State(state): State<AppState>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let person = &form.signed_in.person;
    let renewed = async {
        let password = form.fields.get("password");
        accounts.confirm_password(person, password).await?;
        accounts.renew_recovery_codes(person, &form.origin).await
    };
    match renewed.await {
        Ok(codes) => {
            let title = "Your recovery codes";
            Ok(Page(RecoveryPage {
                frame: Frame::of_person(title, person, &form.signed_in.csrf),
                codes,
                next: "/account/security".to_owned(),
            })
            .into_response())
        }
        Err(error) => again(&accounts, form, error).await,
    }
}

async fn remove_factor(
    State(state): State<AppState>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let person = &form.signed_in.person;
    let removed = async {
        let password = form.fields.get("password");
        accounts.confirm_password(person, password).await?;
        match form.fields.get("passkey") {
            "" => accounts.remove_totp(person, &form.origin).await,
            id => accounts.remove_passkey(person, id, &form.origin).await,
        }
    };
    match removed.await {
        Ok(()) => Ok(go_to("/account/security?done=removed")),
        Err(error) => again(&accounts, form, error).await,
    }
}

async fn end_session(
    State(state): State<AppState>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let person = &form.signed_in.person;
    let id = form.fields.get("session");
    accounts.end_own(person, id, &form.origin).await?;
    Ok(go_to("/account/security?done=ended"))
}

async fn end_others(
    State(state): State<AppState>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let SignedIn {
        person, session_id, ..
    } = &form.signed_in;
    accounts
        .end_others(person, session_id, &form.origin)
        .await?;
    Ok(go_to("/account/security?done=ended"))
}
