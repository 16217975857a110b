//! Search over plans, compared with a naive evaluation of the same plan over the same data.

use vesta::fhir::resource_type::ResourceType;
use vesta::search::key::{Entries, Key};
use vesta::search::plan::{Candidate, KeyRange, Order, Plan, Predicate, Tail, Window};
use vesta::store::{Store, Version, sealed_bytes};

use crate::store::sample::{
    commit, create, entries, everything, key, kind, next, plan, replace, tombstone, version,
};
use crate::support::random::Random;
use crate::support::stores::{NOW_MS, OpenStore};

on_every_store!(
    every_driver_finds_what_it_names,
    a_page_ends_at_its_limit_and_goes_on_behind_its_last,
    the_high_water_mark_hides_what_came_later,
    a_store_stops_when_it_has_examined_enough,
    counts_stop_at_their_limit,
    wide_ranges_are_found_page_by_page,
    a_count_tests_no_more_than_it_may,
    random_plans_agree_with_a_naive_evaluation,
);

/// What is in the store, as the naive evaluation sees it.
struct Model(Vec<(Version, Entries)>);

impl Model {
    fn holds(&self, index: usize, plan: &Plan) -> bool {
        let (version, entries) = &self.0[index];
        let candidate = Candidate {
            id: &version.address.id,
            last_updated_ms: version.last_updated_ms,
            entries,
        };
        !version.is_deleted()
            && drives(&plan.driver, plan.type_key.as_ref(), &candidate)
            && plan.residual.holds(&candidate)
    }

    /// The sequences of all matches in the window's order, its limits apart.
    fn matches(&self, plan: &Plan, window: &Window) -> Vec<i64> {
        let mut sequences = Vec::new();
        for index in 0..self.0.len() {
            let sequence = self.0[index].0.sequence;
            let is_behind = window.after.is_none_or(|after| match window.order {
                Order::NewestFirst => sequence < after,
                Order::OldestFirst => sequence > after,
            });
            let is_known = window.high_water.is_none_or(|high| sequence <= high);
            if is_behind && is_known && self.holds(index, plan) {
                sequences.push(sequence);
            }
        }
        sequences.sort_unstable();
        if window.order == Order::NewestFirst {
            sequences.reverse();
        }
        sequences
    }
}

/// Whether a driver yields a candidate: ids belong to the plan's type.
fn drives(driver: &Predicate, type_key: Option<&Key>, candidate: &Candidate<'_>) -> bool {
    match driver {
        Predicate::Ids(_) => {
            let is_of_type = |key| candidate.entries.keys.contains(key);
            driver.holds(candidate) && type_key.is_none_or(is_of_type)
        }
        Predicate::Or(any) => any.iter().any(|one| drives(one, type_key, candidate)),
        other => other.holds(candidate),
    }
}

const TYPES: [&str; 3] = ["Encounter", "Observation", "Patient"];

fn random_key(random: &mut Random) -> Key {
    let parameter = u16::from(random.byte(4)) + 1;
    match parameter {
        1 => key(1, &[random.byte(6), random.byte(3)]),
        2 => key(2, &[random.byte(40)]),
        3 => key(3, &[]).with_ordered(random.whole(200) - 100),
        _ => key(4, &[random.byte(3)]).with_ordered(random.whole(50)),
    }
}

fn random_entries(random: &mut Random, version: &Version) -> Entries {
    let keys: Vec<_> = (0..random.below(9)).map(|_| random_key(random)).collect();
    let compartments: Vec<_> = (0..random.below(3)).map(|_| random.whole(5) - 2).collect();
    let mut entries = entries(version, &keys, &compartments);
    entries.compartments.dedup();
    entries.date_ms = NOW_MS + random.whole(1000);
    entries
}

fn random_range(random: &mut Random) -> KeyRange {
    let (a, b) = (random_key(random), random_key(random));
    match random.below(5) {
        0 => KeyRange::prefix(key(1, &[random.byte(6)])),
        1 => KeyRange {
            low: a.clone().min(b.clone()),
            high: a.max(b),
            tail: None,
        },
        2 => KeyRange {
            low: key(3, &[]).with_ordered(random.whole(100) - 100),
            high: key(3, &[]).with_ordered(random.whole(100)),
            tail: None,
        },
        3 => KeyRange {
            tail: Some(Tail {
                offset: 3,
                low: vec![random.byte(3)],
                high: Vec::new(),
            }),
            ..KeyRange::prefix(key(1, &[]))
        },
        _ => KeyRange {
            tail: Some(Tail {
                offset: 3,
                low: Vec::new(),
                high: (1_u64 << 63 | random.below(50)).to_be_bytes().to_vec(),
            }),
            ..KeyRange::prefix(key(4, &[]))
        },
    }
}

