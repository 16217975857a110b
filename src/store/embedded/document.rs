//! Small documents with preconditions and expiry.
//!
//! An expired document counts as absent; the writer removes it some time later.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::store::StoreError;
use crate::store::batch::{Document, DocumentPut, Expected};
use crate::store::embedded::row;

/// Expired documents removed at once at most.
const PURGED_ROWS_MAX: usize = 500;

/// Which documents are wanted.
pub(super) struct Page<'a> {
    /// Their collection.
    pub(super) collection: &'a str,
    /// Only ids behind this one.
    pub(super) after: Option<&'a str>,
    /// How many at most.
    pub(super) limit: usize,
}

/// The document, when there is one that has not expired at `now_ms`.
pub(super) fn get(
    db: &Connection,
    collection: &str,
    id: &str,
    now_ms: i64,
) -> Result<Option<Document>, StoreError> {
    let select = "SELECT id, revision, body, expires FROM doc WHERE collection = ?1 AND id = ?2";
    let mut statement = db.prepare_cached(select)?;
    let found = statement.query_row([collection, id], document).optional()?;
    Ok(found.filter(|document| document.expires_ms.is_none_or(|expires| expires > now_ms)))
}

/// Documents in the order of their ids.
pub(super) fn find(
    db: &Connection,
    page: &Page<'_>,
    now_ms: i64,
) -> Result<Vec<Document>, StoreError> {
    let select = "SELECT id, revision, body, expires FROM doc
        WHERE collection = ?1 AND id > ?2 AND (expires IS NULL OR expires > ?3)
        ORDER BY id LIMIT ?4";
    // Ids are never empty, so that the empty text is before all of them.
    let after = page.after.unwrap_or_default();
    let mut statement = db.prepare_cached(select)?;
    let key = params![page.collection, after, now_ms, row::limit(page.limit)];
    let rows = statement.query_map(key, document)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether what a put expects is there.
pub(super) fn is_expected(
    db: &Connection,
    put: &DocumentPut,
    now_ms: i64,
) -> Result<bool, StoreError> {
    Ok(match put.expected {
        Expected::Anything => true,
        Expected::Absent => revision(db, &put.collection, &put.id, now_ms)? == 0,
        Expected::Revision(expected) => revision(db, &put.collection, &put.id, now_ms)? == expected,
    })
}

/// The revision of a document; 0 when there is none.
pub(super) fn revision(
    db: &Connection,
    collection: &str,
    id: &str,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let select = "SELECT revision FROM doc
        WHERE collection = ?1 AND id = ?2 AND (expires IS NULL OR expires > ?3)";
    let mut statement = db.prepare_cached(select)?;
    let found = statement.query_row(params![collection, id, now_ms], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

/// Writes or deletes a document; its precondition was looked at before.
pub(super) fn write(db: &Connection, put: &DocumentPut, now_ms: i64) -> Result<(), StoreError> {
    let Some(body) = &put.body else {
        let delete = "DELETE FROM doc WHERE collection = ?1 AND id = ?2";
        db.prepare_cached(delete)?
            .execute([&put.collection, &put.id])?;
        return Ok(());
    };
    let revision = revision(db, &put.collection, &put.id, now_ms)? + 1;
    let insert = "INSERT OR REPLACE INTO doc(collection, id, revision, expires, body)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![put.collection, put.id, revision, put.expires_ms, body];
    db.prepare_cached(insert)?.execute(values)?;
    Ok(())
}

/// Removes some of the expired documents.
pub(super) fn purge(db: &Connection, now_ms: i64) -> Result<(), StoreError> {
    let delete = "DELETE FROM doc WHERE (collection, id) IN
        (SELECT collection, id FROM doc WHERE expires <= ?1 LIMIT ?2)";
    let values = params![now_ms, row::limit(PURGED_ROWS_MAX)];
    db.prepare_cached(delete)?.execute(values)?;
    Ok(())
}

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        id: row.get(0)?,
        revision: row.get(1)?,
        body: row.get(2)?,
        expires_ms: row.get(3)?,
    })
}
