//! Data keys in the store: found, made, rotated, erased.
//!
//! A key is durable before it seals anything, and of two processes that make an owner's first key
//! one wins and the other takes the winner's. What is erased here cannot be opened again, from no
//! copy of the records; other processes forget it within the ring's time limit.
//! Key documents, rotation and what a backup must hold: `docs/security.md`.

pub mod rotation;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use futures::{StreamExt, TryStreamExt, stream};

use crate::clock::Clock;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::seal::SealError;
use crate::seal::blind::{BlindKey, Domain};
use crate::seal::data_key::{
    DataKey, KeyId, OwnerHash, Secret, generation_of, key_id, new_secret, owner_of,
};
use crate::seal::hex;
use crate::seal::master_key::MasterKey;
use crate::seal::random::Random;
use crate::seal::ring::{KeyDocument, KeyRing, RingSettings, WrappedKey};
use crate::store::batch::{Document, DocumentPut, Expected, KEYS};
use crate::store::{Store, StoreError};

/// How often a lost race is run again; each loser finds what the winner wrote.
const ATTEMPTS_MAX: usize = 16;
/// Owners looked up at the same time.
const LOOKUPS_MAX: usize = 8;
/// Documents of one owner read at once; few owners have more than one.
const GENERATIONS_PAGE: usize = 16;

/// Keys made durable together.
const MADE_PAGE: usize = 500;

/// The key document of the index root.
const INDEX_ROOT_ID: &str = "index-root";
const INDEX_ROOT_CONTEXT: &[u8] = b"vesta index root";
/// The collection, kept with the records, that tells which index root they were written with.
const META: &str = "meta";

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There is no such key and it was not erased: the key documents are older than the records.
    #[error("there is no data key for what is stored, and it was not erased; restore newer keys")]
    Missing,
    /// The records were written with another index root: their keys have to be restored.
    #[error("the stored keys do not belong to the stored records; restore the backup of the keys")]
    Foreign,
    /// Other writers were first, again and again.
    #[error("key documents are being changed by others all the time")]
    Contended,
    /// Sealing or the master key failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<KeysError> for Outcome {
    fn from(error: KeysError) -> Self {
        match &error {
            KeysError::Seal(SealError::Erased) => {
                Self::new(Kind::Gone, "The resource was erased.").caused_by(&error)
            }
            // Keys come before what they seal: of that nothing was written yet.
            KeysError::Contended
            | KeysError::Store(StoreError::Unavailable(_) | StoreError::Unknown(_)) => {
                let text = "The keys cannot be read now. Try again later.";
                Self::new(Kind::Unavailable, text).caused_by(&error)
            }
            KeysError::Missing | KeysError::Foreign | KeysError::Seal(_) | KeysError::Store(_) => {
                Self::internal(error.to_string())
            }
        }
    }
}

/// Finds, makes and erases data keys.
pub struct KeyKeeper {
    store: Arc<dyn Store>,
    master: Arc<dyn MasterKey>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
    ttl: Duration,
    /// Counts erasures of this process, so that a load under way does not bring a key back.
    erasures: AtomicU64,
}

impl KeyKeeper {
    /// A keeper with an empty ring.
    pub fn new(
        store: Arc<dyn Store>,
        master: Arc<dyn MasterKey>,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        settings: RingSettings,
    ) -> Self {
        let ttl = settings.ttl;
        let ring = KeyRing::new(Arc::clone(&master), Arc::clone(&random), settings);
        Self {
            store,
            master,
            random,
            clock,
            ring,
            ttl,
            erasures: AtomicU64::new(0),
        }
    }

