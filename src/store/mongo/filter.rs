//! Plans in MongoDB's words, pure.
//!
//! A driver becomes a filter that one index answers; a residual becomes a filter for counting. A
//! filter may let too much through, never too little: what is not exact is tested again with
//! `Predicate::holds`.

use mongodb::bson::{Binary, Document, doc};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::Key;
use crate::search::plan::{KeyRange, Order, Plan, Predicate, Window};
use crate::store::mongo::key_lengths::Lengths;
use crate::store::mongo::record::owned_binary;
use crate::store::mongo::schema;

/// How many walks of an index the server merges in order; of more it sorts the result.
const MERGED_WALKS_MAX: usize = 200;

/// What a plan's driver walks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Driver {
    /// The condition.
    pub(super) filter: Document,
    /// The index to walk; `None` when several are needed.
    pub(super) index: Option<&'static str>,
    /// Whether the filter lets nothing through that the driver does not.
    pub(super) is_exact: bool,
    /// Whether the index gives the order of creation, so that a part costs only a part.
    pub(super) is_ordered: bool,
}

/// A residual as far as the server can test it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Residual {
    /// The condition; empty for none.
    pub(super) filter: Document,
    /// Whether the filter lets nothing through that the residual does not.
    pub(super) is_exact: bool,
}

/// The driver of a plan within bounds of the creation sequence; `None` when nothing can match.
pub(super) fn driver(plan: &Plan, bounds: &Document, lengths: &Lengths) -> Option<Driver> {
    let mut arms = Arms {
        plan,
        lengths,
        keys: Vec::new(),
        others: Vec::new(),
        is_exact: true,
    };
    if !arms.add(&plan.driver) {
        // Not a driver by itself: walk everything and test.
        arms.others.clear();
        arms.keys = ResourceType::all().map(Key::of_type).collect();
        arms.is_exact = false;
    }
    arms.into_driver(bounds)
}

/// The bounds of the creation sequence that a window sets; empty for none.
pub(super) fn bounds(window: &Window) -> Document {
    let mut range = Document::new();
    if let Some(after) = window.after {
        let behind = match window.order {
            Order::NewestFirst => "$lt",
            Order::OldestFirst => "$gt",
        };
        range.insert(behind, after);
    }
    if let Some(high_water) = window.high_water {
        range.insert("$lte", high_water);
    }
    if range.is_empty() {
        range
    } else {
        doc! { "n": range }
    }
}

/// A residual as far as the server can test it.
pub(super) fn residual(predicate: &Predicate, lengths: &Lengths) -> Residual {
    match predicate {
        Predicate::All => Residual {
            filter: Document::new(),
            is_exact: true,
        },
        Predicate::Nothing => exact(doc! { "_id": { "$in": [] } }),
        Predicate::Key(key) => exact(doc! { "k": key_binary(key) }),
        Predicate::Range(range) => Residual {
            filter: any(ranges(range, lengths)),
            is_exact: range.tail.is_none(),
        },
        Predicate::Compartment(owner) => exact(doc! { "c": *owner }),
        Predicate::AnyCompartment(owners) => exact(doc! { "c": { "$in": owners.to_vec() } }),
        Predicate::LastUpdated { low_ms, high_ms } => {
            exact(doc! { "u": { "$gte": *low_ms, "$lt": *high_ms } })
        }
        // Ids do not say of which type.
        Predicate::Ids(_) | Predicate::AnyId(_) => Residual::default(),
        Predicate::And(all) => conjunction(all, lengths),
        Predicate::Or(some) => disjunction(some, lengths),
        Predicate::Not(inner) => {
            let inner = residual(inner, lengths);
            if inner.is_exact && !inner.filter.is_empty() {
                exact(doc! { "$nor": [inner.filter] })
            } else if inner.is_exact {
                exact(doc! { "_id": { "$in": [] } })
            } else {
                Residual::default()
            }
        }
    }
}

fn exact(filter: Document) -> Residual {
    Residual {
        filter,
        is_exact: true,
    }
}

