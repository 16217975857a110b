//! Histories: current and superseded versions merged, newest first.
//!
//! The order is looked up in the indexes of both tables first; only the versions of the page are
//! then read.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::store::embedded::reader::in_snapshot;
use crate::store::embedded::{row, single};
use crate::store::{Address, HistoryPosition, HistoryScope, HistoryWindow, StoreError, Version};

/// Which table a version is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Current,
    Superseded,
}

/// The rows of one scope: the condition on `?1` and its value.
#[derive(Clone, Copy)]
struct Rows {
    condition: &'static str,
    value: i64,
}

/// Versions of a scope behind the window's position.
pub(super) fn page(
    db: &Connection,
    scope: &HistoryScope,
    window: &HistoryWindow,
) -> Result<Vec<Version>, StoreError> {
    in_snapshot(db, |db| {
        let Some(rows) = rows(db, scope)? else {
            return Ok(Vec::new());
        };
        let mut places = places(db, Table::Current, rows, window)?;
        places.extend(self::places(db, Table::Superseded, rows, window)?);
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.truncate(window.limit);
        let mut current = single::prepare_by_sequence(db)?;
        let read = |(place, table): &(HistoryPosition, Table)| match table {
            Table::Current => single::by_sequence(&mut current, place.sequence),
            Table::Superseded => {
                let version = single::superseded(db, place.sequence, place.version_id)?;
                version.ok_or_else(|| StoreError::Damaged("a version is missing".to_owned()))
            }
        };
        let (mut versions, mut bytes) = (Vec::with_capacity(places.len()), 0);
        for version in places.iter().map(read) {
            let version = version?;
            bytes += version.sealed_bytes();
            versions.push(version);
            if bytes >= window.bytes_max {
                break;
            }
        }
        Ok(versions)
    })
}

/// How many versions a scope has in the window's time, its position and limit apart.
pub(super) fn count(
    db: &Connection,
    scope: &HistoryScope,
    window: &HistoryWindow,
) -> Result<u64, StoreError> {
    in_snapshot(db, |db| {
        let Some(rows) = rows(db, scope)? else {
            return Ok(0);
        };
        let mut count = 0;
        for table in [Table::Current, Table::Superseded] {
            let (name, condition) = (table.name(), rows.condition);
            let select =
                format!("SELECT count(*) FROM {name} WHERE {condition} AND u BETWEEN ?2 AND ?3");
            let mut statement = db.prepare_cached(&select)?;
            let (since, until) = times(window);
            let key = params![rows.value, since, until];
            count += statement.query_row(key, row::count)?;
        }
        Ok(count)
    })
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Current => "res",
            Self::Superseded => "hist",
        }
    }
}

/// The rows of a scope; `None` when the resource was never written.
fn rows(db: &Connection, scope: &HistoryScope) -> Result<Option<Rows>, StoreError> {
    Ok(match scope {
        HistoryScope::Instance(address) => sequence(db, address)?.map(|value| Rows {
            condition: "rid = ?1",
            value,
        }),
        HistoryScope::Type(of) => Some(Rows {
            condition: "y = ?1",
            value: of.number().into(),
        }),
        HistoryScope::System => Some(Rows {
            condition: "?1 = 0",
            value: 0,
        }),
    })
}

fn sequence(db: &Connection, address: &Address) -> Result<Option<i64>, StoreError> {
    let select = "SELECT rid FROM res WHERE y = ?1 AND id = ?2";
    let mut statement = db.prepare_cached(select)?;
    let key = params![address.resource_type.number(), address.id];
    Ok(statement.query_row(key, |row| row.get(0)).optional()?)
}

/// The first places of a table behind the window's position.
fn places(
    db: &Connection,
    table: Table,
    rows: Rows,
    window: &HistoryWindow,
) -> Result<Vec<(HistoryPosition, Table)>, StoreError> {
    let (since, mut until) = times(window);
    let mut places = Vec::new();
    if let Some(after) = window.after {
        if (since..=until).contains(&after.last_updated_ms) {
            places = level(db, table, rows, after, window.limit)?;
        }
        match after.last_updated_ms.checked_sub(1) {
            Some(earlier) => until = until.min(earlier),
            None => return Ok(places),
        }
    }
    let (name, condition) = (table.name(), rows.condition);
    let select = format!(
        "SELECT u, rid, v FROM {name} WHERE {condition} AND u BETWEEN ?2 AND ?3
        ORDER BY u DESC, rid DESC, v DESC LIMIT ?4"
    );
    let mut statement = db.prepare_cached(&select)?;
    let limit = row::limit(window.limit.saturating_sub(places.len()));
    let earlier = statement.query_map(params![rows.value, since, until, limit], place)?;
    for place in earlier {
        places.push((place?, table));
    }
    Ok(places)
}

/// The places behind `after` that were written in the same millisecond: the whole of a bundle was.
fn level(
    db: &Connection,
    table: Table,
    rows: Rows,
    after: HistoryPosition,
    limit: usize,
) -> Result<Vec<(HistoryPosition, Table)>, StoreError> {
    let (name, condition) = (table.name(), rows.condition);
    let select = format!(
        "SELECT u, rid, v FROM {name}
        WHERE {condition} AND u = ?2 AND rid <= ?3 AND (rid < ?3 OR v < ?4)
        ORDER BY rid DESC, v DESC LIMIT ?5"
    );
    let mut statement = db.prepare_cached(&select)?;
    let (u, rid, v) = (after.last_updated_ms, after.sequence, after.version_id);
    let values = params![rows.value, u, rid, v, row::limit(limit)];
    let places = statement.query_map(values, place)?;
    places.map(|place| Ok((place?, table))).collect()
}

fn place(row: &Row<'_>) -> rusqlite::Result<HistoryPosition> {
    Ok(HistoryPosition {
        last_updated_ms: row.get(0)?,
        sequence: row.get(1)?,
        version_id: row.get(2)?,
    })
}

fn times(window: &HistoryWindow) -> (i64, i64) {
    let since = window.since_ms.unwrap_or(i64::MIN);
    (since, window.until_ms.unwrap_or(i64::MAX))
}
