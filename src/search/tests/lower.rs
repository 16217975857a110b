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
            .all(|one| one.plan.residual == Predicate::All)
    );
    for place in 0..3 {
        let mut counts = [1000; 3];
        counts[place] = 7;
        assert_eq!(lowered.plan(&counts).driver, candidates[place].plan.driver);
    }
    // Equality before ranges, as long as nothing is known.
    assert_eq!(lowered.plan(&[]).driver, candidates[0].plan.driver);
    assert!(matches!(candidates[2].plan.driver, Predicate::Range(_)));
}

#[test]
fn what_occurs_once_is_single() {
    let registry = indexer().registry();
    for (name, code, is_single) in [
        ("Patient", "birthdate", true),
        ("Patient", "gender", true),
        ("Observation", "date", true),
        ("Observation", "value-quantity", true),
        ("Observation", "combo-value-quantity", false),
        ("Patient", "family", false),
        ("Goal", "target-date", false),
    ] {
        let parameter = registry.search_parameter(resource_type(name), code);
        let program = parameter.unwrap().expression.as_ref().unwrap();
        let found = program.is_single(registry.shapes());
        assert_eq!(found, is_single, "{name}:{code}");
    }
}

#[test]
fn two_bounds_on_a_date_drive_as_one() {
    let closed = lowered("Patient", "gender=male&birthdate=ge1950&birthdate=lt1960");
    let candidates = closed.candidates();
    assert_eq!(candidates.len(), 2);
    let near = parse_query("Patient", "birthdate=1950").unwrap();
    let near = near.lower(indexer()).plan(&[]).driver;
    let Predicate::Range(near) = near else {
        panic!("a year is one range")
    };
    let Predicate::Or(ranges) = &candidates[1].plan.driver else {
        panic!("narrow and wide values")
    };
    assert!(
        ranges
            .iter()
            .any(|one| matches!(one, Predicate::Range(range)
        if range.low < near.low && range.high > near.high && range.tail.is_some()))
    );
    // Both bounds are tested all the same.
    let plan = closed.plan(&[1000, 1]);
    assert!(matches!(&plan.residual, Predicate::And(all) if all.len() == 3));
    // What may have several values may meet each bound by another one.
    let several = lowered("Goal", "target-date=ge1950&target-date=lt1960");
    assert_eq!(several.candidates().len(), 2);
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
        ("Patient", "phone=555-1"),
        ("Observation", "status=final"),
        ("Patient", "identifier=http://x|1"),
    ] {
        let driver = lowered(name, query).plan(&[]).driver;
        assert!(matches!(driver, Predicate::Key(_)), "{query}: {driver:?}");
    }
    for (name, query) in [
        ("Observation", "code=8867-4"),
        ("Patient", "identifier=1"),
        ("Patient", "_tag=1"),
    ] {
        let driver = lowered(name, query).plan(&[]).driver;
        assert!(matches!(driver, Predicate::Range(_)), "{query}: {driver:?}");
    }
    // Letters may be stored in another case.
    for (name, query) in [("Patient", "email=a@b.c"), ("Patient", "_tag=a")] {
        let driver = lowered(name, query).plan(&[]).driver;
        let is_either = matches!(&driver, Predicate::Or(any) if any.len() == 2);
        assert!(is_either, "{query}: {driver:?}");
    }
}
