//! Index entries that a group of writes adds and removes.
//!
//! They are collected and written in key order, so that neighbours in the index are touched
//! together; of several changes of one entry the last one counts.

use rusqlite::{Connection, params};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::{Entries, Key};
use crate::store::StoreError;

/// Changes of index entries that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Postings {
    keys: Vec<(Key, i64, Change)>,
    compartments: Vec<(Chart, Change)>,
}

/// Whose entries change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indexed {
    /// Its creation sequence.
    pub(super) sequence: i64,
    /// Its type.
    pub(super) resource_type: ResourceType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

/// A place in a compartment: owner, type, clinical date, resource.
type Chart = (i64, u16, i64, i64);

impl Postings {
    /// Notes what differs between the entries a resource had and those it has now.
    pub(super) fn replace(&mut self, of: Indexed, old: &Entries, new: &Entries) {
        let (mut left, mut right) = (old.keys.iter().peekable(), new.keys.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(was), Some(is)) => was.cmp(is),
            };
            if order.is_le()
                && let Some(key) = left.next()
                && order.is_lt()
            {
                self.keys.push((key.clone(), of.sequence, Change::Remove));
            }
            if order.is_ge()
                && let Some(key) = right.next()
                && order.is_gt()
            {
                self.keys.push((key.clone(), of.sequence, Change::Add));
            }
        }
        let place = |owner: &i64, entries: &Entries| {
            let number = of.resource_type.number();
            (*owner, number, entries.date_ms, of.sequence)
        };
        let is_same_date = old.date_ms == new.date_ms;
        for owner in &old.compartments {
            if !(is_same_date && new.compartments.contains(owner)) {
                self.compartments.push((place(owner, old), Change::Remove));
            }
        }
        for owner in &new.compartments {
            if !(is_same_date && old.compartments.contains(owner)) {
                self.compartments.push((place(owner, new), Change::Add));
            }
        }
    }

    /// Writes all changes.
    pub(super) fn write(mut self, db: &Connection) -> Result<(), StoreError> {
        // The sort is stable: changes of one entry stay in the order in which they were made.
        self.keys.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        self.compartments.sort_by_key(|(chart, _)| *chart);
        if self.keys.is_empty() && self.compartments.is_empty() {
            return Ok(());
        }
        let mut add = db.prepare_cached("INSERT OR IGNORE INTO post(k, rid) VALUES (?1, ?2)")?;
        let mut remove = db.prepare_cached("DELETE FROM post WHERE k = ?1 AND rid = ?2")?;
        for (index, (key, sequence, change)) in self.keys.iter().enumerate() {
            let next = self.keys.get(index + 1);
            if next.is_some_and(|next| next.0 == *key && next.1 == *sequence) {
                continue;
            }
            let statement = match change {
                Change::Add => &mut add,
                Change::Remove => &mut remove,
            };
            statement.execute(params![key.as_bytes(), sequence])?;
        }
        self.write_compartments(db)
    }

    fn write_compartments(&self, db: &Connection) -> Result<(), StoreError> {
        let insert = "INSERT OR IGNORE INTO cmp(c, y, ds, rid) VALUES (?1, ?2, ?3, ?4)";
        let delete = "DELETE FROM cmp WHERE c = ?1 AND y = ?2 AND ds = ?3 AND rid = ?4";
        let mut add = db.prepare_cached(insert)?;
        let mut remove = db.prepare_cached(delete)?;
        for (index, (chart, change)) in self.compartments.iter().enumerate() {
            let next = self.compartments.get(index + 1);
            if next.is_some_and(|(next, _)| next == chart) {
                continue;
            }
            let statement = match change {
                Change::Add => &mut add,
                Change::Remove => &mut remove,
            };
            let (owner, number, date_ms, sequence) = chart;
            statement.execute(params![owner, number, date_ms, sequence])?;
        }
        Ok(())
    }
}
