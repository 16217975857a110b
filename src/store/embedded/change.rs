//! A batch of new versions: looked at first, written then.
//!
//! Nothing is written before every precondition of the batch was seen to hold, so that a refused
//! batch leaves nothing to undo and the rest of its group goes on.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::search::key::Entries;
use crate::store::batch::{Batch, DocumentPut, Expected, Put, RESERVATIONS};
use crate::store::embedded::posting::{Indexed, Postings};
use crate::store::embedded::{document, rewrite, row};
use crate::store::{Address, StoreError, Version};

/// How a write ended that broke nothing: done, or refused before anything was written.
pub(super) type Verdict = Result<u64, StoreError>;

/// What is stored of a resource that is written.
pub(super) struct Held {
    sequence: i64,
    version_id: i64,
    last_updated_ms: i64,
    /// Its index entries.
    pub(super) entries: Entries,
}

impl Held {
    /// Whether it is this version, not rewritten since it was read.
    pub(super) fn is(&self, read: &Version) -> bool {
        (self.version_id, self.last_updated_ms) == (read.version_id, read.last_updated_ms)
    }
}

/// Finds what is stored at an address.
pub(super) const HELD: &str = "SELECT rid, v, u FROM res WHERE y = ?1 AND id = ?2";

const INSERT: &str = "
INSERT INTO res(rid, y, id, v, u, m, e, c, ds, k, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const UPDATE: &str = "
UPDATE res SET v = ?2, u = ?3, m = ?4, e = ?5, c = ?6, ds = ?7, k = ?8, body = ?9 WHERE rid = ?1";

const SUPERSEDE: &str = "
INSERT INTO hist(rid, v, y, u, m, e, body)
SELECT rid, v, y, u, m, e, body FROM res WHERE rid = ?1";

/// Writes a batch, or refuses it.
pub(super) fn apply(
    db: &Connection,
    batch: &Batch,
    postings: &mut Postings,
    now_ms: i64,
) -> Result<Verdict, StoreError> {
    for reservation in &batch.reservations {
        let revision = document::revision(db, RESERVATIONS, &reservation.id, now_ms)?;
        if revision != reservation.revision {
            return Ok(Err(StoreError::ReservationConflict));
        }
    }
    let held = match look(db, &batch.puts)? {
        Ok(held) => held,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let rewritten = match rewrite::look(db, batch)? {
        Ok(held) => held,
        Err(refusal) => return Ok(Err(refusal)),
    };
    for reservation in &batch.reservations {
        let put = DocumentPut {
            collection: RESERVATIONS.to_owned(),
            id: reservation.id.clone(),
            expected: Expected::Anything,
            body: Some(Vec::new()),
            expires_ms: Some(reservation.expires_ms),
        };
        document::write(db, &put, now_ms)?;
    }
    for (put, held) in batch.puts.iter().zip(&held) {
        write(db, put, held.as_ref(), postings)?;
    }
    for (rewrite, held) in batch.rewrites.iter().zip(&rewritten) {
        rewrite::write(db, rewrite, held, postings)?;
    }
    Ok(Ok(0))
}

/// Writes or deletes documents, or refuses it.
pub(super) fn apply_documents(
    db: &Connection,
    puts: &[DocumentPut],
    now_ms: i64,
) -> Result<Verdict, StoreError> {
    for put in puts {
        if !document::is_expected(db, put, now_ms)? {
            return Ok(Err(StoreError::ReservationConflict));
        }
    }
    for put in puts {
        document::write(db, put, now_ms)?;
    }
    Ok(Ok(0))
}

/// What is stored where each put goes; refuses when it is not what the put supersedes.
fn look(
    db: &Connection,
    puts: &[Put],
) -> Result<Result<Vec<Option<Held>>, StoreError>, StoreError> {
    let mut statement = db.prepare_cached(HELD)?;
    let mut all = Vec::with_capacity(puts.len());
    for (index, put) in puts.iter().enumerate() {
        let mut held = held(&mut statement, &put.version.address)?;
        let is_expected = match (&held, &put.supersedes) {
            (Some(held), Some(old)) => held.is(old),
            (held, old) => held.is_none() && old.is_none(),
        };
        if !is_expected {
            return Ok(Err(StoreError::VersionConflict(index)));
        }
        if let Some(held) = &mut held {
            if held.sequence != put.version.sequence {
                let text = "a new version has another creation sequence than the old one";
                return Ok(Err(StoreError::Failed(text.to_owned())));
            }
            read_entries(db, held)?;
        }
        all.push(held);
    }
    Ok(Ok(all))
}

/// What is stored at an address, without its entries; for the statement [`HELD`].
pub(super) fn held(
    statement: &mut CachedStatement<'_>,
    address: &Address,
) -> Result<Option<Held>, StoreError> {
    let key = params![address.resource_type.number(), address.id];
    let held = statement.query_row(key, |row| {
        Ok(Held {
            sequence: row.get(0)?,
            version_id: row.get(1)?,
            last_updated_ms: row.get(2)?,
            entries: Entries::default(),
        })
    });
    Ok(held.optional()?)
}

/// Reads the index entries of what is stored.
pub(super) fn read_entries(db: &Connection, held: &mut Held) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached("SELECT k, c, ds FROM res WHERE rid = ?1")?;
    let mut rows = statement.query([held.sequence])?;
    if let Some(row) = rows.next()? {
        row::entries(row, 0, &mut held.entries)?;
    }
    Ok(())
}

fn write(
    db: &Connection,
    put: &Put,
    held: Option<&Held>,
    postings: &mut Postings,
) -> Result<(), StoreError> {
    let version = &put.version;
    let (resource_type, sequence) = (version.address.resource_type, version.sequence);
    let entries = &put.entries;
    let keys = row::encode_keys(&entries.keys)?;
    let keys = (!keys.is_empty()).then_some(keys);
    let compartments = row::encode_compartments(&entries.compartments);
    let date_ms = keys.is_some().then_some(entries.date_ms);
    let method = row::method_number(version.method);
    let (version_id, updated_ms) = (version.version_id, version.last_updated_ms);
    let key_id = row::key_id(version);
    let indexed = Indexed {
        sequence,
        resource_type,
    };
    if let Some(held) = held {
        db.prepare_cached(SUPERSEDE)?.execute([sequence])?;
        db.prepare_cached(UPDATE)?.execute(params![
            sequence,
            version_id,
            updated_ms,
            method,
            key_id,
            compartments,
            date_ms,
            keys,
            version.body.as_deref()
        ])?;
        postings.replace(indexed, &held.entries, entries);
    } else {
        let (number, id) = (resource_type.number(), &version.address.id);
        db.prepare_cached(INSERT)?.execute(params![
            sequence,
            number,
            id,
            version_id,
            updated_ms,
            method,
            key_id,
            compartments,
            date_ms,
            keys,
            version.body.as_deref()
        ])?;
        postings.replace(indexed, &Entries::default(), entries);
    }
    Ok(())
}
