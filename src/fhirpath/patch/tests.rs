//! FHIRPath Patch, operation by operation.

use super::{PatchError, apply};
use crate::fhir::json::to_vec;
use crate::fhir::resource::{Node, Resource};
use crate::fhirpath::fixture::{object, shapes};

/// Applies operations written as `[{"name":"type","valueCode":"add"}, ...]`.
fn patched(target: &str, operations: &[&str]) -> Result<String, PatchError> {
    let parameters: Vec<_> = operations
        .iter()
        .map(|parts| format!(r#"{{"name":"operation","part":[{parts}]}}"#))
        .collect();
    let patch = format!(
        r#"{{"resourceType":"Parameters","parameter":[{}]}}"#,
        parameters.join(",")
    );
    let target = Resource::from_object(object(target)).unwrap();
    let changed = apply(&target, &object(&patch), &shapes(), 1_000)?;
    Ok(String::from_utf8(to_vec(&Node::Object(changed.into_object()))).unwrap())
}

fn part(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}",{value}}}"#)
}

fn operation(kind: &str, path: &str, rest: &[String]) -> String {
    let mut parts = vec![
        part("type", &format!(r#""valueCode":"{kind}""#)),
        part("path", &format!(r#""valueString":"{path}""#)),
    ];
    parts.extend_from_slice(rest);
    parts.join(",")
}

fn add(path: &str, name: &str, value: &str) -> String {
    let name = part("name", &format!(r#""valueString":"{name}""#));
    operation("add", path, &[name, part("value", value)])
}

fn replace(path: &str, value: &str) -> String {
    operation("replace", path, &[part("value", value)])
}

fn insert(path: &str, index: usize, value: &str) -> String {
    let index = part("index", &format!(r#""valueInteger":{index}"#));
    operation("insert", path, &[index, part("value", value)])
}

fn shift(path: &str, source: usize, destination: usize) -> String {
    let source = part("source", &format!(r#""valueInteger":{source}"#));
    let destination = part("destination", &format!(r#""valueInteger":{destination}"#));
    operation("move", path, &[source, destination])
}

fn delete(path: &str) -> String {
    operation("delete", path, &[])
}

fn ok(members: &str, operation: &str) -> String {
    let target = format!(r#"{{"resourceType":"Patient"{members}}}"#);
    let changed = patched(&target, &[operation]).unwrap();
    let rest = changed
        .strip_prefix(r#"{"resourceType":"Patient""#)
        .unwrap();
    rest.strip_suffix('}').unwrap().to_owned()
}

fn refused(members: &str, operation: &str) -> String {
    let target = format!(r#"{{"resourceType":"Patient"{members}}}"#);
    patched(&target, &[operation]).unwrap_err().to_string()
}

#[test]
fn add_makes_scalars_lists_and_choices() {
    assert_eq!(
        ok(
            "",
            &add("Patient", "birthDate", r#""valueDate":"1930-01-01""#)
        ),
        r#","birthDate":"1930-01-01""#
    );
    assert_eq!(
        ok(
            "",
            &add("Patient", "name", r#""valueHumanName":{"family":"A"}"#)
        ),
        r#","name":[{"family":"A"}]"#
    );
    assert_eq!(
        ok(
            r#","name":[{"given":["A"]}]"#,
            &add("Patient.name", "given", r#""valueString":"B""#)
        ),
        r#","name":[{"given":["A","B"]}]"#
    );
    assert_eq!(
        ok("", &add("Patient", "deceased", r#""valueBoolean":true"#)),
        r#","deceasedBoolean":true"#
    );
    assert_eq!(
        ok("", &add("Patient", "gender", r#""valueString":"other""#)),
        r#","gender":"other""#
    );
}

#[test]
fn add_spells_out_elements_without_a_type_of_their_own() {
    let value = r#""part":[{"name":"name","valueHumanName":{"text":"A"}},
        {"name":"relationship","valueCodeableConcept":{"text":"R"}},
        {"name":"relationship","part":[{"name":"text","valueString":"S"}]},
        {"name":"gender","valueCode":"male"}]"#;
    assert_eq!(
        ok("", &add("Patient", "contact", value)),
        ",\"contact\":[{\"name\":{\"text\":\"A\"},\"relationship\":[{\"text\":\"R\"},\
         {\"text\":\"S\"}],\"gender\":\"male\"}]"
    );
    let unknown = r#""part":[{"name":"nick","valueString":"A"}]"#;
    assert!(refused("", &add("Patient", "contact", unknown)).contains("no element 'nick'"));
    let twice = r#""part":[{"name":"gender","valueCode":"a"},{"name":"gender","valueCode":"b"}]"#;
    assert!(refused("", &add("Patient", "contact", twice)).contains("does not repeat"));
}

#[test]
fn add_takes_resources_and_what_stands_beside_a_primitive() {
    assert_eq!(
        ok(
            "",
            &add(
                "Patient",
                "contained",
                r#""resource":{"resourceType":"Organization"}"#
            )
        ),
        r#","contained":[{"resourceType":"Organization"}]"#
    );
    let extension = r#""valueExtension":{"url":"u","valueCode":"c"}"#;
    assert_eq!(
        ok(
            r#","birthDate":"1930""#,
            &add("Patient.birthDate", "extension", extension)
        ),
        r#","birthDate":"1930","_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}"#
    );
    assert_eq!(
        ok(
            r#","name":[{"given":["A","B"]}]"#,
            &add("Patient.name.given[1]", "extension", extension)
        ),
        ",\"name\":[{\"given\":[\"A\",\"B\"],\
         \"_given\":[null,{\"extension\":[{\"url\":\"u\",\"valueCode\":\"c\"}]}]}]"
    );
    let both = r#""valueString":"A","_valueString":{"id":"x"}"#;
    assert_eq!(
        ok(
            r#","name":[{"family":"F"}]"#,
            &add("Patient.name", "given", both)
        ),
        r#","name":[{"family":"F","given":["A"],"_given":[{"id":"x"}]}]"#
    );
}

#[test]
fn add_refuses_what_does_not_fit() {
    let date = r#""valueDate":"1930""#;
    let members =
        r#","birthDate":"1920","name":[{"text":"A"},{"text":"B"}],"deceasedBoolean":true"#;
    let refusal = |path, name, value| refused(members, &add(path, name, value));
    assert!(refusal("Patient", "birthDate", date).contains("replace it instead"));
    assert!(refusal("Patient", "deceased", r#""valueDateTime":"2020""#).contains("replace it"));
    assert!(refusal("Patient", "deceased", r#""valueCode":"x""#).contains("does not take"));
    assert!(refusal("Patient", "active", r#""valueCode":"x""#).contains("does not take"));
    assert!(refusal("Patient", "nome", date).contains("no element 'nome'"));
    assert!(refusal("Patient.name", "text", date).contains("selects 2"));
    assert!(refusal("Patient.contact", "gender", date).contains("selects nothing"));
    assert!(refusal("Patient", "active", r#""valueFoo":"x""#).contains("no type"));
    assert!(refusal("Patient", "active", r#""note":"x""#).contains("neither"));
    assert!(refusal("Patient.(", "active", r#""valueBoolean":true"#).contains("FHIRPath"));
}

#[test]
fn delete_takes_one_element_and_what_becomes_empty() {
    assert_eq!(
        ok(
            r#","birthDate":"1920","_birthDate":{"id":"x"}"#,
            &delete("Patient.birthDate")
        ),
        ""
    );
    assert_eq!(
        ok(r#","_birthDate":{"id":"x"}"#, &delete("Patient.birthDate")),
        ""
    );
    assert_eq!(
        ok(r#","name":[{"text":"A"}]"#, &delete("Patient.name[0].text")),
        ""
    );
    assert_eq!(
        ok(r#","active":true"#, &delete("Patient.birthDate")),
        r#","active":true"#
    );
    assert_eq!(
        ok(
            r#","name":[{"given":["A","B"],"_given":[{"id":"x"},{"id":"y"}]}]"#,
            &delete("Patient.name.given.where($this = 'A')")
        ),
        r#","name":[{"given":["B"],"_given":[{"id":"y"}]}]"#
    );
    let names = r#","name":[{"text":"A"},{"text":"B"}]"#;
    assert!(refused(names, &delete("Patient.name")).contains("selects 2"));
    assert!(refused(names, &delete("Patient")).contains("cannot delete"));
}

#[test]
fn replace_keeps_the_place_and_changes_the_form_of_a_choice() {
    assert_eq!(
        ok(
            r#","deceasedBoolean":true,"active":true"#,
            &replace("Patient.deceased", r#""valueDateTime":"2020""#)
        ),
        r#","deceasedDateTime":"2020","active":true"#
    );
    assert_eq!(
        ok(
            r#","telecom":[{"system":"fax","value":"1"},{"system":"email","value":"2"}]"#,
            &replace(
                "Patient.telecom.where(system = 'email').value",
                r#""valueString":"3""#
            )
        ),
        r#","telecom":[{"system":"fax","value":"1"},{"system":"email","value":"3"}]"#
    );
    assert_eq!(
        ok(
            r#","name":[{"given":["A","B"]}]"#,
            &replace("Patient.name[0].given[0]", r#""valueString":"C""#)
        ),
        r#","name":[{"given":["C","B"]}]"#
    );
    assert!(refused("", &replace("Patient.gender", r#""valueCode":"x""#)).contains("nothing"));
}

#[test]
fn insert_and_move_keep_values_and_their_extensions_together() {
    let given = r#","name":[{"given":["A","B"],"_given":[null,{"id":"b"}]}]"#;
    assert_eq!(
        ok(
            given,
            &insert("Patient.name[0].given", 1, r#""valueString":"C""#)
        ),
        r#","name":[{"given":["A","C","B"],"_given":[null,null,{"id":"b"}]}]"#
    );
    assert_eq!(
        ok(given, &shift("Patient.name.given", 1, 0)),
        r#","name":[{"given":["B","A"],"_given":[{"id":"b"},null]}]"#
    );
    assert_eq!(
        ok(
            "",
            &insert(
                "Patient.identifier",
                0,
                r#""valueIdentifier":{"value":"1"}"#
            )
        ),
        r#","identifier":[{"value":"1"}]"#
    );
    assert!(
        refused(
            given,
            &insert("Patient.name.given", 3, r#""valueString":"C""#)
        )
        .contains("index is 3, and the list has 2 items")
    );
    assert!(refused(given, &shift("Patient.name.given", 0, 2)).contains("destination is 2"));
    assert!(refused(given, &shift("Patient.gender", 0, 0)).contains("does not repeat"));
    assert!(refused(given, &shift("Patient.name[0]", 0, 0)).contains("must end in the name"));
}

#[test]
fn a_refused_operation_is_named_and_undoes_the_others() {
    let target = r#"{"resourceType":"Patient","active":true}"#;
    let error = patched(target, &[&delete("Patient.active"), &delete("Patient.foo")]).unwrap_err();
    assert!(matches!(error, PatchError::Malformed { operation: 1, .. }));
    let error = patched(
        target,
        &[
            &delete("Patient.active"),
            &replace("Patient.active", r#""valueBoolean":false"#),
        ],
    );
    assert!(matches!(
        error,
        Err(PatchError::NotApplicable { operation: 1, .. })
    ));
}

#[test]
fn no_operations_change_nothing() {
    let target = r#"{"resourceType":"Patient","active":true}"#;
    let patient = Resource::from_object(object(target)).unwrap();
    let patch = object(r#"{"resourceType":"Parameters"}"#);
    assert_eq!(apply(&patient, &patch, &shapes(), 1_000).unwrap(), patient);
}

#[test]
fn what_is_no_patch_is_refused() {
    let target = r#"{"resourceType":"Patient"}"#;
    let error = |parts: &str| patched(target, &[parts]).unwrap_err().to_string();
    assert!(error(r#"{"name":"type","valueCode":"drop"}"#).contains("add, insert"));
    assert!(error(r#"{"name":"type","valueCode":"delete"}"#).contains("'path' is missing"));
    assert!(error(&shift("Patient.name", 0, 0).replace('0', "-1")).contains("0 or more"));
    let twice = delete("Patient.name") + "," + &part("path", r#""valueString":"a""#);
    assert!(error(&twice).contains("twice"));
    let patient = Resource::from_object(object(target)).unwrap();
    assert!(apply(&patient, patient.object(), &shapes(), 1_000).is_err());
}
