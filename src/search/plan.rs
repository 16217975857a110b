//! A plan: what a store has to look for, without any FHIR in it.
//!
//! The driver is walked in order, everything it yields is tested against the residual. A plan is
//! exact on its predicates; what keys only approximate is verified by the caller on the opened
//! resource. Both stores test with [`Predicate::holds`], so that they cannot differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::search::key::{Entries, Key, ParameterNumber};

/// What is known of a stored resource without opening its body.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its logical id.
    pub id: &'a str,
    /// When its current version was written, in ms since the epoch.
    pub last_updated_ms: i64,
    /// Its index entries.
    pub entries: &'a Entries,
}

/// A condition on index entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Predicate {
    /// Holds for everything.
    All,
    /// Holds for nothing.
    Nothing,
    /// One of the keys is this one.
    Key(Key),
    /// One of the keys is in this range.
    Range(KeyRange),
    /// The resource is in the compartment with this blind hash.
    Compartment(i64),
    /// The resource is in a compartment with one of these blind hashes, which are sorted.
    AnyCompartment(Arc<[i64]>),
    /// The logical id is one of these.
    Ids(Vec<String>),
    /// The logical id is one of these, which may be many; never walked.
    AnyId(Arc<BTreeSet<String>>),
    /// Last updated in `low_ms..high_ms`.
    LastUpdated {
        /// The first millisecond that counts.
        low_ms: i64,
        /// The first millisecond that no longer counts.
        high_ms: i64,
    },
    /// All of these hold.
    And(Vec<Predicate>),
    /// One of these holds.
    Or(Vec<Predicate>),
    /// This does not hold.
    Not(Box<Predicate>),
}

/// Keys from `low` up to but not including `high`, optionally with a condition on their tail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// The first key that counts.
    pub low: Key,
    /// The first key that no longer counts.
    pub high: Key,
    /// A further condition on the bytes behind an offset.
    pub tail: Option<Tail>,
}

/// The bytes of a key from `offset` on must be in `low..high`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tail {
    /// Where the tail begins.
    pub offset: usize,
    /// The first tail that counts; empty for no bound.
    pub low: Vec<u8>,
    /// The first tail that no longer counts; empty for no bound.
    pub high: Vec<u8>,
}

impl KeyRange {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: Key) -> Self {
        let high = prefix
            .successor()
            .unwrap_or_else(|| prefix.clone().with(&[u8::MAX; 8]));
        Self {
            low: prefix,
            high,
            tail: None,
        }
    }

    /// This range of keys of contained resources, as what contains them has them.
    fn of_contained(&self) -> Self {
        let (low, high) = (self.low.of_contained(), self.high.of_contained());
        let shift = low.as_bytes().len() - self.low.as_bytes().len();
        let tail = self.tail.clone().map(|tail| Tail {
            offset: tail.offset + shift,
            ..tail
        });
        Self { low, high, tail }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &Key) -> bool {
        *key >= self.low && *key < self.high && self.tail.as_ref().is_none_or(|t| t.holds(key))
    }
}

impl Tail {
    fn holds(&self, key: &Key) -> bool {
        let tail = key.as_bytes().get(self.offset..).unwrap_or_default();
        (self.low.is_empty() || tail >= self.low.as_slice())
            && (self.high.is_empty() || tail < self.high.as_slice())
    }
}

impl Predicate {
    /// Holds for resources that have a value of a parameter.
    pub fn present(parameter: ParameterNumber) -> Self {
        Self::Or(vec![
            Self::Range(KeyRange::prefix(Key::new(parameter))),
            Self::Range(KeyRange::prefix(Key::second(parameter))),
            Self::Key(Key::present(parameter)),
        ])
    }

    /// What holds for every resource that contains one for which this holds. Of several contained
    /// resources each may meet a part of it, and what one lacks another may have: the rest is to
    /// be verified.
    #[must_use]
    pub fn of_contained(&self) -> Self {
        match self {
            // What is contained contains nothing itself: what it refers to lies beside it.
            Self::Key(key) if !key.is_of_one_type() => Self::All,
            Self::Range(range) if !range.low.is_of_one_type() => Self::All,
            Self::Key(key) => Self::Key(key.of_contained()),
            Self::Range(range) => Self::Range(range.of_contained()),
            Self::Ids(_) | Self::AnyId(_) | Self::Not(_) => Self::All,
            Self::And(all) => Self::And(all.iter().map(Self::of_contained).collect()),
            Self::Or(any) => {
                let any: Vec<_> = any.iter().map(Self::of_contained).collect();
                if any.contains(&Self::All) {
                    Self::All
                } else {
                    Self::Or(any)
                }
            }
            Self::All
            | Self::Nothing
            | Self::Compartment(_)
            | Self::AnyCompartment(_)
            | Self::LastUpdated { .. } => self.clone(),
        }
    }

