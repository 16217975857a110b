//! Erasure: bodies and index entries of one owner go away, wherever they are.
//!
//! Not one transaction, for it may touch more than one holds: it can be run again until it finds
//! nothing, and a write that still carries an erased body fails on the key it expects.

use mongodb::bson::{Document, doc};

use crate::store::StoreError;
use crate::store::mongo::Inner;
use crate::store::mongo::failure::from_driver;
use crate::store::mongo::record::owned_binary;

/// Bytes of a data key id behind its owner: the generation.
const GENERATION_BYTES: usize = 2;

/// Owners asked for in one query.
const OWNERS_PAGE: usize = 100;

/// Whether a version is sealed with one of these keys or a later generation of one.
pub(super) async fn is_sealed_from(store: &Inner, keys: &[[u8; 16]]) -> Result<bool, StoreError> {
    for page in keys.chunks(OWNERS_PAGE) {
        let ranges: Vec<_> = page.iter().map(from_key).collect();
        for collection in [&store.res, &store.hist] {
            let found = collection
                .find(doc! { "$or": ranges.clone() })
                .projection(doc! { "_id": 1 })
                .limit(1)
                .max_time(store.read_time_max());
            let mut cursor = found.await.map_err(|error| from_driver(&error))?;
            if cursor
                .advance()
                .await
                .map_err(|error| from_driver(&error))?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn from_key(first_key: &[u8; 16]) -> Document {
    let mut last_key = *first_key;
    for byte in last_key.iter_mut().rev().take(GENERATION_BYTES) {
        *byte = u8::MAX;
    }
    doc! { "e": { "$gte": owned_binary(first_key), "$lte": owned_binary(&last_key) } }
}

/// Empties every version sealed with `last_key` or an earlier one of its owner; says how many.
pub(super) async fn erase(
    store: &Inner,
    last_key: &[u8; 16],
    now_ms: i64,
) -> Result<u64, StoreError> {
    let mut first_key = *last_key;
    for byte in first_key.iter_mut().rev().take(GENERATION_BYTES) {
        *byte = 0;
    }
    let (first, last) = (owned_binary(&first_key), owned_binary(last_key));
    let sealed = doc! { "e": { "$gte": first, "$lte": last } };
    let current = store
        .res
        .update_many(
            sealed.clone(),
            doc! {
                "$set": { "m": 3, "x": true, "u": now_ms },
                "$unset": { "b": true, "p": true, "e": true, "k": true, "c": true, "ds": true },
            },
        )
        .await
        .map_err(|error| from_driver(&error))?;
    let superseded = store
        .hist
        .update_many(
            sealed.clone(),
            doc! { "$unset": { "b": true, "p": true, "e": true } },
        )
        .await
        .map_err(|error| from_driver(&error))?;
    store
        .blob
        .delete_many(sealed)
        .await
        .map_err(|error| from_driver(&error))?;
    Ok(current.modified_count + superseded.modified_count)
}
