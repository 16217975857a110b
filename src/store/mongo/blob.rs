//! Bodies that do not fit a document: kept in parts, written with their version in one
//! transaction, put together again when the version is read.
//!
//! Whether a body is kept in parts is decided by its length alone, so that a superseded version
//! finds the parts of the current one it was.

use bytes::Bytes;
use futures::TryStreamExt;
use mongodb::bson::doc;
use mongodb::bson::raw::{RawDocumentBuf, cstr};

use crate::store::mongo::Inner;
use crate::store::mongo::failure::{damaged, from_driver};
use crate::store::mongo::record::{Found, binary, version_id};
use crate::store::{StoreError, Version};

/// The longest sealed body that stays in its version's document.
const INLINE_BYTES_MAX: usize = 15 * 1024 * 1024;

/// How much of a larger body one part holds.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// How many parts a body is kept in; `None` when it stays in its version's document.
pub(super) fn parts(body: &[u8]) -> Option<i32> {
    if body.len() <= INLINE_BYTES_MAX {
        return None;
    }
    i32::try_from(body.len().div_ceil(PART_BYTES)).ok()
}

/// The documents of `blob` for a new version; none for a body that fits.
pub(super) fn documents(version: &Version) -> Vec<RawDocumentBuf> {
    let Some(body) = version.body.as_deref().filter(|body| parts(body).is_some()) else {
        return Vec::new();
    };
    body.chunks(PART_BYTES)
        .enumerate()
        .map(|(part, bytes)| {
            let mut document = RawDocumentBuf::new();
            document.append(cstr!("_id"), part_id(version, part).as_str());
            document.append(cstr!("e"), binary(&version.key_id));
            document.append(cstr!("b"), binary(bytes));
            document
        })
        .collect()
}

/// The versions with the large bodies among them put together; the one that makes up `bytes_max`
/// is the last one.
pub(super) async fn complete(
    store: &Inner,
    found: Vec<Found>,
    bytes_max: usize,
) -> Result<Vec<Version>, StoreError> {
    let mut versions = Vec::with_capacity(found.len());
    let mut bytes = 0;
    for one in found {
        let version = complete_one(store, one).await?;
        bytes += version.sealed_bytes();
        versions.push(version);
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(versions)
}

/// A version with its large body put together.
pub(super) async fn complete_one(store: &Inner, found: Found) -> Result<Version, StoreError> {
    let mut version = found.version;
    if let Some(parts) = found.parts {
        let parts = usize::try_from(parts).map_err(|_negative| damaged("p"))?;
        version.body = read(store, &version, parts).await?.map(Bytes::from);
    }
    Ok(version)
}

/// The body from its parts; `None` when it was erased since the version was read.
async fn read(
    store: &Inner,
    version: &Version,
    parts: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let first = part_id(version, 0);
    let behind = part_id(version, parts);
    let mut cursor = store
        .blob
        .find(doc! { "_id": { "$gte": first, "$lt": behind } })
        .sort(doc! { "_id": 1 })
        .await
        .map_err(|error| from_driver(&error))?;
    let mut body = Vec::with_capacity(parts.saturating_mul(PART_BYTES));
    let mut count = 0;
    while let Some(document) = cursor
        .try_next()
        .await
        .map_err(|error| from_driver(&error))?
    {
        let part = document.get_binary("b").map_err(|_shape| damaged("b"))?;
        body.extend_from_slice(part.bytes);
        count += 1;
    }
    match count {
        0 => Ok(None),
        _ if count == parts => Ok(Some(body)),
        _ => Err(damaged("number of parts")),
    }
}

fn part_id(version: &Version, part: usize) -> String {
    format!(
        "{}/{part:04}",
        version_id(&version.address, version.version_id)
    )
}
