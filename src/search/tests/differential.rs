//! Random resources and queries: keys and verification answer as a plain reading of values does.
//!
//! The reading here knows nothing of parameters' programs, keys or conditions: it takes elements by
//! name and compares what it finds.

use proptest::prelude::*;

use super::{finds, resource};
use crate::fhir::date::PartialDate;

/// A patient and an observation of it, by the values that queries are about.
#[derive(Debug, Clone)]
struct Facts {
    family: String,
    given: String,
    gender: &'static str,
    birth_date: String,
    identifier: (Option<u8>, u8),
    code: (Option<u8>, u8),
    value: (i32, &'static str),
    patient: u8,
}

const GENDERS: [&str; 4] = ["male", "female", "other", "unknown"];
const UNITS: [&str; 2] = ["mg", "g"];
const GENDER_SYSTEM: &str = "http://hl7.org/fhir/administrative-gender";

fn any_facts() -> impl Strategy<Value = Facts> {
    let pair = || (prop::option::of(0..2u8), 0..3u8);
    (
        ("[A-C][a-c]{0,3}", "[A-C][a-c]{0,14}", any_date()),
        prop::sample::select(GENDERS.to_vec()),
        (pair(), pair()),
        (-30..30i32, prop::sample::select(UNITS.to_vec())),
        0..3u8,
    )
        .prop_map(
            |(names, gender, (identifier, code), value, patient)| Facts {
                family: names.0,
                given: names.1,
                birth_date: names.2,
                gender,
                identifier,
                code,
                value,
                patient,
            },
        )
}

fn any_date() -> impl Strategy<Value = String> {
    prop_oneof![
        (2000..2003i32).prop_map(|year| year.to_string()),
        (2000..2003i32, 1..4u8).prop_map(|(y, m)| format!("{y}-{m:02}")),
        (2000..2003i32, 1..4u8, 1..29u8).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}")),
    ]
}

fn system(number: Option<u8>) -> String {
    number.map_or_else(String::new, |n| format!("\"system\":\"http://s{n}\","))
}

impl Facts {
    fn patient(&self) -> String {
        let (of, value) = self.identifier;
        format!(
            r#"{{"resourceType":"Patient","id":"{}","name":[{{"family":"{}","given":["{}"]}}],
            "gender":"{}","birthDate":"{}","identifier":[{{{}"value":"v{value}"}}]}}"#,
            self.patient,
            self.family,
            self.given,
            self.gender,
            self.birth_date,
            system(of),
        )
    }

    fn observation(&self) -> String {
        let (of, code) = self.code;
        let (tenths, unit) = self.value;
        format!(
            r#"{{"resourceType":"Observation","id":"o","status":"final",
            "code":{{"coding":[{{{}"code":"v{code}"}}]}},"subject":{{"reference":"Patient/{}"}},
            "valueQuantity":{{"value":{:.1},"system":"http://u","code":"{unit}"}}}}"#,
            system(of),
            self.patient,
            f64::from(tenths) / 10.0,
        )
    }
}

