//! Parameters of type date: indexed, read and matched.

use proptest::prelude::*;

use super::{NOW_MS, is_found_in};
use crate::fhir::date::PartialDate;
use crate::search::param::date::{index, parse};
use crate::search::param::{Condition, DataType};
use crate::search::prefix::Prefix;

fn finds(query: &str, data_type: &str, json: &str) -> bool {
    let condition = Condition::Date(parse(query, NOW_MS).unwrap());
    is_found_in(index, json, data_type, &condition)
}

fn finds_date(query: &str, stored: &str) -> bool {
    finds(query, "dateTime", &format!("\"{stored}\""))
}

#[test]
fn equal_means_within_the_searched_time() {
    assert!(finds_date("2013-01-14", "2013-01-14T00:00:00Z"));
    assert!(finds_date("2013-01-14", "2013-01-14T10:00:00Z"));
    assert!(!finds_date("2013-01-14", "2013-01-15T00:00:00Z"));
    assert!(finds_date("2013", "2013-01-14"));
    assert!(!finds_date("2013-01-14", "2013"));
    assert!(!finds_date("ne2013-01-14", "2013-01-14T10:00:00Z"));
    assert!(finds_date("ne2013-01-14", "2013-01-15T00:00:00Z"));
    assert!(finds_date("ne2013-01-14", "2013-01"));
    assert!(finds_date("eq2013-01-14T10:00", "2013-01-14T10:00:59Z"));
}

#[test]
fn zones_count() {
    assert!(!finds_date("2013-01-14", "2013-01-14T23:00:00-05:00"));
    assert!(finds_date("2013-01-15", "2013-01-14T23:00:00-05:00"));
    assert!(finds_date(
        "2013-01-14T10:00:00+01:00",
        "2013-01-14T09:00:00Z"
    ));
}

