//! Modifiers, from the text of a query to what it finds.

use super::{finds, resource};

fn check(name: &str, json: &str, cases: &[(&str, bool)]) {
    let resource = resource(json);
    for (query, expected) in cases {
        assert_eq!(finds(name, query, &resource), *expected, "{query}");
    }
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","gender":"male",
    "name":[{"family":"O'Brien-Müller","given":["Anna Maria","Zoë"]}],
    "address":[{"city":"Köln","line":["Domplatz 1"]}],
    "identifier":[{"type":{"coding":[{"system":"http://t","code":"MR"}],"text":"Record number"},
        "system":"http://s","value":"12"}],
    "generalPractitioner":[{"identifier":{"system":"http://npi","value":"77"}}],
    "link":[{"other":{"reference":"Patient/q"},"type":"seealso"}]}"#;

#[test]
fn missing_is_about_any_value_of_the_parameter() {
    check(
        "Patient",
        PATIENT,
        &[
            ("gender:missing=true", false),
            ("gender:missing=false", true),
            ("birthdate:missing=true", true),
            ("birthdate:missing=false", false),
            ("name:missing=false", true),
            ("email:missing=true", true),
            ("organization:missing=true", true),
            // A reference that only has an identifier is a value.
            ("general-practitioner:missing=true", false),
            ("general-practitioner:missing=false", true),
            ("_id:missing=true", false),
            ("_id:missing=false", true),
            ("_lastUpdated:missing=false", true),
            ("_profile:missing=true", true),
        ],
    );
    let text_only = r#"{"resourceType":"Observation","id":"o","status":"final",
        "code":{"text":"Headache"},"valueRange":{"low":{"value":1}}}"#;
    check(
        "Observation",
        text_only,
        &[
            ("code:missing=false", true),
            ("code:missing=true", false),
            ("date:missing=true", true),
            ("value-quantity:missing=true", true),
            ("value-concept:missing=false", false),
        ],
    );
}

#[test]
fn strings_are_the_same_or_have_a_part() {
    check(
        "Patient",
        PATIENT,
        &[
            ("family:exact=O'Brien-Müller", true),
            ("family:exact=O'Brien-Muller", false),
            ("family:exact=o'brien-müller", false),
            ("family:exact=O'Brien", false),
            ("given:exact=Anna Maria", true),
            ("given:exact=Anna", false),
            ("name:exact=Zoë", true),
            ("name:exact=Zoe", false),
            ("given:exact=Ada,Zoë", true),
            ("family:contains=rien", true),
            ("family:contains=RIENMÜL", true),
            ("family:contains=n", true),
            ("family:contains=xy", false),
            ("family:contains=muller", true),
            ("family:contains=mullers", false),
            ("name:contains=na ma", true),
            ("name:contains=xyz,oe", true),
            ("address:contains=platz", true),
            ("address-city:contains=oln", true),
            ("address-city:contains=platz", false),
        ],
    );
}

#[test]
fn not_is_met_by_what_has_no_value() {
    check(
        "Patient",
        PATIENT,
        &[
            ("gender:not=male", false),
            ("gender:not=female", true),
            ("gender:not=female,male", false),
            ("gender:not=female,other", true),
            (
                "gender:not=http://hl7.org/fhir/administrative-gender|male",
                false,
            ),
            ("active:not=true", true),
            ("_tag:not=http://x|y", true),
            ("identifier:not=http://s|", false),
            ("identifier:not=|12", true),
            ("_id:not=p", false),
            ("_id:not=q", true),
        ],
    );
}

#[test]
fn concepts_and_identifiers_are_found_by_what_people_read() {
    let observation = r#"{"resourceType":"Observation","id":"o","status":"final",
        "code":{"coding":[{"system":"http://l","code":"1","display":"Blood Pressure"}],
        "text":"Systolic"}}"#;
    check(
        "Observation",
        observation,
        &[
            ("code:text=blood", true),
            ("code:text=press", true),
            ("code:text=BLOOD pres", true),
            ("code:text=lood", false),
            ("code:text=systolic", true),
            ("combo-code:text=systolic", true),
            ("category:text=systolic", false),
            ("status:text=final", false),
        ],
    );
    check(
        "Patient",
        PATIENT,
        &[
            ("identifier:text=record", true),
            ("identifier:text=12", false),
            ("identifier:of-type=http://t|MR|12", true),
            ("identifier:of-type=http://t|MR|13", false),
            ("identifier:of-type=http://t|XX|12", false),
            ("identifier:of-type=http://u|MR|12", false),
            ("identifier:of-type=|MR|12", false),
        ],
    );
}

#[test]
fn references_are_found_by_the_identifier_they_name() {
    check(
        "Patient",
        PATIENT,
        &[
            ("general-practitioner:identifier=http://npi|77", true),
            ("general-practitioner:identifier=77", true),
            ("general-practitioner:identifier=http://npi|", true),
            ("general-practitioner:identifier=http://npi|78", false),
            ("general-practitioner:identifier=http://x|77", false),
            ("general-practitioner:identifier=|77", false),
            ("link:identifier=77", false),
        ],
    );
}

#[test]
fn urls_lie_above_and_below_each_other_by_whole_segments() {
    check(
        "ValueSet",
        r#"{"resourceType":"ValueSet","id":"v","status":"draft",
            "url":"http://acme.org/fhir/vs/1"}"#,
        &[
            ("url:below=http://acme.org/fhir", true),
            ("url:below=http://acme.org/fhir/", true),
            ("url:below=http://acme.org", true),
            ("url:below=http://acme.org/fhir/vs/1", true),
            ("url:below=http://acme.org/fh", false),
            ("url:below=http://acme.org/fhir/vs/1/2", false),
            ("url:above=http://acme.org/fhir/vs/1/2", true),
            ("url:above=http://acme.org/fhir/vs/1", true),
            ("url:above=http://acme.org/fhir/vs/12", false),
            ("url:above=http://acme.org/fhir/vs", false),
        ],
    );
}
