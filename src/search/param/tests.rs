//! Index, keys and matching of each parameter type against what the specification says.
//!
//! Every check goes both ways: through keys and verification, and through matching alone.

mod date;
mod date_table;
mod number;
mod quantity;
mod reference;
mod string;
mod token;
mod uri;

use crate::fhir::json::{Limits, parse};
use crate::fhir::resource::Node;
use crate::seal::blind::BlindKey;
use crate::search::hasher::Hasher;
use crate::search::key::{Entries, ParameterNumber};
use crate::search::param::token::Systems;
use crate::search::param::token::case::LetterCase;
use crate::search::param::{Condition, DataType, Found, KeyWriter, ParseContext};
use crate::search::plan::Candidate;

const PARAMETER: ParameterNumber = ParameterNumber(7);

const BASE_URL: &str = "http://vesta.test/fhir";

/// 2026-11-22T00:00:00Z
const NOW_MS: i64 = 1_795_305_600_000;

const STATED: Systems<'_> = Systems {
    are_stated: true,
    bindings: &[],
    case: LetterCase::Exact,
};

const CONTEXT: ParseContext<'_> = ParseContext {
    targets: &[],
    systems: STATED,
    modifier: None,
    base_url: BASE_URL,
    now_ms: NOW_MS,
};

type Index = fn(&Found<'_>, &mut KeyWriter<'_, '_>);

fn node(json: &str) -> Node {
    parse(json.as_bytes(), Limits { depth_max: 16 }).unwrap()
}

fn blind() -> BlindKey {
    BlindKey::from_root(&[3; 32])
}

fn entries(index: Index, values: &[Found<'_>]) -> Entries {
    let blind = blind();
    let mut keys = Vec::new();
    for value in values {
        let mut writer = KeyWriter {
            parameter: PARAMETER,
            hasher: &mut Hasher::new(&blind),
            base_url: BASE_URL,
            keys: &mut keys,
        };
        index(value, &mut writer);
    }
    keys.sort_unstable();
    keys.dedup();
    Entries {
        keys,
        ..Entries::default()
    }
}

/// Whether a resource with these values is found: the keys may find too much, never too little.
fn is_found(index: Index, values: &[Found<'_>], condition: &Condition) -> bool {
    let entries = entries(index, values);
    let candidate = Candidate {
        id: "1",
        last_updated_ms: NOW_MS,
        entries: &entries,
    };
    let by_keys = condition
        .lower(PARAMETER, &mut Hasher::new(&blind()))
        .holds(&candidate);
    let by_values = values.iter().any(|one| condition.matches(one, BASE_URL));
    assert!(by_keys || !by_values, "missed: {condition:?} in {values:?}");
    if condition.is_exact() {
        assert_eq!(by_keys, by_values, "{condition:?} in {values:?}");
    }
    by_keys && by_values
}

fn is_found_in(index: Index, json: &str, data_type: &str, condition: &Condition) -> bool {
    let node = node(json);
    let value = Found::new(&node, DataType::from_name(data_type));
    is_found(index, &[value], condition)
}