    /// Whether it asks for keys of parameters and nothing else. Of one query they are all of its
    /// type.
    pub fn is_by_key(&self) -> bool {
        match self {
            Self::Key(_) | Self::Range(_) => true,
            Self::Or(any) => any.iter().all(Self::is_by_key),
            _ => false,
        }
    }

    /// Whether the predicate holds for a candidate.
    pub fn holds(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Key(key) => candidate.entries.keys.binary_search(key).is_ok(),
            Self::Range(range) => {
                let keys = &candidate.entries.keys;
                let first = keys.partition_point(|key| *key < range.low);
                let tail = keys.get(first..).unwrap_or_default();
                tail.iter()
                    .take_while(|key| **key < range.high)
                    .any(|key| range.contains(key))
            }
            Self::Compartment(owner) => candidate.entries.compartments.contains(owner),
            Self::AnyCompartment(owners) => {
                let mut own = candidate.entries.compartments.iter();
                own.any(|one| owners.binary_search(one).is_ok())
            }
            Self::Ids(ids) => ids.iter().any(|id| id == candidate.id),
            Self::AnyId(ids) => ids.contains(candidate.id),
            Self::LastUpdated { low_ms, high_ms } => {
                (*low_ms..*high_ms).contains(&candidate.last_updated_ms)
            }
            Self::And(all) => all.iter().all(|one| one.holds(candidate)),
            Self::Or(any) => any.iter().any(|one| one.holds(candidate)),
            Self::Not(inner) => !inner.holds(candidate),
        }
    }
}

/// The order in which matches come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By creation, newest first: the default.
    NewestFirst,
    /// By creation, oldest first: the default read backwards, for `previous`.
    OldestFirst,
}

/// What a store has to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is walked. `Key`, `Range`, `Compartment`, `AnyCompartment`, `Ids` (with one
    /// [`Plan::type_key`]), `Or` of these, or `All`.
    pub driver: Predicate,
    /// What everything the driver yields is tested against.
    pub residual: Predicate,
    /// The type that `Ids` belong to, as its key.
    pub type_key: Option<Key>,
}

impl Plan {
    /// What one of several plans finds, each for a type of its own.
    pub fn union(mut plans: Vec<Self>) -> Self {
        if plans.len() < 2 {
            return plans.pop().unwrap_or(Self {
                driver: Predicate::Ids(Vec::new()),
                residual: Predicate::Nothing,
                type_key: None,
            });
        }
        let is_same_driver = plans.windows(2).all(|pair| match pair {
            [one, other] => one.driver == other.driver && !matches!(one.driver, Predicate::Ids(_)),
            _ => true,
        });
        let has_residual = |plan: &Self| plan.residual != Predicate::All;
        // Keys and ranges of keys belong to one type each: what they yield needs no further test.
        let is_plain = plans
            .iter()
            .all(|plan| !has_residual(plan) && plan.driver.is_by_key());
        let mut drivers: Vec<_> = plans.iter().map(|plan| plan.driver.clone()).collect();
        if is_same_driver {
            drivers.truncate(1);
        }
        let driver = match (drivers.pop(), drivers.is_empty()) {
            (Some(only), true) => only,
            (last, _) => Predicate::Or(drivers.into_iter().chain(last).collect()),
        };
        let residual = if is_plain {
            Predicate::All
        } else {
            Predicate::Or(
                plans
                    .into_iter()
                    .map(|plan| plan.whole(is_same_driver))
                    .collect(),
            )
        };
        Self {
            driver,
            residual,
            type_key: None,
        }
    }

    /// The plan as one condition.
    fn whole(self, is_driven: bool) -> Predicate {
        let mut parts = Vec::new();
        if !is_driven {
            parts.push(self.driver);
        }
        parts.extend(self.type_key.map(Predicate::Key));
        if self.residual != Predicate::All {
            parts.push(self.residual);
        }
        Predicate::And(parts)
    }
}

/// Which part of a plan's matches is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The order of the matches.
    pub order: Order,
    /// Only matches behind this creation sequence, in the window's order.
    pub after: Option<i64>,
    /// Only matches created up to this sequence: the newest when page one was made.
    pub high_water: Option<i64>,
    /// How many matches at most.
    pub limit: usize,
    /// How many candidates may be examined before the store gives back what it has.
    pub examined_max: usize,
    /// Sealed bytes of bodies: the match that makes them up is the last one.
    pub bytes_max: usize,
}
