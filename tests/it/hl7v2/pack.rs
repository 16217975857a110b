//! Public messages: every one is carried over into resources that keep the R4 definitions, or
//! refused with a reason; where somebody else's output lies beside one, the two are compared.
//!
//! By meaning and not by document: identifiers, names, codes, values, statuses and days that the
//! other output has, and whether ours has them too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vesta::config::hl7v2::FeedConfig;
use vesta::conformance::registry::Registry;
use vesta::fhir::json::{Limits, parse_resource, write_object};
use vesta::fhir::resource::{Node, Resource};
use vesta::hl7v2::batch;
use vesta::hl7v2::charset;
use vesta::hl7v2::conversion::{Converted, convert};
use vesta::hl7v2::feed::Feeds;
use vesta::hl7v2::message::Message;
use vesta::hl7v2::tables::Tables;
use vesta::outcome::Severity;
use vesta::validation::{ValidationLimits, validate};

use crate::support::packs;

/// 2026-11-28T00:00:00Z
const NOW_MS: i64 = 1_795_824_000_000;

/// Elements that say the same whoever converts; where only their codes are compared.
const COMPARED: [(&str, &[&str]); 12] = [
    (
        "Patient",
        &[
            "identifier",
            "name",
            "birthDate",
            "gender",
            "address",
            "telecom",
            "maritalStatus",
        ],
    ),
    (
        "Encounter",
        &["class", "identifier", "period", "hospitalization"],
    ),
    (
        "Observation",
        &[
            "code",
            "valueQuantity",
            "valueString",
            "valueCodeableConcept",
            "valueDateTime",
            "status",
            "interpretation",
            "effectiveDateTime",
        ],
    ),
    ("DiagnosticReport", &["code", "status", "effectiveDateTime"]),
    ("ServiceRequest", &["code", "status", "identifier"]),
    ("Specimen", &["type", "receivedTime"]),
    (
        "Appointment",
        &["status", "start", "end", "minutesDuration"],
    ),
    (
        "Immunization",
        &[
            "vaccineCode",
            "occurrenceDateTime",
            "lotNumber",
            "status",
            "route",
            "site",
        ],
    ),
    (
        "MedicationRequest",
        &["medicationCodeableConcept", "identifier"],
    ),
    ("AllergyIntolerance", &["code", "category", "criticality"]),
    ("Condition", &["code"]),
    ("DocumentReference", &["type", "status", "docStatus"]),
];

/// Members whose values are compared, wherever they stand in a compared element.
const VALUES: [&str; 11] = [
    "value",
    "code",
    "family",
    "given",
    "city",
    "postalCode",
    "state",
    "start",
    "end",
    "unit",
    "text",
];

/// What may be said of a message: that it is carried over, or why it is not.
const REASONS: [&str; 14] = [
    "carried over",
    "MSH-9: This kind of message is not taken.",
    "MSH-9: This event is not taken.",
    "PID: A message of this kind needs a PID segment.",
    "PID-3: A patient needs an identifier",
    "ORC: A message of this kind needs an order.",
    "SCH: A message of this kind needs a SCH segment.",
    "TXA: A message of this kind needs a TXA segment.",
    "MRG: A message of this kind needs a MRG segment.",
    "a message has at most",
    "the character set of MSH-18 is none",
    "MSH-1 and MSH-2 must be",
    "MRG-1: A merge needs an identifier",
    "MRG-1: A patient cannot be merged with themselves.",
];

/// Messages of the pack that are carried over, at least.
const CARRIED_OVER_MIN: usize = 50;

fn carried_over(bytes: &[u8], tables: &Tables, feeds: &Feeds) -> Result<Converted, String> {
    let decoded = charset::decode(bytes, None).map_err(|error| error.to_string())?;
    let message = Message::parse(decoded.text).map_err(|error| error.to_string())?;
    let feed = feeds.of(&message);
    convert(&message, feed, tables, NOW_MS).map_err(|problem| {
        let place = problem.location.map(|place| place.to_string());
        format!("{}: {}", place.unwrap_or_default(), problem.text)
    })
}

fn resources(converted: &Converted) -> Vec<Resource> {
    let entries = converted.bundle.object().items("entry");
    let resources = entries.iter().filter_map(|entry| entry.get("resource"));
    resources
        .filter_map(Node::as_object)
        .map(|object| Resource::from_object(object.clone()).unwrap())
        .collect()
}

