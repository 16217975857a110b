//! The `Prefer` header: what a write answers with, and how strictly a search is read.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#ops>, RFC 7240.

use http::HeaderMap;
use http::header::HeaderName;

use crate::interaction::search::Strictness;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What a write answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// Headers only.
    Minimal,
    /// The resource as it was stored.
    Representation,
    /// An `OperationOutcome`.
    OperationOutcome,
}

/// The preferences that this server knows; others are ignored, as RFC 7240 asks.
#[derive(Debug, Clone, Copy)]
pub struct Prefer {
    /// What a write answers with; `None` when the client does not say.
    pub return_: Option<Return>,
    /// How strictly a search is read.
    pub strictness: Strictness,
}

impl Prefer {
    /// Whether the client says that it wants this.
    pub fn asks_for(&self, wanted: Return) -> bool {
        self.return_ == Some(wanted)
    }

    /// Reads the header.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self {
            return_: None,
            strictness: Strictness::Strict,
        };
        for value in headers.get_all(PREFER) {
            let text = value.to_str().unwrap_or_default();
            for preference in text.split([',', ';']).map(str::trim) {
                match preference {
                    "return=minimal" => prefer.return_ = Some(Return::Minimal),
                    "return=representation" => prefer.return_ = Some(Return::Representation),
                    "return=OperationOutcome" => prefer.return_ = Some(Return::OperationOutcome),
                    "handling=lenient" => prefer.strictness = Strictness::Lenient,
                    "handling=strict" => prefer.strictness = Strictness::Strict,
                    _ => {}
                }
            }
        }
        prefer
    }
}
