//! Parameters of type token: indexed, read and matched.

use proptest::prelude::*;

use super::{STATED, is_found, is_found_in, node};
use crate::fhir::shape::{CodeSet, CodeSystemCodes};
use crate::search::param::token::case::LetterCase;
use crate::search::param::token::{Systems, TokenCondition, index, parse};
use crate::search::param::{Condition, DataType, Found};

fn finds(query: &str, data_type: &str, json: &str) -> bool {
    let condition = Condition::Token(parse(query, &STATED).unwrap());
    is_found_in(index, json, data_type, &condition)
}

#[test]
fn each_form_of_a_token_asks_something_else() {
    let concept = r#"{"coding":[{"system":"http://loinc.org","code":"8867-4"},
        {"code":"hr"},{"system":"http://only.system"}],"text":"Heart rate"}"#;
    for (query, expected) in [
        ("8867-4", true),
        ("http://loinc.org|8867-4", true),
        ("http://loinc.org|", true),
        ("http://only.system|", true),
        ("http://loinc.org|hr", false),
        ("http://snomed.info/sct|8867-4", false),
        ("|8867-4", false),
        ("|hr", true),
        ("hr", true),
        ("HR", false),
        ("Heart rate", false),
        ("http://snomed.info/sct|", false),
    ] {
        let found = finds(query, "CodeableConcept", concept);
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn many_types_are_tokens() {
    for (query, data_type, json, expected) in [
        (
            "urn:oid:1|4711",
            "Identifier",
            r#"{"system":"urn:oid:1","value":"4711"}"#,
            true,
        ),
        (
            "urn:oid:1|",
            "Identifier",
            r#"{"system":"urn:oid:1","value":"4711"}"#,
            true,
        ),
        ("4711", "Identifier", r#"{"value":"4711"}"#, true),
        ("|4711", "Identifier", r#"{"value":"4711"}"#, true),
        (
            "|4711",
            "Identifier",
            r#"{"system":"urn:oid:1","value":"4711"}"#,
            false,
        ),
        (
            "555-1",
            "ContactPoint",
            r#"{"system":"phone","value":"555-1"}"#,
            true,
        ),
        (
            "phone|555-1",
            "ContactPoint",
            r#"{"system":"phone","value":"555-1"}"#,
            false,
        ),
        ("true", "boolean", "true", true),
        ("false", "boolean", "true", false),
        ("final", "code", "\"final\"", true),
        ("abc", "string", "\"abc\"", true),
        ("x-1", "id", "\"x-1\"", true),
        (
            "http://a|b",
            "Coding",
            r#"{"system":"http://a","code":"b"}"#,
            true,
        ),
        ("a\\|b", "string", "\"a|b\"", true),
        (
            "http://a\\,x|b",
            "Coding",
            r#"{"system":"http://a,x","code":"b"}"#,
            true,
        ),
    ] {
        assert_eq!(finds(query, data_type, json), expected, "{query} in {json}");
    }
}

#[test]
fn a_bound_code_has_the_system_of_its_binding() {
    let system = |name: &str, codes: &[&str]| CodeSystemCodes {
        system: name.into(),
        codes: codes.iter().map(|&code| code.into()).collect(),
    };
    let codes = CodeSet {
        value_set: "http://v".into(),
        systems: vec![system("http://a", &["x", "y"]), system("http://b", &["z"])],
    };
    let value = node("\"z\"");
    let found = Found {
        codes: Some(&codes),
        ..Found::new(&value, DataType::Code)
    };
    let systems = Systems {
        are_stated: false,
        bindings: &[&codes],
        case: LetterCase::Exact,
    };
    for (query, expected) in [
        ("z", true),
        ("x", false),
        ("q", false),
        ("http://b|z", true),
        ("http://b|", true),
        ("http://a|z", false),
        ("|z", false),
    ] {
        let condition = Condition::Token(parse(query, &systems).unwrap());
        assert_eq!(is_found(index, &[found], &condition), expected, "{query}");
    }
}

#[test]
fn what_is_no_token_is_refused_with_a_reason() {
    for bad in ["", "|", "a|b|c"] {
        assert!(parse(bad, &STATED).unwrap_err().contains("token"), "{bad}");
    }
}

proptest! {
    #[test]
    fn keys_agree_with_values(
        stored in prop::collection::vec(("[ab]{0,1}", "[xy]{1,2}"), 1..4),
        system in "[ab]{0,1}",
        code in "[xy]{1,2}",
        form in 0..3u8,
    ) {
        let nodes: Vec<_> = stored.iter().map(|(system, code)| {
            let system = if system.is_empty() { String::new() } else { format!("\"system\":\"{system}\",") };
            node(&format!("{{{system}\"code\":\"{code}\"}}"))
        }).collect();
        let values: Vec<_> = nodes.iter().map(|one| Found::new(one, DataType::Coding)).collect();
        let (query, expected) = match form {
            0 => (code.clone(), stored.iter().any(|(_, c)| *c == code)),
            1 => (
                format!("{system}|{code}"),
                stored.iter().any(|(s, c)| *s == system && *c == code),
            ),
            _ if system.is_empty() => return Ok(()),
            _ => (format!("{system}|"), stored.iter().any(|(s, _)| *s == system)),
        };
        let condition = Condition::Token(parse(&query, &STATED).unwrap());
        prop_assert_eq!(is_found(index, &values, &condition), expected);
    }
}

#[test]
fn a_bare_code_of_a_known_system_is_one_key() {
    let systems = Systems {
        are_stated: false,
        bindings: &[],
        case: LetterCase::Exact,
    };
    let value = node("true");
    let found = Found::new(&value, DataType::Boolean);
    let condition = parse("true", &systems).unwrap();
    assert!(matches!(condition, TokenCondition::CodeInSystem { .. }));
    assert!(is_found(index, &[found], &Condition::Token(condition)));
}

#[test]
fn case_counts_where_the_system_says_so() {
    let concept = r#"{"coding":[{"system":"http://c","code":"N17.9"},
        {"system":"http://unitsofmeasure.org","code":"mL"},{"system":"http://c","code":"amb"}]}"#;
    let systems = Systems {
        case: LetterCase::Folded,
        ..STATED
    };
    for (query, expected) in [
        ("N17.9", true),
        ("n17.9", true),
        ("http://c|n17.9", true),
        ("http://c|N17.9", true),
        ("http://d|n17.9", false),
        ("AMB", true),
        ("http://c|AMB", true),
        ("ml", true),
        ("http://unitsofmeasure.org|mL", true),
        ("http://unitsofmeasure.org|ml", false),
        ("http://unitsofmeasure.org|ML", false),
        ("http://c|ml", false),
        ("nl", false),
    ] {
        let condition = Condition::Token(parse(query, &systems).unwrap());
        let found = is_found_in(index, concept, "CodeableConcept", &condition);
        assert_eq!(found, expected, "{query}");
    }
    let mixed = Systems {
        case: LetterCase::Mixed,
        ..STATED
    };
    let identifier = r#"{"system":"http://i","value":"aB"}"#;
    for (query, expected) in [("aB", true), ("ab", false), ("AB", false)] {
        let condition = Condition::Token(parse(query, &mixed).unwrap());
        let found = is_found_in(index, identifier, "Identifier", &condition);
        assert_eq!(found, expected, "{query}");
        let coding = r#"{"code":"ab"}"#;
        assert!(is_found_in(index, coding, "Coding", &condition), "{query}");
    }
}
