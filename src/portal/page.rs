//! What every page shares: its frame, how it becomes an answer, and the page for what went wrong.

use std::any::Any;

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::access::person::Person;
use crate::account::error::AccountError;

/// What the layout shows around a page.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// What the page is called.
    pub title: &'static str,
    /// Who is signed in.
    pub who: Option<Who>,
}

/// Who is signed in, as the layout shows them.
#[derive(Debug, Clone)]
pub struct Who {
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: &'static str,
    /// Proves that a form of theirs comes from one of our pages.
    pub csrf: String,
}

impl Frame {
    /// The frame for somebody who is not signed in.
    pub fn of_visitor(title: &'static str) -> Self {
        Self { title, who: None }
    }

    /// The frame for somebody who is.
    pub fn of_person(title: &'static str, person: &Person, csrf: &str) -> Self {
        let who = Who {
            name: person.name.clone(),
            role: person.role.name(),
            csrf: csrf.to_owned(),
        };
        Self {
            title,
            who: Some(who),
        }
    }
}

/// A page that is shown.
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page cannot be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// A page with another status than 200.
pub fn with_status<T: Template>(status: StatusCode, page: T) -> Response {
    let mut response = Page(page).into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

/// Sends the browser to another page of ours, by GET.
pub fn go_to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A bug: the page says so, and the log has the place.
pub fn panicked(_said: Box<dyn Any + Send>) -> Response {
    let text = "Something went wrong on our side. Please try again.";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Our mistake", text).into_response()
}

/// The page for what went wrong.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    text: String,
}

/// What went wrong, for whoever sits in front of it.
#[derive(Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// What the page is called.
    pub title: &'static str,
    /// What happened, and what to do now.
    pub text: String,
    retry_seconds: Option<u64>,
}

impl Problem {
    /// A problem.
    pub fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            title,
            text: text.into(),
            retry_seconds: None,
        }
    }

    /// A form that does not come from a page that this browser was shown, or too late.
    pub fn stale_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Please try again",
            "This form was open for too long, or did not come from our page. Go back, reload the \
             page and send it again.",
        )
    }

    /// Something may not be done by who asks for it.
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Not for this account",
            "Your account may not see this page.",
        )
    }

    /// The server cannot do it now; the cause is for the log.
    pub fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a page cannot be shown");
        Self {
            retry_seconds: Some(30),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Not possible right now",
                "Something on our side does not work at this moment. Please try again in a minute.",
            )
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let title = "That did not work";
        match error {
            AccountError::Refused => {
                Self::new(StatusCode::UNAUTHORIZED, title, "This is not right.")
            }
            AccountError::Locked { wait_seconds } => Self {
                retry_seconds: Some(wait_seconds),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, title, wait(wait_seconds))
            },
            AccountError::Link => Self::new(
                StatusCode::GONE,
                "This link no longer works",
                "Each link works once and for a limited time. Ask for a new one.",
            ),
            AccountError::Unusable(text) => Self::new(StatusCode::BAD_REQUEST, title, text),
            AccountError::Unknown => Self::new(StatusCode::NOT_FOUND, title, "It is not there."),
            AccountError::Busy => Self {
                retry_seconds: Some(5),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    title,
                    "Many people are signing in at this moment. Please try again shortly.",
                )
            },
            AccountError::Unavailable(cause) => Self::unavailable(&cause),
        }
    }
}

/// How long to wait, in words.
pub fn wait(seconds: u64) -> String {
    let time = match seconds {
        0..=1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    };
    format!("There were too many tries. Please wait {time}, then try again.")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let page = ProblemPage {
            frame: Frame::of_visitor(self.title),
            text: self.text,
        };
        let mut response = with_status(self.status, page);
        if let Some(seconds) = self.retry_seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
