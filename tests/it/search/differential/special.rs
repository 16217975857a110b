//! Random searches by vocabulary, hierarchy, list, distance and inside of containers, and a plain
//! reading of the same resources.

use serde_json::{Value, json};

use crate::search::{found, put};
use crate::support::random::Random;
use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores};

on_both_stores!(special_searches_find_what_a_plain_reading_finds);

const SEED: u64 = 20_261_123;
const QUERIES: usize = 300;
const CONDITIONS: usize = 150;
const LOCATIONS: usize = 150;
const REQUESTS: usize = 80;
const CODES: usize = 15;
const LISTS: usize = 6;
const SETS: usize = 5;

const TREE: &str = "http://tree";

/// The mean radius of the Earth.
const RADIUS_KM: f64 = 6_371.008_8;

/// Where a location is, and what it is part of.
type Place = (Option<(f64, f64)>, Option<usize>);

/// What is stored, as numbers.
struct World {
    /// Codes of each condition: whether of the tree, and which.
    conditions: Vec<Vec<(bool, usize)>>,
    /// Position of each location, and what it is part of.
    locations: Vec<Place>,
    /// Code and activity of the medications in each request.
    requests: Vec<Vec<(usize, bool)>>,
    /// Medications that stand by themselves.
    medications: Vec<(usize, bool)>,
    lists: Vec<Vec<usize>>,
    sets: Vec<Vec<usize>>,
}

fn degrees(random: &mut Random, most: f64) -> f64 {
    // Hundredths, so that JSON says exactly what is computed with.
    let steps = random.below(20_001);
    let share = f64::from(u32::try_from(steps).unwrap()) / 10_000.0 - 1.0;
    (share * most * 100.0).round() / 100.0
}

impl World {
    fn new(random: &mut Random) -> Self {
        let codes = |random: &mut Random| {
            let code = |random: &mut Random| (!random.one_in(4), random.index(CODES));
            let count = 1 + random.index(2);
            (0..count).map(|_| code(random)).collect()
        };
        let medication = |random: &mut Random| (random.index(4), random.one_in(2));
        let locations = (0..LOCATIONS).map(|number| {
            // Many are near the antimeridian, and near a pole.
            let longitude = degrees(random, 180.0);
            let position = match random.below(4) {
                0 => Some((degrees(random, 90.0), longitude)),
                1 => Some((degrees(random, 1.0), 180.0 - degrees(random, 0.5).abs())),
                2 => Some((89.0 + degrees(random, 0.9), longitude)),
                _ => None,
            };
            let parent = (number > 0 && !random.one_in(5)).then(|| random.index(number));
            (position, parent)
        });
        let locations = locations.collect();
        Self {
            conditions: (0..CONDITIONS).map(|_| codes(random)).collect(),
            locations,
            requests: (0..REQUESTS)
                .map(|_| (0..random.index(4)).map(|_| medication(random)).collect())
                .collect(),
            medications: (0..REQUESTS).map(|_| medication(random)).collect(),
            lists: (0..LISTS)
                .map(|_| (0..30).map(|_| random.index(CONDITIONS)).collect())
                .collect(),
            sets: (0..SETS)
                .map(|_| (0..4).map(|_| random.index(CODES)).collect())
                .collect(),
        }
    }

    fn resources(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (number, codes) in self.conditions.iter().enumerate() {
            let codings: Vec<_> = codes
                .iter()
                .map(|(is_tree, code)| coding(*is_tree, *code))
                .collect();
            all.push(
                json!({ "resourceType": "Condition", "id": format!("c{number}"),
                "subject": { "display": "somebody" }, "code": { "coding": codings } }),
            );
        }
        for (number, (position, parent)) in self.locations.iter().enumerate() {
            let mut one = json!({ "resourceType": "Location", "id": format!("l{number}") });
            if let Some((latitude, longitude)) = position {
                one["position"] = json!({ "latitude": latitude, "longitude": longitude });
            }
            if let Some(parent) = parent {
                one["partOf"] = json!({ "reference": format!("Location/l{parent}") });
            }
            all.push(one);
        }
        for (number, inside) in self.requests.iter().enumerate() {
            let mut one = json!({ "resourceType": "MedicationRequest", "status": "active",
                "id": format!("r{number}"), "intent": "order",
                "medicationCodeableConcept": { "text": "inside" },
                "subject": { "display": "somebody" } });
            if !inside.is_empty() {
                let place = inside.iter().enumerate();
                one["contained"] = place
                    .map(|(place, one)| medication(&format!("m{place}"), *one))
                    .collect();
                one["supportingInformation"] = (0..inside.len())
                    .map(|place| json!({ "reference": format!("#m{place}") }))
                    .collect();
            }
            all.push(one);
        }
        for (number, one) in self.medications.iter().enumerate() {
            all.push(medication(&format!("own{number}"), *one));
        }
        for (number, items) in self.lists.iter().enumerate() {
            let entries: Vec<_> = items
                .iter()
                .map(|item| json!({ "item": { "reference": format!("Condition/c{item}") } }))
                .collect();
            all.push(
                json!({ "resourceType": "List", "id": format!("list{number}"),
                "status": "current", "mode": "working", "entry": entries }),
            );
        }
        all
    }

