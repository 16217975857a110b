//! Writing versions: one insert for a lone create, else one transaction of about five commands
//! whatever its size.
//!
//! Preconditions are part of the writes themselves: a create must find its `_id` free, a
//! replacement must find the version it supersedes. So a transaction that is tried again after a
//! conflict decides anew.

use async_trait::async_trait;
use foldhash::HashMap;
use mongodb::bson::raw::cstr;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::{ClientSession, Collection};

use crate::search::key::Key;
use crate::store::batch::{Batch, Put, Rewrite};
use crate::store::mongo::document;
use crate::store::mongo::failure::{DUPLICATE_KEY, Failure, damaged, from_write, is_duplicate};
use crate::store::mongo::record::{binary, id};
use crate::store::mongo::statement::{Statements, updates, written};
use crate::store::mongo::transaction::{self, Work};
use crate::store::mongo::{Inner, blob, record, schema};
use crate::store::{StoreError, Version};

/// From how many puts on a transaction counts as large.
const LARGE_PUTS_MIN: usize = 101;

/// The longest document; the server takes 16 MiB.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024 - 1024;

/// Writes a batch.
pub(super) async fn commit(store: &Inner, batch: Batch) -> Result<(), StoreError> {
    let count = batch.puts.len() + batch.rewrites.len();
    if count == 0 && batch.reservations.is_empty() {
        return Ok(());
    }
    let rewritten = batch.rewrites.iter().flat_map(|one| &one.entries.keys);
    let keys = batch.puts.iter().flat_map(|put| keys_of(put).iter());
    let keys = keys.chain(rewritten);
    store
        .key_lengths
        .admit(&store.db, &store.settings, keys)
        .await?;
    let writes = Writes::new(store, &batch)?;
    if let Some(document) = writes.lone_create() {
        return create(store, document).await;
    }
    let is_large = count >= LARGE_PUTS_MIN;
    // The commands hold everything again.
    drop(batch);
    let _turn = if is_large {
        let _waiting = store.pool.wait();
        let turn = store.large_transactions.acquire().await;
        Some(turn.map_err(|_closed| StoreError::Unavailable("the store closes".to_owned()))?)
    } else {
        None
    };
    transaction::run(store, &writes).await
}

fn keys_of(put: &Put) -> &[Key] {
    if put.version.is_deleted() {
        &[]
    } else {
        &put.entries.keys
    }
}

/// A create by itself is atomic without a transaction, and half as dear.
async fn create(store: &Inner, document: &RawDocumentBuf) -> Result<(), StoreError> {
    match store.res.insert_one(document).await {
        Ok(_inserted) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(StoreError::VersionConflict(0)),
        Err(error) => Err(from_write(&error)),
    }
}

/// A batch as the commands that write it, made once however often the transaction is tried.
#[derive(Default)]
struct Writes {
    reservations: Vec<Statements>,
    /// New documents, and which puts they come from.
    creates: Vec<RawDocumentBuf>,
    create_puts: Vec<usize>,
    replacements: Vec<Statements>,
    /// What the replacements expect, to say which one failed.
    superseded: Vec<Superseded>,
    history: Vec<RawDocumentBuf>,
    blobs: Vec<RawDocumentBuf>,
}

/// A version that a put supersedes or a rewrite goes on from.
struct Superseded {
    /// The place of the put or rewrite in the batch.
    put: usize,
    id: String,
    version_id: i64,
    last_updated_ms: i64,
    key_id: Option<[u8; 16]>,
}

impl Writes {
    fn new(store: &Inner, batch: &Batch) -> Result<Self, StoreError> {
        let mut writes = Self::default();
        let mut replacements = Vec::new();
        for (index, put) in batch.puts.iter().enumerate() {
            let document = fitting(record::current(put))?;
            writes.blobs.extend(blob::documents(&put.version));
            let Some(old) = &put.supersedes else {
                writes.creates.push(document);
                writes.create_puts.push(index);
                continue;
            };
            let superseded = Superseded::new(index, old);
            replacements.push(superseded.replacement(document));
            writes.superseded.push(superseded);
            writes.history.push(fitting(record::superseded(old))?);
        }
        for (index, rewrite) in batch.rewrites.iter().enumerate() {
            let superseded = Superseded::new(batch.puts.len() + index, &rewrite.read);
            replacements.push(superseded.replacement(rewritten(rewrite)?));
            writes.superseded.push(superseded);
        }
        let now_ms = store.settings.clock.now_ms();
        let reservations = batch.reservations.iter();
        let reservations = reservations.map(|one| document::reservation(one, now_ms));
        writes.reservations = updates(schema::DOC, reservations);
        writes.replacements = updates(schema::RES, replacements);
        Ok(writes)
    }

    /// The document to create, when there is nothing else to write.
    fn lone_create(&self) -> Option<&RawDocumentBuf> {
        match self.creates.as_slice() {
            [one]
                if self.superseded.is_empty()
                    && self.blobs.is_empty()
                    && self.reservations.is_empty() =>
            {
                Some(one)
            }
            _ => None,
        }
    }

    async fn reserve(&self, store: &Inner, session: &mut ClientSession) -> Result<(), Failure> {
        for statements in &self.reservations {
            let answer = transaction::command(&store.db, session, &statements.command).await?;
            if written(&answer)? != statements.count {
                return Err(StoreError::ReservationConflict.into());
            }
        }
        Ok(())
    }

    async fn create(&self, store: &Inner, session: &mut ClientSession) -> Result<(), Failure> {
        insert(&store.res, &self.creates, session)
            .await
            .map_err(|error| {
                match duplicate_index(&error).and_then(|index| self.create_puts.get(index)) {
                    Some(put) => StoreError::VersionConflict(*put).into(),
                    None => Failure::Driver(error),
                }
            })
    }

