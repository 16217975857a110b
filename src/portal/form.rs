//! Forms that were sent from our own pages, by the browser that was shown them.
//!
//! A form carries a token that only the page knows; where browsers say from which site it was sent,
//! that is looked at as well. What fails is not read further. Spec: OWASP Cross-Site Request
//! Forgery Prevention, the Fetch standard (`Origin`, `Sec-Fetch-Site`).

use std::time::Duration;

use aws_lc_rs::constant_time;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, ORIGIN};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};

use crate::account::accounts::Accounts;
use crate::account::sign_in::Origin;
use crate::fhir::query;
use crate::http::format;
use crate::http::state::AppState;
use crate::portal::page::Problem;
use crate::portal::session::{self, Entered, SignedIn, Visitor};

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 << 10;

/// Fields of a form.
const FIELDS_MAX: usize = 500;

/// How long a form may take to arrive.
const FORM_TIME_MAX: Duration = Duration::from_secs(10);

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The field that proves where a form comes from.
const CSRF: &str = "csrf";

/// The fields of a form.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field; empty when it is absent.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(found, _)| found == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// A form from somebody who is signed in.
#[derive(Debug)]
pub struct SignedInForm {
    /// Who it is.
    pub signed_in: SignedIn,
    /// What they entered.
    pub fields: Fields,
    /// From where.
    pub origin: Origin,
}

/// A form from somebody whose sign-in is under way.
#[derive(Debug)]
pub struct EnteredForm {
    /// Who it is, and how far they have come.
    pub entered: Entered,
    /// What they entered.
    pub fields: Fields,
    /// From where.
    pub origin: Origin,
}

/// A form from somebody who is not signed in.
#[derive(Debug)]
pub struct VisitorForm {
    /// What ties forms to their browser.
    pub visitor: Visitor,
    /// What they entered.
    pub fields: Fields,
    /// From where.
    pub origin: Origin,
}

impl FromRequest<AppState> for SignedInForm {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let accounts = session::accounts(state).map_err(IntoResponse::into_response)?;
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, state).await?;
        let origin = session::origin(&accounts, &parts);
        let request = Request::from_parts(parts, body);
        let fields = read(&accounts, request, &signed_in.csrf).await;
        Ok(Self {
            signed_in,
            fields: fields.map_err(IntoResponse::into_response)?,
            origin,
        })
    }
}

impl FromRequest<AppState> for EnteredForm {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let accounts = session::accounts(state)?;
        let (parts, body) = request.into_parts();
        let entered = Entered::of(&accounts, &parts.headers).await?;
        let entered = entered.ok_or_else(Problem::stale_form)?;
        let origin = session::origin(&accounts, &parts);
        let request = Request::from_parts(parts, body);
        Ok(Self {
            fields: read(&accounts, request, &entered.csrf).await?,
            entered,
            origin,
        })
    }
}

impl FromRequest<AppState> for VisitorForm {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let accounts = session::accounts(state)?;
        let known = Visitor::known(&accounts, request.headers());
        let visitor = known.ok_or_else(Problem::stale_form)?;
        let (parts, body) = request.into_parts();
        let origin = session::origin(&accounts, &parts);
        let request = Request::from_parts(parts, body);
        Ok(Self {
            fields: read(&accounts, request, &visitor.csrf).await?,
            visitor,
            origin,
        })
    }
}

/// The fields of a form that carries the right token and was not sent from another site.
async fn read(accounts: &Accounts, request: Request, csrf: &str) -> Result<Fields, Problem> {
    let (parts, body) = request.into_parts();
    if !is_own(&parts.headers, accounts.base_url()) {
        return Err(Problem::stale_form());
    }
    let unreadable = |text: &str| Problem::new(StatusCode::BAD_REQUEST, "That did not work", text);
    let is_form = parts.headers.contains_key(CONTENT_TYPE)
        && format::content_mime(&parts.headers)
            .is_ok_and(|mime| mime == "application/x-www-form-urlencoded");
    if !is_form {
        return Err(unreadable("This is no form that our pages send."));
    }
    let reading = Limited::new(body, FORM_BYTES_MAX).collect();
    let read = tokio::time::timeout(FORM_TIME_MAX, reading).await;
    let Ok(Ok(collected)) = read else {
        return Err(unreadable(
            "The form was too long, or took too long to arrive.",
        ));
    };
    let text = String::from_utf8(collected.to_bytes().into());
    let text = text.map_err(|_not_utf8| unreadable("The form cannot be read."))?;
    let fields = Fields(query::pairs(&text));
    if query::check(&text).is_err() || fields.0.len() > FIELDS_MAX {
        return Err(unreadable("The form cannot be read."));
    }
    let (sent, right) = (fields.get(CSRF).as_bytes(), csrf.as_bytes());
    if constant_time::verify_slices_are_equal(sent, right).is_err() {
        return Err(Problem::stale_form());
    }
    Ok(fields)
}

/// Whether a browser says that it was one of our own pages, or says nothing. Some send `null` as
/// the origin of a page that has no referrer.
fn is_own(headers: &HeaderMap, base_url: &str) -> bool {
    let site = headers.get(SEC_FETCH_SITE);
    let is_same_site = site.is_none_or(|site| site == "same-origin" || site == "none");
    let origin = headers.get(ORIGIN).filter(|origin| *origin != "null");
    let is_same_origin = origin.is_none_or(|origin| {
        let own = base_url.split_once("://").map_or("", |(_, rest)| rest);
        let own = own.split('/').next().unwrap_or_default();
        let sent = origin.to_str().unwrap_or_default();
        let sent = sent.split_once("://").map_or("", |(_, rest)| rest);
        sent.eq_ignore_ascii_case(own)
    });
    is_same_site && is_same_origin
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::is_own;

    #[test]
    fn forms_of_other_sites_are_known_by_what_browsers_say() {
        let own = |pairs: &[(&'static str, &str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            is_own(&headers, "https://vesta.example:8443/below")
        };
        assert!(own(&[]));
        assert!(own(&[("origin", "https://vesta.example:8443")]));
        assert!(own(&[
            ("origin", "null"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!own(&[("origin", "https://evil.example")]));
        assert!(!own(&[("origin", "https://vesta.example")]));
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
    }
}
