//! Queries read, and refused.

use proptest::prelude::*;

use super::{NOW_MS, indexer, pairs, parse_query, resource_type};
use crate::outcome::Severity;
use crate::search::canonical;
use crate::search::param::Condition;
use crate::search::param::string::StringCondition;
use crate::search::parse::value::OR_VALUES_MAX;
use crate::search::parse::{PARAMETERS_MAX, ParseOptions, parse};
use crate::search::query::{Criterion, Summary, Total};

/// The refusals of a query as `code: diagnostics`.
fn refusals(name: &str, query: &str) -> Vec<String> {
    let issues = parse_query(name, query).unwrap_err();
    let texts = issues
        .iter()
        .map(|one| format!("{}: {}", one.code, one.diagnostics));
    texts.collect()
}

#[test]
fn criteria_are_ands_of_ors() {
    let query = parse_query("Patient", "name=a,b&name=c\\,d&_id=1,2&_lastUpdated=ge2020").unwrap();
    let counts: Vec<_> = query
        .criteria
        .iter()
        .map(|one| match one {
            Criterion::Parameter { any_of, .. } => any_of.len(),
            Criterion::Ids(ids) => ids.len(),
            Criterion::LastUpdated(dates) => dates.len(),
            _ => 0,
        })
        .collect();
    assert_eq!(counts, [2, 1, 2, 1]);
    assert!(matches!(
        &query.criteria[1],
        Criterion::Parameter { any_of, .. }
            if matches!(&any_of[0], Condition::String(StringCondition::Begins(one)) if one == "cd")
    ));
    assert_eq!(query.understood.len(), 4);
}

#[test]
fn the_result_options_are_read() {
    let query =
        "_count=20&_summary=text&_elements=id,name&_total=accurate&_format=json&_pretty=true";
    let query = parse_query("Patient", query).unwrap();
    assert!(query.criteria.is_empty());
    assert_eq!(query.result.count, Some(20));
    assert_eq!(query.result.summary, Some(Summary::Text));
    assert_eq!(query.result.elements, ["id", "name"]);
    assert_eq!(query.result.total, Some(Total::Accurate));
    for bad in [
        "_count=-1",
        "_count=x",
        "_count=",
        "_summary=yes",
        "_total=1",
        "_elements=",
        "_elements=a$",
        "_count=1&_count=2",
    ] {
        let refused = refusals("Patient", bad);
        assert_eq!(refused.len(), 1, "{bad}");
        assert!(
            refused[0].contains(bad.split_once('=').unwrap().0),
            "{bad}: {refused:?}"
        );
    }
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (query, reason) in [
        (
            "nothing=1",
            "not-supported: 'nothing': is not a search parameter of Patient",
        ),
        ("birthdate=x", "'birthdate': a date is"),
        ("name=", "'name': a text is missing"),
        ("=x", "'': is not a search parameter"),
        (
            "_sort=nothing",
            "'_sort': is a list of search parameters of Patient",
        ),
        (
            "_include=Patient",
            "'_include': names a reference parameter of Patient",
        ),
        (
            "_include:exact=Patient:link",
            "may have the modifier iterate only",
        ),
        ("_list=$current-problems", "names a List by its id"),
        (
            "_text=x",
            "'_text': needs an index of words, which is off: see search.words",
        ),
        (
            "_filter=nothing eq 1",
            "'_filter': tests something that is no search parameter",
        ),
        (
            "name:text=x",
            "'name:text': has a modifier that it does not take; it takes :missing, :exact, \
             :contains",
        ),
        (
            "gender:exact=x",
            "it takes :missing, :not, :text, :in, :not-in, :above, :below, :of-type",
        ),
        ("birthdate:not=2000", "it takes :missing"),
        ("link:below=x", "it takes :missing, :identifier"),
        (
            "organization:below=Organization/1/_history/2",
            "names a version",
        ),
        ("name:x=x", "has a modifier that does not exist"),
        ("name:missing=x", "'name:missing': is true or false"),
        ("identifier:of-type=a|b", "an identifier of a type is"),
        ("name:Patient=x", "names a type, which only references"),
        (
            "general-practitioner:Patient=1",
            "names a type that it cannot refer to",
        ),
        ("gender.name=x", "no reference"),
        (
            "organization:Patient.name=x",
            "names a type that it cannot refer to",
        ),
        ("_id=a b", "'_id': a logical id is"),
        ("identifier=|", "a token needs"),
        ("general-practitioner=Foo/1", "a reference is"),
        ("_count:exact=1", "is not a search parameter"),
    ] {
        let refused = refusals("Patient", query);
        assert_eq!(refused.len(), 1, "{query}");
        assert!(refused[0].contains(reason), "{query}: {refused:?}");
    }
    assert!(refusals("Location", "near=1|x")[0].contains("'near': its longitude"));
    assert_eq!(refusals("Patient", "a=1&birthdate=x&name=ok").len(), 2);
}

