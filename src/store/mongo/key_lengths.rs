//! Which lengths the search keys of each parameter have, because MongoDB orders binary values by
//! length first.
//!
//! A range of keys in byte order is therefore one range for every length that occurs, most often
//! one. The lengths are sets of bits in `meta`, raised durably before the first such key is
//! written, so that no process searches past another one's keys.

use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use crate::search::key::Key;
use crate::search::plan::{KeyRange, Predicate};
use crate::store::StoreError;
use crate::store::mongo::connect::durable_document;
use crate::store::mongo::failure::{Failure, from_driver};
use crate::store::mongo::statement::written;
use crate::store::mongo::{MongoSettings, schema};

/// The id of the document in `meta` with the lengths: a member for every parameter, its number in
/// hexadecimal.
const KEY_LENGTHS: &str = "key_lengths";

/// The longest key that can be told apart by a bit.
const LENGTH_MAX: usize = 62;

/// How long another length of a parameter that has keys already may go unnoticed when another
/// process brings it.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// The lengths that occur, by parameter.
#[derive(Debug, Clone, Default)]
pub(super) struct Lengths(HashMap<u16, u64>);

impl Lengths {
    /// The lengths of the keys that a range may hold, ascending.
    pub(super) fn within(&self, range: &KeyRange) -> Vec<usize> {
        let low = parameter(range.low.as_bytes());
        let high = parameter(range.high.as_bytes());
        let bits = if low == high {
            self.0.get(&low).copied().unwrap_or_default()
        } else {
            let several = self
                .0
                .iter()
                .filter(|(number, _)| (low..=high).contains(number));
            several.fold(0, |bits, (_, more)| bits | more)
        };
        (0..=LENGTH_MAX)
            .filter(|length| bits & (1 << length) != 0)
            .collect()
    }

    /// What `keys` add to the lengths.
    fn missing<'a>(
        &self,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<HashMap<u16, u64>, StoreError> {
        let mut missing = HashMap::default();
        for key in keys {
            let bytes = key.as_bytes();
            if bytes.len() > LENGTH_MAX {
                return Err(StoreError::TooLarge("a search key is too long".to_owned()));
            }
            let bit = 1_u64 << bytes.len();
            let number = parameter(bytes);
            if self.0.get(&number).is_none_or(|bits| bits & bit == 0) {
                *missing.entry(number).or_default() |= bit;
            }
        }
        Ok(missing)
    }

    /// The lengths as a document of `meta` has them.
    pub(super) fn read(stored: &Document) -> Self {
        let lengths = stored.iter().filter_map(|(name, bits)| {
            let number = u16::from_str_radix(name, 16).ok()?;
            Some((number, bits.as_i64()?.cast_unsigned()))
        });
        Self(lengths.collect())
    }

    fn extend(&mut self, more: &HashMap<u16, u64>) {
        for (number, bits) in more {
            *self.0.entry(*number).or_default() |= bits;
        }
    }
}

/// The parameter that bytes of a key or of a bound belong to.
fn parameter(bytes: &[u8]) -> u16 {
    let byte = |index| bytes.get(index).copied().unwrap_or_default();
    u16::from_be_bytes([byte(0), byte(1)])
}

/// The lengths as this process knows them.
#[derive(Debug)]
pub(super) struct KeyLengths {
    known: RwLock<Arc<Lengths>>,
    read_at: Mutex<Instant>,
}

impl KeyLengths {
    /// The lengths as `meta` has them.
    pub(super) async fn open(db: &Database) -> Result<Self, StoreError> {
        let lengths = read(db).await?;
        Ok(Self {
            known: RwLock::new(Arc::new(lengths)),
            read_at: Mutex::new(Instant::now()),
        })
    }

    /// The lengths for a plan with these predicates; read again when they may have changed.
    pub(super) async fn for_plan(
        &self,
        db: &Database,
        predicates: [&Predicate; 2],
    ) -> Result<Arc<Lengths>, StoreError> {
        let known = self.known()?;
        let mut ranges = Vec::new();
        for predicate in predicates {
            collect(predicate, &mut ranges);
        }
        let unknown = ranges.iter().any(|range| known.within(range).is_empty());
        if ranges.is_empty() || !(unknown || self.is_stale()) {
            return Ok(known);
        }
        let stored = read(db).await?;
        self.add(&stored.0)
    }

