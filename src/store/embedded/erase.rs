//! Erasure of everything sealed with erased keys of an owner.
//!
//! The writer empties the write-ahead log afterwards, and freed pages are zeroed: nothing of what
//! was erased stays in the files.

use rusqlite::{Connection, params};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::Entries;
use crate::store::embedded::posting::{Indexed, Postings};
use crate::store::embedded::row;
use crate::store::{Method, StoreError};

/// Bytes of a data key's id behind its owner: the generation.
const GENERATION_BYTES: usize = 2;

/// What is erased: what these keys of one owner have sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed {
    first: [u8; 16],
    last: [u8; 16],
}

impl Sealed {
    /// By this key or a later one of its owner.
    fn from(first: &[u8; 16]) -> Self {
        let mut last = *first;
        for byte in last.iter_mut().rev().take(GENERATION_BYTES) {
            *byte = u8::MAX;
        }
        Self {
            first: *first,
            last,
        }
    }

    /// By this key or an earlier one of its owner.
    pub(super) fn up_to(last: &[u8; 16]) -> Self {
        let mut first = *last;
        for byte in first.iter_mut().rev().take(GENERATION_BYTES) {
            *byte = 0;
        }
        Self { first, last: *last }
    }
}

/// Whether a version is sealed with one of these keys or a later generation of one.
pub(super) fn is_sealed_from(db: &Connection, keys: &[[u8; 16]]) -> Result<bool, StoreError> {
    let select = "SELECT EXISTS (SELECT 1 FROM res WHERE e BETWEEN ?1 AND ?2)
        OR EXISTS (SELECT 1 FROM hist WHERE e BETWEEN ?1 AND ?2)";
    let mut statement = db.prepare_cached(select)?;
    for key in keys {
        let sealed = Sealed::from(key);
        if statement.query_row(params![sealed.first, sealed.last], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Empties all versions that were sealed so, and gives back how many there were.
pub(super) fn apply(
    db: &Connection,
    sealed: &Sealed,
    postings: &mut Postings,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let keys = params![sealed.first, sealed.last];
    let select = "SELECT rid, y, k, c, ds FROM res WHERE e BETWEEN ?1 AND ?2";
    let mut statement = db.prepare(select)?;
    let mut rows = statement.query(keys)?;
    let mut entries = Entries::default();
    while let Some(row) = rows.next()? {
        let sequence = row.get(0)?;
        let resource_type = ResourceType::from_number(row.get(1)?)
            .ok_or_else(|| StoreError::Damaged("a type has an unknown number".to_owned()))?;
        row::entries(row, 2, &mut entries)?;
        let indexed = Indexed {
            sequence,
            resource_type,
        };
        postings.replace(indexed, &entries, &Entries::default());
    }
    let update = "UPDATE res
        SET m = ?3, u = ?4, e = NULL, c = NULL, ds = NULL, k = NULL, body = NULL
        WHERE e BETWEEN ?1 AND ?2";
    let deleted = row::method_number(Method::Delete);
    let current = db.execute(update, params![sealed.first, sealed.last, deleted, now_ms])?;
    let update = "UPDATE hist SET e = NULL, body = NULL WHERE e BETWEEN ?1 AND ?2";
    let superseded = db.execute(update, keys)?;
    Ok((current + superseded) as u64)
}
