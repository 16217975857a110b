//! OAuth requests and answers: forms in, JSON out, never cached.
//!
//! Spec: RFC 6749 sections 3.2 and 5, RFC 6750 section 2.1.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};

use crate::fhir::query;
use crate::http::format;
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 << 10;

/// How long a form may take to arrive: it is small, and who sends it slowly keeps a place.
const FORM_TIME_MAX: Duration = Duration::from_secs(5);

/// Seconds after which who asked too often, or when the store was away, may ask again.
const RETRY_SECONDS: &str = "60";

/// The address at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Whose request it is; nobody's where the connection is not known.
    pub fn of(request: &Request) -> Self {
        let known = request.extensions().get::<Self>().copied();
        known.unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}

/// Reads the form of a request.
pub async fn form(headers: &HeaderMap, body: Body) -> Result<Form, OauthError> {
    let refuse = |text| OauthError::new(Code::InvalidRequest, text);
    if !is_of(headers, "application/x-www-form-urlencoded") {
        return Err(refuse(
            "Send the parameters as application/x-www-form-urlencoded.",
        ));
    }
    let bytes = collect(body).await?;
    let text = String::from_utf8(bytes.into());
    Form::read(&text.map_err(|_not_utf8| refuse("The form is not UTF-8."))?)
}

/// Reads the JSON of a request, unparsed.
pub async fn json(headers: &HeaderMap, body: Body) -> Result<Bytes, OauthError> {
    if !is_of(headers, "application/json") {
        let text = "Send the parameters as application/json.";
        return Err(OauthError::new(Code::InvalidRequest, text));
    }
    collect(body).await
}

fn is_of(headers: &HeaderMap, wanted: &str) -> bool {
    format::content_mime(headers).is_ok_and(|mime| mime == wanted)
}

async fn collect(body: Body) -> Result<Bytes, OauthError> {
    let refuse = |text| OauthError::new(Code::InvalidRequest, text);
    let reading = Limited::new(body, FORM_BYTES_MAX).collect();
    let read = tokio::time::timeout(FORM_TIME_MAX, reading).await;
    let read =
        read.map_err(|_elapsed| refuse("The form took more than five seconds to arrive."))?;
    let bytes = read.map_err(|_broken| refuse("The form is over 64 KiB, or ended early."))?;
    Ok(bytes.to_bytes())
}

/// Whether a request authenticates by name and password, as clients with a secret do.
pub fn is_basic(headers: &HeaderMap) -> bool {
    basic_text(headers).is_some()
}

fn basic_text(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Basic").then(|| rest.trim())
}

/// The id and secret of a client that authenticates by name and password. Both are in the
/// encoding of forms by RFC 6749; ids and secrets of this server look the same in it, so clients
/// that leave it out are understood as well.
pub fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OauthError> {
    let Some(encoded) = basic_text(headers) else {
        return Ok(None);
    };
    let malformed = || OauthError::invalid_client(&"Authorization is no name and password");
    let bytes = STANDARD.decode(encoded).map_err(|_other| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_other| malformed())?;
    let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
    let decode = |part: &str| {
        let pairs = query::pairs(&format!("part={part}"));
        let first = pairs.into_iter().next();
        first.map(|(_name, value)| value).ok_or_else(malformed)
    };
    Ok(Some((decode(id)?, decode(secret)?)))
}

/// What stands in `Authorization` is no bearer token, or there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Authorization holds something else than one bearer token")]
pub struct NoBearer;

/// The token of a request: none, or one.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, NoBearer> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_not_ascii| NoBearer)?;
    let (scheme, token) = text.split_once(' ').ok_or(NoBearer)?;
    let token = token.trim();
    let is_one = values.next().is_none() && scheme.eq_ignore_ascii_case("Bearer");
    (is_one && !token.is_empty())
        .then_some(Some(token))
        .ok_or(NoBearer)
}

/// What an OAuth endpoint answers with.
pub struct OauthAnswer(pub Result<Value, OauthError>);

impl IntoResponse for OauthAnswer {
    fn into_response(self) -> Response {
        let mut response = match self.0 {
            Ok(value) => value.to_string().into_response(),
            Err(error) => refused(&error),
        };
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(CONTENT_TYPE, "application/json");
        set(CACHE_CONTROL, "no-store");
        set(PRAGMA, "no-cache");
        response
    }
}

fn refused(error: &OauthError) -> Response {
    let source = error.source.as_deref().unwrap_or("none given");
    if error.code.status() >= 500 {
        tracing::error!(code = error.code.name(), source, "an OAuth request failed");
    } else {
        tracing::info!(
            code = error.code.name(),
            source,
            "an OAuth request was refused"
        );
    }
    let status = StatusCode::from_u16(error.code.status());
    let body = json!({ "error": error.code.name(), "error_description": error.description });
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    if matches!(
        error.code,
        Code::TooManyRequests | Code::TemporarilyUnavailable
    ) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    }
    if error.code == Code::InvalidClient {
        let challenge = HeaderValue::from_static("Basic realm=\"vesta\"");
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if error.code == Code::InvalidToken {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{NoBearer, bearer};

    fn read(values: &[&str]) -> Result<Option<String>, NoBearer> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", value.parse().unwrap());
        }
        bearer(&headers).map(|token| token.map(ToOwned::to_owned))
    }

    #[test]
    fn there_is_one_token_or_none() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Bearer abc"]), Ok(Some("abc".to_owned())));
        assert_eq!(read(&["bearer  abc "]), Ok(Some("abc".to_owned())));
        for wrong in [
            &["Basic abc"][..],
            &["Bearer"],
            &["Bearer "],
            &["abc"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(read(wrong), Err(NoBearer), "{wrong:?}");
        }
    }
}