fn conjunction(all: &[Predicate], lengths: &Lengths) -> Residual {
    let parts: Vec<Residual> = all.iter().map(|one| residual(one, lengths)).collect();
    let is_exact = parts.iter().all(|part| part.is_exact);
    let mut filters: Vec<Document> = parts
        .into_iter()
        .map(|part| part.filter)
        .filter(|filter| !filter.is_empty())
        .collect();
    let filter = match filters.len() {
        0 | 1 => filters.pop().unwrap_or_default(),
        _ => doc! { "$and": filters },
    };
    Residual { filter, is_exact }
}

fn disjunction(some: &[Predicate], lengths: &Lengths) -> Residual {
    let parts: Vec<Residual> = some.iter().map(|one| residual(one, lengths)).collect();
    let is_exact = parts.iter().all(|part| part.is_exact);
    if parts.iter().any(|part| part.filter.is_empty()) {
        // One side holds for all that the server can tell.
        return Residual {
            filter: Document::new(),
            is_exact,
        };
    }
    Residual {
        filter: any(parts.into_iter().map(|part| part.filter).collect()),
        is_exact,
    }
}

/// One of several conditions; of none, nothing.
fn any(mut filters: Vec<Document>) -> Document {
    match filters.len() {
        0 => doc! { "_id": { "$in": [] } },
        1 => filters.pop().unwrap_or_default(),
        _ => doc! { "$or": filters },
    }
}

/// The alternatives of a driver.
struct Arms<'a> {
    plan: &'a Plan,
    lengths: &'a Lengths,
    keys: Vec<Key>,
    others: Vec<(Document, &'static str)>,
    is_exact: bool,
}

impl Arms<'_> {
    /// Adds a predicate; false when no index answers it.
    fn add(&mut self, predicate: &Predicate) -> bool {
        match predicate {
            Predicate::Nothing => {}
            Predicate::All => self.keys.extend(ResourceType::all().map(Key::of_type)),
            Predicate::Key(key) => self.keys.push(key.clone()),
            Predicate::Range(range) => {
                self.is_exact &= range.tail.is_none();
                let arms = ranges(range, self.lengths).into_iter();
                self.others.extend(arms.map(|arm| (arm, schema::BY_KEY)));
            }
            Predicate::Compartment(owner) => {
                let mut arm = doc! { "c": *owner };
                if let Some(number) = type_in(&self.plan.residual) {
                    arm.insert("y", number);
                }
                self.others.push((arm, schema::BY_COMPARTMENT));
            }
            Predicate::AnyCompartment(owners) => {
                let mut arm = doc! { "c": { "$in": owners.to_vec() } };
                if let Some(number) = type_in(&self.plan.residual) {
                    arm.insert("y", number);
                }
                self.others.push((arm, schema::BY_COMPARTMENT));
            }
            Predicate::Ids(ids) => return self.add_ids(ids),
            Predicate::Or(some) => return some.iter().all(|one| self.add(one)),
            Predicate::LastUpdated { .. }
            | Predicate::AnyId(_)
            | Predicate::And(_)
            | Predicate::Not(_) => return false,
        }
        true
    }

    fn add_ids(&mut self, ids: &[String]) -> bool {
        let Some(resource_type) = self.plan.type_key.as_ref().and_then(type_of) else {
            return false;
        };
        let name = resource_type.name();
        let ids: Vec<String> = ids.iter().map(|id| format!("{name}/{id}")).collect();
        let live = doc! { "$exists": false };
        self.others
            .push((doc! { "_id": { "$in": ids }, "x": live }, "_id_"));
        true
    }

    fn into_driver(mut self, bounds: &Document) -> Option<Driver> {
        self.keys.sort_unstable();
        self.keys.dedup();
        match self.keys.as_slice() {
            [] => {}
            [one] => self
                .others
                .push((doc! { "k": key_binary(one) }, schema::BY_KEY)),
            several => {
                let keys: Vec<Binary> = several.iter().map(key_binary).collect();
                self.others
                    .push((doc! { "k": { "$in": keys } }, schema::BY_KEY));
            }
        }
        let (_, index) = *self.others.first()?;
        let is_same = self.others.iter().all(|(_, other)| *other == index);
        // Nothing but keys: the server merges the walks of several.
        let is_ordered =
            self.others.len() == 1 && (1..=MERGED_WALKS_MAX).contains(&self.keys.len());
        let arms = self.others.into_iter().map(|(mut arm, _)| {
            arm.extend(bounds.clone());
            arm
        });
        Some(Driver {
            filter: any(arms.collect()),
            index: is_same.then_some(index),
            is_exact: self.is_exact,
            is_ordered,
        })
    }
}

