//! `/hl7v2`: HL7 v2 messages over HTTP, for senders without MLLP, and what became of messages.
//!
//! One message or a batch file comes in, and acknowledgements go out in the same form. Outside of
//! the FHIR router: nothing here is FHIR, and no format is negotiated.
//! Spec: HL7 v2.5.1 section 2.10.3; `docs/hl7v2.md`.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Grant, Intent};
use crate::api::fhir::locate::Caller;
use crate::hl7v2::ack::Verdict;
use crate::hl7v2::batch;
use crate::http::body;
use crate::http::format;
use crate::http::payload::Rejection;
use crate::http::state::AppState;
use crate::ingest::oversee::Decision;
use crate::ingest::record::State as Became;
use crate::outcome::kind::Kind;
use crate::outcome::{self, Outcome};

/// What messages are sent as.
const HL7V2: [&str; 3] = [
    "application/hl7-v2",
    "x-application/hl7-v2+er7",
    "text/plain",
];

/// The routes at the root.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/hl7v2", post(take))
        .route("/hl7v2/messages", get(list))
        .route("/hl7v2/messages/{id}", get(show))
        .route("/hl7v2/messages/{id}/{decision}", post(decide))
}

/// A refusal, as an `OperationOutcome`.
struct Refused(Outcome);

impl From<Outcome> for Refused {
    fn from(outcome: Outcome) -> Self {
        Self(outcome)
    }
}

impl From<Rejection> for Refused {
    fn from(Rejection(outcome): Rejection) -> Self {
        Self(outcome)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(outcome) = self;
        if outcome.kind.status() >= 500 {
            let source = outcome.source.as_deref().unwrap_or("none given");
            tracing::error!(kind = ?outcome.kind, source, "an HL7 v2 request failed");
        }
        let status = StatusCode::from_u16(outcome.kind.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = outcome::to_json(&outcome.issues);
        let mut response =
            (status, [(CONTENT_TYPE, "application/fhir+json")], body).into_response();
        if outcome.kind == Kind::Unauthenticated {
            let challenge = http::HeaderValue::from_static("Bearer realm=\"vesta\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

type Asked = Result<Caller, Rejection>;

/// Takes a message, or all messages of a batch.
async fn take(caller: Asked, headers: HeaderMap, sent: Body) -> Result<Response, Refused> {
    let caller = caller?;
    caller.grant(Intent::Ingest)?;
    let mime = format::content_mime(&headers)?;
    if !HL7V2.contains(&mime.as_str()) {
        let text = "Send messages as application/hl7-v2.";
        return Err(Outcome::new(Kind::UnsupportedMediaType, text).into());
    }
    let sent = body::read(&caller.state, sent).await?;
    let is_batch = batch::is_batch(&sent);
    let messages = batch::messages(&sent);
    if !is_batch && messages.len() <= 1 {
        let (verdict, answer) = answer(&caller.state, &sent).await;
        let status = match verdict {
            Verdict::Accept => StatusCode::OK,
            Verdict::Error | Verdict::Reject => StatusCode::BAD_REQUEST,
        };
        return Ok((status, [(CONTENT_TYPE, "application/hl7-v2")], answer).into_response());
    }
    // One after the other: a batch is in the order in which things happened.
    let mut answers = b"BHS|^~\\&\r".to_vec();
    for message in &messages {
        let (_, answer) = answer(&caller.state, message).await;
        answers.extend_from_slice(&answer);
    }
    answers.extend_from_slice(format!("BTS|{}\r", messages.len()).as_bytes());
    Ok((
        StatusCode::OK,
        [(CONTENT_TYPE, "application/hl7-v2")],
        answers,
    )
        .into_response())
}

/// Takes one message and waits for what comes of it.
async fn answer(state: &AppState, message: &[u8]) -> (Verdict, Bytes) {
    let ingest = &state.ingest;
    if message.len() > ingest.config().message_bytes_max {
        return (Verdict::Reject, ingest.refuse_too_large().into());
    }
    let taken = ingest.take(message).await;
    let Some(pending) = taken.later else {
        return (taken.verdict, taken.now.unwrap_or_default().into());
    };
    let (verdict, later) = pending.answer().await;
    (verdict, later.or(taken.now).unwrap_or_default().into())
}

/// Which messages to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    state: Became,
}

async fn list(caller: Asked, Query(listed): Query<Listed>) -> Result<Response, Refused> {
    let (caller, _grant) = overseer(caller)?;
    let messages = caller.state.ingest.list(listed.state).await?;
    Ok(shown(&json!({ "messages": messages })))
}

async fn show(caller: Asked, Path(id): Path<String>) -> Result<Response, Refused> {
    let (caller, _grant) = overseer(caller)?;
    Ok(shown(&caller.state.ingest.show(&id).await?))
}

async fn decide(
    caller: Asked,
    Path((id, decision)): Path<(String, Decision)>,
) -> Result<Response, Refused> {
    let (caller, _grant) = overseer(caller)?;
    Ok(shown(&caller.state.ingest.decide(&id, decision).await?))
}

fn overseer(caller: Asked) -> Result<(Caller, Grant), Refused> {
    let caller = caller?;
    let grant = caller.grant(Intent::OverseeIngest)?;
    Ok((caller, grant))
}

fn shown(value: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json")];
    (StatusCode::OK, headers, value.to_string()).into_response()
}
