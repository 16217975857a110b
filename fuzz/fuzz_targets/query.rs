//! Texts of queries, on any type: read, turned into plans, and held against a resource.
//!
//! What is looked for is a panic, an overflow, or work without an end.

#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use vesta::conformance::registry::Registry;
use vesta::fhir::json::{Limits, parse_resource};
use vesta::fhir::query;
use vesta::fhir::resource::Resource;
use vesta::fhir::resource_type::ResourceType;
use vesta::search::index::Indexer;
use vesta::search::parse::{ParseOptions, parse};
use vesta::seal::blind::BlindKey;

/// 2026-11-22T00:00:00Z
const NOW_MS: i64 = 1_795_305_600_000;

/// What queries are held against, whatever type they are on.
const RESOURCE: &str = r#"{"resourceType":"Observation","id":"o1","status":"final",
    "contained":[{"resourceType":"Patient","id":"p","name":[{"family":"Inside"}]}],
    "category":[{"coding":[{"system":"http://c","code":"vital-signs"}]}],
    "code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}],"text":"Systolic"},
    "subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-11-01",
    "valueQuantity":{"value":120,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}"#;

struct Fixture {
    indexer: Indexer,
    types: Vec<ResourceType>,
    resource: Resource,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let registry = Arc::new(Registry::load().expect("the definitions are part of the program"));
        let blind = BlindKey::from_root(&[7; 32]);
        let indexer = Indexer::new(registry, blind, "http://vesta.test/fhir").with_words(true);
        let limits = Limits { depth_max: 32 };
        Fixture {
            indexer,
            types: ResourceType::all().collect(),
            resource: parse_resource(RESOURCE.as_bytes(), limits).expect("it is well formed"),
        }
    })
}

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    let fixture = fixture();
    let resource_type = fixture.types[usize::from(kind) % fixture.types.len()];
    if query::check(text).is_err() {
        return;
    }
    let pairs = query::pairs(text);
    for is_lenient in [false, true] {
        let options = ParseOptions {
            now_ms: NOW_MS,
            is_lenient,
            chain_depth_max: 4,
        };
        let Ok(parsed) = parse(resource_type, &pairs, &fixture.indexer, options) else {
            continue;
        };
        for lowered in [
            parsed.lower(&fixture.indexer),
            parsed.lower_contained(&fixture.indexer),
        ] {
            let counts: Vec<u64> = (0..lowered.candidates().len() as u64).collect();
            let plan = lowered.plan(&counts);
            let entries = fixture.indexer.entries(&fixture.resource, NOW_MS);
            let entries = entries.expect("it is small");
            let candidate = vesta::search::plan::Candidate {
                id: "o1",
                last_updated_ms: NOW_MS,
                entries: &entries,
            };
            let by_keys = plan.driver.holds(&candidate) && plan.residual.holds(&candidate);
            let by_values = parsed.matches(&fixture.resource, NOW_MS, &fixture.indexer);
            // Keys may find too much, never too little.
            let is_itself = plan.type_key.as_ref() == Some(&vesta::search::key::Key::of_type(resource_type));
            assert!(by_keys || !by_values || !is_itself, "missed: {text}");
        }
    }
});
