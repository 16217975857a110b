//! Validation of resources against the R4 definitions, without a server.
//!
//! Cases are folders of `tests/fixtures/validation/`: `input.json`, and in `expected.txt` one line
//! for each issue: severity, code, place and text.
//! Proves <https://hl7.org/fhir/R4/validation.html>.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use vesta::conformance::registry::Registry;
use vesta::fhir::json::{self, Limits};
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

#[test]
fn official_examples_are_valid() {
    let (mut count, mut types, mut failed) = (0, BTreeSet::new(), String::new());
    let is_there = packs::for_each_file("fhir-r4-examples", "json", |path, bytes| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_invalid = INVALID_EXAMPLES
            .iter()
            .any(|(known, _)| name.trim_end_matches(".json").starts_with(known));
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
