//! Sealed small documents: what the server itself keeps of clients, keys and tokens.
//!
//! In every store as its documents, encrypted under a key of their own and bound to collection and
//! id. Ids are hashed, so that a copy of the store names no client and no token.
//! What is in them is the business of whoever keeps them.

use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::seal::blind::{BlindKey, Domain};
use crate::seal::hex;
use crate::seal::random::Random;
use crate::store::batch::{Document, DocumentPut, Expected};
use crate::store::{Store, StoreError};

const NONCE_BYTES: usize = 12;

/// What the key is derived by.
const CONTEXT: &[u8] = b"vesta system documents 1";

/// Documents read together.
const PAGE: usize = 200;

/// Sealed documents.
pub struct Documents {
    store: Arc<dyn Store>,
    blind: BlindKey,
    cipher: Aes256Gcm,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
}

/// A document, opened.
#[derive(Debug, Clone)]
pub struct Kept<T> {
    /// What it holds.
    pub content: T,
    /// Counts writes from 1; a later write names it to be the next one.
    pub revision: i64,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Whatever is there.
    Anything,
    /// Nothing.
    Nothing,
    /// This revision.
    Revision(i64),
}

/// Why a document cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Something else was there than expected: read again and decide.
    #[error("a document was changed by somebody else")]
    Changed,
    /// The store cannot be asked now.
    #[error("documents cannot be read or written now: {0}")]
    Unavailable(StoreError),
    /// What is stored cannot be opened, or no randomness is to be had.
    #[error("a document is damaged: {0}")]
    Damaged(&'static str),
}

impl From<StoreError> for DocumentError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::VersionConflict(_) | StoreError::ReservationConflict => Self::Changed,
            other => Self::Unavailable(other),
        }
    }
}

impl Documents {
    /// Documents in a store, sealed by a key derived from that of its index.
    pub fn new(
        store: Arc<dyn Store>,
        blind: BlindKey,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key = blind.derive(CONTEXT);
        Self {
            store,
            cipher: Aes256Gcm::new((&*key).into()),
            blind,
            random,
            clock,
        }
    }

    /// Randomness.
    pub fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// The time, in ms since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// A document; `None` when it is absent or expired.
    pub async fn get<T: DeserializeOwned>(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<Option<Kept<T>>, DocumentError> {
        let hashed = self.hashed(collection, id);
        let now_ms = self.clock.now_ms();
        let found = self.store.get_document(collection, &hashed, now_ms).await?;
        found
            .map(|document| self.open(collection, &document))
            .transpose()
    }

    /// All documents of a collection that have not expired.
    pub async fn list<T: DeserializeOwned>(
        &self,
        collection: &str,
    ) -> Result<Vec<Kept<T>>, DocumentError> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self
                .store
                .find_documents(collection, after.as_deref(), PAGE)
                .await?;
            for document in &page {
                all.push(self.open(collection, document)?);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
                _ => return Ok(all),
            }
        }
    }

    /// Writes a document.
    pub async fn put<T: Serialize>(
        &self,
        (collection, id): (&str, &str),
        content: &T,
        before: Before,
        expires_ms: Option<i64>,
    ) -> Result<(), DocumentError> {
        let hashed = self.hashed(collection, id);
        let body = Some(self.seal(collection, &hashed, content)?);
        self.write(collection, hashed, (body, before, expires_ms))
            .await
    }

    /// A document to be written together with others.
    pub fn to_put<T: Serialize>(
        &self,
        (collection, id): (&str, &str),
        content: &T,
        before: Before,
        expires_ms: Option<i64>,
    ) -> Result<DocumentPut, DocumentError> {
        let hashed = self.hashed(collection, id);
        let body = self.seal(collection, &hashed, content)?;
        Ok(put(collection, hashed, (Some(body), before, expires_ms)))
    }

    /// A document to be deleted together with what is done to others.
    pub fn to_delete(&self, (collection, id): (&str, &str)) -> DocumentPut {
        let hashed = self.hashed(collection, id);
        put(collection, hashed, (None, Before::Anything, None))
    }

    /// Writes and deletes documents: all durably, or none.
    pub async fn write_all(&self, puts: Vec<DocumentPut>) -> Result<(), DocumentError> {
        Ok(self.store.put_documents(puts).await?)
    }

    /// Deletes a document, if it is there.
    pub async fn delete(&self, collection: &str, id: &str) -> Result<(), DocumentError> {
        let hashed = self.hashed(collection, id);
        self.write(collection, hashed, (None, Before::Anything, None))
            .await
    }

    async fn write(
        &self,
        collection: &str,
        id: String,
        what: (Option<Vec<u8>>, Before, Option<i64>),
    ) -> Result<(), DocumentError> {
        self.write_all(vec![put(collection, id, what)]).await
    }

    fn hashed(&self, collection: &str, id: &str) -> String {
        let name = format!("{collection}\0{id}");
        hex::encode(&self.blind.hash14(Domain::Document, name.as_bytes()))
    }

    fn seal<T: Serialize>(
        &self,
        collection: &str,
        hashed: &str,
        content: &T,
    ) -> Result<Vec<u8>, DocumentError> {
        let plain = serde_json::to_vec(content);
        let plain = Zeroizing::new(plain.map_err(|_unwritable| {
            DocumentError::Damaged("its content cannot be written as JSON")
        })?);
        let mut nonce = [0; NONCE_BYTES];
        let filled = self.random.fill(&mut nonce);
        filled.map_err(|_none| DocumentError::Damaged("there is no randomness"))?;
        let associated = associated(collection, hashed);
        let payload = Payload {
            msg: &plain,
            aad: &associated,
        };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_failed| DocumentError::Damaged("it cannot be sealed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open<T: DeserializeOwned>(
        &self,
        collection: &str,
        document: &Document,
    ) -> Result<Kept<T>, DocumentError> {
        let damaged = || DocumentError::Damaged("it does not open under this store's key");
        let parts = document.body.split_first_chunk::<NONCE_BYTES>();
        let (nonce, sealed) = parts.ok_or_else(damaged)?;
        let associated = associated(collection, &document.id);
        let payload = Payload {
            msg: sealed,
            aad: &associated,
        };
        let plain = self.cipher.decrypt(&Nonce::from(*nonce), payload);
        let plain = Zeroizing::new(plain.map_err(|_forged| damaged())?);
        let content = serde_json::from_slice(&plain);
        Ok(Kept {
            content: content.map_err(|_other| DocumentError::Damaged("it holds something else"))?,
            revision: document.revision,
        })
    }
}

fn put(
    collection: &str,
    id: String,
    (body, before, expires_ms): (Option<Vec<u8>>, Before, Option<i64>),
) -> DocumentPut {
    DocumentPut {
        collection: collection.to_owned(),
        id,
        expected: match before {
            Before::Anything => Expected::Anything,
            Before::Nothing => Expected::Absent,
            Before::Revision(revision) => Expected::Revision(revision),
        },
        body,
        expires_ms,
    }
}

fn associated(collection: &str, hashed: &str) -> Vec<u8> {
    [CONTEXT, collection.as_bytes(), b"\0", hashed.as_bytes()].concat()
}
