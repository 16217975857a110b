//! What is asked for, by name: a table of equals. The answers do not depend on how much is stored.

use crate::cli::bench::shape::data::{CHARTS, COMMON_CODE};
use crate::fhir::query;

/// Matches on a page.
const PAGE: &str = "_count=20";

/// A shape of search: requests to the server, and what a bare store is asked for the same.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Its name.
    pub(super) name: &'static str,
    /// Paths below the base that the server is asked for, in turn.
    pub(super) paths: Vec<String>,
    /// The same for the ceiling, in the same order.
    pub(super) by_hand: Vec<String>,
}

/// The shapes, each on data that has the same answers at every size.
pub(super) fn shapes() -> Vec<Shape> {
    let mut all = on_values().to_vec();
    all.extend(on_relations());
    all.extend(on_texts());
    all.extend(whole_charts());
    all
}

/// By keys and ranges of the resource itself.
fn on_values() -> [Shape; 7] {
    let common = encoded(COMMON_CODE);
    [
        on_charts("patient-code", &|id| {
            format!("Observation?patient={id}&code={common}&{PAGE}")
        }),
        on_charts("patient-category", &|id| {
            format!("Observation?patient={id}&category=vital-signs&{PAGE}")
        }),
        plain(
            "code-value",
            format!("Observation?code={common}&value-quantity=ge900&{PAGE}"),
        ),
        plain("family-prefix", format!("Patient?family=Zaqor&{PAGE}")),
        plain(
            "birthdate-gender",
            format!("Patient?birthdate=ge1870&birthdate=lt1880&gender=female&{PAGE}"),
        ),
        plain(
            "count",
            "Observation?code=counted&_summary=count".to_owned(),
        ),
        plain(
            "composite",
            format!("Observation?code-value-quantity={common}$ge900&{PAGE}"),
        ),
    ]
}

/// By what other resources say.
fn on_relations() -> [Shape; 3] {
    [
        Shape {
            name: "chain-one",
            paths: vec![format!("Observation?subject:Patient.family=Zaqor&{PAGE}")],
            by_hand: vec![through("Patient?family=Zaqor", &["Observation:subject"])],
        },
        Shape {
            name: "chain-two",
            paths: vec![format!(
                "Observation?subject:Patient.organization.name=Quaxley&{PAGE}"
            )],
            by_hand: vec![through(
                "Organization?name=Quaxley",
                &["Patient:organization", "Observation:subject"],
            )],
        },
        Shape {
            name: "has",
            paths: vec![format!("Patient?_has:Observation:patient:code=rare&{PAGE}")],
            by_hand: vec![format!(
                "by-hand/has?first={}",
                encoded("Observation?code=rare")
            )],
        },
    ]
}

/// By texts, and in their order.
fn on_texts() -> [Shape; 3] {
    [
        Shape {
            name: "sort",
            paths: vec![format!("Patient?address-city=Quaxtown&_sort=family&{PAGE}")],
            by_hand: vec![format!(
                "by-hand/whole?first={}",
                encoded("Patient?address-city=Quaxtown")
            )],
        },
        plain("contains", format!("Patient?name:contains=vzqwix&{PAGE}")),
        plain("content", format!("Observation?_content=quixotry&{PAGE}")),
    ]
}

/// All that there is of a patient.
fn whole_charts() -> [Shape; 2] {
    let by_hand: Vec<_> = charts()
        .map(|id| format!("by-hand/chart?id={id}"))
        .collect();
    let revinclude = on_charts("revinclude", &|id| {
        let types = ["Observation", "Condition", "Encounter"];
        let includes = types.map(|one| format!("&_revinclude={one}:patient"));
        format!("Patient?_id={id}{}", includes.concat())
    });
    let everything = on_charts("everything", &|id| {
        format!("Patient/{id}/$everything?_count=1000")
    });
    [
        Shape {
            by_hand: by_hand.clone(),
            ..revinclude
        },
        Shape {
            by_hand,
            ..everything
        },
    ]
}

/// Requests that are measured by one client alone, as an independent benchmark asks for them.
pub(super) const ALONE: [&str; 25] = [
    "metadata",
    "Observation?_count=10",
    "Observation?_count=10&_total=accurate",
    "Observation?code=http://loinc.org|8867-4",
    "Observation?combo-code=http://loinc.org|8867-4",
    "Patient?gender=male",
    "Patient?family=S",
    "Patient?given=A",
    "Patient?gender=female&family=B",
    "Observation?date=ge2020-01-01&_count=5",
    "Condition?patient=asked-chart-1",
    "Encounter?patient=asked-chart-1",
    "MedicationRequest?patient=asked-chart-1",
    "Observation?patient=asked-chart-1",
    "Procedure?code=80146002",
    "Encounter?participant=Practitioner/1",
    "Observation?_content=blood",
    "Patient?_text=Smith",
    "Patient?name=Smith",
    "Patient?name:contains=mith",
    "Patient?address=Main",
    "Observation?code:text=Heart",
    "Patient/_history",
    "Patient?_id=asked-chart-1&_revinclude=*",
    "Patient?_count=10&_revinclude=*",
];

fn plain(name: &'static str, path: String) -> Shape {
    Shape {
        name,
        by_hand: vec![format!("fhir/{path}")],
        paths: vec![path],
    }
}

fn on_charts(name: &'static str, path: &dyn Fn(&str) -> String) -> Shape {
    let paths: Vec<_> = charts().map(|id| path(&id)).collect();
    Shape {
        name,
        by_hand: paths.iter().map(|path| format!("fhir/{path}")).collect(),
        paths,
    }
}

fn charts() -> impl Iterator<Item = String> {
    (0..CHARTS).map(|number| format!("asked-chart-{number}"))
}

fn through(first: &str, steps: &[&str]) -> String {
    let then = steps.iter().map(|step| format!("&then={}", encoded(step)));
    format!(
        "by-hand/chain?first={}{}",
        encoded(first),
        then.collect::<String>()
    )
}

fn encoded(text: &str) -> String {
    let pair = query::encode(&[("x".to_owned(), text.to_owned())]);
    pair.strip_prefix("x=").unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::shapes;

    #[test]
    fn every_shape_has_a_ceiling_for_each_request() {
        let all = shapes();
        let names: HashSet<_> = all.iter().map(|shape| shape.name).collect();
        assert_eq!(names.len(), all.len());
        for shape in &all {
            assert_eq!(shape.paths.len(), shape.by_hand.len(), "{}", shape.name);
            assert!(!shape.paths.is_empty(), "{}", shape.name);
        }
    }
}
