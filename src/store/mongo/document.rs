//! Small documents, among them the reservations of conditional interactions.
//!
//! A document: `_id` collection/id, `r` revision, `b` body, `x` expiry. Expired ones count as
//! absent at once and are removed by the server later. Wrapped data keys are documents of the same
//! shape in a database of their own.

use async_trait::async_trait;
use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::bson::{DateTime, Document as BsonDocument, RawDocumentBuf, doc, rawdoc};
use mongodb::{ClientSession, Collection, Database};

use crate::store::StoreError;
use crate::store::batch::{Document, DocumentPut, Expected, KEYS, RESERVATIONS, Reservation};
use crate::store::mongo::connect::durable_document;
use crate::store::mongo::failure::{Failure, damaged, from_driver, from_write, unreadable};
use crate::store::mongo::record::owned_binary;
use crate::store::mongo::statement::{Statements, deletes, updates, written};
use crate::store::mongo::transaction::{self, Work};
use crate::store::mongo::{Inner, schema};

/// A document that has not expired.
pub(super) async fn get(
    store: &Inner,
    collection: &str,
    id: &str,
    now_ms: i64,
) -> Result<Option<Document>, StoreError> {
    let filter = doc! { "_id": address(collection, id)? };
    let found = place(store, collection)
        .find_one(filter)
        .max_time(store.read_time_max())
        .await
        .map_err(|error| from_driver(&error))?;
    let Some(found) = found else {
        return Ok(None);
    };
    let document = read(&found)?;
    Ok(Some(document).filter(|document| document.expires_ms.is_none_or(|at| at > now_ms)))
}

/// Ids asked for together.
const IDS_MAX: usize = 1_000;

/// Several documents of a collection; those absent or expired at `now_ms` are left out.
pub(super) async fn get_many(
    store: &Inner,
    collection: &str,
    ids: &[String],
    now_ms: i64,
) -> Result<Vec<Document>, StoreError> {
    let mut documents = Vec::with_capacity(ids.len());
    for some in ids.chunks(IDS_MAX) {
        let addresses = some.iter().map(|id| address(collection, id));
        let addresses: Vec<String> = addresses.collect::<Result<_, _>>()?;
        let mut cursor = place(store, collection)
            .find(doc! { "_id": { "$in": addresses } })
            .max_time(store.read_time_max())
            .await
            .map_err(|error| from_driver(&error))?;
        while cursor
            .advance()
            .await
            .map_err(|error| from_driver(&error))?
        {
            let found = cursor.deserialize_current();
            documents.push(read(&found.map_err(|error| from_driver(&error))?)?);
        }
    }
    documents.retain(|document| document.expires_ms.is_none_or(|at| at > now_ms));
    Ok(documents)
}