fn random_ids(random: &mut Random) -> Predicate {
    let ids = (0..random.below(6)).map(|_| format!("r{}", random.below(60)));
    Predicate::Ids(ids.collect())
}

fn random_driver(random: &mut Random, depth: u32) -> Predicate {
    match random.below(if depth == 0 { 9 } else { 11 }) {
        0 => Predicate::All,
        1 if random.one_in(4) => Predicate::Nothing,
        1..=3 => Predicate::Key(random_key(random)),
        4 => Predicate::Key(Key::of_type(random_type(random))),
        5 | 6 => Predicate::Range(random_range(random)),
        7 => Predicate::Compartment(random.whole(5) - 2),
        8 => random_ids(random),
        _ => {
            let any = (0..random.below(5)).map(|_| random_driver(random, depth - 1));
            Predicate::Or(any.collect())
        }
    }
}

fn random_residual(random: &mut Random, depth: u32) -> Predicate {
    let several = |random: &mut Random| {
        let some = 0..random.below(4);
        some.map(|_| random_residual(random, depth - 1)).collect()
    };
    match random.below(if depth == 0 { 9 } else { 12 }) {
        0..=2 => Predicate::All,
        3 => Predicate::Key(random_key(random)),
        4 => Predicate::Key(Key::of_type(random_type(random))),
        5 => Predicate::Range(random_range(random)),
        6 => Predicate::Compartment(random.whole(5) - 2),
        7 => random_ids(random),
        8 => Predicate::LastUpdated {
            low_ms: NOW_MS + random.whole(300),
            high_ms: NOW_MS + random.whole(6000),
        },
        9 => Predicate::And(several(random)),
        10 => Predicate::Or(several(random)),
        _ => Predicate::Not(Box::new(random_residual(random, depth - 1))),
    }
}

fn random_type(random: &mut Random) -> ResourceType {
    kind(TYPES[random.index(TYPES.len())])
}

/// Fills a store with creates, updates and tombstones.
async fn fill(store: &dyn Store, random: &mut Random) -> Model {
    let mut model = Vec::new();
    let mut puts = Vec::new();
    for number in 0..400_i64 {
        let text = format!("{}/r{}", TYPES[random.index(3)], number % 60);
        let mut one = version(&text, 10 + number * 3);
        if model
            .iter()
            .any(|(other, _): &(Version, _)| other.address == one.address)
        {
            one.address.id = format!("x{number}");
        }
        let mut put = create(&one, &[]);
        put.entries = random_entries(random, &one);
        model.push((one, put.entries.clone()));
        puts.push(put);
    }
    commit(store, puts).await.unwrap();
    for _round in 0..2 {
        let mut puts = Vec::new();
        for (current, held) in &mut model {
            let new = match random.below(9) {
                0 => tombstone(current),
                1..=3 => next(current),
                _ => continue,
            };
            let mut put = replace(current, &new, &[]);
            if !new.is_deleted() {
                put.entries = random_entries(random, &new);
            }
            *held = put.entries.clone();
            *current = new;
            puts.push(put);
        }
        commit(store, puts).await.unwrap();
    }
    Model(model)
}

/// Everything a plan finds, read page by page as a client would.
async fn page_through(store: &dyn Store, plan: &Plan, first: &Window) -> Vec<Version> {
    let mut window = first.clone();
    let mut all = Vec::new();
    loop {
        let page = store.find(plan, &window).await.unwrap();
        assert!(page.versions.len() <= window.limit);
        let last = page.versions.last().map(|one| one.sequence);
        let bytes = sealed_bytes(&page.versions);
        let all_but_last = page
            .versions
            .split_last()
            .map_or(0, |(_, rest)| sealed_bytes(rest));
        assert!(all_but_last < window.bytes_max);
        let is_full = page.versions.len() == window.limit || bytes >= window.bytes_max;
        all.extend(page.versions);
        match page.stopped_at {
            _ if is_full => window.after = last,
            Some(sequence) => {
                assert!(window.after != Some(sequence), "no progress");
                window.after = Some(sequence);
            }
            None => return all,
        }
    }
}

