//! The parameters about the result: how many matches, in which form, counted how.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#return>.

use crate::outcome::Issue;
use crate::search::parse::refusal::malformed;
use crate::search::query::{ResultOptions, Summary, Total};

/// Reads a parameter about the result; false when it is none.
pub(super) fn read(result: &mut ResultOptions, name: &str, value: &str) -> Result<bool, Issue> {
    match name {
        // What they ask for is settled before the query is read.
        "_format" | "_pretty" => {}
        "_count" => {
            let count = value.parse().map_err(|_not_a_number| {
                malformed(name, "needs a whole number that is not negative")
            })?;
            set_once(&mut result.count, count, name)?;
        }
        "_summary" => {
            let summary = match value {
                "true" => Summary::True,
                "text" => Summary::Text,
                "data" => Summary::Data,
                "count" => Summary::Count,
                "false" => Summary::False,
                _ => return Err(malformed(name, "is true, text, data, count or false")),
            };
            set_once(&mut result.summary, summary, name)?;
        }
        // The second is not of FHIR: a widespread client counts by it.
        "_total" | "_totalMethod" => {
            let total = match (name, value) {
                (_, "none") => Total::None,
                (_, "estimate") => Total::Estimate,
                ("_total", "accurate") | ("_totalMethod", "count") => Total::Accurate,
                ("_total", _) => return Err(malformed(name, "is none, estimate or accurate")),
                _ => return Err(malformed(name, "is none, estimate or count")),
            };
            set_once(&mut result.total, total, name)?;
        }
        "_elements" => {
            let elements = value.split(',').map(str::trim);
            let is_name = |text: &str| {
                !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
            };
            if !elements.clone().all(is_name) {
                return Err(malformed(name, "is a list of element names"));
            }
            result.elements.extend(elements.map(Into::into));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn set_once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), Issue> {
    if place.is_some() {
        return Err(malformed(name, "may be given only once"));
    }
    *place = Some(value);
    Ok(())
}
