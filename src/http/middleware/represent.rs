//! Gives answers the representation that the client accepts, in one place for all routes.
//!
//! Refusals get one as well; what a 5xx hides from the client goes to the log, once, from here.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::fhir::json;
use crate::fhir::subset::Subset;
use crate::fhir::xml;
use crate::http::format::{Format, View};
use crate::http::middleware::admit::Entrance;
use crate::http::middleware::observe::RequestId;
use crate::http::payload::{Payload, Rejection};
use crate::http::state::AppState;
use crate::http::{body, content};
use crate::outcome::kind::Kind;
use crate::outcome::{self, Outcome};

/// Seconds after which a client may try again what the store could not take.
const RETRY_SECONDS: u64 = 2;

/// The middleware; nothing is done for a request that the entrance does not admit.
pub async fn represent(
    State((state, entrance)): State<(AppState, Entrance)>,
    request: Request,
    next: Next,
) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .unwrap_or_default();
    let challenge = challenge(&state, request.headers());
    let query = request.uri().query().unwrap_or_default();
    let (view, unacceptable) = match View::negotiate(request.headers(), query) {
        Ok(view) => (view, None),
        // The content of a Binary may be what is accepted.
        Err(outcome) if content::may_be_read(&request) => (View::plain(), Some(outcome)),
        Err(outcome) => return refused(&state, &View::plain(), &id, outcome),
    };
    let _place = match entrance.admit(&request) {
        Ok(place) => place,
        Err(outcome) => return refused(&state, &view, &id, outcome),
    };
    let mut response = next.run(request).await;
    if let Some(Rejection(outcome)) = response.extensions_mut().remove::<Rejection>() {
        let kind = outcome.kind;
        let mut response = refused(&state, &view, &id, outcome);
        if let Some(value) = challenge.and_then(|challenge| challenge.of(kind)) {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        return response;
    }
    if let Some(mut payload) = response.extensions_mut().remove::<Payload>() {
        if let Some(outcome) = unacceptable.filter(|_| payload.json.is_some()) {
            return refused(&state, &view, &id, outcome);
        }
        let view = payload.view.take().unwrap_or(view);
        return shown(&state, view, payload)
            .await
            .unwrap_or_else(|outcome| refused(&state, &View::plain(), &id, outcome));
    }
    let status = response.status();
    let is_bare = response.headers().get(CONTENT_TYPE).is_none()
        && (status.is_client_error() || status == StatusCode::GATEWAY_TIMEOUT);
    if is_bare || status == StatusCode::UNPROCESSABLE_ENTITY {
        return bare(&state, &view, &id, &response);
    }
    response
}

/// How a client that may not in is told what it lacks, RFC 6750 section 3.
#[derive(Clone, Copy)]
struct Challenge {
    has_token: bool,
}

impl Challenge {
    fn of(self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Unauthenticated if self.has_token => {
                Some("Bearer realm=\"vesta\", error=\"invalid_token\"")
            }
            Kind::Unauthenticated => Some("Bearer realm=\"vesta\""),
            Kind::Forbidden => Some("Bearer realm=\"vesta\", error=\"insufficient_scope\""),
            _ => None,
        }
    }
}

fn challenge(state: &AppState, headers: &HeaderMap) -> Option<Challenge> {
    state.authority.as_ref()?;
    Some(Challenge {
        has_token: headers.contains_key(AUTHORIZATION),
    })
}

/// Routing failures come without a body: they get an outcome like every other failure.
fn bare(state: &AppState, view: &View, id: &RequestId, response: &Response) -> Response {
    let outcome = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Outcome::new(
            Kind::MethodNotAllowed,
            "This URL does not take this HTTP method.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Outcome::new(
            Kind::UnsupportedMediaType,
            "Content-Encoding must be gzip, br, zstd or identity.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Outcome::new(Kind::TooLarge, "The body is too large."),
        StatusCode::GATEWAY_TIMEOUT => Outcome::new(
            Kind::Timeout,
            "The request took longer than it may. A write may have happened: read before trying \
             again.",
        ),
        _ => Outcome::new(Kind::NotFound, "There is nothing at this URL."),
    };
    let mut answer = refused(state, view, id, outcome);
    if let Some(allow) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, allow.clone());
    }
    answer
}