    /// The key of the blind index, made when the store is new.
    pub async fn index_root(&self) -> Result<BlindKey, KeysError> {
        for _ in 0..ATTEMPTS_MAX {
            let now_ms = self.clock.now_ms();
            let found = self.store.get_document(KEYS, INDEX_ROOT_ID, now_ms).await?;
            if let Some(document) = found {
                let root = self.open_index_root(&document)?;
                let blind = BlindKey::from_root(&root);
                self.check_records_belong_to(&blind).await?;
                return Ok(blind);
            }
            let known = self.store.get_document(META, INDEX_ROOT_ID, now_ms).await?;
            if known.is_some() {
                return Err(KeysError::Foreign);
            }
            let root = new_secret(&*self.random).map_err(SealError::from)?;
            let wrapped = self.master.wrap(&root, INDEX_ROOT_CONTEXT);
            let document = KeyDocument::Wrapped(wrapped.map_err(SealError::from)?);
            let put = key_put(INDEX_ROOT_ID, Expected::Absent, Some(&document));
            self.put_unless_raced(vec![put]).await?;
        }
        Err(KeysError::Contended)
    }

    /// The keys that seal the next bodies of these owners, in the owners' order; those that an
    /// owner lacks are made, durably.
    pub async fn keys_for_owners(
        &self,
        owners: &[OwnerHash],
    ) -> Result<Vec<Arc<DataKey>>, KeysError> {
        let mut keys = HashMap::new();
        for _ in 0..ATTEMPTS_MAX {
            let wanted: BTreeSet<_> = owners.iter().copied().collect();
            let wanted = wanted.into_iter().filter(|owner| !keys.contains_key(owner));
            let lookups = stream::iter(wanted.map(|owner| self.look_up(owner)));
            let found: Vec<_> = lookups.buffered(LOOKUPS_MAX).try_collect().await?;
            let mut lacking = Vec::new();
            for (owner, current) in found {
                match current {
                    Current::Key(key) => drop(keys.insert(owner, key)),
                    Current::None { next } => lacking.push((owner, next)),
                }
            }
            for page in lacking.chunks(MADE_PAGE) {
                for key in self.make(page).await? {
                    keys.insert(owner_of(key.id()), key);
                }
            }
            let in_order = owners.iter().map(|owner| keys.get(owner).map(Arc::clone));
            if let Some(complete) = in_order.collect() {
                return Ok(complete);
            }
        }
        Err(KeysError::Contended)
    }

    /// How long a process goes on with a key that another one has erased.
    pub fn remembers_for(&self) -> Duration {
        self.ttl
    }

    /// The id of the last key of an owner that was erased; `None` when none was.
    pub async fn last_erased(&self, owner: &OwnerHash) -> Result<Option<KeyId>, KeysError> {
        for (id, document) in self.generations(owner).await?.iter().rev() {
            if KeyDocument::from_bytes(&document.body)? == KeyDocument::Erased {
                return Ok(Some(*id));
            }
        }
        Ok(None)
    }

    /// The key with this id, for opening a body.
    pub async fn key(&self, id: &KeyId) -> Result<Arc<DataKey>, KeysError> {
        if let Some(key) = self.ring.get(id) {
            return Ok(key);
        }
        let erasures = self.erasures.load(Ordering::SeqCst);
        let document_id = hex::encode(id);
        let now_ms = self.clock.now_ms();
        let found = self.store.get_document(KEYS, &document_id, now_ms).await?;
        let Some(found) = found else {
            return Err(self.why_missing(id).await?);
        };
        let key = match KeyDocument::from_bytes(&found.body)? {
            KeyDocument::Erased => return Err(SealError::Erased.into()),
            KeyDocument::Wrapped(wrapped) => {
                self.ring.open_wrapped(&WrappedKey { id: *id, wrapped })?
            }
        };
        self.ring.insert(&key);
        self.forget_if_erased_since(erasures, &owner_of(id));
        Ok(key)
    }

    /// Gives an owner a new key for future bodies; older ones open what they sealed.
    pub async fn rotate_owner(&self, owner: &OwnerHash) -> Result<Arc<DataKey>, KeysError> {
        for _ in 0..ATTEMPTS_MAX {
            let last = self.generations(owner).await?.pop();
            let next = next_generation(last.map(|(id, _document)| id))?;
            if let Some(key) = self.make(&[(*owner, next)]).await?.pop() {
                return Ok(key);
            }
        }
        Err(KeysError::Contended)
    }

