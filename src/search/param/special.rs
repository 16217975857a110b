//! Parameters that are not answered from index keys of their own: `_id` and `_lastUpdated`.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#all>.

use crate::fhir::id;
use crate::search::escape;
use crate::search::param::date::{self, DateCondition};

/// The code of the parameter on logical ids.
pub const ID: &str = "_id";

/// The code of the parameter on the time of the last update.
pub const LAST_UPDATED: &str = "_lastUpdated";

/// Parameters of all types that R4 defines and this server does not search by yet.
pub const UNSUPPORTED: [&str; 7] = [
    "_content", "_filter", "_has", "_list", "_query", "_text", "_type",
];

/// Reads a logical id.
pub fn parse_id(text: &str) -> Result<String, String> {
    let text = escape::unescape(text);
    if id::is_valid(&text) {
        Ok(text.into_owned())
    } else {
        Err("a logical id is 1 to 64 letters, digits, '-' and '.'".into())
    }
}

/// Reads a condition on the time of the last update.
pub fn parse_last_updated(text: &str, now_ms: i64) -> Result<DateCondition, String> {
    date::parse(text, now_ms)
}