async fn random_plans_agree_with_a_naive_evaluation(open: OpenStore) {
    let store = &*open.store;
    let mut random = Random::new(20);
    let model = fill(store, &mut random).await;
    for round in 0..1500 {
        let plan = Plan {
            driver: random_driver(&mut random, 2),
            residual: random_residual(&mut random, 2),
            type_key: (!random.one_in(4)).then(|| Key::of_type(random_type(&mut random))),
        };
        let window = Window {
            order: if random.one_in(2) {
                Order::NewestFirst
            } else {
                Order::OldestFirst
            },
            after: random.one_in(3).then(|| random.whole(1250)),
            high_water: random.one_in(3).then(|| random.whole(1250)),
            limit: 1 + random.index(25),
            examined_max: if random.one_in(3) {
                usize::MAX
            } else {
                1 + random.index(60)
            },
            bytes_max: if random.one_in(2) {
                usize::MAX
            } else {
                1 + random.index(200)
            },
        };
        let expected = model.matches(&plan, &window);
        let found = page_through(store, &plan, &window).await;
        let sequences: Vec<_> = found.iter().map(|one| one.sequence).collect();
        assert_eq!(sequences, expected, "round {round}: {plan:?} in {window:?}");
        for one in found {
            let known = model
                .0
                .iter()
                .find(|(other, _)| other.sequence == one.sequence);
            assert_eq!(known.map(|(other, _)| other), Some(&one), "round {round}");
        }
        let all = model.matches(&plan, &everything()).len() as u64;
        let limit = random.below(all + 3);
        let count = store.count(&plan, limit).await.unwrap();
        assert_eq!(count, all.min(limit), "round {round}: {plan:?}");
    }
}

/// Patients `p1..=pN` with sequences `1..=N`; `key(1, [n % 3])` and an ordered key of `n` each.
async fn numbered(store: &dyn Store, count: i64) {
    let puts = (1..=count).map(|n| {
        let digit = u8::try_from(n % 3).unwrap();
        let keys = [key(1, &[digit]), key(2, &[]).with_ordered(n)];
        let mut put = create(&version(&format!("Patient/p{n}"), n), &keys);
        put.entries.compartments = vec![n % 5];
        put
    });
    commit(store, puts.collect()).await.unwrap();
}

fn sequences(versions: &[Version]) -> Vec<i64> {
    versions.iter().map(|one| one.sequence).collect()
}

async fn every_driver_finds_what_it_names(open: OpenStore) {
    let store = &*open.store;
    numbered(store, 12).await;
    let range = |low, high| {
        Predicate::Range(KeyRange {
            low: key(2, &[]).with_ordered(low),
            high: key(2, &[]).with_ordered(high),
            tail: None,
        })
    };
    let ids = |ids: &[&str]| Predicate::Ids(ids.iter().map(|&id| id.to_owned()).collect());
    let cases = [
        (Predicate::Key(key(1, &[1])), vec![10, 7, 4, 1]),
        (range(4, 7), vec![6, 5, 4]),
        (range(7, 4), vec![]),
        (Predicate::Compartment(2), vec![12, 7, 2]),
        (ids(&["p3", "p9", "p99"]), vec![9, 3]),
        (ids(&["p3", "p3"]), vec![3]),
        (
            Predicate::Or(vec![range(1, 3), Predicate::Key(key(1, &[1]))]),
            vec![10, 7, 4, 2, 1],
        ),
        (Predicate::Or(vec![]), vec![]),
        (Predicate::Nothing, vec![]),
        (
            Predicate::Key(Key::of_type(kind("Patient"))),
            (1..=12).rev().collect(),
        ),
        (Predicate::Key(Key::of_type(kind("Group"))), vec![]),
        (Predicate::All, (1..=12).rev().collect()),
    ];
    for (driver, expected) in cases {
        let plan = Plan {
            type_key: Some(Key::of_type(kind("Patient"))),
            ..plan(driver)
        };
        let page = store.find(&plan, &everything()).await.unwrap();
        assert_eq!(sequences(&page.versions), expected, "{:?}", plan.driver);
        assert_eq!(page.stopped_at, None);
        let count = store.count(&plan, u64::MAX).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{:?}", plan.driver);
    }
}

async fn a_page_ends_at_its_limit_and_goes_on_behind_its_last(open: OpenStore) {
    let store = &*open.store;
    numbered(store, 30).await;
    let plan = plan(Predicate::Key(key(1, &[0])));
    let mut window = Window {
        limit: 4,
        ..everything()
    };
    let newest = store.find(&plan, &window).await.unwrap();
    assert_eq!(sequences(&newest.versions), [30, 27, 24, 21]);
    window.after = Some(21);
    let second = store.find(&plan, &window).await.unwrap();
    assert_eq!(sequences(&second.versions), [18, 15, 12, 9]);
    window.order = Order::OldestFirst;
    window.after = Some(18);
    let back = store.find(&plan, &window).await.unwrap();
    assert_eq!(sequences(&back.versions), [21, 24, 27, 30]);
    window.limit = 0;
    assert!(
        store
            .find(&plan, &window)
            .await
            .unwrap()
            .versions
            .is_empty()
    );
}

async fn the_high_water_mark_hides_what_came_later(open: OpenStore) {
    let store = &*open.store;
    numbered(store, 9).await;
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let window = Window {
            order,
            high_water: Some(5),
            ..everything()
        };
        for driver in [
            Predicate::All,
            Predicate::Key(Key::of_type(kind("Patient"))),
        ] {
            let page = store.find(&plan(driver), &window).await.unwrap();
            let mut seen = sequences(&page.versions);
            seen.sort_unstable();
            assert_eq!(seen, [1, 2, 3, 4, 5]);
        }
    }
}

