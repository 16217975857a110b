//! Validation of resources against the R4 definitions, without a server.
//!
//! Cases are folders of `tests/fixtures/validation/`: `input.json`, and in `expected.txt` one line
//! for each issue: severity, code, place and text.
//! Proves <https://hl7.org/fhir/R4/validation.html>.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use vesta::conformance::registry::Registry;
use vesta::fhir::json::{self, Limits};
use vesta::fhir::resource::{Node, Object, Resource};
use vesta::outcome::{Issue, Severity};
use vesta::validation::{ValidationLimits, validate};

use crate::support::packs;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::load().unwrap());

const JSON_LIMITS: Limits = Limits { depth_max: 64 };

fn issues_of(bytes: &[u8]) -> Vec<Issue> {
    let resource = json::parse_resource(bytes, JSON_LIMITS).unwrap();
    validate(&resource, REGISTRY.shapes(), &ValidationLimits::default())
}

fn errors_of(bytes: &[u8]) -> Vec<Issue> {
    let mut issues = issues_of(bytes);
    issues.retain(|issue| issue.severity == Severity::Error);
    issues
}

fn as_lines(issues: &[Issue]) -> String {
    let mut lines = String::new();
    for issue in issues {
        let (severity, place) = (issue.severity.code(), issue.expression.join(", "));
        let (code, text) = (issue.code, &issue.diagnostics);
        writeln!(lines, "{severity} {code} {place}: {text}").unwrap();
    }
    lines
}

/// The cases: name, input, expected issues.
fn cases() -> Vec<(String, Vec<u8>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/validation");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let case = entry.unwrap().path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let input = std::fs::read(case.join("input.json")).unwrap();
        let expected = std::fs::read_to_string(case.join("expected.txt")).unwrap_or_default();
        cases.push((name, input, expected));
    }
    cases.sort();
    cases
}

