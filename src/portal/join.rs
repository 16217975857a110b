//! The pages by which people come to an account: registration, invitation, a forgotten password,
//! and connecting an account with a record.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use crate::account::accounts::Accounts;
use crate::account::error::AccountError;
use crate::account::join::{CONNECT_PATH, INVITATION_PATH, REGISTRATION_PATH, RESET_PATH};
use crate::account::link::Purpose;
use crate::http::state::AppState;
use crate::portal::form::{SignedInForm, VisitorForm};
use crate::portal::page::{Frame, Page, Problem, go_to, with_status};
use crate::portal::session::{self, SignedIn, Visitor};
use crate::portal::sign_in::onwards;

/// The routes of these pages.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/register", get(show_register).post(register))
        .route("/forgot-password", get(show_forgot).post(forgot))
        .route(REGISTRATION_PATH, get(show_choose).post(choose))
        .route(INVITATION_PATH, get(show_choose).post(choose))
        .route(RESET_PATH, get(show_choose).post(choose))
        .route(CONNECT_PATH, get(show_connect).post(connect))
}

/// The token of a link.
#[derive(Debug, Deserialize)]
struct Token {
    #[serde(default)]
    t: String,
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    frame: Frame,
    csrf: String,
    name: String,
    email: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "forgot_password.html")]
struct ForgotPage {
    frame: Frame,
    csrf: String,
}

#[derive(Template)]
#[template(path = "look_for_mail.html")]
struct MailPage {
    frame: Frame,
    lead: &'static str,
}

#[derive(Template)]
#[template(path = "choose_password.html")]
struct ChoosePage {
    frame: Frame,
    csrf: String,
    token: String,
    /// Where the form goes.
    path: &'static str,
    lead: &'static str,
    chars_min: usize,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectPage {
    frame: Frame,
    csrf: String,
    token: String,
    name: String,
}

fn registering(state: &AppState) -> Result<std::sync::Arc<Accounts>, Problem> {
    let accounts = session::accounts(state)?;
    if accounts.takes_registrations() {
        return Ok(accounts);
    }
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        "No registration here",
        "Accounts are made by your practice or hospital. Ask there for an invitation.",
    ))
}

async fn show_register(
    State(state): State<AppState>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    registering(&state)?;
    let page = RegisterPage {
        frame: Frame::of_visitor("Create your account"),
        csrf: visitor.csrf,
        name: String::new(),
        email: String::new(),
        problem: None,
    };
    Ok((visitor.jar, Page(page)).into_response())
}

async fn register(State(state): State<AppState>, form: VisitorForm) -> Result<Response, Problem> {
    let accounts = registering(&state)?;
    let (name, email) = (form.fields.get("name"), form.fields.get("email"));
    match accounts.ask_to_register(name, email, &form.origin).await {
        Ok(()) => Ok(Page(MailPage {
            frame: Frame::of_visitor("Look for our e-mail"),
            lead: "We have sent a message to the address that you entered. Open the link in it to \
                   choose your password.",
        })
        .into_response()),
        Err(AccountError::Unusable(text)) => {
            let page = RegisterPage {
                frame: Frame::of_visitor("Create your account"),
                csrf: form.visitor.csrf,
                name: name.to_owned(),
                email: email.to_owned(),
                problem: Some(text),
            };
            Ok(with_status(StatusCode::BAD_REQUEST, page))
        }
        Err(other) => Err(other.into()),
    }
}

async fn show_forgot(visitor: Visitor) -> Response {
    let page = ForgotPage {
        frame: Frame::of_visitor("Forgot your password?"),
        csrf: visitor.csrf,
    };
    (visitor.jar, Page(page)).into_response()
}

async fn forgot(State(state): State<AppState>, form: VisitorForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let name = form.fields.get("name");
    accounts.ask_to_reset(name, &form.origin).await?;
    Ok(Page(MailPage {
        frame: Frame::of_visitor("Look for our e-mail"),
        lead: "If there is an account with this name, we have sent a message to its address. Open \
               the link in it to choose a new password.",
    })
    .into_response())
}

/// What the page for a link is called, where its form goes and what it says.
fn shown(purpose: &Purpose) -> Result<(&'static str, &'static str, &'static str), AccountError> {
    match purpose {
        Purpose::Register { .. } => Ok((
            "Choose a password",
            REGISTRATION_PATH,
            "This is the last step. Afterwards you are signed in.",
        )),
        Purpose::Accept { .. } => Ok((
            "Welcome to Vesta",
            INVITATION_PATH,
            "Your account is ready. Choose the password that you want to sign in with.",
        )),
        Purpose::Reset { .. } => Ok((
            "Choose a new password",
            RESET_PATH,
            "The old one stops working, and you are signed out everywhere else.",
        )),
        Purpose::Connect { .. } => Err(AccountError::Link),
    }
}

async fn choose_page(
    accounts: &Accounts,
    token: &str,
    csrf: &str,
    problem: Option<String>,
) -> Result<ChoosePage, Problem> {
    let purpose = accounts.link(token).await?;
    let (title, path, lead) = shown(&purpose)?;
    Ok(ChoosePage {
        frame: Frame::of_visitor(title),
        csrf: csrf.to_owned(),
        token: token.to_owned(),
        path,
        lead,
        chars_min: accounts.password_chars_min(),
        problem,
    })
}

async fn show_choose(
    State(state): State<AppState>,
    Query(Token { t }): Query<Token>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let page = choose_page(&accounts, &t, &visitor.csrf, None).await?;
    Ok((visitor.jar, Page(page)).into_response())
}

async fn choose(State(state): State<AppState>, form: VisitorForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let fields = &form.fields;
    let (token, password) = (fields.get("t"), fields.get("password"));
    let joined = if fields.get("again") == password {
        accounts.join(token, password, &form.origin).await
    } else {
        Err(AccountError::Unusable(
            "The two passwords are not the same. Please enter the same one twice.".to_owned(),
        ))
    };
    match joined {
        Ok(begun) => Ok(onwards(&accounts, begun, "")),
        Err(AccountError::Unusable(text)) => {
            let csrf = &form.visitor.csrf;
            let page = choose_page(&accounts, token, csrf, Some(text)).await?;
            Ok(with_status(StatusCode::BAD_REQUEST, page))
        }
        Err(other) => Err(other.into()),
    }
}

async fn show_connect(
    State(state): State<AppState>,
    Query(Token { t }): Query<Token>,
    signed_in: SignedIn,
) -> Result<Page<ConnectPage>, Problem> {
    let accounts = session::accounts(&state)?;
    let Purpose::Connect { .. } = accounts.link(&t).await? else {
        return Err(AccountError::Link.into());
    };
    let title = "Connect your health record";
    Ok(Page(ConnectPage {
        frame: Frame::of_person(title, &signed_in.person, &signed_in.csrf),
        csrf: signed_in.csrf,
        token: t,
        name: signed_in.person.name,
    }))
}

async fn connect(State(state): State<AppState>, form: SignedInForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let person = &form.signed_in.person;
    let token = form.fields.get("t");
    accounts.connect(person, token, &form.origin).await?;
    Ok(go_to("/account"))
}
