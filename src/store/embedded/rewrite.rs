//! Current versions written anew in their place: other index entries, another body, no new version.

use rusqlite::{Connection, params};

use crate::store::StoreError;
use crate::store::batch::{Batch, Rewrite};
use crate::store::embedded::change::{HELD, Held, held, read_entries};
use crate::store::embedded::posting::{Indexed, Postings};
use crate::store::embedded::row;

const ENTRIES: &str = "UPDATE res SET c = ?2, ds = ?3, k = ?4 WHERE rid = ?1";

const BODY: &str = "UPDATE res SET u = ?2, e = ?3, body = ?4 WHERE rid = ?1";

/// What is stored where each rewrite goes; refuses when it is not what was read.
pub(super) fn look(
    db: &Connection,
    batch: &Batch,
) -> Result<Result<Vec<Held>, StoreError>, StoreError> {
    let mut statement = db.prepare_cached(HELD)?;
    let mut all = Vec::with_capacity(batch.rewrites.len());
    for (index, rewrite) in batch.rewrites.iter().enumerate() {
        if rewrite.read.is_deleted() {
            let text = "a tombstone has nothing to rewrite";
            return Ok(Err(StoreError::Failed(text.to_owned())));
        }
        let stored = held(&mut statement, &rewrite.read.address)?;
        let Some(mut stored) = stored.filter(|stored| stored.is(&rewrite.read)) else {
            let place = batch.puts.len() + index;
            return Ok(Err(StoreError::VersionConflict(place)));
        };
        read_entries(db, &mut stored)?;
        all.push(stored);
    }
    Ok(Ok(all))
}

/// Writes a rewrite that was looked at.
pub(super) fn write(
    db: &Connection,
    rewrite: &Rewrite,
    held: &Held,
    postings: &mut Postings,
) -> Result<(), StoreError> {
    let sequence = rewrite.read.sequence;
    let entries = &rewrite.entries;
    db.prepare_cached(ENTRIES)?.execute(params![
        sequence,
        row::encode_compartments(&entries.compartments),
        entries.date_ms,
        row::encode_keys(&entries.keys)?,
    ])?;
    if let Some(new) = &rewrite.body {
        let columns = params![sequence, new.last_updated_ms, new.key_id, new.body];
        db.prepare_cached(BODY)?.execute(columns)?;
    }
    let indexed = Indexed {
        sequence,
        resource_type: rewrite.read.address.resource_type,
    };
    postings.replace(indexed, &held.entries, entries);
    Ok(())
}