/// A parameter of a query with what it says about the facts.
#[derive(Debug, Clone)]
enum Clause {
    Family(Vec<String>),
    Given(String),
    Gender(&'static str, bool),
    Born(&'static str, String),
    Identifier(Form, u8, u8),
    Code(Form, u8, u8),
    Value(&'static str, i32, Option<&'static str>),
    Subject(u8),
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Code,
    SystemAndCode,
    NoSystem,
    System,
}

const COMPARISONS: [&str; 7] = ["", "ne", "gt", "lt", "ge", "le", "sa"];

fn any_form() -> impl Strategy<Value = Form> {
    prop::sample::select(vec![
        Form::Code,
        Form::SystemAndCode,
        Form::NoSystem,
        Form::System,
    ])
}

fn any_patient_clause() -> impl Strategy<Value = Clause> {
    let comparison = || prop::sample::select(COMPARISONS.to_vec());
    prop_oneof![
        prop::collection::vec("[a-c]{1,3}", 1..3).prop_map(Clause::Family),
        "[a-c]{1,14}".prop_map(Clause::Given),
        (prop::sample::select(GENDERS.to_vec()), any::<bool>())
            .prop_map(|(gender, with_system)| Clause::Gender(gender, with_system)),
        (comparison(), any_date()).prop_map(|(prefix, date)| Clause::Born(prefix, date)),
        (any_form(), 0..2u8, 0..3u8).prop_map(|(form, s, v)| Clause::Identifier(form, s, v)),
    ]
}

fn any_observation_clause() -> impl Strategy<Value = Clause> {
    let comparison = || prop::sample::select(COMPARISONS.to_vec());
    let unit = prop::option::of(prop::sample::select(UNITS.to_vec()));
    prop_oneof![
        (any_form(), 0..2u8, 0..3u8).prop_map(|(form, s, v)| Clause::Code(form, s, v)),
        (comparison(), -30..30i32, unit).prop_map(|(p, v, u)| Clause::Value(p, v, u)),
        (0..3u8).prop_map(Clause::Subject),
    ]
}

impl Clause {
    fn text(&self) -> String {
        match self {
            Self::Family(any) => format!("family={}", any.join(",")),
            Self::Given(text) => format!("given={text}"),
            Self::Gender(code, true) => format!("gender={GENDER_SYSTEM}|{code}"),
            Self::Gender(code, false) => format!("gender={code}"),
            Self::Born(prefix, date) => format!("birthdate={prefix}{date}"),
            Self::Identifier(form, s, v) => format!("identifier={}", token_text(*form, *s, *v)),
            Self::Code(form, s, v) => format!("code={}", token_text(*form, *s, *v)),
            Self::Value(prefix, tenths, unit) => {
                let unit = unit.map_or_else(String::new, |unit| format!("|http://u|{unit}"));
                let number = f64::from(*tenths) / 10.0;
                format!("value-quantity={prefix}{number:.1}{unit}")
            }
            Self::Subject(id) => format!("subject=Patient/{id}"),
        }
    }

    fn is_met(&self, facts: &Facts) -> bool {
        let begins = |text: &str, with: &str| text.to_lowercase().starts_with(with);
        match self {
            Self::Family(any) => any.iter().any(|one| begins(&facts.family, one)),
            Self::Given(text) => begins(&facts.given, text),
            Self::Gender(code, _) => *code == facts.gender,
            Self::Born(prefix, date) => is_date_met(prefix, date, &facts.birth_date),
            Self::Identifier(form, s, v) => is_token_met(*form, *s, *v, facts.identifier),
            Self::Code(form, s, v) => is_token_met(*form, *s, *v, facts.code),
            Self::Value(prefix, tenths, unit) => {
                let has_unit = unit.is_none_or(|unit| unit == facts.value.1);
                let stored = facts.value.0;
                // Stored values have one decimal as well, so that "within" is "the same".
                has_unit
                    && match *prefix {
                        "ne" => stored != *tenths,
                        "gt" | "sa" => stored > *tenths,
                        "lt" => stored < *tenths,
                        "ge" => stored >= *tenths,
                        "le" => stored <= *tenths,
                        _ => stored == *tenths,
                    }
            }
            Self::Subject(id) => *id == facts.patient,
        }
    }
}

fn token_text(form: Form, system: u8, value: u8) -> String {
    match form {
        Form::Code => format!("v{value}"),
        Form::SystemAndCode => format!("http://s{system}|v{value}"),
        Form::NoSystem => format!("|v{value}"),
        Form::System => format!("http://s{system}|"),
    }
}

fn is_token_met(form: Form, system: u8, value: u8, stored: (Option<u8>, u8)) -> bool {
    match form {
        Form::Code => stored.1 == value,
        Form::SystemAndCode => stored == (Some(system), value),
        Form::NoSystem => stored == (None, value),
        Form::System => stored.0 == Some(system),
    }
}

fn is_date_met(prefix: &str, searched: &str, stored: &str) -> bool {
    let (s, t) = (
        PartialDate::parse(searched).unwrap(),
        PartialDate::parse(stored).unwrap(),
    );
    let is_within = s.low_ms <= t.low_ms && t.high_ms <= s.high_ms;
    match prefix {
        "ne" => !is_within,
        "gt" => t.high_ms > s.high_ms,
        "lt" => t.low_ms < s.low_ms,
        "ge" => t.high_ms > s.high_ms || is_within,
        "le" => t.low_ms < s.low_ms || is_within,
        "sa" => t.low_ms >= s.high_ms,
        _ => is_within,
    }
}

fn text_of(clauses: &[Clause]) -> String {
    let texts: Vec<_> = clauses.iter().map(Clause::text).collect();
    texts.join("&")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn patients_are_found_by_what_they_are(
        facts in any_facts(),
        clauses in prop::collection::vec(any_patient_clause(), 1..4),
    ) {
        let expected = clauses.iter().all(|clause| clause.is_met(&facts));
        let found = finds("Patient", &text_of(&clauses), &resource(&facts.patient()));
        prop_assert_eq!(found, expected, "{}", text_of(&clauses));
    }

    #[test]
    fn observations_are_found_by_what_they_say(
        facts in any_facts(),
        clauses in prop::collection::vec(any_observation_clause(), 1..4),
    ) {
        let expected = clauses.iter().all(|clause| clause.is_met(&facts));
        let found = finds("Observation", &text_of(&clauses), &resource(&facts.observation()));
        prop_assert_eq!(found, expected, "{}", text_of(&clauses));
        prop_assert!(!finds("Patient", "", &resource(&facts.observation())));
    }
}

#[test]
fn parameters_of_all_types_are_found() {
    let patient = resource(
        r#"{"resourceType":"Patient","id":"p1","meta":{"source":"http://s#1",
        "profile":["http://x/p|2"],"tag":[{"system":"http://t","code":"a"}],
        "security":[{"system":"http://c","code":"R"}]},
        "active":true,"deceasedDateTime":"2015-02-14T13:42:00+10:00",
        "telecom":[{"system":"email","value":"a@b.c"},{"system":"phone","value":"555"}],
        "address":[{"use":"home","city":"Sion","postalCode":"1950"}],
        "managingOrganization":{"reference":"Organization/1"}}"#,
    );
    for (query, expected) in [
        ("_id=p1", true),
        ("_id=p2,p1", true),
        ("_id=p2", false),
        ("_lastUpdated=2026-11-22", true),
        ("_lastUpdated=lt2026-11-22", false),
        ("_tag=http://t|a", true),
        ("_tag=http://t|", true),
        ("_tag=http://u|", false),
        ("_security=R", true),
        ("_profile=http://x/p", true),
        ("_profile=http://x/p|2", true),
        ("_source=http://s#1", true),
        ("active=true", true),
        ("active=false", false),
        ("deceased=true", true),
        ("death-date=2015-02-14", true),
        ("email=a@b.c", true),
        ("phone=a@b.c", false),
        ("telecom=555", true),
        ("address=sion", true),
        ("address-postalcode=19", true),
        ("address-use=home", true),
        ("organization=1", true),
        ("organization=Organization/1", true),
        ("organization=Organization/2", false),
        ("gender=male", false),
    ] {
        assert_eq!(finds("Patient", query, &patient), expected, "{query}");
    }
    assert!(!finds("Practitioner", "active=true", &patient));
}
