//! The second step of signing in: setting one up, and showing it.
//!
//! Codes of an authenticator app, recovery codes, and passkeys, whose script only fills the form.

use askama::Template;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use qrcodegen::{QrCode, QrCodeEcc};

use crate::account::accounts::Accounts;
use crate::account::error::AccountError;
use crate::account::factor::Shown;
use crate::account::session::Stage;
use crate::http::state::AppState;
use crate::portal::form::EnteredForm;
use crate::portal::page::{Frame, Page, Problem, go_to, wait, with_status};
use crate::portal::session::{self, Entered, is_local, with_next};
use crate::portal::sign_in::Next;
use crate::portal::words;

/// The routes of the second step.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/second-factor", get(ask).post(check))
        .route("/second-factor/new", get(offer).post(enrol))
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct AskPage {
    frame: Frame,
    csrf: String,
    next: String,
    problem: Option<String>,
    /// What the script of passkeys works with, when there is one to show.
    passkey_options: Option<String>,
}

#[derive(Template)]
#[template(path = "second_factor_new.html")]
struct OfferPage {
    frame: Frame,
    csrf: String,
    next: String,
    problem: Option<String>,
    /// Whether the sign-in goes on only with a second step.
    is_needed: bool,
    /// Whether the password has to be entered again.
    wants_password: bool,
    code: Drawn,
    secret: String,
    passkey_options: Option<String>,
}

/// Recovery codes, shown once.
#[derive(Template)]
#[template(path = "recovery_codes.html")]
pub struct RecoveryPage {
    /// The frame.
    pub frame: Frame,
    /// The codes.
    pub codes: Vec<String>,
    /// Where to go on.
    pub next: String,
}

/// A QR code as the path of an SVG, and the length of its sides.
struct Drawn {
    path: String,
    side: i32,
}

fn checked(next: String) -> String {
    if is_local(&next) { next } else { String::new() }
}

async fn ask(
    State(state): State<AppState>,
    Query(Next { next }): Query<Next>,
    request: Request,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    match Entered::of(&accounts, request.headers()).await? {
        Some(entered) => match entered.session.stage {
            Stage::NeedsFactor => show_ask(&accounts, &entered, next, None).await,
            Stage::NeedsEnrolment => Ok(go_to("/second-factor/new")),
            Stage::Full => Ok(go_to("/account")),
        },
        None => Ok(go_to(&with_next("/sign-in", Some(&next)))),
    }
}

