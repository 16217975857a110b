//! Every official example of every resource type goes through both codecs and comes back equal,
//! and fhirbolt, an implementation that is not ours, reads the same out of it.

use std::panic::catch_unwind;

use super::{document, from_json, from_xml, shapes, to_json, to_xml};
use crate::support::packs;
use vesta::fhir::xml;

/// How many examples the pack has; none is left out of our own round trips.
const EXAMPLES: usize = 819;

/// Examples that fhirbolt's typed model cannot hold, each with its reason.
const REFUSED_BY_FHIRBOLT: [(&str, &str); 2] = [
    (
        "ImplementationGuide-fhir.json",
        "has no name, which must occur",
    ),
    (
        "Questionnaire-qs1.json",
        "has items without linkId, which must occur",
    ),
];

struct Example {
    path: String,
    bytes: Vec<u8>,
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    let is_there = packs::for_each_file("fhir-r4-examples", "json", |path, bytes| {
        examples.push(Example {
            path: path.to_owned(),
            bytes: bytes.to_vec(),
        });
    });
    assert!(!is_there || examples.len() == EXAMPLES);
    examples
}

fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn json_comes_back_byte_for_byte() {
    for file in examples() {
        let written = to_json(from_json(&file.bytes).object());
        assert!(written == minified(&file.bytes), "{} differs", file.path);
    }
}

/// JSON without the white space between its tokens.
fn minified(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut is_escaped) = (false, false);
    let mut keeps = |byte: u8| {
        let was_in_string = in_string;
        in_string = if in_string {
            is_escaped || byte != b'"'
        } else {
            byte == b'"'
        };
        is_escaped = was_in_string && !is_escaped && byte == b'\\';
        was_in_string || !byte.is_ascii_whitespace()
    };
    json.iter().copied().filter(|&b| keeps(b)).collect()
}

#[test]
fn json_through_xml_is_the_same_document() {
    let mut failures = Vec::new();
    for file in examples() {
        let xml = match to_xml(from_json(&file.bytes).object()) {
            Ok(xml) => xml,
            Err(error) => {
                failures.push(format!("{}: cannot be written: {error}", file.path));
                continue;
            }
        };
        match from_xml(&xml) {
            Err(error) => failures.push(format!("{}: cannot be read: {error}", file.path)),
            Ok(read) => {
                if document(&to_json(read.object())) != document(&file.bytes) {
                    failures.push(format!("{}: differs", file.path));
                }
                if to_xml(read.object()).unwrap() != xml {
                    failures.push(format!("{}: its XML is not stable", file.path));
                }
            }
        }
    }
    assert_none(&failures);
}

#[test]
fn indented_xml_says_the_same() {
    for file in examples() {
        let resource = from_json(&file.bytes);
        let plain = from_xml(&to_xml(resource.object()).unwrap()).unwrap();
        let pretty = xml::to_vec_pretty(resource.object(), shapes()).unwrap();
        assert!(from_xml(&pretty).unwrap() == plain, "{} differs", file.path);
    }
}

#[test]
fn fhirbolt_reads_the_same() {
    let mut failures = Vec::new();
    for file in examples() {
        let refused = REFUSED_BY_FHIRBOLT
            .iter()
            .any(|(name, _reason)| file.path.ends_with(name));
        // Ours first: what goes to fhirbolt has been read and written by us.
        let ours = to_json(from_json(&file.bytes).object());
        match through_fhirbolt(&ours) {
            Err(_reason) if refused => {}
            Err(reason) => failures.push(format!("{}: fhirbolt: {reason}", file.path)),
            Ok(_theirs) if refused => failures.push(format!("{}: not refused", file.path)),
            Ok(theirs) if document(&theirs) != document(&ours) => {
                failures.push(format!("{}: fhirbolt differs", file.path));
            }
            Ok(_same) => {}
        }
    }
    assert_none(&failures);
}

fn through_fhirbolt(json: &[u8]) -> Result<Vec<u8>, String> {
    let written = catch_unwind(|| {
        let resource = vesta_model::from_json(json)?;
        vesta_model::to_json(&resource)
    });
    written.unwrap_or_else(|_panic| Err("panics".to_owned()))
}
