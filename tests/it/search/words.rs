//! Words of narratives and of whole resources: <https://hl7.org/fhir/R4/search.html#content>.

use std::sync::Arc;

use serde_json::{Value, json};
use vesta::cli::generate::{GenerateError, GenerateSettings, generate};
use vesta::conformance::registry::Registry;
use vesta::fhir::json::{Limits, parse_resource};
use vesta::seal::blind::BlindKey;
use vesta::search::index::Indexer;

use crate::search::{matches, put};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    words_are_found_in_narratives_and_contents,
    without_an_index_of_words_nothing_is_searched_by_them,
);

fn condition(id: &str, narrative: &str, text: &str) -> Value {
    json!({ "resourceType": "Condition", "id": id, "code": { "text": text },
        "subject": { "reference": "Patient/p1", "display": "Zoë" },
        "text": { "status": "generated",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{narrative}</div>") } })
}

async fn words_are_found_in_narratives_and_contents(backend: Backend) {
    let server = TestServer::start_with(backend, |config| config.search.words = true).await;
    for one in [
        condition("c1", "<p>Bone</p><p>metastases</p>", "Cancer"),
        condition("c2", "Metastases of the <b>liver</b>", "Cancer"),
        condition("c3", "Broken bone", "Fracture, no metastases"),
        condition("c4", "Metastases of the lung", "Cancer of the liver"),
    ] {
        put(&server, &one).await;
    }
    let cases: [(&str, &[&str]); 11] = [
        ("_text=(bone OR liver) and metastases", &["c1", "c2"]),
        (
            "_content=(bone OR liver) and metastases",
            &["c1", "c2", "c3", "c4"],
        ),
        ("_content=cancer not bone", &["c2", "c4"]),
        ("_text=cancer", &[]),
        ("_text=\"metastases of\"", &["c2", "c4"]),
        ("_content=zoe&_text=BONE", &["c1", "c3"]),
        ("_content=not cancer", &["c3"]),
        ("_text=bon", &[]),
        ("_content=bone&code:text=fracture", &["c3"]),
        ("_content=nothing", &[]),
        ("_content=bone&_sort=_id&_total=accurate", &["c1", "c3"]),
    ];
    for (query, expected) in cases {
        let query = query.replace(' ', "%20").replace('"', "%22");
        let found = matches(&server, &format!("Condition?{query}")).await;
        let expected: Vec<_> = expected
            .iter()
            .map(|id| format!("Condition/{id}"))
            .collect();
        assert_eq!(found, expected, "{query}");
    }
    let through = matches(&server, "Patient?_has:Condition:subject:_content=bone").await;
    assert!(through.is_empty(), "the patient is not there");
    put(&server, &condition("c1", "Healed", "Cancer")).await;
    let found = matches(&server, "Condition?_text=bone").await;
    assert_eq!(found, ["Condition/c3"], "an update takes words away");
    for query in ["_text=(bone", "_content=and", "_content:exact=bone"] {
        let answer = server.get(&format!("Condition?{query}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{query}: {}", answer.text());
    }
}

async fn without_an_index_of_words_nothing_is_searched_by_them(backend: Backend) {
    let server = TestServer::start_with(backend, |config| config.search.words = false).await;
    for name in ["_text", "_content"] {
        let answer = server.get(&format!("Condition?{name}=bone")).await;
        answer.assert_refused(400, "not-supported", "search.words");
    }
}

/// Bytes of all keys of the resources that `vesta generate` makes.
fn key_bytes(has_words: bool) -> (usize, usize) {
    let registry = Arc::new(Registry::load().unwrap());
    let blind = BlindKey::from_root(&[7; 32]);
    let indexer = Indexer::new(registry, blind, "http://x/fhir").with_words(has_words);
    let (mut bytes, mut keys) = (0, 0);
    let settings = GenerateSettings {
        patients: 20,
        seed: 1,
    };
    generate::<GenerateError>(&settings, &mut |bundle| {
        let bundle: Value = serde_json::from_slice(&bundle.json).unwrap();
        for entry in bundle["entry"].as_array().unwrap() {
            let json = serde_json::to_vec(&entry["resource"]).unwrap();
            let resource = parse_resource(&json, Limits { depth_max: 64 }).unwrap();
            let entries = indexer.entries(&resource, 0).unwrap();
            keys += entries.keys.len();
            bytes += entries
                .keys
                .iter()
                .map(|key| key.as_bytes().len())
                .sum::<usize>();
        }
        Ok(())
    })
    .unwrap();
    (bytes, keys)
}

#[test]
fn an_index_of_words_costs_what_the_documentation_says() {
    let ((without, few), (with, many)) = (key_bytes(false), key_bytes(true));
    let more = |one: usize, other: usize| (other - one) * 100 / one;
    let bytes = more(without, with);
    assert!(BYTES.contains(&bytes), "{bytes} % more bytes");
    assert!(many > few);
}

/// Percent that `docs/storage.md` says, with room for other generated patients.
const BYTES: std::ops::Range<usize> = 38..48;
