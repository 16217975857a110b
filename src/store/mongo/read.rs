//! Reads by address.
//!
//! Reads use the default read concern, on the primary: a client sees what it has written as soon
//! as it was acknowledged. What another client sees a moment before its majority is there could be
//! rolled back with a lost primary; waiting for the majority would cost every read.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use crate::store::mongo::failure::from_driver;
use crate::store::mongo::record::Record;
use crate::store::mongo::{Inner, blob, record};
use crate::store::{Address, StoreError, Version};

/// How many addresses one command asks for.
const ADDRESSES_MAX: usize = 1_000;

/// Leaves out what is only searched by.
pub(super) fn without_entries() -> Document {
    doc! { "k": 0, "c": 0, "ds": 0 }
}

impl Inner {
    /// How long the server may work on one read.
    pub(super) fn read_time_max(&self) -> Duration {
        Duration::from_millis(self.settings.read_ms_max)
    }
}

/// The current version of a resource.
pub(super) async fn current(
    store: &Inner,
    address: &Address,
) -> Result<Option<Version>, StoreError> {
    let Some(document) = one(store, &store.res, record::id(address)).await? else {
        return Ok(None);
    };
    let found = Record::read(&document)?.current()?;
    blob::complete_one(store, found).await.map(Some)
}

/// The current versions of several resources.
pub(super) async fn current_many(
    store: &Inner,
    addresses: &[Address],
) -> Result<Vec<Version>, StoreError> {
    let mut found = Vec::with_capacity(addresses.len());
    for some in addresses.chunks(ADDRESSES_MAX) {
        let ids: Vec<String> = some.iter().map(record::id).collect();
        let mut cursor = store
            .res
            .find(doc! { "_id": { "$in": ids } })
            .projection(without_entries())
            .max_time(store.read_time_max())
            .await
            .map_err(|error| from_driver(&error))?;
        while let Some(document) = cursor
            .try_next()
            .await
            .map_err(|error| from_driver(&error))?
        {
            found.push(Record::read(&document)?.current()?);
        }
    }
    blob::complete(store, found, usize::MAX).await
}

/// One version of a resource.
///
/// The current one is looked at first: a version moves from there to the history, never back.
pub(super) async fn version(
    store: &Inner,
    address: &Address,
    version_id: i64,
) -> Result<Option<Version>, StoreError> {
    if let Some(document) = one(store, &store.res, record::id(address)).await? {
        let found = Record::read(&document)?.current()?;
        if found.version.version_id == version_id {
            return blob::complete_one(store, found).await.map(Some);
        }
    }
    let id = record::version_id(address, version_id);
    let Some(document) = one(store, &store.hist, id).await? else {
        return Ok(None);
    };
    let found = Record::read(&document)?.superseded()?;
    blob::complete_one(store, found).await.map(Some)
}

/// The document with an id, without what is only searched by.
async fn one(
    store: &Inner,
    collection: &Collection<RawDocumentBuf>,
    id: String,
) -> Result<Option<RawDocumentBuf>, StoreError> {
    collection
        .find_one(doc! { "_id": id })
        .projection(without_entries())
        .max_time(store.read_time_max())
        .await
        .map_err(|error| from_driver(&error))
}
