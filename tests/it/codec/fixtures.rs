//! Small documents of our own in both forms, and other spellings of them that say the same.
//!
//! `tests/fixtures/codec/<case>/resource.json` and `resource.xml` are written from each other
//! exactly; every `spelling-*.xml` beside them reads as the same resource.

use std::fs;
use std::path::PathBuf;

use super::{from_json, from_xml, shapes, to_json};
use vesta::fhir::json;
use vesta::fhir::xml;

fn cases() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/codec");
    let cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!cases.is_empty());
    cases
}

#[test]
fn both_forms_are_written_from_each_other() {
    for case in cases() {
        let json_text = fs::read_to_string(case.join("resource.json")).unwrap();
        let xml_text = fs::read_to_string(case.join("resource.xml")).unwrap();
        let from_json = from_json(json_text.as_bytes());
        let from_xml = from_xml(xml_text.as_bytes()).unwrap();
        assert_eq!(from_json, from_xml, "{}", case.display());

        let xml_again = xml::to_vec_pretty(from_json.object(), shapes()).unwrap();
        assert_eq!(String::from_utf8(xml_again).unwrap(), xml_text.trim_end());
        let json_again = json::pretty(&to_json(from_xml.object()));
        assert_eq!(String::from_utf8(json_again).unwrap(), json_text.trim_end());
    }
}

#[test]
fn other_spellings_say_the_same() {
    let mut spellings = 0;
    for case in cases() {
        let expected = from_json(&fs::read(case.join("resource.json")).unwrap());
        for entry in fs::read_dir(&case).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("spelling-")
            {
                let read = from_xml(&fs::read(&path).unwrap());
                assert_eq!(read.unwrap(), expected, "{}", path.display());
                spellings += 1;
            }
        }
    }
    assert!(spellings > 0);
}