#[test]
fn the_examples_of_the_specification() {
    assert!(finds_date("lt2013-01-14T10:00", "2013-01-14"));
    assert!(finds_date("gt2013-01-14T10:00", "2013-01-14"));
    assert!(finds_date("ge2013-03-14", "2013-03-14T00:00:00Z"));
    let from_21st = r#"{"start":"2013-01-21"}"#;
    assert!(finds("ge2013-03-14", "Period", from_21st));
    assert!(!finds("le2013-01-20", "Period", from_21st));
    let before = r#"{"start":"2013-01-21","end":"2013-03-13"}"#;
    assert!(!finds("sa2013-03-14", "Period", before));
    assert!(!finds("sa2013-03-14", "Period", from_21st));
    assert!(finds("sa2013-03-14", "Period", r#"{"start":"2013-03-15"}"#));
    assert!(finds("eb2013-03-14", "Period", before));
    assert!(!finds("eb2013-03-14", "Period", from_21st));
    assert!(finds("eb2013-03-14", "Period", r#"{"end":"2013-03-13"}"#));
}

#[test]
fn open_periods_reach_for_ever() {
    let open_end = r#"{"start":"2013-01-21"}"#;
    let open_start = r#"{"end":"2013-01-21"}"#;
    for (query, by_end, by_start) in [
        ("gt2050", true, false),
        ("ge2050", true, false),
        ("lt1900", false, true),
        ("le1900", false, true),
        ("2013", false, false),
        ("ne2013", true, true),
        ("sa2012", true, false),
        ("eb2014", false, true),
        ("gt2013-01-21", true, false),
        ("le2013-01-21", false, true),
        ("lt2013-01-22", true, true),
    ] {
        assert_eq!(finds(query, "Period", open_end), by_end, "{query}");
        assert_eq!(finds(query, "Period", open_start), by_start, "{query}");
    }
    assert!(!finds("ne2013", "Period", r#"{"id":"x"}"#));
}

#[test]
fn an_end_counts_to_its_last_moment() {
    let period = r#"{"start":"2013-01","end":"2013-03"}"#;
    assert!(finds("gt2013-03-30", "Period", period));
    assert!(!finds("gt2013-03-31", "Period", period));
    assert!(finds("2013", "Period", period));
    assert!(finds("sa2012-12-31", "Period", period));
    let turned = r#"{"start":"2013-03","end":"2013-01"}"#;
    assert!(finds("2013", "Period", turned));
    assert!(!finds("sa2013-01-31", "Period", turned));
}

#[test]
fn a_schedule_counts_by_its_outer_limits() {
    let events = r#"{"event":["2013-01-31","2013-03-24"]}"#;
    assert!(finds("ap2013-02-01", "Timing", events));
    assert!(finds("le2013-02-01", "Timing", events));
    assert!(finds("2013", "Timing", events));
    assert!(!finds("2013-01-31", "Timing", events));
    let bounds = r#"{"event":["2012-12-31"],"repeat":{"boundsPeriod":{"start":"2013-01-31"}}}"#;
    assert!(finds("gt2040", "Timing", bounds));
    assert!(finds("lt2013-01-01", "Timing", bounds));
    assert!(!finds("le2012-12-31", "Timing", bounds));
    assert!(!finds(
        "ne2013",
        "Timing",
        r#"{"repeat":{"boundsDuration":{"value":3}}}"#
    ));
}

#[test]
fn near_is_a_tenth_of_the_time_from_now() {
    // Ten years before now: one year either way.
    assert!(finds_date("ap2016-11-22", "2015-12-01"));
    assert!(finds_date("ap2016-11-22", "2017-11-01"));
    assert!(!finds_date("ap2016-11-22", "2015-11-01"));
    assert!(!finds_date("ap2016-11-22", "2017-12-01"));
    assert!(finds_date("ap2046-11-22", "2045-01-01"));
    assert!(!finds_date("ap2046-11-22", "2044-01-01"));
    assert!(finds_date("ap2026-11-22", "2026-11-22"));
    assert!(!finds_date("ap2026-11-22", "2026-11-23"));
}

#[test]
fn what_is_no_date_is_refused_with_a_reason() {
    for bad in [
        "",
        "ge",
        "x",
        "zz2013",
        "2013-1",
        "2013-02-30",
        "2013-01-01T",
    ] {
        assert!(parse(bad, NOW_MS).unwrap_err().contains("YYYY"), "{bad}");
    }
}

fn any_date() -> impl Strategy<Value = String> {
    let day = (1998i32..2003, 1u8..=12, 1u8..=28);
    prop_oneof![
        (1998i32..2003).prop_map(|year| format!("{year:04}")),
        (1998i32..2003, 1u8..=12).prop_map(|(y, m)| format!("{y:04}-{m:02}")),
        day.clone()
            .prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}")),
        (day, 0u8..24, -12i8..=12).prop_map(|((y, m, d), hour, zone)| {
            let sign = if zone < 0 { '-' } else { '+' };
            let zone = zone.abs();
            format!("{y:04}-{m:02}-{d:02}T{hour:02}:00:00{sign}{zone:02}:00")
        }),
    ]
}

/// A stored value as JSON and the interval that it is.
fn any_value() -> impl Strategy<Value = (DataType, String, i64, i64)> {
    let low = |text: &str| PartialDate::parse(text).unwrap().low_ms;
    let high = |text: &str| PartialDate::parse(text).unwrap().high_ms;
    prop_oneof![
        any_date().prop_map(move |text| {
            let (low, high) = (low(&text), high(&text));
            (DataType::Date, format!("\"{text}\""), low, high)
        }),
        any_date().prop_map(move |start| {
            let json = format!("{{\"start\":\"{start}\"}}");
            (DataType::Period, json, low(&start), i64::MAX)
        }),
        any_date().prop_map(move |end| {
            let json = format!("{{\"end\":\"{end}\"}}");
            (DataType::Period, json, i64::MIN, high(&end))
        }),
        (any_date(), any_date())
            .prop_filter("in order", move |(a, b)| low(a) <= low(b))
            .prop_map(move |(start, end)| {
                let json = format!("{{\"start\":\"{start}\",\"end\":\"{end}\"}}");
                (DataType::Period, json, low(&start), high(&end))
            }),
    ]
}

/// The table of the specification, in its own words: ranges that contain, intersect, precede.
fn by_definition(prefix: Prefix, s: (i64, i64), t: (i64, i64)) -> bool {
    let contains = |a: (i64, i64), b: (i64, i64)| b.0 >= a.0 && b.1 <= a.1;
    let overlaps = |a: (i64, i64), b: (i64, i64)| a.0 < b.1 && b.0 < a.1;
    let (above, below) = ((s.1, i64::MAX), (i64::MIN, s.0));
    match prefix {
        Prefix::Eq => contains(s, t),
        Prefix::Ne => !contains(s, t),
        Prefix::Gt => overlaps(above, t),
        Prefix::Lt => overlaps(below, t),
        Prefix::Ge => overlaps(above, t) || contains(s, t),
        Prefix::Le => overlaps(below, t) || contains(s, t),
        Prefix::Sa => !overlaps(s, t) && contains(above, t),
        Prefix::Eb => !overlaps(s, t) && contains(below, t),
        Prefix::Ap => {
            let gap = match (NOW_MS < s.0, NOW_MS > s.1) {
                (true, _) => s.0 - NOW_MS,
                (_, true) => NOW_MS - s.1,
                _ => 0,
            };
            overlaps((s.0 - gap / 10, s.1 + gap / 10), t)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn keys_decide_every_prefix(
        prefix in prop::sample::select(Prefix::ALL.to_vec()),
        searched in any_date(),
        value in any_value(),
    ) {
        let (data_type, json, low, high) = value;
        let node = super::node(&json);
        let found = super::Found::new(&node, data_type);
        let condition = parse(&format!("{}{searched}", prefix.code()), NOW_MS).unwrap();
        let date = PartialDate::parse(&searched).unwrap();
        let expected = by_definition(prefix, (date.low_ms, date.high_ms), (low, high));
        prop_assert_eq!(super::is_found(index, &[found], &Condition::Date(condition)), expected);
    }

    #[test]
    fn last_updated_is_a_moment(
        prefix in prop::sample::select(Prefix::ALL.to_vec()),
        searched in any_date(),
        moment in any_date(),
    ) {
        let condition = parse(&format!("{}{searched}", prefix.code()), NOW_MS).unwrap();
        let date = PartialDate::parse(&searched).unwrap();
        let ms = PartialDate::parse(&moment).unwrap().low_ms;
        let expected = by_definition(prefix, (date.low_ms, date.high_ms), (ms, ms + 1));
        let candidate = super::Candidate {
            id: "1",
            last_updated_ms: ms,
            entries: &super::Entries::default(),
        };
        prop_assert_eq!(condition.lower_last_updated().holds(&candidate), expected);
    }
}