    async fn replace(&self, store: &Inner, session: &mut ClientSession) -> Result<(), Failure> {
        for statements in &self.replacements {
            let answer = transaction::command(&store.db, session, &statements.command).await?;
            if written(&answer)? != statements.count {
                return Err(self.conflict(store).await?.into());
            }
        }
        Ok(())
    }

    /// Which put expected a version that is not there.
    ///
    /// Reads beside the transaction, which would show its own replacements. When every version is
    /// there after all, the snapshot was older than what the caller had read: it shows what a
    /// majority has, and that may lag behind. The caller reads again, as after any conflict.
    async fn conflict(&self, store: &Inner) -> Result<StoreError, Failure> {
        let ids: Vec<&str> = self.superseded.iter().map(|one| one.id.as_str()).collect();
        let mut cursor = store
            .db
            .collection::<Document>(schema::RES)
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "v": 1, "u": 1, "e": 1 })
            .await?;
        let mut stored = HashMap::default();
        while cursor.advance().await? {
            let document = Document::try_from(cursor.current()).map_err(Error::from)?;
            stored.insert(
                document.get_str("_id").unwrap_or_default().to_owned(),
                document,
            );
        }
        let changed = self
            .superseded
            .iter()
            .find(|one| !one.is_in(stored.get(&one.id)));
        let put = changed.or(self.superseded.first());
        Ok(StoreError::VersionConflict(put.map_or(0, |one| one.put)))
    }
}

#[async_trait]
impl Work for Writes {
    async fn run(&self, store: &Inner, session: &mut ClientSession) -> Result<(), Failure> {
        self.reserve(store, session).await?;
        self.create(store, session).await?;
        self.replace(store, session).await?;
        insert(&store.hist, &self.history, session)
            .await
            .map_err(left_behind)?;
        insert(&store.blob, &self.blobs, session)
            .await
            .map_err(left_behind)
    }
}

impl Superseded {
    fn new(put: usize, old: &Version) -> Self {
        Self {
            put,
            id: id(&old.address),
            version_id: old.version_id,
            last_updated_ms: old.last_updated_ms,
            key_id: old.body.as_ref().map(|_body| old.key_id),
        }
    }

    /// The statement that puts `document` in the place of the expected version. Its key is
    /// expected too: a body that was erased meanwhile must not come back through the history.
    fn replacement(&self, document: RawDocumentBuf) -> RawDocumentBuf {
        let mut query = RawDocumentBuf::new();
        query.append(cstr!("_id"), self.id.as_str());
        query.append(cstr!("v"), self.version_id);
        query.append(cstr!("u"), self.last_updated_ms);
        match &self.key_id {
            Some(key_id) => query.append(cstr!("e"), binary(key_id)),
            None => query.append(cstr!("e"), mongodb::bson::RawBson::Null),
        }
        let mut statement = RawDocumentBuf::new();
        statement.append(cstr!("q"), query);
        statement.append(cstr!("u"), document);
        statement
    }

    fn is_in(&self, stored: Option<&Document>) -> bool {
        let Some(stored) = stored else {
            return false;
        };
        let key_id = match stored.get("e") {
            Some(Bson::Binary(binary)) => Some(binary.bytes.as_slice()),
            _ => None,
        };
        stored.get_i64("v").ok() == Some(self.version_id)
            && stored.get_i64("u").ok() == Some(self.last_updated_ms)
            && key_id == self.key_id.as_ref().map(<[u8; 16]>::as_slice)
    }
}

/// The change of a document that is rewritten in its place.
fn rewritten(rewrite: &Rewrite) -> Result<RawDocumentBuf, StoreError> {
    if rewrite.read.is_deleted() {
        let text = "a tombstone has nothing to rewrite";
        return Err(StoreError::Failed(text.to_owned()));
    }
    let bodies = [
        rewrite.read.body.as_deref(),
        rewrite.body.as_ref().map(|new| new.body.as_slice()),
    ];
    let is_in_parts = bodies
        .into_iter()
        .flatten()
        .any(|body| blob::parts(body).is_some());
    if rewrite.body.is_some() && is_in_parts {
        return Err(StoreError::TooLarge(
            "a body kept in parts is not rewritten in its place".to_owned(),
        ));
    }
    fitting(record::rewritten(rewrite))
}

async fn insert(
    collection: &Collection<RawDocumentBuf>,
    documents: &[RawDocumentBuf],
    session: &mut ClientSession,
) -> Result<(), Error> {
    if documents.is_empty() {
        return Ok(());
    }
    collection
        .insert_many(documents)
        .ordered(false)
        .session(session)
        .await?;
    Ok(())
}

/// The history and the parts of large bodies follow their version: what is there before it is a
/// leftover of something that was not a transaction.
fn left_behind(error: Error) -> Failure {
    match duplicate_index(&error) {
        Some(_) => damaged("place: a superseded version is there twice").into(),
        None => Failure::Driver(error),
    }
}

fn duplicate_index(error: &Error) -> Option<usize> {
    let ErrorKind::InsertMany(refusal) = error.kind.as_ref() else {
        return None;
    };
    let refusals = refusal.write_errors.as_ref()?;
    refusals
        .iter()
        .find(|one| one.code == DUPLICATE_KEY)
        .map(|one| one.index)
}

fn fitting(document: RawDocumentBuf) -> Result<RawDocumentBuf, StoreError> {
    if document.as_bytes().len() <= DOCUMENT_BYTES_MAX {
        return Ok(document);
    }
    Err(StoreError::TooLarge(
        "one resource has too many searchable values".to_owned(),
    ))
}