/// The number of the type that a residual asks for.
fn type_in(residual: &Predicate) -> Option<i32> {
    match residual {
        Predicate::Key(key) => type_of(key).map(|one| i32::from(one.number())),
        Predicate::And(all) => all.iter().find_map(type_in),
        _ => None,
    }
}

/// The type whose key this is.
fn type_of(key: &Key) -> Option<ResourceType> {
    let [.., high, low] = *key.as_bytes() else {
        return None;
    };
    let resource_type = ResourceType::from_number(u16::from_be_bytes([high, low]))?;
    (Key::of_type(resource_type) == *key).then_some(resource_type)
}

fn key_binary(key: &Key) -> Binary {
    owned_binary(key.as_bytes())
}

/// A range of keys in byte order as ranges in MongoDB's order, which is by length first: one for
/// every length that occurs.
fn ranges(range: &KeyRange, lengths: &Lengths) -> Vec<Document> {
    let (low, high) = (range.low.as_bytes(), range.high.as_bytes());
    lengths
        .within(range)
        .into_iter()
        .filter_map(|length| {
            let (from, from_bound) = bound(low, length, "$gte", "$gt");
            let (to, to_bound) = bound(high, length, "$lt", "$lte");
            let is_empty = to < from || (to == from && (from_bound, to_bound) != ("$gte", "$lte"));
            if is_empty {
                return None;
            }
            let range = doc! { from_bound: owned_binary(&from), to_bound: owned_binary(&to) };
            Some(doc! { "k": { "$elemMatch": range } })
        })
        .collect()
}

