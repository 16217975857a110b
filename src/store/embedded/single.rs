//! Reads by address.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::store::embedded::reader::in_snapshot;
use crate::store::embedded::row;
use crate::store::{Address, StoreError, Version};

const CURRENT: &str = "
SELECT y, id, rid, v, u, m, e, body FROM res WHERE y = ?1 AND id = ?2";

const CURRENT_BY_RID: &str = "
SELECT y, id, rid, v, u, m, e, body FROM res WHERE rid = ?1";

const SUPERSEDED: &str = "
SELECT r.y, r.id, h.rid, h.v, h.u, h.m, h.e, h.body
FROM hist h JOIN res r ON r.rid = h.rid WHERE h.rid = ?1 AND h.v = ?2";

/// The current version of a resource.
pub(super) fn current(db: &Connection, address: &Address) -> Result<Option<Version>, StoreError> {
    read(&mut prepare(db)?, address)
}

/// The current versions of several resources, those that there are.
pub(super) fn several(db: &Connection, addresses: &[Address]) -> Result<Vec<Version>, StoreError> {
    in_snapshot(db, |db| {
        let mut statement = prepare(db)?;
        let mut versions = Vec::with_capacity(addresses.len());
        for address in addresses {
            versions.extend(read(&mut statement, address)?);
        }
        Ok(versions)
    })
}

/// One version of a resource.
pub(super) fn version(
    db: &Connection,
    address: &Address,
    version_id: i64,
) -> Result<Option<Version>, StoreError> {
    in_snapshot(db, |db| {
        let current = current(db, address)?;
        let Some(current) = current else {
            return Ok(None);
        };
        if current.version_id == version_id {
            return Ok(Some(current));
        }
        superseded(db, current.sequence, version_id)
    })
}

/// A superseded version of the resource with this sequence.
pub(super) fn superseded(
    db: &Connection,
    sequence: i64,
    version_id: i64,
) -> Result<Option<Version>, StoreError> {
    let mut statement = db.prepare_cached(SUPERSEDED)?;
    let result = statement.query_row(params![sequence, version_id], row::version);
    Ok(result.optional()?)
}

/// A statement that reads current versions by [`by_sequence`].
pub(super) fn prepare_by_sequence(db: &Connection) -> Result<CachedStatement<'_>, StoreError> {
    Ok(db.prepare_cached(CURRENT_BY_RID)?)
}

/// The current version of the resource with this sequence.
pub(super) fn by_sequence(
    statement: &mut CachedStatement<'_>,
    sequence: i64,
) -> Result<Version, StoreError> {
    let version = statement.query_row([sequence], row::version).optional()?;
    version.ok_or_else(|| StoreError::Damaged("an index entry leads nowhere".to_owned()))
}

fn prepare(db: &Connection) -> Result<CachedStatement<'_>, StoreError> {
    Ok(db.prepare_cached(CURRENT)?)
}

fn read(
    statement: &mut CachedStatement<'_>,
    address: &Address,
) -> Result<Option<Version>, StoreError> {
    let key = params![address.resource_type.number(), address.id];
    Ok(statement.query_row(key, row::version).optional()?)
}
