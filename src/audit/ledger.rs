//! The documents of the journal, sealed and opened.
//!
//! Blocks of events, the queries of those events beside them, and checkpoints. Who only looks at
//! the journal needs no more than this; who writes it is [`super::journal`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use serde::{Deserialize, Serialize};

use crate::audit::block::{self, Hash, Header};
use crate::audit::event::Event;
use crate::clock::Clock;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::seal::blind::BlindKey;
use crate::seal::hex;
use crate::seal::random::Random;
use crate::store::batch::{Document, DocumentPut, Expected};
use crate::store::{Store, StoreError};

/// The collection of blocks.
pub(super) const BLOCKS: &str = "journal";

/// The collection of the queries of blocks, under the ids of those.
pub(super) const QUERIES: &str = "journal_query";

/// What the key is derived by.
const CONTEXT: &[u8] = b"vesta journal 1";

const NONCE_BYTES: usize = 12;

/// Bytes of the salt in the hash of a query.
pub(super) const SALT_BYTES: usize = 16;

/// Bytes of the hash of a query.
const QUERY_HASH_BYTES: usize = 16;

/// How much blocks are compressed: as fast as can be.
const COMPRESSION_LEVEL: i32 = 1;

/// Bytes of the events of one block.
const PLAIN_BYTES_MAX: usize = 256 << 20;

/// Why the journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store cannot take it now.
    #[error("the journal cannot be written or read now: {0}")]
    Unavailable(String),
    /// What is stored is not what was stored here.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<JournalError> for Outcome {
    fn from(error: JournalError) -> Self {
        let text = "What is done here has to be written down first, and that cannot be done now. \
            Try again shortly.";
        Self::new(Kind::Unavailable, text).caused_by(&error)
    }
}

/// A block, opened.
#[derive(Debug)]
pub struct Opened {
    /// What stands in front.
    pub header: Header,
    /// Its events in order, without queries.
    pub events: Vec<Event>,
}

/// The query of an event, with what binds the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Query {
    /// The place of the event in its block.
    pub(super) at: u32,
    /// Hexadecimal.
    pub(super) salt: String,
    /// As it was sent.
    pub(super) text: String,
}

impl Query {
    /// What the event keeps of it.
    pub(super) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.salt.as_bytes());
        hasher.update(self.text.as_bytes());
        let hash = hasher.finalize();
        let (cut, _rest) = hash.as_bytes().split_at(QUERY_HASH_BYTES);
        hex::encode(cut)
    }
}

/// The documents of the journal.
pub struct Ledger {
    pub(super) store: Arc<dyn Store>,
    pub(super) random: Arc<dyn Random>,
    pub(super) clock: Arc<dyn Clock>,
    cipher: Aes256Gcm,
}

impl Ledger {
    /// The journal in a store, sealed by a key derived from that of its index.
    pub fn new(
        store: Arc<dyn Store>,
        blind: &BlindKey,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key = blind.derive(CONTEXT);
        Self {
            store,
            random,
            clock,
            cipher: Aes256Gcm::new((&*key).into()),
        }
    }

