//! Parameters of type string: indexed, read and matched.

use proptest::prelude::*;

use super::is_found_in;
use crate::search::param::Condition;
use crate::search::param::string::{index, parse};
use crate::search::text::normalise;

fn finds(query: &str, data_type: &str, json: &str) -> bool {
    let condition = Condition::String(parse(query, None).unwrap());
    is_found_in(index, json, data_type, &condition)
}

#[test]
fn a_string_is_found_by_its_beginning() {
    for (query, stored, expected) in [
        ("eve", "Eve", true),
        ("eve", "Evelyn", true),
        ("Eve", "Severine", false),
        ("eve", "Ève", true),
        ("o'brien", "OBrien", true),
        ("wolfeschlegelstein", "Wolfeschlegelsteinhausen", true),
        ("wolfeschlegelstern", "Wolfeschlegelsteinhausen", false),
        ("wolfeschlegelsteinhausen", "Wolfeschlegel", false),
        ("b", "a b", false),
        ("a  B", "A b c", true),
        ("a\\,b", "a,b", true),
        ("田中", "田中太郎", true),
        ("太郎", "田中太郎", false),
    ] {
        let json = format!("\"{stored}\"");
        assert_eq!(
            finds(query, "string", &json),
            expected,
            "{query} in {stored}"
        );
    }
}

#[test]
fn a_name_is_found_by_each_part_and_word() {
    let name = r#"{"use":"official","text":"Dr. Peter van den Berg jun.","family":"van den Berg",
        "given":["Peter James","Jim"],"prefix":["Dr."],"suffix":["jun."]}"#;
    for (query, expected) in [
        ("peter", true),
        ("james", true),
        ("jim", true),
        ("berg", true),
        ("van den b", true),
        ("den berg", true),
        ("dr", true),
        ("jun", true),
        ("official", false),
        ("erg", false),
        ("peter van den berg", true),
        ("peter den berg", false),
    ] {
        assert_eq!(finds(query, "HumanName", name), expected, "{query}");
    }
}

#[test]
fn an_address_is_found_by_each_part_and_word() {
    let address = r#"{"use":"home","type":"both","line":["534 Erewhon St","Apt 5"],
        "city":"PleasantVille","district":"Rainbow","state":"Vic","postalCode":"3999",
        "country":"AU","text":"somewhere"}"#;
    for query in [
        "534 e",
        "erewhon",
        "apt",
        "pleasantv",
        "rain",
        "vic",
        "39",
        "au",
        "somewhere",
    ] {
        assert!(finds(query, "Address", address), "{query}");
    }
    for query in ["home", "both", "ville"] {
        assert!(!finds(query, "Address", address), "{query}");
    }
}

#[test]
fn an_empty_text_is_refused() {
    assert!(parse("", None).unwrap_err().contains("missing"));
    assert!(parse("  ", None).is_err());
    assert!(parse("-", None).is_ok());
}

proptest! {
    #[test]
    fn keys_agree_with_values(stored in "[aAäéß ,-]{1,20}", query in "[aAäéß ]{1,16}") {
        let expected = normalise(&stored).starts_with(&normalise(&query));
        if parse(&query, None).is_ok() && !normalise(&stored).is_empty() {
            prop_assert_eq!(finds(&query, "string", &format!("\"{stored}\"")), expected);
        }
    }

    #[test]
    fn every_beginning_finds_its_text(stored in "\\PC{1,30}", length in 1..30usize) {
        let text = stored.replace(['"', '\\'], "");
        let beginning: String = normalise(&text).chars().take(length).collect();
        if let Ok(condition) = parse(&beginning, None) {
            let json = format!("\"{text}\"");
            prop_assert!(is_found_in(index, &json, "string", &Condition::String(condition)));
        }
    }
}