#[test]
fn each_problem_is_reported_with_its_place_and_remedy() {
    let cases = cases();
    let mut failed = String::new();
    for (name, input, expected) in &cases {
        let found = as_lines(&issues_of(input));
        if found != *expected {
            writeln!(failed, "{name}: found\n{found}\nexpected\n{expected}").unwrap();
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(cases.len() > 15, "{}", cases.len());
}

/// Puts `secret` in the place of every text but that of `resourceType`, which is no patient's.
fn with_secret_values(node: &mut Node, secret: &str) {
    match node {
        Node::String(text) => *text = secret.into(),
        Node::Number(text) => *text = "4711.4711".into(),
        Node::Array(items) => {
            for item in items {
                with_secret_values(item, secret);
            }
        }
        Node::Object(object) => {
            for (name, value) in object.iter_mut() {
                if name != "resourceType" {
                    with_secret_values(value, secret);
                }
            }
        }
        Node::Null | Node::Bool(_) => {}
    }
}

#[test]
fn values_are_never_shown() {
    for secret in [
        "#Zyzzyva",
        "Zyzzyva Zyzzyva  ",
        "Zyzzyva/Zyzzyva",
        "<p>Zyzzyva",
    ] {
        let mut count = 0;
        for (name, input, _) in cases() {
            let mut node = json::parse(&input, JSON_LIMITS).unwrap();
            with_secret_values(&mut node, secret);
            let issues = issues_of(&json::to_vec(&node));
            let lines = as_lines(&issues);
            assert!(
                !lines.contains("Zyzzyva") && !lines.contains("4711"),
                "{name}: {lines}"
            );
            count += issues.len();
        }
        assert!(count > 100, "{count}");
    }
}

#[test]
fn limits_are_kept() {
    let shapes = REGISTRY.shapes();
    let limits = ValidationLimits {
        depth_max: 5,
        issues_max: 3,
        string_chars_max: 40,
        narrative_depth_max: 2,
    };
    let check = |text: &str| {
        let resource = json::parse_resource(text.as_bytes(), JSON_LIMITS).unwrap();
        as_lines(&validate(&resource, shapes, &limits))
    };
    let extension = |inner: &str| format!(r#"{{"url":"urn:x","extension":[{inner}]}}"#);
    let deep = extension(&extension(&extension(&extension(&extension(
        r#"{"url":"urn:x","valueCode":"x"}"#,
    )))));
    let deep = check(&format!(
        r#"{{"resourceType":"Patient","extension":[{deep}]}}"#
    ));
    assert!(deep.contains("nested deeper than 5 elements"), "{deep}");
    let long = "x".repeat(41);
    let long = check(&format!(
        r#"{{"resourceType":"Patient","name":[{{"text":"{long}"}}]}}"#
    ));
    assert!(long.contains("too-long Patient.name[0].text"), "{long}");
    let many = check(r#"{"resourceType":"Patient","a":1,"b":2,"c":3,"d":4,"e":5}"#);
    assert_eq!(many.lines().count(), 4, "{many}");
    assert!(many.contains("more problems than these 3"), "{many}");
}

#[test]
fn a_resource_that_is_nested_without_end_is_refused() {
    let mut node = Node::from("x");
    for _ in 0..2000 {
        let mut extension = Object::new();
        extension.set("url", Node::from("urn:x"));
        extension.set("extension", Node::Array(vec![node]));
        node = Node::Object(extension);
    }
    let mut patient = Object::new();
    patient.set("resourceType", Node::from("Patient"));
    patient.set("extension", Node::Array(vec![node]));
    let patient = Resource::from_object(patient).unwrap();
    let issues = validate(&patient, REGISTRY.shapes(), &ValidationLimits::default());
    assert!(as_lines(&issues).contains("nested deeper"), "{issues:?}");
}

/// Names that mean something to the walk, and some that do not.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "resourceType",
            "id",
            "_id",
            "meta",
            "text",
            "div",
            "status",
            "contained",
            "extension",
            "modifierExtension",
            "url",
            "valueString",
            "valueReference",
            "_valueString",
            "reference",
            "type",
            "name",
            "_name",
            "given",
            "_given",
            "family",
            "birthDate",
            "_birthDate",
            "code",
            "coding",
            "system",
            "subject",
            "entry",
            "resource",
            "valueQuantity",
            "deceasedBoolean",
            "contact",
            "link",
            "photo",
            "data",
            "language",
            "lastUpdated",
            "clinicalStatus",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ]
}

fn any_node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        "-?[0-9.eE+]{0,12}".prop_map(|text| Node::Number(text.into())),
        ".{0,12}".prop_map(|text| Node::String(text.into())),
        prop::sample::select(vec![
            "Patient",
            "Observation",
            "Bundle",
            "Patient/1",
            "#",
            "#x",
            "x",
            "2020-02-30",
            "male",
            "urn:uuid:1",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
        ])
        .prop_map(Node::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::Array),
            prop::collection::btree_map(any_name(), inner, 0..6).prop_map(|members| {
                let mut object = Object::new();
                for (name, value) in members {
                    object.push(name.into(), value);
                }
                Node::Object(object)
            }),
        ]
    })
}

/// Puts `stranger` in the place of the node that is `place` nodes into the tree, in the order of
/// the document; `place` is `usize::MAX` afterwards, and something else when the tree is smaller.
fn graft(node: &mut Node, place: &mut usize, stranger: &Node) {
    match *place {
        usize::MAX => return,
        0 => {
            *place = usize::MAX;
            *node = stranger.clone();
            return;
        }
        _ => *place -= 1,
    }
    match node {
        Node::Array(items) => items
            .iter_mut()
            .for_each(|item| graft(item, place, stranger)),
        Node::Object(object) => object
            .iter_mut()
            .for_each(|(_, value)| graft(value, place, stranger)),
        _ => {}
    }
}

/// A valid resource of many kinds of elements.
fn valid_and_unusual() -> Node {
    let case = "tests/fixtures/validation/valid-and-unusual/input.json";
    let input = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(case)).unwrap();
    json::parse(&input, JSON_LIMITS).unwrap()
}

#[test]
fn no_place_goes_unchecked() {
    let mut stranger = Object::new();
    stranger.set("stranger", Node::Bool(true));
    let strangers = [
        Node::Object(stranger.clone()),
        Node::Array(vec![Node::Array(vec![Node::Object(stranger)])]),
        Node::Array(Vec::new()),
        Node::Object(Object::new()),
        Node::from(""),
    ];
    let mut count = 0;
    for stranger in &strangers {
        for place in 1.. {
            let (mut node, mut left) = (valid_and_unusual(), place);
            graft(&mut node, &mut left, stranger);
            if left != usize::MAX {
                break;
            }
            let bytes = json::to_vec(&node);
            let Ok(resource) = Resource::from_object(node.as_object().unwrap().clone()) else {
                continue;
            };
            let issues = validate(&resource, REGISTRY.shapes(), &ValidationLimits::default());
            let is_refused = issues.iter().any(|issue| issue.severity == Severity::Error);
            assert!(is_refused, "{}", String::from_utf8_lossy(&bytes));
            count += 1;
        }
    }
    assert!(count > 400, "{count}");
}

