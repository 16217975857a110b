//! A request id, one log line and the measurements of every request.
//!
//! Neither shows a URL: paths carry ids and queries carry names. The route's pattern is enough.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method};

use crate::http::middleware::audit::Pending;
use crate::http::state::AppState;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const PATCHES: &str = "application/json-patch+json, application/fhir+json, application/fhir+xml";
const REQUEST_ID_BYTES_MAX: usize = 64;

/// The id of a request: the client's own, or one of ours.
#[derive(Debug, Clone, Default)]
pub struct RequestId(Arc<str>);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for RequestId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl RequestId {
    fn of(request: &Request, state: &AppState) -> Self {
        let given = request
            .headers()
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        let usable = given.filter(|text| {
            !text.is_empty()
                && text.len() <= REQUEST_ID_BYTES_MAX
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        });
        match usable {
            Some(text) => Self(text.into()),
            None => Self(state.ctx.records.new_id().into()),
        }
    }
}

/// The middleware.
pub async fn observe(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(&request, &state);
    let pattern = request.extensions().get::<MatchedPath>().cloned();
    let name = interaction(
        request.method(),
        pattern.as_ref().map_or("", MatchedPath::as_str),
    );
    request.extensions_mut().insert(id.clone());
    permit_identity(request.headers_mut());
    let method = request.method().clone();
    let pattern = pattern.as_ref().map_or("", MatchedPath::as_str);
    let pending = Pending::begin(&state, &mut request, (name, pattern));
    let mut response = next.run(request).await;
    if let Some(pending) = pending {
        response = pending.settle(response).await;
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    // Patients' data must not stay in a shared machine's browser, nor become a page there.
    let status = response.status().as_u16();
    let headers = response.headers_mut();
    let is_wrong_patch = method == Method::PATCH && status == 415;
    if is_wrong_patch || method == Method::OPTIONS {
        headers.insert(ACCEPT_PATCH, HeaderValue::from_static(PATCHES));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let elapsed = started.elapsed();
    metrics::with_local_recorder(&*state.recorder, || {
        metrics::counter!(
            "vesta_requests_total", "interaction" => name, "status" => status.to_string()
        )
        .increment(1);
        metrics::histogram!("vesta_request_seconds", "interaction" => name)
            .record(elapsed.as_secs_f64());
    });
    tracing::debug!(request = %id, interaction = name, status, ?elapsed, "answered");
    response
}

/// Takes back what forbids an answer that is not compressed: refusing it would come too late, when
/// a write has happened already.
fn permit_identity(headers: &mut HeaderMap) {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let text: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    let text = text.join(",");
    let forbids = |item: &str| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let quality = weight.trim().strip_prefix("q=").unwrap_or("1");
        matches!(name.trim(), "identity" | "*")
            && quality
                .trim()
                .parse()
                .is_ok_and(|quality: f32| quality <= 0.0)
    };
    if !text.split(',').any(forbids) {
        return;
    }
    let kept: Vec<_> = text.split(',').filter(|item| !forbids(item)).collect();
    headers.remove(ACCEPT_ENCODING);
    if let Ok(value) = HeaderValue::from_str(&kept.join(",")) {
        headers.insert(ACCEPT_ENCODING, value);
    }
}

/// The FHIR name of what a method on a route does.
fn interaction(method: &Method, pattern: &str) -> &'static str {
    let verb = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    match (verb, pattern) {
        ("GET", "/fhir/{type}/{id}") => "read",
        ("PUT", "/fhir/{type}/{id}" | "/fhir/{type}") => "update",
        ("PATCH", "/fhir/{type}/{id}" | "/fhir/{type}") => "patch",
        ("DELETE", "/fhir/{type}/{id}" | "/fhir/{type}" | "/fhir") => "delete",
        ("POST", "/fhir/{type}") => "create",
        ("GET", "/fhir/{type}") | ("POST", "/fhir/{type}/_search") => "search-type",
        ("GET", "/fhir" | "/fhir/") | ("POST", "/fhir/_search") => "search-system",
        ("POST", "/fhir" | "/fhir/") => "bundle",
        ("GET", "/fhir/{type}/{id}/_history/{version_id}") => "vread",
        ("GET", "/fhir/{type}/{id}/_history") => "history-instance",
        ("GET", "/fhir/{type}/_history") => "history-type",
        ("GET", "/fhir/_history") => "history-system",
        ("GET", "/fhir/metadata") => "capabilities",
        ("POST", "/oauth/token") => "token",
        ("POST", "/oauth/introspect") => "introspect",
        ("POST", "/oauth/revoke") => "revoke",
        (_, pattern) if pattern.contains('$') => "operation",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::interaction;

    #[test]
    fn routes_have_fhir_names() {
        assert_eq!(interaction(&Method::HEAD, "/fhir/{type}/{id}"), "read");
        assert_eq!(interaction(&Method::POST, "/fhir"), "bundle");
        assert_eq!(interaction(&Method::GET, ""), "other");
    }
}
