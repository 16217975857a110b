//! Where candidates come from: ordered streams of creation sequences, merged.
//!
//! A key's postings are read in small chunks that grow, so that a page reads little more than it
//! shows. A source may yield more than its predicate names; [`Candidates`] says so.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::Key;
use crate::search::plan::{KeyRange, Order, Predicate};
use crate::store::StoreError;
use crate::store::embedded::row;

/// Distinct keys in a range up to which their postings are merged rather than collected.
const RANGE_KEYS_MAX: usize = 8;

/// Postings of a range that are collected and sorted; wider ranges are tested instead.
const RANGE_POSTINGS_MAX: usize = 8192;

/// Postings read at once at most.
const CHUNK_ROWS_MAX: usize = 1024;

/// Which sequences are wanted, in which order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The order.
    pub(super) order: Order,
    /// The lowest sequence that counts.
    pub(super) low: i64,
    /// The highest sequence that counts.
    pub(super) high: i64,
}

/// The candidates of a driver, in order, each once.
pub(super) struct Candidates<'a> {
    db: &'a Connection,
    bounds: Bounds,
    chunk_rows: usize,
    type_key: Option<&'a Key>,
    chart_type: Option<ResourceType>,
    sources: Vec<Source>,
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    is_superset: bool,
}

/// How candidates are read.
pub(super) struct Reading<'a> {
    /// Which are wanted.
    pub(super) bounds: Bounds,
    /// How many postings are read at first.
    pub(super) chunk_rows: usize,
    /// The type that ids belong to.
    pub(super) type_key: Option<&'a Key>,
    /// The only type that is wanted of a compartment.
    pub(super) chart_type: Option<ResourceType>,
}

enum Source {
    Walk(Walk),
    Sorted(std::vec::IntoIter<i64>),
}

/// Postings of a key, or all resources, read chunk by chunk.
struct Walk {
    key: Option<Key>,
    rest: Bounds,
    chunk: std::vec::IntoIter<i64>,
    chunk_rows: usize,
    is_done: bool,
}

impl<'a> Candidates<'a> {
    /// The candidates of `driver`.
    pub(super) fn new(
        db: &'a Connection,
        driver: &Predicate,
        reading: &Reading<'a>,
    ) -> Result<Self, StoreError> {
        let mut candidates = Self {
            db,
            bounds: reading.bounds,
            chunk_rows: reading.chunk_rows.clamp(1, CHUNK_ROWS_MAX),
            type_key: reading.type_key,
            chart_type: reading.chart_type,
            sources: Vec::new(),
            heads: BinaryHeap::new(),
            is_superset: false,
        };
        candidates.add(driver)?;
        for index in 0..candidates.sources.len() {
            candidates.advance(index)?;
        }
        Ok(candidates)
    }

    /// Whether candidates may come for which the driver does not hold.
    pub(super) fn is_superset(&self) -> bool {
        self.is_superset
    }

    /// Whether there is another candidate.
    pub(super) fn has_next(&self) -> bool {
        !self.heads.is_empty()
    }

    /// The next candidate.
    pub(super) fn next(&mut self) -> Result<Option<i64>, StoreError> {
        let Some(Reverse((rank, index))) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(index)?;
        while let Some(Reverse((same, index))) = self.heads.peek().copied()
            && same == rank
        {
            self.heads.pop();
            self.advance(index)?;
        }
        Ok(Some(self.bounds.ranked(rank)))
    }

    fn advance(&mut self, index: usize) -> Result<(), StoreError> {
        let Some(source) = self.sources.get_mut(index) else {
            return Ok(());
        };
        let next = match source {
            Source::Sorted(sequences) => sequences.next(),
            Source::Walk(walk) => walk.next(self.db)?,
        };
        if let Some(sequence) = next {
            self.heads
                .push(Reverse((self.bounds.ranked(sequence), index)));
        }
        Ok(())
    }

    fn add(&mut self, driver: &Predicate) -> Result<(), StoreError> {
        match driver {
            Predicate::Nothing => {}
            Predicate::All => self.walk(None),
            Predicate::Key(key) => self.walk(Some(key.clone())),
            Predicate::Range(range) => self.add_range(range)?,
            Predicate::Compartment(owner) => self.add_chart(*owner)?,
            Predicate::Ids(ids) => self.add_ids(ids)?,
            Predicate::Or(any) => {
                for one in any {
                    self.add(one)?;
                }
            }
            Predicate::LastUpdated { .. } | Predicate::And(_) | Predicate::Not(_) => {
                self.is_superset = true;
                self.walk(None);
            }
        }
        Ok(())
    }