proptest! {
    #[test]
    fn no_tree_panics(node in any_node(), kind in prop::sample::select(vec!["Patient", "Bundle"])) {
        let mut object = match node {
            Node::Object(object) => object,
            other => {
                let mut object = Object::new();
                object.set("extension", other);
                object
            }
        };
        object.set("resourceType", Node::from(kind));
        let resource = Resource::from_object(object).unwrap();
        let limits = ValidationLimits::default();
        let issues = validate(&resource, REGISTRY.shapes(), &limits);
        prop_assert!(issues.len() <= limits.issues_max + 1);
        let root = format!("{kind}.");
        for issue in &issues {
            for place in &issue.expression {
                prop_assert!(place == kind || place.starts_with(&root), "{}", place);
            }
        }
    }

    #[test]
    fn no_graft_onto_a_valid_resource_panics(place in 1_usize..120, stranger in any_node()) {
        let mut node = valid_and_unusual();
        graft(&mut node, &mut { place }, &stranger);
        let Node::Object(object) = node else {
            return Err(TestCaseError::fail("the root is an object"));
        };
        if let Ok(resource) = Resource::from_object(object) {
            let limits = ValidationLimits::default();
            let issues = validate(&resource, REGISTRY.shapes(), &limits);
            prop_assert!(issues.len() <= limits.issues_max + 1);
        }
    }
}

/// Official examples that break R4 themselves, with what they break.
const INVALID_EXAMPLES: &[(&str, &str)] = &[
    (
        "DeviceMetric-example",
        "its parent is a DeviceDefinition, R4 wants a Device",
    ),
    (
        "DeviceUseStatement-example",
        "its reason is a Procedure, which is no target",
    ),
    (
        "ImplementationGuide-fhir",
        "lacks name and status; an id of 70 characters",
    ),
    (
        "MedicationRequest-medrx0301",
        "dispensed by a Practitioner, R4 wants an Organization",
    ),
    (
        "Observation-clinical-gender",
        "its performer is an Encounter",
    ),
    ("Questionnaire-qs1", "items lack their linkId"),
    ("SearchParameter-codesystem-extensions-", "lack base"),
    (
        "SearchParameter-questionnaireresponse-extensions-",
        "an id of 70 characters",
    ),
    ("SearchParameter-valueset-extensions-", "lack base"),
];

/// Whether an official example breaks R4 itself, by its path.
pub(crate) fn is_invalid_example(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.trim_end_matches(".json");
    let mut known = INVALID_EXAMPLES.iter();
    known.any(|(known, _)| name.starts_with(known))
}

#[test]
fn official_examples_are_valid() {
    let (mut count, mut types, mut failed) = (0, BTreeSet::new(), String::new());
    let is_there = packs::for_each_file("fhir-r4-examples", "json", |path, bytes| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_invalid = is_invalid_example(path);
        let errors = errors_of(bytes);
        if is_invalid == errors.is_empty() {
            writeln!(
                failed,
                "{path} (listed as invalid: {is_invalid})\n{}",
                as_lines(&errors)
            )
            .unwrap();
        }
        count += 1;
        types.insert(name.split('-').next().unwrap_or_default().to_owned());
    });
    assert!(failed.is_empty(), "{failed}");
    assert!(
        !is_there || (count > 800 && types.len() > 130),
        "{count} {}",
        types.len()
    );
}

#[test]
fn synthetic_patients_are_valid() {
    let (mut count, mut failed) = (0, String::new());
    let is_there = packs::for_each_file("synthea", "json", |path, bytes| {
        count += 1;
        let issues = issues_of(bytes);
        if !issues.is_empty() {
            writeln!(failed, "{path}\n{}", as_lines(&issues)).unwrap();
        }
    });
    assert!(failed.is_empty(), "{failed}");
    assert!(!is_there || count > 300, "{count}");
}
