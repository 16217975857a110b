//! Programs compiled from search parameter expressions.

use super::{Program, ProgramError};
use crate::fhir::json::to_vec;
use crate::fhir::resource::Object;
use crate::fhir::shape::Shapes;
use crate::fhirpath::fixture::{object, shapes};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,
"contained":[{"resourceType":"Practitioner","id":"c"}],
"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"given":[null,"Jim"],
"_given":[{"id":"x"},null]}],
"telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}],
"_birthDate":{"extension":[{"url":"http://x/time","valueDateTime":"1974-12-25T14:35:45Z"}]},
"generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"http://x/Organization/2"},
{"reference":"#c"},{"type":"Practitioner","identifier":{"value":"7"}},{"reference":"urn:uuid:1"}],
"deceasedDateTime":"2015-02-14"}"##;

const OBSERVATION: &str = r#"{"resourceType":"Observation","code":{"text":"a"},
"subject":{"reference":"Patient/1/_history/2"},"valueQuantity":{"value":1.50},
"component":[{"code":{"text":"b"},"valueString":"s"},{"code":{"text":"c"},
"valueQuantity":{"value":2}}]}"#;

fn run(expression: &str, resource: &str) -> Vec<String> {
    let shapes = shapes();
    let resource = object(resource);
    let program = compile(expression, &resource, &shapes).unwrap();
    let mut found = Vec::new();
    program.run(&resource, &shapes, &mut |value| {
        let json = String::from_utf8(to_vec(value.node)).unwrap();
        found.push(format!("{} {json}", shapes.name(value.type_id)));
    });
    found
}

fn compile(expression: &str, resource: &Object, shapes: &Shapes) -> Result<Program, ProgramError> {
    let name = resource.get_str("resourceType").unwrap();
    Program::compile(expression, shapes.type_id(name).unwrap(), shapes)
}