    fn walk(&mut self, key: Option<Key>) {
        self.sources.push(Source::Walk(Walk {
            key,
            rest: self.bounds,
            chunk: Vec::new().into_iter(),
            chunk_rows: self.chunk_rows,
            is_done: false,
        }));
    }

    fn sorted(&mut self, mut sequences: Vec<i64>) {
        let bounds = self.bounds;
        sequences.retain(|sequence| (bounds.low..=bounds.high).contains(sequence));
        sequences.sort_unstable_by_key(|sequence| bounds.ranked(*sequence));
        sequences.dedup();
        self.sources.push(Source::Sorted(sequences.into_iter()));
    }

    fn add_range(&mut self, range: &KeyRange) -> Result<(), StoreError> {
        if let Some(keys) = self.keys_in(range)? {
            for key in keys {
                self.walk(Some(key));
            }
            return Ok(());
        }
        let mut sequences = Vec::new();
        let is_whole = postings_in(self.db, range, RANGE_POSTINGS_MAX, |sequence| {
            sequences.push(sequence);
            true
        })?;
        if is_whole {
            self.sorted(sequences);
            return Ok(());
        }
        // So many match that walking the type finds a page soon. A parameter's number belongs to
        // one type, so that any match tells which.
        self.is_superset = true;
        let type_key = match sequences.first() {
            Some(sequence) if is_of_one_parameter(range) => self.type_key_of(*sequence)?,
            _ => None,
        };
        self.walk(type_key);
        Ok(())
    }

    /// The distinct keys of a range, unless there are too many of them.
    fn keys_in(&self, range: &KeyRange) -> Result<Option<Vec<Key>>, StoreError> {
        let first = "SELECT k FROM post WHERE k >= ?1 AND k < ?2 ORDER BY k LIMIT 1";
        let behind = "SELECT k FROM post WHERE k > ?1 AND k < ?2 ORDER BY k LIMIT 1";
        let mut keys = Vec::new();
        let mut statement = self.db.prepare_cached(first)?;
        let mut low = range.low.clone();
        for _seek in 0..RANGE_KEYS_MAX {
            let bounds = params![low.as_bytes(), range.high.as_bytes()];
            let key = statement.query_row(bounds, |row| {
                Ok(Key::from_bytes(row.get_ref(0)?.as_blob()?))
            });
            let Some(key) = key.optional()? else {
                return Ok(Some(keys));
            };
            if range.contains(&key) {
                keys.push(key.clone());
            }
            low = key;
            statement = self.db.prepare_cached(behind)?;
        }
        Ok(None)
    }

    fn type_key_of(&self, sequence: i64) -> Result<Option<Key>, StoreError> {
        let select = "SELECT y FROM res WHERE rid = ?1";
        let mut statement = self.db.prepare_cached(select)?;
        let number = statement
            .query_row([sequence], |row| row.get(0))
            .optional()?;
        Ok(number.and_then(ResourceType::from_number).map(Key::of_type))
    }

    fn add_chart(&mut self, owner: i64) -> Result<(), StoreError> {
        let (first, last) = match self.chart_type {
            Some(only) => (only.number(), only.number()),
            None => (0, u16::MAX),
        };
        let select = "SELECT rid FROM cmp WHERE c = ?1 AND y BETWEEN ?2 AND ?3";
        let mut statement = self.db.prepare_cached(select)?;
        let rows = statement.query_map(params![owner, first, last], |row| row.get(0))?;
        let sequences = rows.collect::<Result<Vec<_>, _>>()?;
        self.sorted(sequences);
        Ok(())
    }

    fn add_ids(&mut self, ids: &[String]) -> Result<(), StoreError> {
        let only = self.type_key.and_then(type_of);
        let types: Vec<_> = match only {
            Some(only) => vec![only],
            None if self.type_key.is_some() => Vec::new(),
            None => ResourceType::all().collect(),
        };
        let select = "SELECT rid FROM res WHERE y = ?1 AND id = ?2 AND k IS NOT NULL";
        let mut statement = self.db.prepare_cached(select)?;
        let mut sequences = Vec::new();
        for id in ids {
            for one in &types {
                let key = params![one.number(), id];
                let found = statement
                    .query_row(key, |row| row.get::<_, i64>(0))
                    .optional()?;
                sequences.extend(found);
            }
        }
        self.sorted(sequences);
        Ok(())
    }
}