async fn show_ask(
    accounts: &Accounts,
    entered: &Entered,
    next: String,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, Problem> {
    let (status, problem) = problem.unzip();
    let page = AskPage {
        frame: Frame::of_visitor("One more step"),
        csrf: entered.csrf.clone(),
        next: checked(next),
        problem,
        passkey_options: accounts.begin_passkey_sign_in(&entered.person).await?,
    };
    Ok(with_status(status.unwrap_or(StatusCode::OK), page))
}

async fn check(State(state): State<AppState>, form: EnteredForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let EnteredForm {
        entered,
        fields,
        origin,
    } = form;
    if entered.session.stage != Stage::NeedsFactor {
        return Ok(go_to("/account"));
    }
    let next = fields.get("next").to_owned();
    let person = &entered.person;
    let shown = match fields.get("credential") {
        "" => {
            accounts
                .show_factor(person, fields.get("code"), &origin)
                .await
        }
        credential => {
            let shown = accounts.finish_passkey_sign_in(person, credential, &origin);
            shown.await.map(|()| Shown::Usual)
        }
    };
    let place = match shown {
        Ok(Shown::Usual) if is_local(&next) => next,
        Ok(Shown::Usual) => "/account".to_owned(),
        Ok(Shown::Recovery) => "/account/security?done=recovery".to_owned(),
        Err(error) => {
            let problem = said(error)?;
            return show_ask(&accounts, &entered, next, Some(problem)).await;
        }
    };
    let begun = accounts.complete(entered.person, &origin).await?;
    Ok((session::keep(&accounts, begun.token), go_to(&place)).into_response())
}

/// What to say of what was shown and is not right.
fn said(error: AccountError) -> Result<(StatusCode, String), Problem> {
    match error {
        AccountError::Refused => Ok((
            StatusCode::UNAUTHORIZED,
            "This is not right. A code works once and for half a minute: wait for the next one and \
             try again."
                .to_owned(),
        )),
        AccountError::Locked { wait_seconds } => {
            Ok((StatusCode::TOO_MANY_REQUESTS, wait(wait_seconds)))
        }
        AccountError::Unusable(text) => Ok((StatusCode::BAD_REQUEST, text)),
        other => Err(other.into()),
    }
}

async fn offer(
    State(state): State<AppState>,
    Query(Next { next }): Query<Next>,
    request: Request,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    match Entered::of(&accounts, request.headers()).await? {
        Some(entered) if entered.session.stage != Stage::NeedsFactor => {
            show_offer(&accounts, &entered, next, None).await
        }
        Some(_) => Ok(go_to("/second-factor")),
        None => Ok(go_to(&with_next("/sign-in", Some(&next)))),
    }
}

async fn show_offer(
    accounts: &Accounts,
    entered: &Entered,
    next: String,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, Problem> {
    let person = &entered.person;
    let enrolment = accounts.begin_totp(person).await?;
    let is_needed = entered.session.stage == Stage::NeedsEnrolment;
    let title = "Protect your account";
    let frame = if is_needed {
        Frame::of_visitor(title)
    } else {
        Frame::of_person(title, person, &entered.csrf)
    };
    let (status, problem) = problem.unzip();
    let page = OfferPage {
        frame,
        csrf: entered.csrf.clone(),
        next: checked(next),
        problem,
        is_needed,
        wants_password: !is_needed && accounts.factors(person).await?.has_password,
        code: drawn(&enrolment.url)?,
        secret: enrolment.secret,
        passkey_options: accounts.begin_passkey(person).await?,
    };
    Ok(with_status(status.unwrap_or(StatusCode::OK), page))
}

async fn enrol(State(state): State<AppState>, form: EnteredForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    if form.entered.session.stage == Stage::NeedsFactor {
        return Ok(go_to("/second-factor"));
    }
    let codes = enrolled(&accounts, &form).await;
    let EnteredForm {
        entered,
        fields,
        origin,
    } = form;
    let next = fields.get("next").to_owned();
    let codes = match codes {
        Ok(codes) => codes,
        Err(error) => {
            let problem = said(error)?;
            return show_offer(&accounts, &entered, next, Some(problem)).await;
        }
    };
    let begun = accounts.complete(entered.person, &origin).await?;
    let next = if is_local(&next) {
        next
    } else {
        "/account".to_owned()
    };
    let kept = session::keep(&accounts, begun.token);
    if codes.is_empty() {
        return Ok((kept, go_to(&next)).into_response());
    }
    let page = RecoveryPage {
        frame: Frame::of_visitor("Your recovery codes"),
        codes,
        next,
    };
    Ok((kept, Page(page)).into_response())
}

/// Sets up what the form brings; whoever is signed in already enters the password as well.
async fn enrolled(accounts: &Accounts, form: &EnteredForm) -> Result<Vec<String>, AccountError> {
    let (person, fields) = (&form.entered.person, &form.fields);
    if form.entered.session.stage == Stage::Full {
        let password = fields.get("password");
        accounts.confirm_password(person, password).await?;
    }
    match fields.get("credential") {
        "" => {
            let code = fields.get("code");
            accounts.confirm_totp(person, code, &form.origin).await
        }
        credential => {
            let name = words::browser(&form.origin.agent);
            let from = (name.as_str(), &form.origin);
            accounts.finish_passkey(person, credential, from).await
        }
    }
}

/// Draws a code as squares of one path, with the quiet zone around it that readers need.
fn drawn(text: &str) -> Result<Drawn, Problem> {
    const QUIET: i32 = 4;
    let code = QrCode::encode_text(text, QrCodeEcc::Medium);
    let code = code.map_err(|error| Problem::unavailable(&error))?;
    let size = code.size();
    let squares = (0..size).flat_map(|y| (0..size).map(move |x| (x, y)));
    let dark = squares.filter(|(x, y)| code.get_module(*x, *y));
    let mut path = String::new();
    for (x, y) in dark {
        let (x, y) = ((x + QUIET).to_string(), (y + QUIET).to_string());
        path.extend(["M", &x, ",", &y, "h1v1h-1z"]);
    }
    Ok(Drawn {
        path,
        side: size + 2 * QUIET,
    })
}

#[cfg(test)]
mod tests {
    use super::drawn;

    #[test]
    fn a_code_has_a_quiet_zone() {
        let code = drawn("otpauth://totp/Vesta:ada?secret=GEZDGNBV&issuer=Vesta").unwrap();
        assert!(code.path.starts_with("M4,4h1v1h-1z"));
        assert_eq!((code.side - 8 - 17) % 4, 0);
    }
}
