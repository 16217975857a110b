//! Where candidates come from: ordered streams of creation sequences, merged.
//!
//! A source may yield more than its predicate names; [`Candidates`] says so.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::Key;
use crate::search::plan::{KeyRange, Predicate};
use crate::store::StoreError;
use crate::store::embedded::row;
use crate::store::embedded::walk::{Bounds, Walk};

/// Distinct keys in a range up to which their postings are merged rather than collected.
const RANGE_KEYS_MAX: usize = 8;

/// Postings of a range that are collected and sorted; wider ranges are tested instead.
const RANGE_POSTINGS_MAX: usize = 8192;

/// Rows of an index that are read in the time of one seek.
const SEEK_ROWS: usize = 8;

/// The candidates of a driver, in order, each once.
pub(super) struct Candidates<'a> {
    db: &'a Connection,
    bounds: Bounds,
    chunk_rows: usize,
    type_key: Option<&'a Key>,
    chart_type: Option<ResourceType>,
    rows_left: usize,
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
    /// How many rows may be read before the first candidate is known.
    pub(super) rows_max: usize,
}

enum Source {
    Walk(Walk),
    Sorted(std::vec::IntoIter<i64>),
}

impl<'a> Candidates<'a> {
    /// The candidates of `driver`; `None` when too many rows would have to be read for the first.
    pub(super) fn new(
        db: &'a Connection,
        driver: &Predicate,
        reading: &Reading<'a>,
    ) -> Result<Option<Self>, StoreError> {
        let mut candidates = Self {
            db,
            bounds: reading.bounds,
            chunk_rows: reading.chunk_rows,
            type_key: reading.type_key,
            chart_type: reading.chart_type,
            rows_left: reading.rows_max,
            sources: Vec::new(),
            heads: BinaryHeap::new(),
            is_superset: false,
        };
        if candidates.add(driver)?.is_break() {
            return Ok(None);
        }
        for index in 0..candidates.sources.len() {
            candidates.advance(index)?;
        }
        Ok(Some(candidates))
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

    /// Adds what a driver yields; breaks off when that takes too many rows.
    fn add(&mut self, driver: &Predicate) -> Result<ControlFlow<()>, StoreError> {
        match driver {
            Predicate::Nothing => Ok(ControlFlow::Continue(())),
            Predicate::All => Ok(self.walk(None)),
            Predicate::Key(key) => Ok(self.walk(Some(key.clone()))),
            Predicate::Range(range) => self.add_range(range),
            Predicate::Compartment(owner) => self.add_chart(*owner),
            Predicate::AnyCompartment(owners) => self.add_charts(owners),
            Predicate::Ids(ids) => self.add_ids(ids),
            Predicate::Or(any) => {
                for one in any {
                    if self.add(one)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Predicate::LastUpdated { .. }
            | Predicate::AnyId(_)
            | Predicate::And(_)
            | Predicate::Not(_) => {
                self.is_superset = true;
                Ok(self.walk(None))
            }
        }
    }

    /// Notes that rows are read before the first candidate is known.
    fn spend(&mut self, rows: usize) -> ControlFlow<()> {
        match self.rows_left.checked_sub(rows) {
            Some(left) => {
                self.rows_left = left;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }

    fn walk(&mut self, key: Option<Key>) -> ControlFlow<()> {
        let walk = Walk::new(key, self.bounds, self.chunk_rows);
        self.sources.push(Source::Walk(walk));
        self.spend(SEEK_ROWS)
    }

    fn sorted(&mut self, mut sequences: Vec<i64>) {
        let bounds = self.bounds;
        sequences.retain(|sequence| (bounds.low..=bounds.high).contains(sequence));
        sequences.sort_unstable_by_key(|sequence| bounds.ranked(*sequence));
        sequences.dedup();
        self.sources.push(Source::Sorted(sequences.into_iter()));
    }

    fn add_range(&mut self, range: &KeyRange) -> Result<ControlFlow<()>, StoreError> {
        if let Some(keys) = self.keys_in(range)? {
            return Ok(keys.into_iter().try_for_each(|key| self.walk(Some(key))));
        }
        let mut sequences = Vec::new();
        let max = RANGE_POSTINGS_MAX.min(self.rows_left);
        let most = PostingsMax {
            given: max,
            ..PostingsMax::default()
        };
        let is_whole = postings_in(self.db, range, most, |sequence| {
            sequences.push(sequence);
            true
        })?;
        if is_whole {
            let spent = self.spend(sequences.len());
            self.sorted(sequences);
            return Ok(spent);
        }
        // So many match that walking the type finds a page soon. A parameter's number belongs to
        // one type, so that any match tells which.
        self.is_superset = true;
        let type_key = match sequences.first() {
            Some(sequence) if is_of_one_parameter(range) => self.type_key_of(*sequence)?,
            _ => None,
        };
        Ok(self.walk(type_key))
    }

    /// The distinct keys of a range, unless there are too many of them.
    fn keys_in(&self, range: &KeyRange) -> Result<Option<Vec<Key>>, StoreError> {
        let first = "SELECT k FROM post WHERE k >= ?1 AND k < ?2 ORDER BY k LIMIT 1";
        let behind = "SELECT k FROM post WHERE k > ?1 AND k < ?2 ORDER BY k LIMIT 1";
        let mut first = Some(self.db.prepare_cached(first)?);
        let mut behind = self.db.prepare_cached(behind)?;
        let mut keys = Vec::new();
        let mut low = range.low.clone();
        for _seek in 0..RANGE_KEYS_MAX {
            let bounds = params![low.as_bytes(), range.high.as_bytes()];
            let read = |row: &Row<'_>| Ok(Key::from_bytes(row.get_ref(0)?.as_blob()?));
            let key = match first.take() {
                Some(mut first) => first.query_row(bounds, read),
                None => behind.query_row(bounds, read),
            };
            let Some(key) = key.optional()? else {
                return Ok(Some(keys));
            };
            if range.contains(&key) {
                keys.push(key.clone());
            }
            low = key;
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

    fn add_chart(&mut self, owner: i64) -> Result<ControlFlow<()>, StoreError> {
        let mut sequences = Vec::new();
        let spent = self.read_chart(owner, &mut sequences)?;
        self.sorted(sequences);
        Ok(spent)
    }

    fn read_chart(
        &mut self,
        owner: i64,
        sequences: &mut Vec<i64>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let (first, last) = match self.chart_type {
            Some(only) => (only.number(), only.number()),
            None => (0, u16::MAX),
        };
        let select = "SELECT rid FROM cmp WHERE c = ?1 AND y BETWEEN ?2 AND ?3 LIMIT ?4";
        let mut statement = self.db.prepare_cached(select)?;
        // One more than may be read tells that there are too many.
        let limit = row::limit(self.rows_left.saturating_add(1));
        let rows = statement.query_map(params![owner, first, last, limit], |row| row.get(0))?;
        let before = sequences.len();
        for sequence in rows {
            sequences.push(sequence?);
        }
        Ok(self.spend(sequences.len() - before))
    }

    /// Each record of many is read by itself, and all are put in order as one.
    fn add_charts(&mut self, owners: &[i64]) -> Result<ControlFlow<()>, StoreError> {
        let mut sequences = Vec::new();
        for owner in owners {
            if self.spend(SEEK_ROWS).is_break()
                || self.read_chart(*owner, &mut sequences)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.sorted(sequences);
        Ok(ControlFlow::Continue(()))
    }

    fn add_ids(&mut self, ids: &[String]) -> Result<ControlFlow<()>, StoreError> {
        let only = self.type_key.and_then(type_of);
        let types: Vec<_> = match only {
            Some(only) => vec![only],
            None if self.type_key.is_some() => Vec::new(),
            None => ResourceType::all().collect(),
        };
        let seeks = ids.len().saturating_mul(types.len());
        if self.spend(seeks.saturating_mul(SEEK_ROWS)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
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
        Ok(ControlFlow::Continue(()))
    }
}

/// The type that a type's own key stands for.
pub(super) fn type_of(key: &Key) -> Option<ResourceType> {
    let (_, number) = key.as_bytes().split_first_chunk::<2>()?;
    let number = u16::from_be_bytes(number.try_into().ok()?);
    ResourceType::from_number(number).filter(|of| Key::of_type(*of) == *key)
}

/// How much of a range is read.
#[derive(Clone, Copy)]
pub(super) struct PostingsMax {
    /// Postings that belong to it.
    pub(super) given: usize,
    /// Postings, those among them that the condition on their tail leaves out.
    pub(super) read: usize,
}

impl Default for PostingsMax {
    fn default() -> Self {
        Self {
            given: usize::MAX,
            read: usize::MAX,
        }
    }
}

/// Gives the postings of a range to `each` until it says no, or there are too many; whether all
/// were given.
pub(super) fn postings_in(
    db: &Connection,
    range: &KeyRange,
    max: PostingsMax,
    mut each: impl FnMut(i64) -> bool,
) -> Result<bool, StoreError> {
    let select = "SELECT rid, k FROM post WHERE k >= ?1 AND k < ?2";
    let mut statement = db.prepare_cached(select)?;
    let mut rows = statement.query(params![range.low.as_bytes(), range.high.as_bytes()])?;
    let (mut given, mut read) = (0, 0);
    while let Some(row) = rows.next()? {
        if read == max.read {
            return Ok(false);
        }
        read += 1;
        if range.tail.is_some() {
            let key = row.get_ref(1)?.as_blob().map_err(row::unreadable)?;
            if !range.contains(&Key::from_bytes(key)) {
                continue;
            }
        }
        if given == max.given || !each(row.get(0)?) {
            return Ok(false);
        }
        given += 1;
    }
    Ok(true)
}

/// Gives the postings of a key to `each`, until it says no; whether all were given.
pub(super) fn postings_of(
    db: &Connection,
    key: &Key,
    mut each: impl FnMut(i64) -> bool,
) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached("SELECT rid FROM post WHERE k = ?1")?;
    let mut rows = statement.query([key.as_bytes()])?;
    while let Some(row) = rows.next()? {
        if !each(row.get(0)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether all keys of a range begin with the number of one parameter of a type.
fn is_of_one_parameter(range: &KeyRange) -> bool {
    let low = range.low.as_bytes().first_chunk::<2>();
    let Some(number) = low else {
        return false;
    };
    let whole = KeyRange::prefix(Key::from_bytes(number));
    range.high <= whole.high && range.low.is_of_one_type()
}
