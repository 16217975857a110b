//! Parameters of type number: indexed, read and matched.

use proptest::prelude::*;

use super::is_found_in;
use crate::search::param::Condition;
use crate::search::param::number::{index, parse};
use crate::search::prefix::Prefix;

fn finds(query: &str, data_type: &str, json: &str) -> bool {
    let condition = Condition::Number(parse(query).unwrap());
    is_found_in(index, json, data_type, &condition)
}

fn finds_number(query: &str, stored: &str) -> bool {
    finds(query, "decimal", stored)
}

#[test]
fn the_examples_of_the_specification() {
    for (query, stored, expected) in [
        ("100", "99.5", true),
        ("100", "100.499999999999", true),
        ("100", "100.5", false),
        ("100.00", "100.004", true),
        ("100.00", "100.005", false),
        ("1e2", "95", true),
        ("1e2", "104.9", true),
        ("1e2", "105", false),
        ("lt100", "99.99", true),
        ("lt100", "100", false),
        ("le100", "100", true),
        ("gt100", "100.01", true),
        ("gt100", "100", false),
        ("ge100", "100.0", true),
        ("ne100", "100.4", false),
        ("ne100", "100.5", true),
        ("sa100", "100.1", true),
        ("sa100", "100", false),
        ("eb100", "99.9", true),
        ("ap100", "110", true),
        ("ap100", "110.1", false),
        ("ap-100", "-90", true),
        ("ap-100", "-89.9", false),
        ("-5.4", "-5.4", true),
        ("-5.4", "-5.35", false),
        ("-5.4", "-5.45", true),
        ("lt0", "-0.000001", true),
        ("gt0", "1e-70", true),
        ("gt1e50", "1e99", true),
    ] {
        assert_eq!(finds_number(query, stored), expected, "{query} {stored}");
    }
}

#[test]
fn digits_beyond_the_sixteenth_count() {
    let long = "1.23456789012345678901";
    assert!(finds_number("gt1.234567890123456789", long));
    assert!(finds_number("ge1.23456789012345678901", long));
    assert!(!finds_number("gt1.23456789012345678901", long));
    assert!(!finds_number("lt1.2345678901234567", long));
    assert!(finds_number("1.2345678901234567890", long));
    assert!(!finds_number("1.2345678901234567891", long));
}

#[test]
fn ranges_are_intervals() {
    let range = |low: &str, high: &str| {
        let end = |name: &str, value: &str| format!("\"{name}\":{{\"value\":{value}}}");
        match (low, high) {
            (low, "") => format!("{{{}}}", end("low", low)),
            ("", high) => format!("{{{}}}", end("high", high)),
            (low, high) => format!("{{{},{}}}", end("low", low), end("high", high)),
        }
    };
    for (query, low, high, expected) in [
        ("10", "9.6", "10.4", true),
        ("10", "9.6", "11", false),
        ("ne10", "9.6", "11", true),
        ("ne10", "9.6", "10.4", false),
        ("gt10", "9", "11", true),
        ("gt10", "9", "10", false),
        ("ge10", "9", "10", true),
        ("lt10", "9", "11", true),
        ("lt9", "9", "11", false),
        ("le9", "9", "11", true),
        ("sa8", "9", "11", true),
        ("sa9", "9", "11", false),
        ("eb12", "9", "11", true),
        ("eb11", "9", "11", false),
        ("ap10", "11", "20", true),
        ("ap10", "11.1", "20", false),
        ("gt1000", "9", "", true),
        ("lt-1000", "9", "", false),
        ("lt-1000", "", "9", true),
        ("eq5", "5", "5", true),
    ] {
        let found = finds(query, "Range", &range(low, high));
        assert_eq!(found, expected, "{query} in {low}..{high}");
    }
}

#[test]
fn what_is_no_number_is_refused_with_a_reason() {
    for bad in ["", "gt", "x", "5x", "1e60", "zz5"] {
        assert!(parse(bad).unwrap_err().contains("decimal"), "{bad}");
    }
}

/// The number in thousandths of thousandths.
fn fine(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
    digits * 10i128.pow(6 - u32::try_from(fraction.len()).unwrap())
}

fn by_definition(prefix: Prefix, text: &str, stored: i128) -> bool {
    let places = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    let half = 5 * 10i128.pow(5 - u32::try_from(places).unwrap());
    let number = fine(text);
    let is_within = stored >= number - half && stored < number + half;
    match prefix {
        Prefix::Eq => is_within,
        Prefix::Ne => !is_within,
        Prefix::Gt | Prefix::Sa => stored > number,
        Prefix::Lt | Prefix::Eb => stored < number,
        Prefix::Ge => stored >= number,
        Prefix::Le => stored <= number,
        Prefix::Ap => (stored - number).abs() <= (number.abs() / 10).max(half),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn keys_decide_every_prefix(
        prefix in prop::sample::select(Prefix::ALL.to_vec()),
        searched in "-?[0-9]{1,2}(\\.[0-9]{1,3})?",
        stored in "-?(0|[1-9][0-9]?)(\\.[0-9]{1,4})?",
    ) {
        let expected = by_definition(prefix, &searched, fine(&stored));
        let query = format!("{}{searched}", prefix.code());
        prop_assert_eq!(finds_number(&query, &stored), expected);
    }

    #[test]
    fn keys_never_miss_and_agree_when_exact(
        prefix in prop::sample::select(Prefix::ALL.to_vec()),
        searched in "-?[0-9]{1,14}(\\.[0-9]{1,10})?(e-?[0-9])?",
        low in "-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,10})?",
        high in "-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,10})?",
    ) {
        let query = format!("{}{searched}", prefix.code());
        let is_found = finds_number(&query, &low);
        let json = format!("{{\"low\":{{\"value\":{low}}},\"high\":{{\"value\":{high}}}}}");
        let in_range = finds(&query, "Range", &json);
        prop_assert!(in_range || !(is_found && low == high));
    }
}