#[test]
fn composites_are_refused_by_their_part() {
    for (query, reason) in [
        ("code-value-quantity=a", "parted by '$'"),
        ("code-value-quantity=a$1$2", "parted by '$'"),
        ("code-value-quantity=a$x", "part 2: a number is"),
        ("code-value-quantity=$5", "part 1: a token needs"),
        ("code-value-quantity:not=a$5", "it takes :missing"),
    ] {
        assert!(
            refusals("Observation", query)[0].contains(reason),
            "{query}"
        );
    }
}

#[test]
fn a_refusal_never_shows_the_value() {
    for query in ["birthdate=Secret", "gender:Secret2=x", "_id=Se cret"] {
        let issues = parse_query("Patient", query).unwrap_err();
        assert!(!format!("{issues:?}").contains("Secret\""), "{query}");
        assert!(!format!("{issues:?}").contains("Se cret"), "{query}");
        assert!(issues[0].expression[0].starts_with("http."));
    }
}

#[test]
fn lenient_handling_warns_and_goes_on() {
    let options = ParseOptions {
        now_ms: NOW_MS,
        is_lenient: true,
        chain_depth_max: 4,
    };
    let given = pairs("nothing=1&name=x&birthdate=q&_sort=nothing");
    let query = parse(resource_type("Patient"), &given, indexer(), options).unwrap();
    assert_eq!(query.criteria.len(), 1);
    assert_eq!(query.understood, [("name".to_owned(), "x".to_owned())]);
    assert_eq!(query.warnings.len(), 3);
    for warning in &query.warnings {
        assert_eq!(warning.severity, Severity::Warning);
        assert!(warning.diagnostics.ends_with("it was ignored"));
    }
}

#[test]
fn a_type_behind_the_colon_limits_a_reference() {
    let query = parse_query("Observation", "subject:Patient=1").unwrap();
    assert!(matches!(
        &query.criteria[0],
        Criterion::Parameter { any_of, .. }
            if matches!(&any_of[0], Condition::Reference(one) if one.targets == ["Patient/1"])
    ));
}

