//! Parameters of type uri: indexed, read and matched.

use super::is_found_in;
use crate::search::param::Condition;
use crate::search::param::uri::{index, parse};

fn finds(query: &str, data_type: &str, stored: &str) -> bool {
    let condition = Condition::Uri(parse(query, None).unwrap());
    is_found_in(index, &format!("\"{stored}\""), data_type, &condition)
}

#[test]
fn uris_are_equal_character_by_character() {
    assert!(finds(
        "http://acme.org/fhir/ValueSet/123",
        "uri",
        "http://acme.org/fhir/ValueSet/123"
    ));
    assert!(!finds(
        "http://acme.org/fhir",
        "uri",
        "http://acme.org/fhir/"
    ));
    assert!(!finds(
        "http://acme.org/fhir",
        "uri",
        "http://Acme.org/fhir"
    ));
    assert!(!finds("http://acme.org/", "uri", "http://acme.org/fhir"));
    assert!(finds("urn:oid:1.2.3", "oid", "urn:oid:1.2.3"));
    assert!(parse("", None).unwrap_err().contains("missing"));
}

#[test]
fn a_profile_is_found_with_and_without_its_version() {
    let stored = "http://x/StructureDefinition/p|1";
    assert!(finds("http://x/StructureDefinition/p", "canonical", stored));
    assert!(finds(
        "http://x/StructureDefinition/p|1",
        "canonical",
        stored
    ));
    assert!(!finds(
        "http://x/StructureDefinition/p|2",
        "canonical",
        stored
    ));
}