    /// Makes sure that the lengths of all `keys` are known before they are written.
    pub(super) async fn admit<'a>(
        &self,
        db: &Database,
        settings: &MongoSettings,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<(), StoreError> {
        let missing = self.known()?.missing(keys)?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut raised = Document::new();
        for (number, bits) in &missing {
            raised.insert(format!("{number:04x}"), doc! { "or": bits.cast_signed() });
        }
        let raise = doc! {
            "update": schema::META,
            "updates": [{ "q": { "_id": KEY_LENGTHS }, "u": { "$bit": raised }, "upsert": true }],
            "writeConcern": durable_document(settings),
        };
        let answer = db
            .run_command(raise)
            .await
            .map_err(|error| from_driver(&error))?;
        written(&answer).map_err(Failure::into_store_error)?;
        self.add(&missing).map(drop)
    }

    fn known(&self) -> Result<Arc<Lengths>, StoreError> {
        self.known
            .read()
            .map(|known| Arc::clone(&known))
            .map_err(|_poisoned| lost())
    }

    fn add(&self, more: &HashMap<u16, u64>) -> Result<Arc<Lengths>, StoreError> {
        let mut known = self.known.write().map_err(|_poisoned| lost())?;
        Arc::make_mut(&mut known).extend(more);
        Ok(Arc::clone(&known))
    }

    /// Whether it is time to read again; true for one caller only.
    fn is_stale(&self) -> bool {
        let Ok(mut read_at) = self.read_at.lock() else {
            return true;
        };
        let stale = read_at.elapsed() > STALE_AFTER;
        if stale {
            *read_at = Instant::now();
        }
        stale
    }
}

async fn read(db: &Database) -> Result<Lengths, StoreError> {
    let stored = db
        .collection::<Document>(schema::META)
        .find_one(doc! { "_id": KEY_LENGTHS })
        .await
        .map_err(|error| from_driver(&error))?;
    Ok(stored.as_ref().map(Lengths::read).unwrap_or_default())
}

fn collect<'a>(predicate: &'a Predicate, ranges: &mut Vec<&'a KeyRange>) {
    match predicate {
        Predicate::Range(range) => ranges.push(range),
        Predicate::And(some) | Predicate::Or(some) => {
            for one in some {
                collect(one, ranges);
            }
        }
        Predicate::Not(inner) => collect(inner, ranges),
        _ => {}
    }
}

fn lost() -> StoreError {
    StoreError::Failed("the lengths of keys are lost; restart the server".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Lengths;
    use crate::search::key::Key;
    use crate::search::plan::KeyRange;

    fn key(bytes: &[u8]) -> Key {
        Key::from_bytes(bytes)
    }

    #[test]
    fn lengths_are_those_of_the_parameters_a_range_touches() {
        let mut lengths = Lengths::default();
        let keys = [
            key(&[0, 1, 9]),
            key(&[0, 1, 9, 9]),
            key(&[0, 2, 9, 9, 9]),
            key(&[0, 1, 7]),
        ];
        let missing = lengths.missing(keys.iter()).unwrap();
        lengths.extend(&missing);
        assert!(lengths.missing(keys.iter()).unwrap().is_empty());
        assert_eq!(lengths.within(&KeyRange::prefix(key(&[0, 1, 9]))), [3, 4]);
        assert_eq!(lengths.within(&KeyRange::prefix(key(&[0, 2]))), [5]);
        let both = KeyRange {
            low: key(&[0]),
            high: key(&[1]),
            tail: None,
        };
        assert_eq!(lengths.within(&both), [3, 4, 5]);
        assert!(
            lengths
                .within(&KeyRange::prefix(key(&[0, 3, 1])))
                .is_empty()
        );
        assert!(lengths.missing([key(&[0; 63])].iter()).is_err());
    }
}
