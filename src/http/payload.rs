//! Answers before they have a representation.
//!
//! Both kinds travel as a response extension; the format middleware writes the body.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ETAG, HeaderName, LAST_MODIFIED, LOCATION};
use http::{HeaderValue, StatusCode};

use crate::access::records::Stored;
use crate::http::format::View;
use crate::outcome::{self, Issue, Outcome};

/// A FHIR answer as JSON, with status and headers.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The status.
    pub status: StatusCode,
    /// The JSON of a resource; `None` for an empty body.
    pub json: Option<Bytes>,
    /// Headers beside those of the representation.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether `_summary` and `_elements` apply to it.
    pub is_record: bool,
    /// How the client wants to see it, when the URL alone does not tell.
    pub view: Option<View>,
}

impl Payload {
    /// A stored version with its `ETag` and `Last-Modified`.
    pub fn of_stored(status: StatusCode, stored: &Stored) -> Self {
        let mut payload = Self::of_json(status, stored.json.clone());
        payload.add(ETAG, &etag(stored.version.version_id));
        payload.add(LAST_MODIFIED, &stored.last_updated().to_http_date());
        payload
    }

    /// A resource that the server made for this answer, such as a Bundle.
    pub fn of_json(status: StatusCode, json: impl Into<Bytes>) -> Self {
        Self {
            status,
            json: Some(json.into()),
            headers: Vec::new(),
            is_record: true,
            view: None,
        }
    }

    /// No body.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            json: None,
            headers: Vec::new(),
            is_record: false,
            view: None,
        }
    }

    /// An `OperationOutcome`.
    pub fn of_issues(status: StatusCode, issues: &[Issue]) -> Self {
        let json = Some(outcome::to_json(issues).into());
        Self {
            status,
            json,
            headers: Vec::new(),
            is_record: false,
            view: None,
        }
    }

    /// Adds a header; a value that cannot stand in one is left out.
    pub fn add(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }

    /// Adds the `Location` of a version.
    pub fn add_location(&mut self, base_url: &str, stored: &Stored) {
        self.add(LOCATION, &location(base_url, stored));
    }
}

/// The entity tag of a version, weak as the FHIR page has it.
pub fn etag(version_id: i64) -> String {
    format!("W/\"{version_id}\"")
}

/// The URL of a version.
pub fn location(base_url: &str, stored: &Stored) -> String {
    let address = &stored.version.address;
    let version_id = stored.version.version_id;
    format!(
        "{base_url}/{}/{}/_history/{version_id}",
        address.resource_type, address.id
    )
}

/// A refused request.
#[derive(Debug, Clone)]
pub struct Rejection(pub Outcome);

impl From<Outcome> for Rejection {
    fn from(outcome: Outcome) -> Self {
        Self(outcome)
    }
}

/// What a handler gives back.
pub type Answer = Result<Payload, Rejection>;

impl IntoResponse for Payload {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind.status());
        let mut response = status
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response();
        response.extensions_mut().insert(self);
        response
    }
}
