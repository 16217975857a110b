//! The conditional headers: `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-None-Exist`.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#concurrency>, RFC 9110 section 13.

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH};

use crate::fhir::instant::Instant;
use crate::fhir::query;
use crate::interaction::conditional::criteria_of;
use crate::interaction::entity_tag::{self, Known};
use crate::interaction::update::Precondition;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::query::RESULT_OPTIONS;

/// `If-None-Exist`: the criteria of a conditional create.
const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

/// The condition of a write.
pub fn precondition(headers: &HeaderMap) -> Result<Precondition, Outcome> {
    let if_none_match = text(headers, &IF_NONE_MATCH)?;
    if if_none_match.is_some_and(|value| value.trim() != "*") {
        return Err(Outcome::new(
            Kind::Invalid,
            "On a write, If-None-Match can only be *: write unless it exists.",
        ));
    }
    let if_match = text(headers, &IF_MATCH)?;
    let if_match_any = if_match.is_some_and(|value| value.trim() == "*");
    Ok(Precondition {
        if_match: versions(if_match.filter(|_| !if_match_any), "If-Match")?,
        if_match_any,
        if_none_match_any: if_none_match.is_some(),
    })
}

/// What a reader has already.
pub fn if_none_match(headers: &HeaderMap) -> Result<Option<Known>, Outcome> {
    Ok(text(headers, &IF_NONE_MATCH)?.map(Known::read))
}

/// The time up to which a reader has everything; a date that cannot be read is ignored, RFC 9110.
pub fn if_modified_since(headers: &HeaderMap) -> Option<Instant> {
    headers
        .get(IF_MODIFIED_SINCE)?
        .to_str()
        .ok()
        .and_then(Instant::from_http_date)
}

/// The criteria of a conditional create: in the header, or in the URL as some clients put them.
/// Ignored there they would make the duplicate that the client wants to avoid.
pub fn if_none_exist(
    headers: &HeaderMap,
    url_query: Option<&str>,
) -> Result<Option<String>, Outcome> {
    let in_header = text(headers, &IF_NONE_EXIST)?.map(|text| criteria_of(text).to_owned());
    let is_criterion = |name: &str| !RESULT_OPTIONS.contains(&name);
    let in_url = url_query.filter(|text| {
        let pairs = query::pairs(text);
        pairs.iter().any(|(name, _value)| is_criterion(name))
    });
    match (in_header, in_url) {
        (Some(_), Some(_)) => Err(Outcome::new(
            Kind::Invalid,
            "A create has its criteria in If-None-Exist or in the URL, not in both.",
        )),
        (in_header, in_url) => Ok(in_header.or_else(|| in_url.map(ToOwned::to_owned))),
    }
}

/// Reads a list of entity tags as version numbers.
pub fn versions(value: Option<&str>, header: &str) -> Result<Vec<i64>, Outcome> {
    let Some(list) = value else {
        return Ok(Vec::new());
    };
    entity_tag::versions(list).ok_or_else(|| {
        Outcome::new(
            Kind::Invalid,
            format!("{header} must be a version's entity tag, as in {header}: W/\"3\"."),
        )
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Outcome> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Outcome::new(
            Kind::Invalid,
            format!("The header {name} stands here twice: it could mean either."),
        ));
    }
    value.to_str().map(Some).map_err(|_not_ascii| {
        Outcome::new(
            Kind::Malformed,
            format!("The header {name} must be plain ASCII text."),
        )
    })
}