impl Bounds {
    /// A number by which sequences come in this order; its own inverse.
    fn ranked(self, sequence: i64) -> i64 {
        match self.order {
            Order::NewestFirst => !sequence,
            Order::OldestFirst => sequence,
        }
    }

    /// What is left behind a sequence; `None` when nothing is.
    fn behind(self, sequence: i64) -> Option<Self> {
        Some(match self.order {
            Order::NewestFirst => Self {
                high: sequence.checked_sub(1)?,
                ..self
            },
            Order::OldestFirst => Self {
                low: sequence.checked_add(1)?,
                ..self
            },
        })
    }
}

impl Walk {
    fn next(&mut self, db: &Connection) -> Result<Option<i64>, StoreError> {
        if let Some(sequence) = self.chunk.next() {
            return Ok(Some(sequence));
        }
        if self.is_done {
            return Ok(None);
        }
        let sequences = self.read(db)?;
        self.is_done = sequences.len() < self.chunk_rows;
        self.chunk_rows = (self.chunk_rows * 4).min(CHUNK_ROWS_MAX);
        if let Some(last) = sequences.last() {
            match self.rest.behind(*last) {
                Some(rest) => self.rest = rest,
                None => self.is_done = true,
            }
        }
        self.chunk = sequences.into_iter();
        Ok(self.chunk.next())
    }

    fn read(&self, db: &Connection) -> Result<Vec<i64>, StoreError> {
        let select = match (&self.key, self.rest.order) {
            (Some(_), Order::NewestFirst) => {
                "SELECT rid FROM post WHERE k = ?4 AND rid BETWEEN ?1 AND ?2
                ORDER BY rid DESC LIMIT ?3"
            }
            (Some(_), Order::OldestFirst) => {
                "SELECT rid FROM post WHERE k = ?4 AND rid BETWEEN ?1 AND ?2
                ORDER BY rid LIMIT ?3"
            }
            (None, Order::NewestFirst) => {
                "SELECT rid FROM res WHERE rid BETWEEN ?1 AND ?2 AND k IS NOT NULL
                AND ?4 IS NULL ORDER BY rid DESC LIMIT ?3"
            }
            (None, Order::OldestFirst) => {
                "SELECT rid FROM res WHERE rid BETWEEN ?1 AND ?2 AND k IS NOT NULL
                AND ?4 IS NULL ORDER BY rid LIMIT ?3"
            }
        };
        let (low, high) = (self.rest.low, self.rest.high);
        let key = self.key.as_ref().map(Key::as_bytes);
        let mut statement = db.prepare_cached(select)?;
        let bounds = params![low, high, row::limit(self.chunk_rows), key];
        let rows = statement.query_map(bounds, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The type that a type's own key stands for.
pub(super) fn type_of(key: &Key) -> Option<ResourceType> {
    let (_, number) = key.as_bytes().split_first_chunk::<2>()?;
    let number = u16::from_be_bytes(number.try_into().ok()?);
    ResourceType::from_number(number).filter(|of| Key::of_type(*of) == *key)
}

/// Gives the postings of a range to `each`, at most `max` of them, until it says no; whether all
/// were given.
pub(super) fn postings_in(
    db: &Connection,
    range: &KeyRange,
    max: usize,
    mut each: impl FnMut(i64) -> bool,
) -> Result<bool, StoreError> {
    let select = "SELECT rid, k FROM post WHERE k >= ?1 AND k < ?2";
    let mut statement = db.prepare_cached(select)?;
    let mut rows = statement.query(params![range.low.as_bytes(), range.high.as_bytes()])?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        if range.tail.is_some() {
            let key = row.get_ref(1)?.as_blob().map_err(row::unreadable)?;
            if !range.contains(&Key::from_bytes(key)) {
                continue;
            }
        }
        if seen == max || !each(row.get(0)?) {
            return Ok(false);
        }
        seen += 1;
    }
    Ok(true)
}

/// Whether all keys of a range begin with the number of one parameter.
fn is_of_one_parameter(range: &KeyRange) -> bool {
    let low = range.low.as_bytes().first_chunk::<2>();
    let Some(number) = low else {
        return false;
    };
    let whole = KeyRange::prefix(Key::from_bytes(number));
    range.high <= whole.high
}
