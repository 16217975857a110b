//! Parameters of type reference: indexed, read and matched.

use super::{BASE_URL, CONTEXT, is_found_in};
use crate::search::param::reference::{index, parse};
use crate::search::param::{Condition, ParseContext};

fn finds(query: &str, data_type: &str, json: &str) -> bool {
    let condition = Condition::Reference(parse(query, &CONTEXT).unwrap());
    is_found_in(index, json, data_type, &condition)
}

fn finds_reference(query: &str, reference: &str) -> bool {
    finds(
        query,
        "Reference",
        &format!(r#"{{"reference":"{reference}"}}"#),
    )
}

#[test]
fn a_resource_of_this_server_has_many_names() {
    let absolute = format!("{BASE_URL}/Patient/23");
    for stored in ["Patient/23", "Patient/23/_history/4", &absolute] {
        for query in ["23", "Patient/23", &absolute] {
            assert!(finds_reference(query, stored), "{query} in {stored}");
        }
        for query in ["24", "Group/23", "http://other/fhir/Patient/23"] {
            assert!(!finds_reference(query, stored), "{query} in {stored}");
        }
    }
    assert!(finds_reference(
        "Patient/23/_history/4",
        "Patient/23/_history/4"
    ));
    assert!(!finds_reference(
        "Patient/23/_history/4",
        "Patient/23/_history/5"
    ));
    assert!(!finds_reference("Patient/23/_history/4", "Patient/23"));
}

#[test]
fn other_servers_and_bundles_are_named_by_url() {
    let other = "http://other/fhir/Patient/23";
    assert!(finds_reference(other, other));
    assert!(finds_reference(
        other,
        "http://other/fhir/Patient/23/_history/1"
    ));
    assert!(!finds_reference("23", other));
    let urn = "urn:uuid:0b0d3e1c-5c0c-4b0e-8d6f-000000000001";
    assert!(finds_reference(urn, urn));
    assert!(!finds_reference("23", "#23"));
    assert!(!finds(
        "23",
        "Reference",
        r#"{"identifier":{"value":"23"}}"#
    ));
}

#[test]
fn a_canonical_is_found_with_and_without_its_version() {
    let stored = "\"http://x/Questionnaire/q|2.0\"";
    assert!(finds("http://x/Questionnaire/q", "canonical", stored));
    assert!(finds("http://x/Questionnaire/q|2.0", "canonical", stored));
    assert!(!finds("http://x/Questionnaire/q|1.0", "canonical", stored));
    let bare = "\"http://x/Questionnaire/q\"";
    assert!(!finds("http://x/Questionnaire/q|2.0", "canonical", bare));
    assert!(finds("http://x/Questionnaire/q", "uri", bare));
}

#[test]
fn a_nested_resource_is_its_own_target() {
    let nested = r#"{"resourceType":"Composition","id":"c"}"#;
    assert!(finds("Composition/c", "Composition", nested));
    assert!(finds("c", "Resource", nested));
}

#[test]
fn a_bare_id_is_of_the_allowed_types() {
    let targets = ["Patient".parse().unwrap(), "Group".parse().unwrap()];
    let context = ParseContext {
        targets: &targets,
        ..CONTEXT
    };
    let condition = parse("1", &context).unwrap();
    assert_eq!(condition.targets, ["Patient/1", "Group/1"]);
}

#[test]
fn what_is_no_reference_is_refused_with_a_reason() {
    for bad in ["", "Foo/1", "Patient/", "a_b", "#p", "Patient?name=x"] {
        let reason = parse(bad, &CONTEXT).unwrap_err();
        assert!(reason.contains("Type/id"), "{bad}");
    }
}
