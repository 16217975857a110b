//! Who a patient without a known identifier may be: proposals with scores, never decisions.
//!
//! Candidates share name and birth date, or a telephone number; what else agrees adds to the score.

use serde::Serialize;

use crate::access::records::Stored;
use crate::access::{Grant, Intent};
use crate::fhir::query;
use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::conditional::{Criteria, find};
use crate::interaction::stage::Stage;
use crate::outcome::Outcome;

/// Candidates that each way of looking brings.
const CANDIDATES_MAX: usize = 50;

/// Proposals that are shown.
const PROPOSALS_MAX: usize = 5;

/// What agreement adds to a score; 100 in all.
const FAMILY: u32 = 25;
const GIVEN: u32 = 15;
const BIRTH_DATE: u32 = 30;
const GENDER: u32 = 5;
const POSTAL_CODE: u32 = 10;
const TELECOM: u32 = 15;

/// Below this score nobody is proposed.
const SCORE_MIN: u32 = 50;

/// Somebody who may be meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The patient: `Patient/x`.
    pub patient: String,
    /// How much agrees, of 100.
    pub score: u32,
}

/// Patients who may be the one described, the likeliest first.
pub(super) async fn propose(
    ctx: &Context,
    grant: &Grant,
    described: &Resource,
) -> Result<Vec<Proposal>, Outcome> {
    let resource_type = described.resource_type();
    let grant = grant.within(Intent::Search(Some(resource_type)))?;
    let mut proposals: Vec<Proposal> = Vec::new();
    for query in queries(described.object()) {
        for stored in candidates(ctx, &grant, (resource_type, &query)).await? {
            let score = score(described.object(), stored.object());
            let patient = format!("{resource_type}/{}", stored.id().unwrap_or_default());
            let is_known = proposals.iter().any(|known| known.patient == patient);
            if score >= SCORE_MIN && !is_known {
                proposals.push(Proposal { patient, score });
            }
        }
    }
    proposals.sort_by(|a, b| {
        b.score
            .cmp(&a.score)
            .then_with(|| a.patient.cmp(&b.patient))
    });
    proposals.truncate(PROPOSALS_MAX);
    Ok(proposals)
}

async fn candidates(
    ctx: &Context,
    grant: &Grant,
    (resource_type, query): (ResourceType, &str),
) -> Result<Vec<Resource>, Outcome> {
    let criteria = Criteria {
        resource_type,
        query,
    };
    let found = find(ctx, grant, &mut Stage::default(), &criteria, CANDIDATES_MAX).await?;
    found.iter().map(Stored::resource).collect()
}

fn queries(described: &Object) -> Vec<String> {
    let exact = |value: &str| {
        value
            .replace('\\', "\\\\")
            .replace(',', "\\,")
            .replace('|', "\\|")
    };
    let mut queries = Vec::new();
    let family = names(described, "family").into_iter().next();
    let born = described.get_str("birthDate");
    if let (Some(family), Some(born)) = (family, born) {
        let pairs = [("family", exact(&family)), ("birthdate", exact(born))];
        queries.push(query::encode(
            &pairs.map(|(name, value)| (name.to_owned(), value)),
        ));
    }
    for number in telecoms(described).into_iter().take(2) {
        queries.push(query::encode(&[("telecom".to_owned(), exact(&number))]));
    }
    queries
}

/// How much of what is described agrees with a patient.
fn score(described: &Object, patient: &Object) -> u32 {
    let agree =
        |one: Vec<String>, other: Vec<String>| one.iter().any(|value| other.contains(value));
    let same = |name: &str| {
        let value = described.get_str(name);
        value.is_some() && value == patient.get_str(name)
    };
    let postal = |object: &Object| -> Vec<String> { texts(object, "address", "postalCode") };
    let checks = [
        (
            FAMILY,
            agree(names(described, "family"), names(patient, "family")),
        ),
        (
            GIVEN,
            agree(names(described, "given"), names(patient, "given")),
        ),
        (BIRTH_DATE, same("birthDate")),
        (GENDER, same("gender")),
        (POSTAL_CODE, agree(postal(described), postal(patient))),
        (TELECOM, agree(telecoms(described), telecoms(patient))),
    ];
    checks
        .into_iter()
        .filter(|(_, agrees)| *agrees)
        .map(|(points, _)| points)
        .sum()
}

fn names(patient: &Object, part: &str) -> Vec<String> {
    texts(patient, "name", part)
}

/// Texts of a member of each item, in lower case.
fn texts(patient: &Object, name: &str, part: &str) -> Vec<String> {
    let items = patient.items(name).iter();
    let parts = items
        .filter_map(|item| item.get(part))
        .flat_map(Node::items);
    parts
        .filter_map(Node::as_str)
        .map(str::to_lowercase)
        .collect()
}

/// Numbers and addresses as they were written.
fn telecoms(patient: &Object) -> Vec<String> {
    let items = patient.items("telecom").iter();
    let values = items.filter_map(|item| item.get("value")?.as_str());
    values.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{queries, score};
    use crate::fhir::json::{Limits, parse_resource};
    use crate::fhir::resource::Resource;

    fn patient(text: &str) -> Resource {
        parse_resource(text.as_bytes(), Limits { depth_max: 9 }).unwrap()
    }

    const DESCRIBED: &str = r#"{"resourceType":"Patient","birthDate":"1980-01-02","gender":"female",
        "name":[{"family":"Doe","given":["Jane","Q"]}],"telecom":[{"value":"555-1"}]}"#;

    #[test]
    fn what_agrees_counts() {
        let described = patient(DESCRIBED);
        let same = score(described.object(), described.object());
        let other = patient(
            r#"{"resourceType":"Patient","birthDate":"1980-01-02",
                "name":[{"family":"DOE","given":["Joan"]}]}"#,
        );
        let nobody = patient(r#"{"resourceType":"Patient","name":[{"family":"Roe"}]}"#);
        assert_eq!(same, 90);
        assert_eq!(score(described.object(), other.object()), 55);
        assert_eq!(score(described.object(), nobody.object()), 0);
    }

    #[test]
    fn candidates_share_something() {
        let described = patient(DESCRIBED);
        assert_eq!(
            queries(described.object()),
            ["family=doe&birthdate=1980-01-02", "telecom=555-1"]
        );
        assert!(queries(patient(r#"{"resourceType":"Patient"}"#).object()).is_empty());
    }
}