/// Logs what a 5xx hides from the client, and gives the client the id to ask for it by.
pub fn traced(id: &RequestId, mut outcome: Outcome) -> Outcome {
    if outcome.kind.status() >= 500 {
        let source = outcome.source.as_deref().unwrap_or("none given");
        tracing::error!(request = %id, kind = ?outcome.kind, source, "request failed");
        if let Some(first) = outcome.issues.first_mut() {
            first.diagnostics = format!("{} (request {id})", first.diagnostics);
        }
    }
    outcome
}

fn refused(state: &AppState, view: &View, id: &RequestId, outcome: Outcome) -> Response {
    let outcome = traced(id, outcome);
    let retry_seconds = match outcome.kind {
        Kind::Unavailable => Some(outcome.retry_seconds.unwrap_or(RETRY_SECONDS)),
        _ => outcome.retry_seconds,
    };
    let issues = outcome.issues;
    let status = StatusCode::from_u16(outcome.kind.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let payload = Payload::of_issues(status, &issues);
    let view = View {
        subset: Subset::Whole,
        ..view.clone()
    };
    let mut response = write(state, &view, payload).unwrap_or_else(|_unwritable| {
        (status, Bytes::from(outcome::to_json(&issues))).into_response()
    });
    if let Some(seconds) = retry_seconds {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Writes a payload; one that has to be read and written anew takes its time by its size.
async fn shown(state: &AppState, view: View, payload: Payload) -> Result<Response, Outcome> {
    let is_as_stored = !view.is_pretty && view.format == Format::Json && view.subset.is_whole();
    let bytes = payload.json.as_ref().filter(|_| !is_as_stored);
    let bytes = bytes.map_or(0, Bytes::len);
    let state = state.clone();
    body::aside(bytes, async move { write(&state, &view, payload) }).await?
}

fn write(state: &AppState, view: &View, payload: Payload) -> Result<Response, Outcome> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = payload.status;
    let headers = response.headers_mut();
    for (name, value) in payload.headers {
        headers.insert(name, value);
    }
    let Some(json) = payload.json.filter(|json| !json.is_empty()) else {
        return Ok(response);
    };
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(view.format.content_type()),
    );
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    let subset = if payload.is_record {
        &view.subset
    } else {
        &Subset::Whole
    };
    let bytes = render(state, view, subset, json)?;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    *response.body_mut() = Body::from(bytes);
    Ok(response)
}

/// Stored bytes go out as they are unless the client wants to see them otherwise.
fn render(state: &AppState, view: &View, subset: &Subset, stored: Bytes) -> Result<Bytes, Outcome> {
    let shapes = state.ctx.registry.shapes();
    let mut compact = stored;
    if !subset.is_whole() || view.format == Format::Xml {
        let limits = json::Limits {
            depth_max: usize::MAX,
        };
        let resource = json::parse_resource(&compact, limits)
            .map_err(|error| Outcome::internal(format!("an answer cannot be read: {error}")))?;
        let mut object = resource.into_object();
        subset.apply(&mut object, shapes);
        if view.format == Format::Xml {
            let write = if view.is_pretty {
                xml::to_vec_pretty
            } else {
                xml::to_vec
            };
            let bytes = write(&object, shapes)
                .map_err(|error| Outcome::internal(format!("writing XML: {error}")))?;
            return Ok(bytes.into());
        }
        let mut out = Vec::with_capacity(compact.len());
        json::write_object(&mut out, &object);
        compact = out.into();
    }
    Ok(if view.is_pretty {
        json::pretty(&compact).into()
    } else {
        compact
    })
}

#[cfg(test)]
mod tests {
    use super::{RequestId, traced};
    use crate::outcome::Outcome;
    use crate::outcome::kind::Kind;

    #[test]
    fn only_what_is_hidden_carries_the_request_id() {
        let id = RequestId::from("abc");
        let hidden = traced(&id, Outcome::internal("a secret"));
        assert!(hidden.issues[0].diagnostics.ends_with("(request abc)"));
        let plain = traced(&id, Outcome::new(Kind::Invalid, "plain"));
        assert_eq!(plain.issues[0].diagnostics, "plain");
    }
}
