//! Ordered walks over the postings of a key, or over all resources, chunk by chunk.
//!
//! Chunks begin small and grow, so that a page reads little more than it shows.

use rusqlite::{Connection, params};

use crate::search::key::Key;
use crate::search::plan::Order;
use crate::store::StoreError;
use crate::store::embedded::row;

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

/// Postings of a key, or all resources, read chunk by chunk.
pub(super) struct Walk {
    key: Option<Key>,
    rest: Bounds,
    chunk: std::vec::IntoIter<i64>,
    chunk_rows: usize,
    is_done: bool,
}

impl Bounds {
    /// A number by which sequences come in this order; its own inverse.
    pub(super) fn ranked(self, sequence: i64) -> i64 {
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
    /// A walk over the postings of a key, or over all resources.
    pub(super) fn new(key: Option<Key>, bounds: Bounds, chunk_rows: usize) -> Self {
        Self {
            key,
            rest: bounds,
            chunk: Vec::new().into_iter(),
            chunk_rows: chunk_rows.clamp(1, CHUNK_ROWS_MAX),
            is_done: false,
        }
    }

    /// The next sequence.
    pub(super) fn next(&mut self, db: &Connection) -> Result<Option<i64>, StoreError> {
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