/// A bound of a range among the keys of one length. A key as long as the bound or longer is behind
/// it from the bound padded with zeros on; a shorter one is behind it when it is behind its
/// beginning.
fn bound(
    bytes: &[u8],
    length: usize,
    padded: &'static str,
    cut: &'static str,
) -> (Vec<u8>, &'static str) {
    match bytes.get(..length) {
        Some(beginning) if bytes.len() > length => (beginning.to_vec(), cut),
        _ => {
            let mut bytes = bytes.to_vec();
            bytes.resize(length, 0);
            (bytes, padded)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use mongodb::bson::spec::BinarySubtype;
    use mongodb::bson::{Binary, Bson, Document, doc};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{driver, ranges, residual};
    use crate::fhir::resource_type::ResourceType;
    use crate::search::key::{Key, ParameterNumber};
    use crate::search::plan::{KeyRange, Plan, Predicate, Tail};
    use crate::store::mongo::key_lengths::Lengths;
    use crate::store::mongo::schema;

    /// Whether a key is in one of the ranges by MongoDB's order: by length, then by bytes.
    fn is_in(ranges: &[Document], key: &[u8]) -> bool {
        let order = |bytes: &[u8]| (bytes.len(), bytes.to_vec());
        ranges.iter().any(|range| {
            let bounds = range
                .get_document("k")
                .unwrap()
                .get_document("$elemMatch")
                .unwrap();
            bounds.iter().all(|(name, bound)| {
                let Bson::Binary(bound) = bound else {
                    panic!("{bound:?}")
                };
                let (key, bound) = (order(key), order(&bound.bytes));
                match name.as_str() {
                    "$gte" => key >= bound,
                    "$gt" => key > bound,
                    "$lt" => key < bound,
                    "$lte" => key <= bound,
                    other => panic!("{other}"),
                }
            })
        })
    }

    fn plan(driver: Predicate, residual: Predicate) -> Plan {
        Plan {
            driver,
            residual,
            type_key: None,
        }
    }

    /// Every parameter that the tests use has keys of these lengths.
    fn lengths(lengths: &[usize]) -> Lengths {
        let stored = (0..=u16::from_be_bytes([3, u8::MAX])).chain([u16::MAX]);
        let bits = lengths
            .iter()
            .fold(0, |bits, length| bits | 1_i64 << length);
        Lengths::read(
            &stored
                .map(|number| (format!("{number:04x}"), Bson::Int64(bits)))
                .collect(),
        )
    }

    fn key(byte: u8) -> Key {
        Key::new(ParameterNumber(7)).with(&[byte])
    }

    fn binary(key: &Key) -> Binary {
        Binary {
            subtype: BinarySubtype::Generic,
            bytes: key.as_bytes().to_vec(),
        }
    }

    proptest! {
        #[test]
        fn ranges_by_length_are_the_range_in_byte_order(
            low in prop::collection::vec(0_u8..3, 0..5),
            high in prop::collection::vec(0_u8..3, 0..5),
            key in prop::collection::vec(0_u8..3, 0..5),
            last in any::<bool>(),
        ) {
            let high = if last { vec![u8::MAX; high.len()] } else { high };
            let range = KeyRange {
                low: Key::from_bytes(&low),
                high: Key::from_bytes(&high),
                tail: None,
            };
            let by_length = ranges(&range, &lengths(&[0, 1, 2, 3, 4]));
            let is_in_range = range.contains(&Key::from_bytes(&key));
            prop_assert_eq!(is_in(&by_length, &key), is_in_range);
        }
    }

    #[test]
    fn alternatives_of_keys_are_one_walk() {
        let any = Predicate::Or(vec![Predicate::Key(key(2)), Predicate::Key(key(1))]);
        let bounds = doc! { "n": { "$lt": 9_i64 } };
        let driver = driver(&plan(any, Predicate::All), &bounds, &lengths(&[3])).unwrap();
        let keys = [binary(&key(1)), binary(&key(2))];
        assert_eq!(
            driver.filter,
            doc! { "k": { "$in": keys }, "n": { "$lt": 9_i64 } }
        );
        assert_eq!(driver.index, Some(schema::BY_KEY));
        assert!(driver.is_exact);
    }

    #[test]
    fn a_compartment_is_walked_within_the_type_asked_for() {
        let patient = ResourceType::from_str("Patient").unwrap();
        let residual = Predicate::And(vec![Predicate::Key(Key::of_type(patient))]);
        let plan = plan(Predicate::Compartment(5), residual);
        let driver = driver(&plan, &Document::new(), &Lengths::default()).unwrap();
        let number = i32::from(patient.number());
        assert_eq!(driver.filter, doc! { "c": 5_i64, "y": number });
        assert_eq!(driver.index, Some(schema::BY_COMPARTMENT));
    }

    #[test]
    fn what_no_index_answers_is_a_walk_of_everything_with_a_test() {
        let without_type = Predicate::Ids(vec!["a".to_owned()]);
        let not = Predicate::Not(Box::new(Predicate::Key(key(1))));
        for predicate in [without_type, not] {
            let plan = plan(predicate, Predicate::All);
            let driver = driver(&plan, &Document::new(), &Lengths::default()).unwrap();
            assert!(!driver.is_exact);
            assert_eq!(driver.index, Some(schema::BY_KEY));
        }
        assert_eq!(
            driver(
                &plan(Predicate::Nothing, Predicate::All),
                &Document::new(),
                &Lengths::default()
            ),
            None
        );
    }

    #[test]
    fn a_residual_never_lets_too_little_through() {
        let range = KeyRange {
            tail: Some(Tail {
                offset: 2,
                low: vec![1],
                high: Vec::new(),
            }),
            ..KeyRange::prefix(key(1))
        };
        let approximate = residual(&Predicate::Range(range.clone()), &lengths(&[3]));
        assert!(!approximate.is_exact && !approximate.filter.is_empty());
        // Its opposite can not be told from what is approximate.
        let not = residual(
            &Predicate::Not(Box::new(Predicate::Range(range.clone()))),
            &lengths(&[3]),
        );
        assert!(!not.is_exact && not.filter.is_empty());
        let or = Predicate::Or(vec![Predicate::Ids(Vec::new()), Predicate::Range(range)]);
        let or = residual(&or, &lengths(&[3]));
        assert!(!or.is_exact && or.filter.is_empty());
    }
}
