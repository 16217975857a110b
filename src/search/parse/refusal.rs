//! Why a parameter of a query is refused: named, never with its value.

use crate::outcome::Issue;
use crate::outcome::kind::Kind;

/// Characters of a parameter's name that a message shows.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// What this server does not serve.
pub(super) fn unsupported(name: &str, reason: &str) -> Issue {
    issue(Kind::Unsupported.issue_code(), name, reason)
}

/// What is not written as it has to be.
pub(super) fn malformed(name: &str, reason: &str) -> Issue {
    issue(Kind::Malformed.issue_code(), name, reason)
}

/// An issue that names the parameter; never its value, which may be about a patient.
pub(super) fn issue(code: &'static str, name: &str, reason: &str) -> Issue {
    let shown: String = name
        .chars()
        .filter(|letter| !letter.is_control())
        .take(SHOWN_CHARACTERS_MAX)
        .collect();
    Issue::error(code, format!("'{shown}': {reason}")).at(format!("http.{shown}"))
}