    /// Blocks in the order of their ids, behind one of them.
    pub async fn blocks(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, JournalError> {
        Ok(self.store.find_documents(BLOCKS, after, limit).await?)
    }

    /// Seals events, one behind the other as lines of JSON, into a block.
    pub(super) fn seal_block(&self, header: Header, lines: &[u8]) -> Result<Vec<u8>, JournalError> {
        let packed = zstd::bulk::compress(lines, COMPRESSION_LEVEL);
        let packed = packed.map_err(|error| JournalError::Damaged(error.to_string()))?;
        let head = header.to_bytes();
        let sealed = self.seal(&head, &packed)?;
        Ok([&head[..], &sealed].concat())
    }

    /// Opens a block; `None` when it is not one that was sealed here. Whether it stands where it
    /// belongs, its header tells.
    pub fn open_block(&self, block: &[u8]) -> Option<Opened> {
        let (header, sealed) = Header::split(block)?;
        let packed = self.open(&header.to_bytes(), sealed)?;
        let lines = zstd::stream::decode_all(packed.as_slice()).ok()?;
        let lines = (lines.len() <= PLAIN_BYTES_MAX).then_some(lines)?;
        let lines = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let events: Vec<Event> = lines
            .map(|line| serde_json::from_slice(line).ok())
            .collect::<Option<_>>()?;
        (events.len() as u64 == u64::from(header.count)).then_some(Opened { header, events })
    }

    /// Gives events back their queries, as far as those were not taken away.
    pub async fn add_queries(&self, opened: &mut [Opened]) -> Result<(), JournalError> {
        let asks = |one: &&Opened| one.events.iter().any(|event| event.query_hash.is_some());
        let ids: Vec<String> = opened
            .iter()
            .filter(asks)
            .map(|one| one.header.id())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        let found = self.store.get_documents(QUERIES, &ids, now_ms).await?;
        let mut by_id: HashMap<String, Document> = HashMap::new();
        for document in found {
            by_id.insert(document.id.clone(), document);
        }
        for one in opened {
            let Some(document) = by_id.get(&one.header.id()) else {
                continue;
            };
            for query in self.open_queries(document).unwrap_or_default() {
                let event = one
                    .events
                    .get_mut(usize::try_from(query.at).unwrap_or(usize::MAX));
                if let Some(event) = event
                    && event.query_hash.as_ref() == Some(&query.hash())
                {
                    event.query = Some(query.text);
                }
            }
        }
        Ok(())
    }

    /// Takes the queries of events away, by the ids of those; the chain stays as it is. Whoever
    /// does it writes an event that says so.
    pub async fn forget_queries(&self, events: &BTreeSet<String>) -> Result<(), JournalError> {
        let mut by_block: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (block, at) in events.iter().filter_map(|id| block::event_of(id)) {
            by_block.entry(block).or_default().push(at);
        }
        for (block, places) in by_block {
            let now_ms = self.clock.now_ms();
            let found = self.store.get_document(QUERIES, &block, now_ms).await?;
            let Some(document) = found else { continue };
            let mut queries = self.open_queries(&document).unwrap_or_default();
            queries.retain(|query| !places.contains(&query.at));
            let put = DocumentPut {
                collection: QUERIES.to_owned(),
                expected: Expected::Revision(document.revision),
                body: Some(self.seal_queries(&block, &queries)?),
                id: block,
                expires_ms: None,
            };
            // Who takes others away at the same time makes this one fail: it is asked for again.
            self.store.put_documents(vec![put]).await?;
        }
        Ok(())
    }

    /// The queries of a block; `None` when they do not open.
    pub(super) fn open_queries(&self, document: &Document) -> Option<Vec<Query>> {
        let plain = self.open(&query_context(&document.id), &document.body)?;
        let plain = zstd::stream::decode_all(plain.as_slice()).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// The document that holds the queries of a block.
    pub(super) fn seal_queries(
        &self,
        id: &str,
        queries: &[Query],
    ) -> Result<Vec<u8>, JournalError> {
        let damaged = |error: &dyn std::fmt::Display| JournalError::Damaged(error.to_string());
        let plain = serde_json::to_vec(queries).map_err(|error| damaged(&error))?;
        let packed = zstd::bulk::compress(&plain, COMPRESSION_LEVEL);
        self.seal(
            &query_context(id),
            &packed.map_err(|error| damaged(&error))?,
        )
    }

    /// Seals anything, bound to something.
    pub(super) fn seal(&self, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, JournalError> {
        let mut nonce = [0; NONCE_BYTES];
        let filled = self.random.fill(&mut nonce);
        filled.map_err(|error| JournalError::Unavailable(error.to_string()))?;
        let payload = Payload {
            msg: plain,
            aad: associated,
        };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|error| JournalError::Damaged(error.to_string()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed and bound to the same.
    pub(super) fn open(&self, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg,
            aad: associated,
        };
        self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()
    }
}

/// What the queries of a block are bound to.
fn query_context(id: &str) -> Vec<u8> {
    [b"query ", id.as_bytes()].concat()
}

/// A document that must not be there yet.
pub(super) fn first(collection: &str, id: String, body: Vec<u8>) -> DocumentPut {
    DocumentPut {
        collection: collection.to_owned(),
        id,
        expected: Expected::Absent,
        body: Some(body),
        expires_ms: None,
    }
}

/// The hash of what is stored.
pub(super) fn hash_of(document: &Document) -> Hash {
    block::hash(&document.body)
}
