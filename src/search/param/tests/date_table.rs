//! Every prefix of dates against every precision and every type that has a time.

use super::{NOW_MS, is_found_in};
use crate::search::param::Condition;
use crate::search::param::date::{index, parse};
use crate::search::prefix::Prefix;

/// A searched date, and values with the prefixes under which it finds them.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

const WITHIN: &str = "eq ge le ap";
const AROUND: &str = "ne gt lt ge le ap";
const BEFORE: &str = "ne lt le eb ap";
const BEHIND: &str = "ne gt ge sa ap";
const INTO: &str = "ne lt le ap";
const OUT_OF: &str = "ne gt ge ap";

const CASES: [Case; 7] = [
    (
        "2013-03-14",
        &[
            (r#""2013-03-14""#, WITHIN),
            (r#""2013-03-14T10:00:00Z""#, WITHIN),
            (r#""2013-03-14T23:30:00-05:00""#, BEHIND),
            (r#""2013-03""#, AROUND),
            (r#""2013""#, AROUND),
            (r#""2013-03-13""#, BEFORE),
            (r#""2013-03-15""#, BEHIND),
            (r#""2005""#, "ne lt le eb"),
            (r#""2020-01-01""#, "ne gt ge sa"),
            (r#"{"start":"2013-03-14","end":"2013-03-14"}"#, WITHIN),
            (
                r#"{"start":"2013-03-14T08:00:00Z","end":"2013-03-14"}"#,
                WITHIN,
            ),
            (r#"{"start":"2013-03-14"}"#, OUT_OF),
            (r#"{"end":"2013-03-14"}"#, INTO),
            (r#"{"start":"2013-03-15"}"#, BEHIND),
            (r#"{"end":"2013-03-13"}"#, BEFORE),
            (r#"{"start":"2013-03-01","end":"2013-03-31"}"#, AROUND),
            (
                r#"{"event":["2013-03-14T20:00:00Z","2013-03-14T08:00:00Z"]}"#,
                WITHIN,
            ),
            (r#"{"event":["2013-03-13","2013-03-15"]}"#, AROUND),
            (r#"{"event":["2013-03-15","2013-04"]}"#, BEHIND),
            (
                r#"{"repeat":{"boundsPeriod":{"start":"2013-03-14"}}}"#,
                OUT_OF,
            ),
            (r#"{"repeat":{"boundsPeriod":{"end":"2013-03-14"}}}"#, INTO),
            (
                r#"{"event":["2013-03-01"],"repeat":{"boundsPeriod":{"start":"2013-03-10"}}}"#,
                AROUND,
            ),
            (r#"{"repeat":{"frequency":2}}"#, ""),
        ],
    ),
    (
        "2013",
        &[
            (r#""2013""#, WITHIN),
            (r#""2013-12-31T23:59:59.999Z""#, WITHIN),
            (r#""2012-12-31""#, BEFORE),
            (r#""2014-01-01T00:00:00Z""#, BEHIND),
            (r#""2014-01-01T00:00:00+01:00""#, WITHIN),
            (r#"{"start":"2012-06","end":"2013-06"}"#, INTO),
            (r#"{"start":"2013-06"}"#, OUT_OF),
            (r#"{"start":"2013-06-30","end":"2013"}"#, WITHIN),
        ],
    ),
    (
        "2013-03",
        &[
            (r#""2013""#, AROUND),
            (r#""2013-03-31T23:59:59Z""#, WITHIN),
            (r#""2013-02-28""#, BEFORE),
            (r#"{"start":"2013-02","end":"2013-03"}"#, INTO),
        ],
    ),
    (
        "2013-03-14T10:00",
        &[
            (r#""2013-03-14T10:00:59Z""#, WITHIN),
            (r#""2013-03-14T11:00:30+01:00""#, WITHIN),
            (r#""2013-03-14""#, AROUND),
            (r#""2013-03-14T10:01:00Z""#, BEHIND),
        ],
    ),
    (
        "2013-03-14T10:00:00Z",
        &[
            (r#""2013-03-14T10:00:00Z""#, WITHIN),
            (r#""2013-03-14T10:00:00.500Z""#, WITHIN),
            (r#""2013-03-14T09:59:59.999Z""#, BEFORE),
            (
                r#"{"start":"2013-03-14T09:00:00Z","end":"2013-03-14T10:00:00Z"}"#,
                INTO,
            ),
        ],
    ),
    (
        "2013-03-14T10:00:00.500Z",
        &[
            (r#""2013-03-14T10:00:00Z""#, AROUND),
            (r#""2013-03-14T10:00:00.500Z""#, WITHIN),
            (r#""2013-03-14T10:00:00.501Z""#, BEHIND),
        ],
    ),
    (
        "2030",
        &[
            (r#""2029-10""#, BEFORE),
            (r#""2029-01""#, "ne lt le eb"),
            (r#""2030-01-01""#, WITHIN),
        ],
    ),
];

#[test]
fn every_prefix_finds_what_it_has_to() {
    for (searched, values) in CASES {
        for (json, prefixes) in values {
            let data_type = match json {
                json if json.starts_with('"') => "dateTime",
                json if json.contains("event") || json.contains("repeat") => "Timing",
                _ => "Period",
            };
            let expected: Vec<_> = prefixes.split_whitespace().collect();
            for prefix in Prefix::ALL.map(Prefix::code) {
                let condition = parse(&format!("{prefix}{searched}"), NOW_MS).unwrap();
                let found = is_found_in(index, json, data_type, &Condition::Date(condition));
                assert_eq!(
                    found,
                    expected.contains(&prefix),
                    "{prefix}{searched} on {json}"
                );
            }
        }
    }
}

#[test]
fn a_value_without_a_time_has_no_keys() {
    let condition = Condition::Date(parse("ne2013", NOW_MS).unwrap());
    assert!(!is_found_in(index, "{\"id\":\"x\"}", "Period", &condition));
}
