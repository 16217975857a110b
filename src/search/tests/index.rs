//! Index entries of whole resources.

use super::{NOW_MS, indexer, resource};
use crate::search::index::TooManyEntries;
use crate::search::key::{ENTRIES_MAX, Key, ParameterNumber};
use crate::search::param::{self, KeyWriter};

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o1","status":"final",
    "meta":{"profile":["http://x/StructureDefinition/vital"],"tag":[{"system":"http://t","code":"a"}]},
    "category":[{"coding":[{"system":"http://c","code":"vital-signs"}]}],
    "code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},
    "subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},
    "performer":[{"reference":"Practitioner/d1"},{"reference":"Patient/p2"}],
    "effectiveDateTime":"2019-05-31T16:12:43Z","issued":"2019-06-01T00:00:00Z",
    "valueQuantity":{"value":72,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}"#;

#[test]
fn entries_are_sorted_and_have_the_type() {
    let observation = resource(OBSERVATION);
    let entries = indexer().entries(&observation, NOW_MS).unwrap();
    assert!(entries.keys.is_sorted());
    assert!(entries.keys.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(
        entries
            .keys
            .contains(&Key::of_type(observation.resource_type()))
    );
    assert_eq!(entries.date_ms, 1_559_319_163_000);
}

#[test]
fn compartments_and_owner_are_the_patients() {
    let observation = resource(OBSERVATION);
    let entries = indexer().entries(&observation, NOW_MS).unwrap();
    let mut expected = vec![indexer().compartment("p1"), indexer().compartment("p2")];
    expected.sort_unstable();
    assert_eq!(entries.compartments, expected);
    assert_eq!(indexer().owner(&observation), Some("p1"));

    let patient = resource(
        r#"{"resourceType":"Patient","id":"p1","link":[{"other":{"reference":"Patient/p3"},"type":"seealso"}]}"#,
    );
    let mut expected = vec![indexer().compartment("p1"), indexer().compartment("p3")];
    expected.sort_unstable();
    assert_eq!(
        indexer().entries(&patient, NOW_MS).unwrap().compartments,
        expected
    );
    assert_eq!(indexer().owner(&patient), Some("p1"));

    let organization = resource(r#"{"resourceType":"Organization","id":"1","name":"x"}"#);
    assert_eq!(indexer().owner(&organization), None);
    let absolute = OBSERVATION.replace("Patient/p1", "http://vesta.test/fhir/Patient/p1");
    assert_eq!(indexer().owner(&resource(&absolute)), Some("p1"));
    let foreign = OBSERVATION.replace("Patient/p1", "http://other/fhir/Patient/p1");
    assert_eq!(indexer().owner(&resource(&foreign)), Some("p2"));
}

#[test]
fn the_main_date_falls_back_to_the_next_best_and_to_the_write() {
    let date_of = |json: &str| indexer().entries(&resource(json), NOW_MS).unwrap().date_ms;
    let condition = |rest: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"1","subject":{{"reference":"Patient/1"}}{rest}}}"#
        )
    };
    assert_eq!(date_of(&condition("")), NOW_MS);
    assert_eq!(
        date_of(&condition(r#","recordedDate":"1970-01-02""#)),
        86_400_000
    );
    let both = r#","recordedDate":"1970-01-02","onsetDateTime":"1970-01-03""#;
    assert_eq!(date_of(&condition(both)), 2 * 86_400_000);
    let open_start = r#"{"resourceType":"Encounter","id":"1","status":"finished",
        "class":{"code":"AMB"},"period":{"end":"1970-01-01"}}"#;
    assert_eq!(date_of(open_start), 86_400_000);
}

#[test]
fn a_large_list_is_indexed_and_a_huge_one_refused() {
    let list = |count: usize| {
        let item = |n: usize| format!(r#"{{"item":{{"reference":"Patient/{n}"}}}}"#);
        let items: Vec<_> = (0..count).map(item).collect();
        resource(&format!(
            r#"{{"resourceType":"List","id":"1","status":"current","mode":"working","entry":[{}]}}"#,
            items.join(",")
        ))
    };
    let entries = indexer().entries(&list(10_000), NOW_MS).unwrap();
    assert!(entries.keys.len() > 10_000);
    assert!(super::finds("List", "item=Patient/9999", &list(10_000)));
    assert_eq!(
        indexer().entries(&list(100_001), NOW_MS),
        Err(TooManyEntries)
    );
}

#[test]
fn a_text_of_a_million_words_is_given_up_at_the_limit() {
    let mut text = String::new();
    for number in 0..1_000_000 {
        text.push_str(&number.to_string());
        text.push(' ');
    }
    let huge = resource(&format!(
        r#"{{"resourceType":"Patient","id":"1","name":[{{"text":"{text}"}}]}}"#
    ));
    let indexer = indexer();
    assert_eq!(indexer.entries(&huge, NOW_MS), Err(TooManyEntries));
    let name = indexer
        .registry()
        .search_parameter("Patient".parse().unwrap(), "name")
        .unwrap();
    let mut keys = Vec::new();
    let mut writer = KeyWriter {
        parameter: ParameterNumber(name.number),
        hasher: &mut indexer.hasher(),
        base_url: "",
        keys: &mut keys,
    };
    indexer.each_value(name, &huge, &mut |value| {
        param::index(name.kind, value, &mut writer);
    });
    assert!(keys.len() < ENTRIES_MAX + 100, "{}", keys.len());
}

/// `docs/storage.md` lists the keys of an example; it is read from there and listed again here.
#[test]
fn the_documented_keys_are_the_keys() {
    let docs = include_str!("../../../docs/storage.md");
    let (_, behind) = docs.split_once("```json\n").unwrap();
    let (example, _) = behind.split_once("```").unwrap();
    let entries = indexer().entries(&resource(example), NOW_MS).unwrap();
    let rows: Vec<(String, usize)> = behind
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(number, rest)| {
            let (length, _) = rest.split_once(" |").unwrap();
            (number.to_owned(), length.parse().unwrap())
        })
        .collect();
    let keys = entries.keys.iter().map(|key| {
        let bytes = key.as_bytes();
        (format!("{:02x}{:02x}", bytes[0], bytes[1]), bytes.len())
    });
    assert_eq!(rows, keys.collect::<Vec<_>>());
}
