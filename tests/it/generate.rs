//! Synthetic patients: the same bytes for the same seed, valid, whole and plausible.
//!
//! Proves the bundles against <https://hl7.org/fhir/R4/bundle.html> and the R4 definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::Value;
use vesta::cli::generate::{
    GenerateArguments, GenerateError, GenerateSettings, GeneratedBundle, generate, run,
};
use vesta::conformance::registry::Registry;
use vesta::fhir::json::{self, Limits};
use vesta::fhir::xml::{self, XmlLimits};
use vesta::validation::{ValidationLimits, validate};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::load().unwrap());

/// Enough patients to meet every kind of them, made once.
static MADE: LazyLock<Vec<GeneratedBundle>> = LazyLock::new(|| made(80, 1));

const LIMITS: Limits = Limits { depth_max: 64 };

fn made(patients: u64, seed: u64) -> Vec<GeneratedBundle> {
    let mut bundles = Vec::new();
    generate::<GenerateError>(&GenerateSettings { patients, seed }, &mut |bundle| {
        bundles.push(bundle);
        Ok(())
    })
    .unwrap();
    bundles
}

fn read(bundle: &GeneratedBundle) -> Value {
    serde_json::from_slice(&bundle.json).unwrap()
}

fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle["entry"].as_array().unwrap().iter()
}

fn resources<'a>(bundle: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let of_kind = move |resource: &&Value| resource["resourceType"] == kind;
    entries(bundle)
        .map(|entry| &entry["resource"])
        .filter(of_kind)
}

fn patients() -> impl Iterator<Item = Value> {
    MADE.iter().skip(2).map(read)
}

fn is_coded(observation: &Value, code: &str) -> bool {
    let codings = observation["code"]["coding"].as_array().unwrap();
    codings.iter().any(|coding| coding["code"] == code)
}

fn number(value: &Value) -> f64 {
    value.as_number().unwrap().as_str().parse().unwrap()
}

/// Whether a text has the shape of `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    let is_shaped = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(is_shaped)
}