/// Documents of a collection in the order of their ids.
pub(super) async fn find(
    store: &Inner,
    collection: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Document>, StoreError> {
    let behind = address(collection, after.unwrap_or_default())?;
    // The character after the slash ends the collection.
    let end = format!("{collection}0");
    if limit == 0 {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let now = DateTime::from_millis(store.settings.clock.now_ms());
    let mut cursor = place(store, collection)
        .find(doc! {
            "_id": { "$gt": behind, "$lt": end },
            "x": { "$not": { "$lte": now } },
        })
        .sort(doc! { "_id": 1 })
        .limit(limit)
        .max_time(store.read_time_max())
        .await
        .map_err(|error| from_driver(&error))?;
    let mut documents = Vec::new();
    while cursor
        .advance()
        .await
        .map_err(|error| from_driver(&error))?
    {
        documents.push(read(cursor.current())?);
    }
    Ok(documents)
}

/// Writes or deletes documents: a lone one by itself, several in a transaction.
pub(super) async fn put(store: &Inner, puts: Vec<DocumentPut>) -> Result<(), StoreError> {
    let now_ms = store.settings.clock.now_ms();
    let mut changes = Vec::with_capacity(puts.len());
    for put in &puts {
        changes.push(Change::new(store, put, now_ms)?);
    }
    let is_keys = puts.first().is_some_and(|put| put.collection == KEYS);
    match changes.as_slice() {
        [] => Ok(()),
        [one] => one
            .run_alone(store)
            .await
            .map_err(Failure::into_store_error),
        _ if puts.iter().any(|put| (put.collection == KEYS) != is_keys) => Err(StoreError::Failed(
            "data keys are written apart from other documents".to_owned(),
        )),
        _ => transaction::run(store, &Changes(changes)).await,
    }
}

/// The statement that raises a reservation's counter, if it is still what was read.
pub(super) fn reservation(reservation: &Reservation, now_ms: i64) -> RawDocumentBuf {
    let id = format!("{RESERVATIONS}/{}", reservation.id);
    let whole = |revision| whole(&id, revision, &[], Some(reservation.expires_ms));
    if reservation.revision == 0 {
        return rawdoc! { "q": expired(&id, now_ms), "u": whole(1), "upsert": true };
    }
    let next = reservation.revision.saturating_add(1);
    rawdoc! { "q": live(&id, Some(reservation.revision), now_ms), "u": whole(next) }
}

/// One write of a document.
struct Change {
    db: Database,
    statements: Vec<Statements>,
    /// How many documents the statement must match; `None` when it does not matter.
    matched: Option<i64>,
}

impl Change {
    fn new(store: &Inner, put: &DocumentPut, now_ms: i64) -> Result<Self, StoreError> {
        let id = address(&put.collection, &put.id)?;
        let id = id.as_str();
        let (db, collection) = if put.collection == KEYS {
            (store.keys_db.clone(), schema::KEY)
        } else {
            (store.db.clone(), schema::DOC)
        };
        let statements = match (&put.body, put.expected) {
            (Some(body), Expected::Anything) => {
                let change = counted(body, put.expires_ms, now_ms);
                updates(
                    collection,
                    [rawdoc! { "q": { "_id": id }, "u": change, "upsert": true }],
                )
            }
            (Some(body), Expected::Absent) => {
                let change = whole(id, 1, body, put.expires_ms);
                let query = expired(id, now_ms);
                updates(
                    collection,
                    [rawdoc! { "q": query, "u": change, "upsert": true }],
                )
            }
            (Some(body), Expected::Revision(revision)) => {
                let change = whole(id, revision.saturating_add(1), body, put.expires_ms);
                let query = live(id, Some(revision), now_ms);
                updates(collection, [rawdoc! { "q": query, "u": change }])
            }
            (None, Expected::Anything) => {
                deletes(collection, [rawdoc! { "q": { "_id": id }, "limit": 1 }])
            }
            (None, Expected::Absent) => {
                // Matches a live document and changes nothing.
                let nothing = rawdoc! { "$setOnInsert": { "r": 0_i64 } };
                updates(
                    collection,
                    [rawdoc! { "q": live(id, None, now_ms), "u": nothing }],
                )
            }
            (None, Expected::Revision(revision)) => {
                let query = live(id, Some(revision), now_ms);
                deletes(collection, [rawdoc! { "q": query, "limit": 1 }])
            }
        };
        let matched = match (&put.body, put.expected) {
            (None, Expected::Anything) => None,
            (None, Expected::Absent) => Some(0),
            _ => Some(1),
        };
        Ok(Self {
            db,
            statements,
            matched,
        })
    }

    async fn run_alone(&self, store: &Inner) -> Result<(), Failure> {
        for statements in &self.statements {
            let mut command = statements.command.clone();
            let durable = durable_document(&store.settings);
            let durable = RawDocumentBuf::try_from(&durable).map_err(unreadable)?;
            command.append(cstr!("writeConcern"), durable);
            let written = self.db.run_raw_command(command).await;
            let answer = written.map_err(|error| from_write(&error))?;
            self.check(&answer)?;
        }
        Ok(())
    }

    fn check(&self, answer: &BsonDocument) -> Result<(), Failure> {
        let matched = written(answer)?;
        if self.matched.is_some_and(|expected| expected != matched) {
            return Err(StoreError::ReservationConflict.into());
        }
        Ok(())
    }
}

/// Several writes of documents, all or none.
struct Changes(Vec<Change>);

#[async_trait]
impl Work for Changes {
    async fn run(&self, _store: &Inner, session: &mut ClientSession) -> Result<(), Failure> {
        for change in &self.0 {
            for statements in &change.statements {
                let answer = transaction::command(&change.db, session, &statements.command).await?;
                change.check(&answer)?;
            }
        }
        Ok(())
    }
}

/// Finds a document that has expired. In an upsert: makes one when there is none, and fails on
/// the `_id` when there is one that has not expired.
fn expired(id: &str, now_ms: i64) -> RawDocumentBuf {
    rawdoc! { "_id": id, "x": { "$lte": DateTime::from_millis(now_ms) } }
}

/// Finds a document that has not expired, of a revision.
fn live(id: &str, revision: Option<i64>, now_ms: i64) -> RawDocumentBuf {
    let expired = rawdoc! { "$lte": DateTime::from_millis(now_ms) };
    let mut query = rawdoc! { "_id": id, "x": { "$not": expired } };
    if let Some(revision) = revision {
        query.append(cstr!("r"), revision);
    }
    query
}

/// A whole document.
fn whole(id: &str, revision: i64, body: &[u8], expires_ms: Option<i64>) -> RawDocumentBuf {
    let mut whole = rawdoc! { "_id": id, "r": revision, "b": owned_binary(body) };
    if let Some(expires_ms) = expires_ms {
        whole.append(cstr!("x"), DateTime::from_millis(expires_ms));
    }
    whole
}

/// A change that counts on from whatever is there; an expired document counts as none.
fn counted(body: &[u8], expires_ms: Option<i64>, now_ms: i64) -> RawArrayBuf {
    let now = DateTime::from_millis(now_ms);
    let is_expired = rawdoc! { "$lte": [{ "$ifNull": ["$x", DateTime::MAX] }, now] };
    let next = rawdoc! { "$add": [{ "$ifNull": ["$r", 0_i64] }, 1_i64] };
    let mut whole = rawdoc! {
        "_id": "$_id",
        "r": { "$cond": [is_expired, 1_i64, next] },
        "b": owned_binary(body),
    };
    if let Some(expires_ms) = expires_ms {
        whole.append(cstr!("x"), DateTime::from_millis(expires_ms));
    }
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(rawdoc! { "$replaceWith": whole });
    pipeline
}

fn place(store: &Inner, collection: &str) -> Collection<RawDocumentBuf> {
    if collection == KEYS {
        store.keys_db.collection(schema::KEY)
    } else {
        store.db.collection(schema::DOC)
    }
}

fn address(collection: &str, id: &str) -> Result<String, StoreError> {
    if collection.contains('/') {
        return Err(StoreError::Failed(
            "the name of a collection has no slash".to_owned(),
        ));
    }
    Ok(format!("{collection}/{id}"))
}

fn read(stored: &mongodb::bson::RawDocument) -> Result<Document, StoreError> {
    let address = stored.get_str("_id").map_err(|_shape| damaged("_id"))?;
    let (_collection, id) = address.split_once('/').ok_or_else(|| damaged("_id"))?;
    let body = stored.get_binary("b").map_err(|_shape| damaged("b"))?;
    Ok(Document {
        id: id.to_owned(),
        revision: stored.get_i64("r").map_err(|_shape| damaged("r"))?,
        body: body.bytes.to_vec(),
        expires_ms: stored
            .get_datetime("x")
            .ok()
            .map(DateTime::timestamp_millis),
    })
}
