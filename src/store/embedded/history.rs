//! Histories: current and superseded versions merged, newest first.
//!
//! The order is looked up in the indexes of both tables first; only the versions of the page are
//! then read.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

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
        places.iter().map(read).collect()
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
    let mut statement = prepare(db, table, rows)?;
    let (since, until) = times(window);
    let after = window.after.unwrap_or(HistoryPosition {
        last_updated_ms: i64::MAX,
        sequence: i64::MAX,
        version_id: i64::MAX,
    });
    let (u, rid, v) = (after.last_updated_ms, after.sequence, after.version_id);
    let limit = row::limit(window.limit);
    let key = params![rows.value, since, until, u, rid, v, limit];
    let places = statement.query_map(key, |row| {
        let place = HistoryPosition {
            last_updated_ms: row.get(0)?,
            sequence: row.get(1)?,
            version_id: row.get(2)?,
        };
        Ok((place, table))
    })?;
    Ok(places.collect::<Result<_, _>>()?)
}

fn prepare(db: &Connection, table: Table, rows: Rows) -> Result<CachedStatement<'_>, StoreError> {
    let (name, condition) = (table.name(), rows.condition);
    let select = format!(
        "SELECT u, rid, v FROM {name}
        WHERE {condition} AND u BETWEEN ?2 AND ?3 AND (u, rid, v) < (?4, ?5, ?6)
        ORDER BY u DESC, rid DESC, v DESC LIMIT ?7"
    );
    Ok(db.prepare_cached(&select)?)
}

fn times(window: &HistoryWindow) -> (i64, i64) {
    let since = window.since_ms.unwrap_or(i64::MIN);
    (since, window.until_ms.unwrap_or(i64::MAX))
}
