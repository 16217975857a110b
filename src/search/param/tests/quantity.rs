//! Parameters of type quantity: indexed, read and matched.

use super::is_found_in;
use crate::search::param::Condition;
use crate::search::param::quantity::{index, parse};

fn finds(query: &str, data_type: &str, json: &str) -> bool {
    let condition = Condition::Quantity(parse(query).unwrap());
    is_found_in(index, json, data_type, &condition)
}

const MILLIGRAMS: &str =
    r#"{"value":5.4,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"}"#;

#[test]
fn units_are_asked_in_three_ways() {
    for (query, expected) in [
        ("5.4", true),
        ("5.4||", true),
        ("5.4|http://unitsofmeasure.org|mg", true),
        ("5.40e0|http://unitsofmeasure.org|mg", true),
        ("5.4||mg", true),
        ("5.4||milligram", true),
        ("5.4||g", false),
        ("5.4|http://unitsofmeasure.org|milligram", false),
        ("5.4|http://other|mg", false),
        ("le5.4|http://unitsofmeasure.org|mg", true),
        ("gt5.4|http://unitsofmeasure.org|mg", false),
        ("ap5.9||mg", true),
        ("6", false),
        ("5", true),
    ] {
        assert_eq!(finds(query, "Quantity", MILLIGRAMS), expected, "{query}");
        assert_eq!(finds(query, "Age", MILLIGRAMS), expected, "{query}");
    }
    assert!(!finds("0", "Quantity", r#"{"unit":"mg"}"#));
}

#[test]
fn codes_of_ucum_are_found_in_any_unit() {
    let stored = |value: &str, code: &str| {
        format!(r#"{{"value":{value},"system":"http://unitsofmeasure.org","code":"{code}"}}"#)
    };
    for (query, value, code, expected) in [
        ("5.4|http://unitsofmeasure.org|mg", "0.0054", "g", true),
        ("5.4|http://unitsofmeasure.org|mg", "5400", "ug", true),
        ("5.4|http://unitsofmeasure.org|mg", "5449.99", "ug", true),
        ("5.4|http://unitsofmeasure.org|mg", "5450", "ug", false),
        ("5.4|http://unitsofmeasure.org|mg", "5.4", "mL", false),
        ("gt5.4|http://unitsofmeasure.org|mg", "0.0054", "g", false),
        (
            "gt5.4|http://unitsofmeasure.org|mg",
            "0.00540000000000000000001",
            "g",
            true,
        ),
        ("ge1|http://unitsofmeasure.org|/s", "60", "/min", true),
        ("gt1|http://unitsofmeasure.org|/s", "60", "/min", false),
        ("lt1|http://unitsofmeasure.org|/s", "60", "/min", false),
        ("le100|http://unitsofmeasure.org|/min", "6000", "/h", true),
        (
            "lt100|http://unitsofmeasure.org|/min",
            "5999.9999999999999999",
            "/h",
            true,
        ),
        ("lt100|http://unitsofmeasure.org|/min", "6000", "/h", false),
        ("100|http://unitsofmeasure.org|/min", "100", "/min", true),
        ("100|http://unitsofmeasure.org|/min", "6000", "/h", true),
        ("0.007|http://unitsofmeasure.org|mol/L", "7", "mmol/L", true),
        ("37|http://unitsofmeasure.org|Cel", "37", "Cel", true),
        ("37|http://unitsofmeasure.org|Cel", "310.15", "K", false),
        ("5||mg", "0.005", "g", false),
        ("1e49|http://unitsofmeasure.org|mol", "1e49", "mol", true),
        ("gt2e49|http://unitsofmeasure.org|mol", "1e49", "mol", false),
    ] {
        let found = finds(query, "Quantity", &stored(value, code));
        assert_eq!(found, expected, "{query} in {value} {code}");
    }
    let below = r#"{"value":5,"comparator":"<","system":"http://unitsofmeasure.org","code":"g"}"#;
    assert!(finds("lt1|http://unitsofmeasure.org|mg", "Quantity", below));
    assert!(!finds(
        "ge5000|http://unitsofmeasure.org|mg",
        "Quantity",
        below
    ));
}

#[test]
fn a_comparator_opens_the_value() {
    for (comparator, query, expected) in [
        ("<", "lt5", true),
        ("<", "gt4", true),
        ("<", "gt5", false),
        ("<", "ge5", false),
        ("<=", "ge5", true),
        ("<=", "gt5", false),
        (">", "gt1000000", true),
        (">", "le5", false),
        (">=", "le5", true),
        (">=", "lt5", false),
        (">", "sa5", true),
        (">=", "sa5", false),
        ("<", "eb5", true),
        ("<", "5", false),
        (">", "ne5", true),
    ] {
        let json = format!(r#"{{"value":5,"comparator":"{comparator}"}}"#);
        let found = finds(query, "Quantity", &json);
        assert_eq!(found, expected, "{query} in {comparator}5");
    }
}

#[test]
fn money_is_an_amount_of_a_currency() {
    let price = r#"{"value":129.95,"currency":"EUR"}"#;
    assert!(finds("129.95|urn:iso:std:iso:4217|EUR", "Money", price));
    assert!(finds("lt130||EUR", "Money", price));
    assert!(!finds("129.95||USD", "Money", price));
}

#[test]
fn ranges_have_the_unit_of_their_ends() {
    let range = r#"{"low":{"value":30,"unit":"years"},"high":{"value":40,"unit":"years"}}"#;
    assert!(finds("gt35||years", "Range", range));
    assert!(!finds("gt35||days", "Range", range));
    assert!(finds("eb41", "Range", range));
}

#[test]
fn sampled_data_reaches_from_its_lowest_to_its_highest_point() {
    let sampled = r#"{"origin":{"value":2048,"unit":"uV"},"period":10,"factor":1.5,
        "lowerLimit":-3300,"upperLimit":3300,"dimensions":1,"data":"E 2 -4 10 L"}"#;
    assert!(finds("lt-2901||uV", "SampledData", sampled));
    assert!(!finds("lt-2902||uV", "SampledData", sampled));
    assert!(finds("ge2063||uV", "SampledData", sampled));
    assert!(!finds("gt2063||uV", "SampledData", sampled));
}

#[test]
fn what_is_no_quantity_is_refused_with_a_reason() {
    for bad in ["", "|sys|mg", "5|sys", "5|sys|", "5|a|b|c", "x||mg"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(
        parse("5.4|sys|")
            .unwrap_err()
            .contains("number|system|code")
    );
}