    async fn store(&self, server: &TestServer) {
        put(
            server,
            &json!({ "resourceType": "CodeSystem", "id": "tree", "url": TREE,
            "status": "active", "content": "complete", "concept": [concept(0)] }),
        )
        .await;
        for (number, codes) in self.sets.iter().enumerate() {
            let concepts: Vec<_> = codes
                .iter()
                .map(|code| json!({ "code": format!("t{code}") }))
                .collect();
            put(
                server,
                &json!({ "resourceType": "ValueSet", "id": format!("s{number}"),
                "url": format!("http://set/{number}"), "status": "active",
                "compose": { "include": [{ "system": TREE, "concept": concepts }] } }),
            )
            .await;
        }
        let puts = self.resources().into_iter().map(|one| {
            let url = format!(
                "{}/{}",
                one["resourceType"].as_str().unwrap(),
                one["id"].as_str().unwrap()
            );
            entry("PUT", &url, Some(&one))
        });
        let puts: Vec<_> = puts.collect();
        let answer = server.post("", &bundle("transaction", &puts)).await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }

    fn conditions(&self, is_met: impl Fn(usize, &[(bool, usize)]) -> bool) -> Vec<String> {
        let all = self.conditions.iter().enumerate();
        let met = all.filter(|(number, codes)| is_met(*number, codes));
        met.map(|(number, _)| format!("Condition/c{number}"))
            .collect()
    }

    /// Whether a location is another one or lies below it.
    fn is_below(&self, mut one: usize, top: usize) -> bool {
        while one != top {
            let Some(parent) = self.locations[one].1 else {
                return false;
            };
            one = parent;
        }
        true
    }

    fn locations(&self, is_met: impl Fn(&Place) -> bool) -> Vec<String> {
        let all = self.locations.iter().enumerate();
        all.filter(|(_, one)| is_met(one))
            .map(|(number, _)| format!("Location/l{number}"))
            .collect()
    }

    /// A query, and what it has to find.
    fn query(&self, random: &mut Random) -> (String, Vec<String>) {
        let code = random.index(CODES);
        match random.below(8) {
            0 => {
                let (set, is_in) = (random.index(SETS), random.one_in(2));
                let is_met = |codes: &[(bool, usize)]| {
                    codes
                        .iter()
                        .any(|(is_tree, code)| *is_tree && self.sets[set].contains(code))
                };
                let modifier = if is_in { "in" } else { "not-in" };
                let query = format!("Condition?code:{modifier}=http://set/{set}");
                (query, self.conditions(|_, codes| is_met(codes) == is_in))
            }
            1 => {
                let is_met = |other: usize| is_above(code, other);
                let query = format!("Condition?code:below={TREE}|t{code}");
                (
                    query,
                    self.conditions(|_, codes| codes.iter().any(|one| one.0 && is_met(one.1))),
                )
            }
            2 => {
                let list = random.index(LISTS);
                let is_met = |number: usize, codes: &[(bool, usize)]| {
                    self.lists[list].contains(&number)
                        && codes.iter().any(|one| one.0 && is_above(one.1, code))
                };
                let query = format!("Condition?_list=list{list}&code:above={TREE}|t{code}");
                (query, self.conditions(is_met))
            }
            3 => {
                let top = random.index(LOCATIONS);
                if random.one_in(2) {
                    let is_met = |parent: usize| self.is_below(parent, top);
                    let query = format!("Location?partof:below=Location/l{top}");
                    return (query, self.locations(|one| one.1.is_some_and(is_met)));
                }
                let is_met = |parent: usize| self.is_below(top, parent);
                let query = format!("Location?partof:above=Location/l{top}");
                (query, self.locations(|one| one.1.is_some_and(is_met)))
            }
            4 | 5 => self.near(random),
            _ => self.contained(random),
        }
    }