async fn a_store_stops_when_it_has_examined_enough(open: OpenStore) {
    let store = &*open.store;
    numbered(store, 30).await;
    let plan = Plan {
        driver: Predicate::Key(Key::of_type(kind("Patient"))),
        residual: Predicate::Key(key(1, &[0])),
        type_key: None,
    };
    let mut window = Window {
        limit: 5,
        examined_max: 7,
        ..everything()
    };
    let first = store.find(&plan, &window).await.unwrap();
    assert_eq!(sequences(&first.versions), [30, 27, 24]);
    assert_eq!(first.stopped_at, Some(24));
    window.after = first.stopped_at;
    window.examined_max = 100;
    let second = store.find(&plan, &window).await.unwrap();
    assert_eq!(sequences(&second.versions), [21, 18, 15, 12, 9]);
    assert_eq!(second.stopped_at, None);
}

async fn counts_stop_at_their_limit(open: OpenStore) {
    let store = &*open.store;
    numbered(store, 30).await;
    let residual = Plan {
        driver: Predicate::Key(Key::of_type(kind("Patient"))),
        residual: Predicate::Not(Box::new(Predicate::Key(key(1, &[0])))),
        type_key: None,
    };
    let counted = [
        (plan(Predicate::All), 30),
        (plan(Predicate::Key(key(1, &[2]))), 10),
        (plan(Predicate::Range(KeyRange::prefix(key(2, &[])))), 30),
        (plan(Predicate::Range(KeyRange::prefix(key(1, &[])))), 30),
        (residual, 20),
    ];
    for (plan, all) in counted {
        for limit in [0, 1, all - 1, all, all + 1, u64::MAX] {
            let count = store.count(&plan, limit).await.unwrap();
            assert_eq!(count, all.min(limit), "{plan:?}");
        }
    }
}

async fn a_count_tests_no_more_than_it_may(open: OpenStore) {
    let store = &*open.store;
    numbered(store, 30).await;
    let patients = Predicate::Key(Key::of_type(kind("Patient")));
    let third = Predicate::Key(key(1, &[0]));
    let tested = |residual: Predicate| Plan {
        driver: patients.clone(),
        residual,
        type_key: None,
    };
    let late = Predicate::LastUpdated {
        low_ms: i64::MIN,
        high_ms: i64::MAX,
    };
    for (plan, all) in [
        (tested(third.clone()), 10),
        (tested(Predicate::Not(Box::new(third))), 20),
        (tested(late), 30),
    ] {
        for (limit, examined_max, expected) in [
            (u64::MAX, 29, None),
            (u64::MAX, 0, None),
            (all + 1, 29, None),
            (u64::MAX, 30, Some(all)),
            (1, 29, Some(1)),
            (0, 0, Some(0)),
        ] {
            let counted = store.count_within(&plan, limit, examined_max).await;
            assert_eq!(
                counted.unwrap(),
                expected,
                "{plan:?} {limit} {examined_max}"
            );
        }
    }
    // What is not tested costs little.
    let untested = store.count_within(&plan(patients), u64::MAX, 1).await;
    assert_eq!(untested.unwrap(), Some(30));
}

async fn wide_ranges_are_found_page_by_page(open: OpenStore) {
    const COUNT: i64 = 20_000;
    let store = &*open.store;
    numbered(store, COUNT).await;
    let range = KeyRange {
        low: key(2, &[]).with_ordered(11),
        high: key(2, &[]).with_ordered(COUNT),
        tail: None,
    };
    let type_key = Key::of_type(kind("Patient"));
    for residual in [Predicate::All, Predicate::Key(type_key)] {
        let plan = Plan {
            residual,
            ..plan(Predicate::Range(range.clone()))
        };
        for (order, expected) in [
            (
                Order::NewestFirst,
                (COUNT - 40..COUNT).rev().collect::<Vec<_>>(),
            ),
            (Order::OldestFirst, (11..51).collect()),
        ] {
            let window = Window {
                order,
                limit: 40,
                ..everything()
            };
            let page = store.find(&plan, &window).await.unwrap();
            assert_eq!(sequences(&page.versions), expected);
        }
        let behind = Window {
            after: Some(50),
            ..everything()
        };
        let page = store.find(&plan, &behind).await.unwrap();
        assert_eq!(
            sequences(&page.versions),
            (11..50).rev().collect::<Vec<_>>()
        );
        assert_eq!(
            store.count(&plan, u64::MAX).await.unwrap(),
            COUNT as u64 - 11
        );
    }
}
