//! Queries lowered to plans.

use super::{indexer, parse_query, resource_type};
use crate::search::key::Key;
use crate::search::lower::Lowered;
use crate::search::plan::Predicate;

fn lowered(name: &str, query: &str) -> Lowered {
    parse_query(name, query).unwrap().lower(indexer())
}

#[test]
fn without_criteria_the_type_is_walked() {
    let plan = lowered("Patient", "").plan(&[]);
    let type_key = Key::of_type(resource_type("Patient"));
    assert_eq!(plan.driver, Predicate::Key(type_key.clone()));
    assert_eq!(plan.residual, Predicate::All);
    assert_eq!(plan.type_key, Some(type_key.clone()));
    let plan = lowered("Patient", "_lastUpdated=gt2020").plan(&[]);
    assert_eq!(plan.driver, Predicate::Key(type_key));
    assert!(matches!(plan.residual, Predicate::LastUpdated { .. }));
}

#[test]
fn what_is_selective_by_nature_drives_without_counting() {
    for (name, query, place) in [
        ("Patient", "gender=male&_id=1", 1),
        ("Patient", "name=a&identifier=http://x|1&birthdate=2000", 1),
        ("Observation", "code=8867-4&patient=1", 1),
        ("Observation", "code=8867-4&subject=Patient/1", 1),
        ("ValueSet", "status=active&url=http://x", 1),
    ] {
        let lowered = lowered(name, query);
        assert!(lowered.candidates().is_empty(), "{query}");
        let alone = query.split('&').nth(place).unwrap();
        let expected = parse_query(name, alone).unwrap();
        let expected = expected.lower(indexer()).plan(&[]).driver;
        assert_eq!(lowered.plan(&[]).driver, expected, "{query}");
    }
}

#[test]
fn the_smallest_count_drives() {
    let lowered = lowered("Patient", "gender=male&name=smith&birthdate=2000");
    let candidates = lowered.candidates();
    assert_eq!(candidates.len(), 3);
    assert!(
        candidates
            .iter()
            .all(|plan| plan.residual == Predicate::All)
    );
    for place in 0..3 {
        let mut counts = [1000; 3];
        counts[place] = 7;
        assert_eq!(lowered.plan(&counts).driver, candidates[place].driver);
    }
    // Equality before ranges, as long as nothing is known.
    assert_eq!(lowered.plan(&[]).driver, candidates[0].driver);
    assert!(matches!(candidates[2].driver, Predicate::Range(_)));
}

#[test]
fn a_restriction_joins_the_conditions() {
    let mut all = Lowered::of_type(resource_type("Observation"));
    all.restrict(Predicate::Compartment(5));
    let plan = all.plan(&[]);
    assert_eq!(plan.driver, Predicate::Compartment(5));
    assert_eq!(
        plan.residual,
        Predicate::Key(Key::of_type(resource_type("Observation")))
    );
    let mut by_code = lowered("Observation", "_id=1");
    by_code.restrict(Predicate::Not(Box::new(Predicate::Compartment(5))));
    assert_eq!(by_code.plan(&[]).driver, Predicate::Ids(vec!["1".into()]));
    by_code.restrict(Predicate::Nothing);
    let nothing = by_code.plan(&[]);
    assert_eq!(nothing.driver, Predicate::Ids(Vec::new()));
}

#[test]
fn a_bare_code_is_one_key_where_its_system_is_known() {
    for (name, query) in [
        ("Patient", "gender=male"),
        ("Patient", "active=true"),
        ("Patient", "email=a@b.c"),
        ("Observation", "status=final"),
        ("Patient", "identifier=http://x|1"),
    ] {
        let driver = lowered(name, query).plan(&[]).driver;
        assert!(matches!(driver, Predicate::Key(_)), "{query}: {driver:?}");
    }
    for (name, query) in [
        ("Observation", "code=8867-4"),
        ("Patient", "identifier=1"),
        ("Patient", "_tag=a"),
    ] {
        let driver = lowered(name, query).plan(&[]).driver;
        assert!(matches!(driver, Predicate::Range(_)), "{query}: {driver:?}");
    }
}