#[test]
fn there_are_limits() {
    let many = vec!["name=x"; PARAMETERS_MAX + 1].join("&");
    assert!(refusals("Patient", &many)[0].contains("at most 64 parameters"));
    let exactly = vec!["name=x"; PARAMETERS_MAX].join("&");
    assert!(parse_query("Patient", &exactly).is_ok());
    let values = vec!["x"; OR_VALUES_MAX + 1].join(",");
    assert!(refusals("Patient", &format!("name={values}"))[0].contains("more than 1000 values"));
    let values = vec!["x"; OR_VALUES_MAX].join(",");
    assert!(parse_query("Patient", &format!("name={values}")).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_query_panics(
        name in "_?[a-z-]{0,12}([:.][a-zA-Z-]{0,8})?|code|date|value-quantity|subject(:Patient)?.name|\
            identifier|_id|_filter|_has:Observation:has-member:code|_include|_sort|_list",
        value in "\\(?(not)? ?\\(?code (eq|ne|pr|po) \"?[a-z\\\\,]{0,5}\"?\\)? (and|or)?.{0,9}|\\PC{0,20}|(ge|ne|ap)?-?[0-9]{0,40}[.e,|$T:Z-]{0,3}[0-9]{0,5}",
        is_lenient in any::<bool>(),
    ) {
        let options = ParseOptions { now_ms: NOW_MS, is_lenient, chain_depth_max: 4 };
        let pairs = [(name, value)];
        match parse(resource_type("Observation"), &pairs, indexer(), options) {
            Ok(query) => {
                let plan = query.lower(indexer()).plan(&[]);
                prop_assert!(plan.type_key.is_some());
                prop_assert!(is_lenient || query.warnings.is_empty());
            }
            Err(issues) => prop_assert!(!issues.is_empty() && !is_lenient),
        }
    }
}

#[test]
fn queries_that_ask_for_the_same_have_one_form() {
    let form = |name: &str, query: &str| canonical::form(&parse_query(name, query).unwrap());
    let plain = form(
        "Patient",
        "identifier=http://a|1&active=true&birthdate=2000",
    );
    for same in [
        "active=true&identifier=http://a|1&birthdate=2000",
        "birthdate=eq2000&identifier=http://a|1,http://a|1&active=true",
        "identifier=http://a|1&active=true&active=true&birthdate=2000&_count=1",
        "_sort=birthdate&identifier=http://a|1&active=true&birthdate=2000",
    ] {
        assert_eq!(form("Patient", same), plain, "{same}");
    }
    let either = form("Patient", "identifier=a,b&_id=1,2");
    assert_eq!(form("Patient", "_id=2,1&identifier=b,a,b"), either);
    assert_ne!(form("Patient", "identifier=a&identifier=b&_id=1,2"), either);
    let subject = form("Observation", "subject=Patient/1");
    assert_eq!(form("Observation", "subject:Patient=1"), subject);
    assert_ne!(form("Observation", "subject=Patient/2"), subject);
    assert_ne!(form("Patient", "identifier=http://a|1"), plain);
    assert_ne!(
        form("Patient", "active:not=true"),
        form("Patient", "active=true")
    );
}

/// Reservations are named by these: processes of two builds have to agree.
#[test]
fn forms_are_written_out() {
    let form = |name: &str, query: &str| canonical::form(&parse_query(name, query).unwrap());
    for (name, query, expected) in [
        (
            "Patient",
            r#"identifier=http://a|x"y&family=De,Da&_id=1"#,
            r#"Patient?_id="1" and family="da","de" and identifier="http://a"|"x\"y""#,
        ),
        (
            "Patient",
            "birthdate=ge2000-01-01&name:exact=A&gender:missing=true",
            r#"Patient?birthdate=ge[946684800000,946771200000) and gender:missing=true and name=exact:"A""#,
        ),
        (
            "Observation",
            "code:not=a&value-quantity=5.40|http://u|mg&subject:Patient.name:contains=x",
            concat!(
                r#"Observation?not (code=folded:"a") and subject.(Patient.(name=contains:"x"))"#,
                r#" and value-quantity=eq0.54e1/0.5395e1/0.5405e1|"http://u"|"mg""#
            ),
        ),
        (
            "Patient",
            "_has:Observation:patient:code-value-quantity=x|y$lt2&_list=7",
            r#"Patient?_has:Observation:patient(code-value-quantity=folded:"x"|"y"$lt0.2e1/0.15e1/0.25e1) and _list="7""#,
        ),
        (
            "Location",
            "near=1.5|2|3&partof:below=Location/1,2",
            r#"Location?near=near(1.5|2|3000m) and partof:below[Location.partof]="Location/1","Location/2""#,
        ),
        (
            "Encounter",
            "class:in=http://v&subject:identifier=http://a|1&_lastUpdated=lt2000-01-01",
            concat!(
                r#"Encounter?_lastUpdated=lt[946684800000,946771200000)"#,
                r#" and class=in:"http://v" and subject=identifier:"http://a"|"1""#
            ),
        ),
    ] {
        assert_eq!(form(name, query), expected, "{query}");
    }
}