    /// Deletes all keys of an owner and gives back how many there were. From then on no body of
    /// the owner can be opened, wherever a copy of it is.
    ///
    /// A marker without a key stays behind the last generation, so that its number is not used
    /// again. Call [`Store::erase`] next with what [`KeyKeeper::last_erased`] says, and once more
    /// after the ring's time limit: another process may seal with the key it remembers until then.
    pub async fn erase(&self, owner: &OwnerHash) -> Result<u64, KeysError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut puts = Vec::new();
            let mut marker = Some(KeyDocument::Erased);
            let mut keys = 0;
            for (_id, document) in self.generations(owner).await?.iter().rev() {
                let content = KeyDocument::from_bytes(&document.body)?;
                keys += u64::from(content != KeyDocument::Erased);
                let expected = Expected::Revision(document.revision);
                puts.push(key_put(&document.id, expected, marker.take().as_ref()));
            }
            let is_done = keys == 0 || self.put_unless_raced(puts).await?;
            self.erasures.fetch_add(1, Ordering::SeqCst);
            self.ring.forget(owner);
            if is_done {
                return Ok(keys);
            }
        }
        Err(KeysError::Contended)
    }

    async fn look_up(&self, owner: OwnerHash) -> Result<(OwnerHash, Current), KeysError> {
        if let Some(key) = self.ring.current(&owner) {
            return Ok((owner, Current::Key(key)));
        }
        let erasures = self.erasures.load(Ordering::SeqCst);
        let last = self.generations(&owner).await?.pop();
        let (id, document) = match last {
            None => return Ok((owner, Current::None { next: 1 })),
            Some((id, document)) => (id, KeyDocument::from_bytes(&document.body)?),
        };
        let KeyDocument::Wrapped(wrapped) = document else {
            let next = next_generation(Some(id))?;
            return Ok((owner, Current::None { next }));
        };
        let key = self.ring.open_wrapped(&WrappedKey { id, wrapped })?;
        self.ring.insert_current(&key);
        self.forget_if_erased_since(erasures, &owner);
        Ok((owner, Current::Key(key)))
    }

    /// Makes keys durably: all of them, or none when another writer was first.
    async fn make(&self, wanted: &[(OwnerHash, u16)]) -> Result<Vec<Arc<DataKey>>, KeysError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.refuse_known(wanted).await?;
        let erasures = self.erasures.load(Ordering::SeqCst);
        let (mut keys, mut puts) = (Vec::new(), Vec::new());
        for (owner, generation) in wanted {
            let (key, wrapped) = self.ring.new_key(owner, *generation)?;
            let document = KeyDocument::Wrapped(wrapped.wrapped);
            let document_id = hex::encode(&wrapped.id);
            puts.push(key_put(&document_id, Expected::Absent, Some(&document)));
            keys.push(key);
        }
        if !self.put_unless_raced(puts).await? {
            return Ok(Vec::new());
        }
        for key in &keys {
            self.ring.insert_current(key);
            self.forget_if_erased_since(erasures, &owner_of(key.id()));
        }
        Ok(keys)
    }

    /// A key without a document: behind the last one of its owner that was erased it is lost.
    async fn why_missing(&self, id: &KeyId) -> Result<KeysError, KeysError> {
        let last = self.last_erased(&owner_of(id)).await?;
        let is_erased = last.is_some_and(|last| last >= *id);
        Ok(if is_erased {
            SealError::Erased.into()
        } else {
            KeysError::Missing
        })
    }

    /// Refuses to make keys under ids that have sealed bodies: with key documents from an older
    /// copy than the records a second key would get the id of the lost one.
    async fn refuse_known(&self, wanted: &[(OwnerHash, u16)]) -> Result<(), KeysError> {
        let ids = wanted.iter();
        let ids: Vec<_> = ids.map(|(owner, next)| key_id(owner, *next)).collect();
        if !self.store.is_sealed_from(&ids).await? {
            return Ok(());
        }
        // Another process may have made the key and sealed with it meanwhile.
        for (id, (owner, _next)) in ids.iter().zip(wanted) {
            let last = self.generations(owner).await?.pop();
            let is_made = last.is_some_and(|(last, _document)| last >= *id);
            if !is_made && self.store.is_sealed_from(&[*id]).await? {
                return Err(KeysError::Missing);
            }
        }
        Ok(())
    }

    /// The key documents of an owner, oldest first.
    async fn generations(&self, owner: &OwnerHash) -> Result<Vec<(KeyId, Document)>, KeysError> {
        let prefix = hex::encode(owner);
        let mut after = prefix.clone();
        let mut documents = Vec::new();
        loop {
            let find = self
                .store
                .find_documents(KEYS, Some(&after), GENERATIONS_PAGE);
            let page = find.await?;
            let full = page.len() == GENERATIONS_PAGE;
            let own = page.into_iter();
            let own: Vec<_> = own
                .take_while(|found| found.id.starts_with(&prefix))
                .collect();
            let goes_on = full && own.len() == GENERATIONS_PAGE;
            if let Some(last) = own.last() {
                after.clone_from(&last.id);
            }
            for document in own {
                let id = hex::decode(&document.id).ok_or_else(damaged_id)?;
                documents.push((id, document));
            }
            if !goes_on {
                return Ok(documents);
            }
        }
    }

    /// Whether the puts were done; `false` when somebody else was first.
    async fn put_unless_raced(&self, puts: Vec<DocumentPut>) -> Result<bool, KeysError> {
        match self.store.put_documents(puts).await {
            Ok(()) => Ok(true),
            Err(StoreError::ReservationConflict | StoreError::VersionConflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn forget_if_erased_since(&self, erasures: u64, owner: &OwnerHash) {
        if self.erasures.load(Ordering::SeqCst) != erasures {
            self.ring.forget(owner);
        }
    }

    fn open_index_root(&self, document: &Document) -> Result<Secret, SealError> {
        match KeyDocument::from_bytes(&document.body)? {
            KeyDocument::Erased => Err(SealError::Erased),
            KeyDocument::Wrapped(wrapped) => {
                Ok(self.master.unwrap(&wrapped, INDEX_ROOT_CONTEXT)?)
            }
        }
    }

    /// Keys and records are backed up apart. Restored from different stores they would make an
    /// index of which nothing is found, so the records say which root they belong to.
    async fn check_records_belong_to(&self, blind: &BlindKey) -> Result<(), KeysError> {
        let mark = blind.hash14(Domain::Document, b"index root of these records");
        let mark = mark.to_vec();
        for _ in 0..ATTEMPTS_MAX {
            let now_ms = self.clock.now_ms();
            let found = self.store.get_document(META, INDEX_ROOT_ID, now_ms).await?;
            match found {
                Some(document) if document.body == mark => return Ok(()),
                Some(_other) => return Err(KeysError::Foreign),
                None => {
                    let put = DocumentPut {
                        collection: META.to_owned(),
                        id: INDEX_ROOT_ID.to_owned(),
                        expected: Expected::Absent,
                        body: Some(mark.clone()),
                        expires_ms: None,
                    };
                    self.put_unless_raced(vec![put]).await?;
                }
            }
        }
        Err(KeysError::Contended)
    }
}

/// What an owner has to seal with.
enum Current {
    /// A key.
    Key(Arc<DataKey>),
    /// Nothing yet, or nothing any more.
    None {
        /// The generation to make.
        next: u16,
    },
}

fn next_generation(last: Option<KeyId>) -> Result<u16, SealError> {
    let last = last.map_or(0, |id| generation_of(&id));
    last.checked_add(1)
        .ok_or(SealError::Layout("an owner has too many keys"))
}

fn key_put(id: &str, expected: Expected, content: Option<&KeyDocument>) -> DocumentPut {
    DocumentPut {
        collection: KEYS.to_owned(),
        id: id.to_owned(),
        expected,
        body: content.map(KeyDocument::to_bytes),
        expires_ms: None,
    }
}

fn damaged_id() -> KeysError {
    StoreError::Damaged("a key document has an id that is no key id".to_owned()).into()
}
