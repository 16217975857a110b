//! A check of the files: SQLite's own, and that index entries and stored key lists agree.

use rusqlite::{CachedStatement, Connection, Row, params};

use crate::search::key::Entries;
use crate::store::StoreError;
use crate::store::embedded::reader::in_snapshot;
use crate::store::embedded::row;

/// What a check read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Resources, deleted ones among them.
    pub resources: u64,
    /// Index entries.
    pub entries: u64,
    /// Superseded versions.
    pub superseded: u64,
}

/// Checks the structure of a file.
pub(super) fn check_file(db: &Connection) -> Result<(), StoreError> {
    let mut statement = db.prepare("PRAGMA integrity_check(1)")?;
    let verdict: String = statement.query_row([], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged(verdict))
    }
}

/// Checks the structure of the records' file and that everything in it agrees.
pub(super) fn check_records(db: &Connection) -> Result<CheckReport, StoreError> {
    check_file(db)?;
    in_snapshot(db, |db| {
        let report = check_entries(db)?;
        if report.entries != rows(db, "SELECT (SELECT count(*) FROM post) + count(*) FROM cmp")? {
            return Err(damaged("the index has entries that no resource has"));
        }
        let orphans = "SELECT count(*) FROM hist h LEFT JOIN res r ON r.rid = h.rid
            WHERE r.rid IS NULL OR h.v >= r.v OR h.y <> r.y";
        if rows(db, orphans)? != 0 {
            return Err(damaged("a superseded version has no newer one"));
        }
        Ok(CheckReport {
            superseded: rows(db, "SELECT count(*) FROM hist")?,
            ..report
        })
    })
}

fn check_entries(db: &Connection) -> Result<CheckReport, StoreError> {
    let mut report = CheckReport::default();
    let mut resources = db.prepare("SELECT k, c, ds, rid, y FROM res")?;
    let post = "SELECT count(*) FROM post WHERE k = ?1 AND rid = ?2";
    let mut post = db.prepare_cached(post)?;
    let cmp = "SELECT count(*) FROM cmp WHERE c = ?1 AND y = ?2 AND ds = ?3 AND rid = ?4";
    let mut cmp = db.prepare_cached(cmp)?;
    let mut entries = Entries::default();
    let mut all = resources.query([])?;
    while let Some(row) = all.next()? {
        row::entries(row, 0, &mut entries)?;
        report.resources += 1;
        report.entries += present(row, &entries, &mut post, &mut cmp)?;
    }
    Ok(report)
}

/// How many entries a resource has; an error when one of them is not in the index.
fn present(
    row: &Row<'_>,
    entries: &Entries,
    post: &mut CachedStatement<'_>,
    cmp: &mut CachedStatement<'_>,
) -> Result<u64, StoreError> {
    let (sequence, number): (i64, u16) = (row.get(3)?, row.get(4)?);
    let mut found: u64 = 0;
    for key in &entries.keys {
        let key = params![key.as_bytes(), sequence];
        found += post.query_row(key, row::count)?;
    }
    for owner in &entries.compartments {
        let place = params![owner, number, entries.date_ms, sequence];
        found += cmp.query_row(place, row::count)?;
    }
    if found == (entries.keys.len() + entries.compartments.len()) as u64 {
        Ok(found)
    } else {
        Err(damaged("a resource has a key that is not in the index"))
    }
}

fn rows(db: &Connection, select: &str) -> Result<u64, StoreError> {
    Ok(db.query_row(select, [], row::count)?)
}

fn damaged(text: &str) -> StoreError {
    StoreError::Damaged(text.to_owned())
}