/// Calls with every text of a tree and the member it stands in.
fn each_text<'a>(value: &'a Value, name: &'a str, each: &mut dyn FnMut(&'a str, &'a str)) {
    match value {
        Value::String(text) => each(name, text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, name, each)),
        Value::Object(members) => {
            for (name, member) in members {
                each_text(member, name, each);
            }
        }
        _ => {}
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    let few = made(3, 1);
    assert_eq!(few, made(3, 1));
    assert_eq!(few.as_slice(), &MADE[..5], "a patient depends on others");
    let other = made(3, 2);
    assert_eq!(few[..2], other[..2], "the directory depends on the seed");
    let names = |bundles: &[GeneratedBundle]| -> BTreeSet<String> {
        bundles
            .iter()
            .map(|bundle| bundle.file_name.clone())
            .collect()
    };
    assert_eq!(names(&few).intersection(&names(&other)).count(), 2);
    // The bytes themselves are pinned, so that another machine is found out.
    let mut hash = blake3::Hasher::new();
    for bundle in &few {
        hash.update(&bundle.json);
    }
    insta::assert_snapshot!(hash.finalize().to_hex().as_str(), @"485385b64f342fbacfd3dab4ace3fc8bf8a96ab760a7f4b4905cf21d798d595c");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for bundle in few.iter().map(read) {
        for entry in entries(&bundle) {
            let kind = entry["resource"]["resourceType"].as_str().unwrap();
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
    }
    let mut lines = String::new();
    for (kind, count) in counts {
        writeln!(lines, "{kind} {count}").unwrap();
    }
    insta::assert_snapshot!(lines, @r"
    Appointment 12
    Condition 13
    Coverage 3
    DiagnosticReport 30
    DocumentReference 4
    Encounter 24
    Immunization 8
    Location 8
    MedicationRequest 23
    Observation 342
    Organization 12
    Patient 3
    Practitioner 52
    PractitionerRole 52
    Procedure 14
    Provenance 3
    Schedule 52
    Slot 3
    ");
}

#[test]
fn everything_is_valid() {
    let mut failed = String::new();
    for bundle in MADE.iter() {
        let parsed = json::parse_resource(&bundle.json, LIMITS).unwrap();
        for issue in validate(&parsed, REGISTRY.shapes(), &ValidationLimits::default()) {
            let place = issue.expression.join(", ");
            writeln!(
                failed,
                "{} {place}: {}",
                bundle.file_name, issue.diagnostics
            )
            .unwrap();
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn xml_says_the_same() {
    for bundle in MADE.iter().take(12) {
        let parsed = json::parse_resource(&bundle.json, LIMITS).unwrap();
        let markup = xml::to_vec(parsed.object(), REGISTRY.shapes()).unwrap();
        let limits = XmlLimits {
            depth_max: 64,
            attributes_max: 16,
        };
        let back = xml::parse_resource(&markup, REGISTRY.shapes(), limits).unwrap();
        assert_eq!(parsed, back, "{}", bundle.file_name);
    }
}

#[test]
fn references_lead_somewhere() {
    let mut shared = BTreeSet::new();
    for bundle in MADE.iter().take(2).map(read) {
        for entry in entries(&bundle) {
            let (kind, request) = (&entry["resource"]["resourceType"], &entry["request"]);
            let condition = request["ifNoneExist"].as_str().unwrap();
            assert_eq!(
                (&request["method"], &request["url"]),
                (&"POST".into(), kind)
            );
            assert!(shared.insert(format!("{}?{condition}", kind.as_str().unwrap())));
        }
    }
    let mut urns = BTreeSet::new();
    for bundle in MADE.iter().map(read) {
        let own: BTreeSet<&str> = entries(&bundle)
            .map(|entry| entry["fullUrl"].as_str().unwrap())
            .collect();
        assert_eq!(own.len(), entries(&bundle).count());
        for urn in &own {
            assert!(urns.insert((*urn).to_owned()), "{urn} is in two bundles");
        }
        each_text(&bundle, "", &mut |name, text| {
            let is_known = own.contains(text) || shared.contains(text);
            assert!(name != "reference" || is_known, "{text} leads nowhere");
        });
    }
}

#[test]
fn a_second_load_has_nothing_new_to_say() {
    for bundle in patients() {
        assert_eq!(bundle["type"], "transaction");
        for entry in entries(&bundle) {
            let resource = &entry["resource"];
            let id = resource["id"].as_str().unwrap();
            let kind = resource["resourceType"].as_str().unwrap();
            assert_eq!(entry["request"]["method"], "PUT");
            assert_eq!(entry["request"]["url"], format!("{kind}/{id}"));
            assert_eq!(entry["fullUrl"], format!("urn:uuid:{id}"));
        }
    }
}

#[test]
fn nothing_happens_before_birth_or_after_death() {
    let planned = ["Appointment", "Slot", "MedicationRequest"];
    let mut deaths = 0;
    for bundle in patients() {
        let patient = resources(&bundle, "Patient").next().unwrap();
        let birth = patient["birthDate"].as_str().unwrap();
        let death = patient["deceasedDateTime"].as_str();
        deaths += u32::from(death.is_some());
        for resource in entries(&bundle).map(|entry| &entry["resource"]) {
            let kind = resource["resourceType"].as_str().unwrap();
            each_text(resource, "", &mut |name, text| {
                let Some(day) = text.get(..10).filter(|day| name != "id" && is_day(day)) else {
                    return;
                };
                assert!(day >= birth, "{kind}.{name} {text} before {birth}");
                // A prescription is valid longer than it is needed.
                let is_validity = kind == "MedicationRequest" && name == "end";
                let end = death.unwrap_or("2026-01-01");
                let is_future = death.is_none() && planned.contains(&kind);
                let is_past = day <= end || is_validity || is_future;
                assert!(is_past, "{kind}.{name} {text} after {end}");
            });
        }
    }
    assert!(deaths > 0, "nobody died");
}

#[test]
fn vital_signs_are_plausible() {
    let (mut pressures, mut indexes) = (0, 0);
    for bundle in patients() {
        let mut at: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
        for observation in resources(&bundle, "Observation") {
            if is_coded(observation, "85354-9") {
                let value = |index: usize| {
                    number(&observation["component"][index]["valueQuantity"]["value"])
                };
                let (systolic, diastolic) = (value(0), value(1));
                assert!(systolic >= diastolic + 20.0, "{systolic} {diastolic}");
                assert!((70.0..=220.0).contains(&systolic) && diastolic >= 35.0);
                pressures += 1;
            }
            for code in ["8302-2", "29463-7", "39156-5"] {
                if is_coded(observation, code) {
                    let value = number(&observation["valueQuantity"]["value"]);
                    let when = observation["effectiveDateTime"].as_str().unwrap();
                    at.entry(when).or_default().insert(code, value);
                }
            }
        }
        let mut tallest = 0.0_f64;
        for measures in at.values() {
            let Some(height) = measures.get("8302-2") else {
                continue;
            };
            let weight = measures["29463-7"];
            assert!((40.0..=215.0).contains(height) && (2.0..=220.0).contains(&weight));
            // Nobody shrinks but by a little in old age.
            assert!(*height > tallest - 3.0, "{height} after {tallest}");
            tallest = tallest.max(*height);
            if let Some(index) = measures.get("39156-5") {
                let expected = weight / (height / 100.0).powi(2);
                assert!((index - expected).abs() <= 0.06, "{index} {expected}");
                indexes += 1;
            }
        }
    }
    assert!(pressures > 200 && indexes > 100, "{pressures} {indexes}");
}

/// The mean of an analyte over patients with and without a condition.
fn means(bundles: &[Value], condition: &str, analyte: &str) -> (f64, f64) {
    let mut sums = [(0.0, 0_u32); 2];
    for bundle in bundles {
        let has = resources(bundle, "Condition").any(|known| is_coded(known, condition));
        let (sum, count) = &mut sums[usize::from(has)];
        for observation in resources(bundle, "Observation") {
            if is_coded(observation, analyte) {
                *sum += number(&observation["valueQuantity"]["value"]);
                *count += 1;
            }
        }
    }
    let [without, with] = sums.map(|(sum, count)| sum / f64::from(count.max(1)));
    (with, without)
}

#[test]
fn diseases_drive_results_and_prescriptions() {
    let bundles: Vec<Value> = patients().collect();
    let (diabetic, other) = means(&bundles, "44054006", "4548-4");
    assert!(diabetic > other + 0.8, "{diabetic} {other}");
    let (kidney, other) = means(&bundles, "433144002", "2160-0");
    assert!(kidney > other + 0.25, "{kidney} {other}");
    for bundle in &bundles {
        let conditions: BTreeMap<String, &Value> = resources(bundle, "Condition")
            .map(|condition| {
                (
                    format!("urn:uuid:{}", condition["id"].as_str().unwrap()),
                    condition,
                )
            })
            .collect();
        for request in resources(bundle, "MedicationRequest") {
            let reason = request["reasonReference"][0]["reference"].as_str().unwrap();
            let metformin = request["medicationCodeableConcept"]["coding"][0]["code"] == "860975";
            assert_eq!(metformin, is_coded(conditions[reason], "44054006"));
        }
    }
}

#[test]
fn patients_are_as_many_sided_as_people() {
    let mut sizes = Vec::new();
    let (mut kinds, mut native, mut accented) = (BTreeSet::new(), 0, 0);
    for bundle in patients() {
        sizes.push(entries(&bundle).count());
        for entry in entries(&bundle) {
            kinds.insert(
                entry["resource"]["resourceType"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        let patient = resources(&bundle, "Patient").next().unwrap();
        let names = patient["name"].as_array().unwrap();
        native += usize::from(names.len() > 1);
        accented += usize::from(!names[0]["text"].as_str().unwrap().is_ascii());
    }
    let mean = sizes.iter().sum::<usize>() / sizes.len();
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!((110..=190).contains(&mean), "{mean} on average");
    assert!(*least >= 5 && *most <= 600, "{least} to {most}");
    assert!(native >= 5 && accented >= 15, "{native} {accented}");
    let kinds: Vec<String> = kinds.into_iter().collect();
    insta::assert_snapshot!(kinds.join("\n"), @r"
    AllergyIntolerance
    Appointment
    CarePlan
    CareTeam
    Condition
    Coverage
    DiagnosticReport
    DocumentReference
    Encounter
    Goal
    Immunization
    MedicationRequest
    Observation
    Patient
    Procedure
    Provenance
    Slot
    ");
}

#[test]
fn files_are_written_and_a_bad_directory_is_named() {
    let home = tempfile::tempdir().unwrap();
    let arguments = |out| GenerateArguments {
        patients: 2,
        seed: 9,
        out,
    };
    let out = home.path().join("deep/inside");
    run(&arguments(out.clone())).unwrap();
    let written: BTreeMap<String, Vec<u8>> = std::fs::read_dir(&out)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| {
            (
                file.file_name().into_string().unwrap(),
                std::fs::read(file.path()).unwrap(),
            )
        })
        .collect();
    let expected: BTreeMap<String, Vec<u8>> = made(2, 9)
        .into_iter()
        .map(|bundle| (bundle.file_name, bundle.json))
        .collect();
    assert_eq!(written, expected);
    let file = home.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let refused = run(&arguments(file)).unwrap_err();
    assert!(refused.to_string().contains("cannot write"), "{refused}");
}