    fn near(&self, random: &mut Random) -> (String, Vec<String>) {
        let centre = match self.locations[random.index(LOCATIONS)].0 {
            Some(position) if random.one_in(2) => position,
            _ => (degrees(random, 90.0), degrees(random, 180.0)),
        };
        let radius = [0, 10, 80, 300, 900, 4_000, 9_000, 15_000][random.index(8)];
        let distance = |one: &Place| {
            one.0
                .map(|position| between(centre, position) - f64::from(radius))
        };
        let query = format!("Location?near={}|{}|{radius}|km", centre.0, centre.1);
        (
            query,
            self.locations(|one| distance(one).is_some_and(|beyond| beyond <= 0.000_01)),
        )
    }

    fn contained(&self, random: &mut Random) -> (String, Vec<String>) {
        let (code, is_both) = (random.index(4), random.one_in(2));
        let (is_active, by_status) = (random.one_in(2), random.one_in(2));
        let is_met = |one: &(usize, bool)| one.0 == code && (!by_status || one.1 == is_active);
        let inside = self.requests.iter().enumerate();
        let inside = inside.filter(|(_, medications)| medications.iter().any(is_met));
        let mut expected: Vec<_> = inside
            .map(|(at, _)| format!("MedicationRequest/r{at}"))
            .collect();
        if is_both {
            let own = self
                .medications
                .iter()
                .enumerate()
                .filter(|(_, one)| is_met(one));
            expected.extend(own.map(|(at, _)| format!("Medication/own{at}")));
        }
        let kind = if is_both { "both" } else { "true" };
        let mut query = format!("Medication?_contained={kind}&code=http://m|k{code}");
        if by_status {
            let status = if is_active { "=active" } else { ":not=active" };
            query.push_str("&status");
            query.push_str(status);
        }
        (query, expected)
    }
}

fn coding(is_tree: bool, code: usize) -> Value {
    let system = if is_tree { TREE } else { "http://other" };
    json!({ "system": system, "code": format!("t{code}") })
}

fn medication(id: &str, (code, is_active): (usize, bool)) -> Value {
    let status = if is_active { "active" } else { "inactive" };
    json!({ "resourceType": "Medication", "id": id, "status": status,
        "code": { "coding": [{ "system": "http://m", "code": format!("k{code}") }] } })
}

/// A code with those below it: `t1` and `t2` are below `t0`, `t3` and `t4` below `t1`.
fn concept(code: usize) -> Value {
    let below = [code * 2 + 1, code * 2 + 2]
        .into_iter()
        .filter(|one| *one < CODES);
    let below: Vec<_> = below.map(concept).collect();
    let mut concept = json!({ "code": format!("t{code}") });
    if !below.is_empty() {
        concept["concept"] = json!(below);
    }
    concept
}

/// Whether a code is another one or lies above it.
fn is_above(code: usize, mut other: usize) -> bool {
    while other > code {
        other = (other - 1) / 2;
    }
    other == code
}

/// The distance of two points, by the angle between their vectors.
fn between(one: (f64, f64), other: (f64, f64)) -> f64 {
    let vector = |(latitude, longitude): (f64, f64)| {
        let (phi, lambda) = (latitude.to_radians(), longitude.to_radians());
        [
            phi.cos() * lambda.cos(),
            phi.cos() * lambda.sin(),
            phi.sin(),
        ]
    };
    let (one, other) = (vector(one), vector(other));
    let cross = [(1, 2), (2, 0), (0, 1)]
        .map(|(first, second)| one[first] * other[second] - one[second] * other[first]);
    let sine = cross.iter().map(|part| part * part).sum::<f64>().sqrt();
    let cosine: f64 = one
        .iter()
        .zip(other)
        .map(|(part, beside)| part * beside)
        .sum();
    RADIUS_KM * sine.atan2(cosine)
}

async fn special_searches_find_what_a_plain_reading_finds(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut random = Random::new(SEED);
    let world = World::new(&mut random);
    world.store(&server).await;
    let mut with_answer = 0;
    for _ in 0..QUERIES {
        let (query, mut expected) = world.query(&mut random);
        let page = found(&server, &format!("{query}&_count=1000&_total=accurate")).await;
        let mut matches = crate::search::entries(&page, "match");
        matches.sort();
        expected.sort();
        assert_eq!(matches, expected, "seed {SEED}: {query}");
        assert_eq!(page["total"], expected.len(), "seed {SEED}: {query}");
        with_answer += usize::from(!expected.is_empty());
    }
    assert!(with_answer > QUERIES / 3, "{with_answer} find something");
}