fn json_of(resource: &Resource) -> Value {
    let mut bytes = Vec::new();
    write_object(&mut bytes, resource.object());
    parse_resource(&bytes, Limits { depth_max: 64 }).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn every_message_is_carried_over_or_refused_with_a_reason() {
    let registry = Registry::load().unwrap();
    let (tables, feeds) = (
        Tables::default(),
        Feeds::new(&[FeedConfig::default()]).unwrap(),
    );
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    let is_there = packs::for_each_file("hl7v2", "hl7", |path, bytes| {
        for message in batch::messages(bytes) {
            let converted = match carried_over(message, &tables, &feeds) {
                Ok(converted) => converted,
                Err(reason) => {
                    *reasons.entry(reason).or_default() += 1;
                    continue;
                }
            };
            *reasons.entry("carried over".to_owned()).or_default() += 1;
            for resource in resources(&converted) {
                let issues = validate(&resource, registry.shapes(), &ValidationLimits::default());
                let issues = issues
                    .into_iter()
                    .filter(|issue| issue.severity == Severity::Error);
                problems.extend(
                    issues.map(|issue| {
                        format!("{path}: {:?} {}", issue.expression, issue.diagnostics)
                    }),
                );
            }
        }
    });
    if !is_there {
        return;
    }
    problems.sort();
    let shown: Vec<_> = problems.iter().take(40).collect();
    assert!(
        problems.is_empty(),
        "{} of them: {shown:#?}",
        problems.len()
    );
    println!("{reasons:#?}");
    for reason in reasons.keys() {
        assert!(
            REASONS.iter().any(|known| reason.starts_with(known)),
            "{reason}"
        );
    }
    assert!(reasons["carried over"] > CARRIED_OVER_MIN, "{reasons:#?}");
}

/// What a resource says, as `Patient.name.family=doe`.
fn facts(resource: &Value, found: &mut BTreeSet<String>) {
    let name = resource["resourceType"].as_str().unwrap_or_default();
    let Some((_, members)) = COMPARED.iter().find(|(known, _)| *known == name) else {
        return;
    };
    for member in *members {
        collect(&format!("{name}.{member}"), &resource[*member], found);
    }
}

fn collect(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(path, item, found)),
        Value::Object(members) => {
            for (name, inner) in members {
                let is_compared =
                    VALUES.contains(&name.as_str()) || inner.is_object() || inner.is_array();
                let is_told = !matches!(
                    name.as_str(),
                    "extension" | "assigner" | "type" | "reference"
                );
                if is_compared && is_told {
                    collect(&format!("{path}.{name}"), inner, found);
                }
            }
        }
        Value::Null => {}
        Value::String(text) => {
            // Days are compared, since zones are a setting.
            let is_time =
                text.len() >= 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
            let text = if is_time {
                text.get(..10).unwrap_or(text)
            } else {
                text
            };
            found.insert(format!("{path}={}", text.trim().to_lowercase()));
        }
        other => {
            found.insert(format!("{path}={other}"));
        }
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told in the order in which it happens"
)]
fn what_others_make_of_a_message_is_in_ours() {
    let (tables, feeds) = (
        Tables::default(),
        Feeds::new(&[FeedConfig::default()]).unwrap(),
    );
    let mut messages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut expected: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let stem = |path: &str| {
        let path = path
            .replace("/expected/", "/messages/")
            .replace("-expected.json", "");
        path.trim_end_matches(".hl7")
            .trim_end_matches(".fhir")
            .to_owned()
    };
    let mut is_there = packs::for_each_file("hl7v2", "hl7", |path, bytes| {
        messages.insert(stem(path), bytes.to_vec());
    });
    for extension in ["json", "fhir"] {
        is_there &= packs::for_each_file("hl7v2", extension, |path, bytes| {
            let is_input = path.contains("FHIR_to_HL7") || path.contains("google-hdh");
            if !is_input {
                expected.insert(stem(path), bytes.to_vec());
            }
        });
    }
    if !is_there {
        return;
    }
    let mut scores: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    for (stem, bytes) in &messages {
        let Some(theirs) = expected.get(stem) else {
            continue;
        };
        let Ok(theirs) = serde_json::from_slice::<Value>(theirs) else {
            continue;
        };
        let Ok(converted) = carried_over(bytes, &tables, &feeds) else {
            continue;
        };
        let (mut wanted, mut ours) = (BTreeSet::new(), BTreeSet::new());
        for entry in theirs["entry"].as_array().into_iter().flatten() {
            facts(&entry["resource"], &mut wanted);
        }
        for resource in resources(&converted) {
            facts(&json_of(&resource), &mut ours);
        }
        let source = stem
            .split('/')
            .find(|part| part.contains("ms-fhir") || part.contains("cdc"));
        let score = scores.entry(source.unwrap_or("others")).or_default();
        score.0 += 1;
        score.1 += wanted.intersection(&ours).count();
        score.2 += wanted.len();
        for fact in wanted.difference(&ours) {
            let path = fact.split('=').next().unwrap_or_default();
            *missing.entry(path.to_owned()).or_default() += 1;
        }
    }
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    missing.truncate(25);
    println!("{missing:#?}");
    for (source, (pairs, same, all)) in &scores {
        println!("{source}: {pairs} messages, {same} of {all} facts");
    }
    let (same, all) = scores
        .values()
        .fold((0, 0), |sum, one| (sum.0 + one.1, sum.1 + one.2));
    assert!(
        scores.values().map(|one| one.0).sum::<usize>() > 40,
        "{scores:?}"
    );
    assert!(
        same * 100 >= all * SCORE_MIN,
        "{same} of {all}: {scores:?}\n{missing:#?}"
    );
}

/// Of a hundred facts of others so many are in ours.
const SCORE_MIN: usize = 72;