#[test]
fn paths_flatten_arrays_and_skip_place_holders() {
    assert_eq!(
        run("Patient.name.given", PATIENT),
        [r#"string "Peter""#, r#"string "James""#, r#"string "Jim""#]
    );
    assert_eq!(run("Patient.birthDate", PATIENT), Vec::<String>::new());
    assert_eq!(run("Resource.id", PATIENT), [r#"id "p""#]);
    assert_eq!(
        run("name[1].given[0] | name.first().family", PATIENT).len(),
        2
    );
}

#[test]
fn choices_are_found_and_cast() {
    assert_eq!(
        run("Observation.value", OBSERVATION),
        [r#"Quantity {"value":1.50}"#]
    );
    assert_eq!(
        run("(Observation.value as Quantity).value", OBSERVATION),
        ["decimal 1.50"]
    );
    assert_eq!(
        run("Observation.component.value.ofType(string)", OBSERVATION),
        [r#"string "s""#]
    );
    assert_eq!(
        run("Observation.value.as(DateTime)", OBSERVATION),
        Vec::<String>::new()
    );
    assert_eq!(
        run("Observation.value.value", OBSERVATION),
        ["decimal 1.50"]
    );
}

#[test]
fn a_union_keeps_only_what_is_about_the_type() {
    let expression = "Condition.code | Observation.code.text | (Patient.deceased as dateTime) | \
                      Observation.component.code.text | Observation.code.text";
    assert_eq!(
        run(expression, OBSERVATION),
        [r#"string "a""#, r#"string "b""#, r#"string "c""#]
    );
    assert_eq!(run(expression, PATIENT), [r#"dateTime "2015-02-14""#]);
}

#[test]
fn filters_compare_and_look_at_references() {
    assert_eq!(
        run("Patient.telecom.where(system='email').value", PATIENT),
        [r#"string "2""#]
    );
    assert_eq!(
        run(
            "Observation.subject.where(resolve() is Patient).reference",
            OBSERVATION
        ),
        [r#"string "Patient/1/_history/2""#]
    );
    let who = "Patient.generalPractitioner.where(resolve() is Practitioner)";
    assert_eq!(run(who, PATIENT).len(), 3);
    assert_eq!(
        run(
            "Patient.telecom.where(system = 'fax' or use.empty() and rank.exists().not())",
            PATIENT
        )
        .len(),
        2
    );
}

#[test]
fn extensions_of_primitives_are_found_beside_them() {
    assert_eq!(
        run(
            "Patient.birthDate.extension('http://x/time').value.as(dateTime)",
            PATIENT
        ),
        [r#"dateTime "1974-12-25T14:35:45Z""#]
    );
    assert_eq!(
        run("Patient.birthDate.extension('http://y').value", PATIENT),
        Vec::<String>::new()
    );
}

#[test]
fn claims_give_true_or_false() {
    let deceased = "Patient.deceased.exists() and Patient.deceased != false";
    assert_eq!(run(deceased, PATIENT), ["boolean true"]);
    let alive = r#"{"resourceType":"Patient","deceasedBoolean":false}"#;
    assert_eq!(run(deceased, alive), ["boolean false"]);
    assert_eq!(
        run(deceased, r#"{"resourceType":"Patient"}"#),
        ["boolean false"]
    );
    assert_eq!(run(deceased, OBSERVATION), Vec::<String>::new());
}

#[test]
fn nested_resources_have_the_type_they_say() {
    let bundle = r#"{"resourceType":"Bundle","entry":[
        {"resource":{"resourceType":"Patient","id":"a"}},
        {"resource":{"resourceType":"Observation","id":"b"}}]}"#;
    assert!(run("Bundle.entry[0].resource", bundle)[0].starts_with("Patient "));
    assert_eq!(
        run("Bundle.entry.resource.ofType(Observation).id", bundle),
        [r#"id "b""#]
    );
}

#[test]
fn relative_programs_run_on_the_elements_of_another() {
    let shapes = shapes();
    let observation = object(OBSERVATION);
    let base = compile("Observation | Observation.component", &observation, &shapes).unwrap();
    let root = shapes.type_id("Observation").unwrap();
    let relative = |expression: &str| {
        Program::compile_relative(expression, &base.value_types(), root, &shapes).unwrap()
    };
    let code = relative("code.text");
    let value = relative("value.as(Quantity).value | value.as(string)");
    let status = relative("%resource.subject.reference");
    let mut found = Vec::new();
    base.contexts(&observation, &shapes, &mut |context| {
        for program in [&code, &value, &status] {
            program.run_relative(context, &observation, &shapes, &mut |value| {
                found.push(String::from_utf8(to_vec(value.node)).unwrap());
            });
        }
    });
    let subject = r#""Patient/1/_history/2""#;
    assert_eq!(
        found,
        [
            r#""a""#, "1.50", subject, r#""b""#, r#""s""#, subject, r#""c""#, "2", subject
        ]
    );
}

#[test]
fn mistakes_are_named() {
    let shapes = shapes();
    let patient = object(PATIENT);
    let error = |expression| {
        compile(expression, &patient, &shapes)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error("Patient.nam"), "Patient has no element 'nam'");
    assert_eq!(error("Patent.name"), "R4 has no type 'Patent'");
    assert_eq!(error("Patient.name.as(Foo)"), "R4 has no type 'Foo'");
    assert!(error("Patient.name.").contains("character 13"));
}

#[test]
fn what_is_more_than_a_path_falls_back_to_the_evaluator() {
    assert_eq!(
        run("Patient.name.given.last()", PATIENT),
        [r#"string "Jim""#]
    );
    assert_eq!(
        run(
            "Patient.telecom.where(value > '1' and value.length() = 1).system",
            PATIENT
        ),
        [r#"code "email""#]
    );
    assert_eq!(
        run("(Patient.name.given.count() > 2) | Patient.active", PATIENT),
        ["boolean true", "boolean true"]
    );
    assert_eq!(
        run(
            "Condition.code.coding.tail() | Observation.component.value.tail()",
            OBSERVATION
        ),
        [r#"Quantity {"value":2}"#]
    );
}

#[test]
fn computed_values_are_refused() {
    let shapes = shapes();
    let patient = object(PATIENT);
    for expression in [
        "Patient.name.given.first() & 'x'",
        "Patient.birthDate.toString()",
        "Patient.name.count()",
        "Patient.name.select(given.count())",
        "'x'",
    ] {
        let error = compile(expression, &patient, &shapes).unwrap_err();
        assert_eq!(error, ProgramError::NotExtractable, "{expression}");
    }
}
