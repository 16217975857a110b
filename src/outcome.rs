//! The one error type of the FHIR side: what went wrong, in the client's words.
//!
//! Low layers have error enums of their own; they become an [`Outcome`] once. The HTTP layer maps
//! [`Kind`] to a status with [`kind::Kind::status`]. What the client may read is in the issues;
//! `source` is for the log only.
//! Spec: <https://hl7.org/fhir/R4/operationoutcome.html>.

pub mod kind;

use std::fmt;

use crate::outcome::kind::Kind;

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The interaction was refused because of it.
    Error,
    /// The interaction went on; the client should know.
    Warning,
    /// Nothing is wrong.
    Information,
}

impl Severity {
    /// The code of `OperationOutcome.issue.severity`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// One problem (or notice), as `OperationOutcome.issue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// A code of <https://hl7.org/fhir/R4/valueset-issue-type.html>.
    pub code: &'static str,
    /// Names the element, the reason and what would be right. Never shows patient data.
    pub diagnostics: String,
    /// `FHIRPath` locations, e.g. `Patient.name[0].family`.
    pub expression: Vec<String>,
}

impl Issue {
    /// An error.
    pub fn error(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            diagnostics: diagnostics.into(),
            expression: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, diagnostics)
        }
    }

    /// A notice.
    pub fn information(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self {
            severity: Severity::Information,
            ..Self::error(code, diagnostics)
        }
    }

    /// The same issue at a `FHIRPath` location.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression.push(expression.into());
        self
    }
}

/// What is told of a failure inside the server, which may come after a commit.
const INTERNAL_TEXT: &str =
    "The server failed. If this was a write, it may have happened: read before trying again.";

/// A failed interaction.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What kind of failure it is; decides the HTTP status.
    pub kind: Kind,
    /// What the client reads; never empty.
    pub issues: Vec<Issue>,
    /// What only the log shows.
    pub source: Option<String>,
    /// Seconds after which the same may succeed, where that is known.
    pub retry_seconds: Option<u64>,
}

impl Outcome {
    /// A failure with one issue, whose code is the kind's own.
    pub fn new(kind: Kind, diagnostics: impl Into<String>) -> Self {
        Self {
            kind,
            issues: vec![Issue::error(kind.issue_code(), diagnostics)],
            source: None,
            retry_seconds: None,
        }
    }

    /// A failure with these issues.
    pub fn with_issues(kind: Kind, issues: Vec<Issue>) -> Self {
        Self {
            kind,
            issues,
            source: None,
            retry_seconds: None,
        }
    }

    /// A failure inside the server; `source` goes to the log and never to the client.
    pub fn internal(source: impl Into<String>) -> Self {
        let mut outcome = Self::new(Kind::Internal, INTERNAL_TEXT);
        outcome.source = Some(source.into());
        outcome
    }

    /// The same failure with the first issue placed at a `FHIRPath` location.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        if let Some(issue) = self.issues.first_mut() {
            issue.expression.push(expression.into());
        }
        self
    }

    /// The same failure, with when it is over.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_seconds = Some(seconds);
        self
    }

    /// The same failure with a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, source: &dyn fmt::Display) -> Self {
        self.source = Some(source.to_string());
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Vec<_> = self
            .issues
            .iter()
            .map(|issue| issue.diagnostics.as_str())
            .collect();
        write!(f, "{}", text.join("; "))
    }
}

impl std::error::Error for Outcome {}

/// Writes the issues as the JSON of an `OperationOutcome`.
pub fn to_json(issues: &[Issue]) -> Vec<u8> {
    let mut issue_nodes = Vec::with_capacity(issues.len());
    for issue in issues {
        let mut node = serde_json::json!({
            "severity": issue.severity.code(),
            "code": issue.code,
            "diagnostics": issue.diagnostics,
        });
        if !issue.expression.is_empty()
            && let Some(members) = node.as_object_mut()
        {
            members.insert("expression".into(), issue.expression.clone().into());
        }
        issue_nodes.push(node);
    }
    let outcome = serde_json::json!({"resourceType": "OperationOutcome", "issue": issue_nodes});
    outcome.to_string().into_bytes()
}
