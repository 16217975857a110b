//! The ring: unwrapped data keys in memory, for a bounded time, and the form they are kept in.
//!
//! Loading and saving key documents is `access::keys`' work; here are only the steps that need no
//! store. The time limit bounds how long this process can still open what another one erased.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::seal::SealError;
use crate::seal::data_key::{DataKey, KeyId, OwnerHash, Secret, key_id, new_secret, owner_of};
use crate::seal::master_key::{Generation, MasterKey, Wrapped};
use crate::seal::random::Random;

const LAYOUT_WRAPPED: u8 = 1;
const LAYOUT_ERASED: u8 = 2;

/// How much the ring remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingSettings {
    /// How many keys at most, about 1.5 kB each.
    pub keys_max: u64,
    /// How long a key is used before it is loaded again: the longest time for which this process
    /// opens bodies of an owner that another process has erased.
    pub ttl: Duration,
}

impl Default for RingSettings {
    fn default() -> Self {
        Self {
            keys_max: 16_384,
            ttl: Duration::from_secs(30),
        }
    }
}

/// What a key document holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyDocument {
    /// A wrapped key.
    Wrapped(Wrapped),
    /// Nothing any more: the owner was erased. It keeps the generation from being used again, so
    /// that a process that still knows the old key can never take it for the new one.
    Erased,
}

impl KeyDocument {
    /// The bytes to store: layout number | master generation, big-endian | wrapped bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Erased => vec![LAYOUT_ERASED],
            Self::Wrapped(wrapped) => {
                let mut bytes = vec![LAYOUT_WRAPPED];
                bytes.extend_from_slice(&wrapped.generation.0.to_be_bytes());
                bytes.extend_from_slice(&wrapped.bytes);
                bytes
            }
        }
    }

    /// Reads what was stored.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        match bytes.split_first() {
            Some((&LAYOUT_ERASED, [])) => Ok(Self::Erased),
            Some((&LAYOUT_WRAPPED, rest)) => {
                let (generation, wrapped) = rest
                    .split_first_chunk()
                    .ok_or(SealError::Layout("key document cut short"))?;
                Ok(Self::Wrapped(Wrapped {
                    generation: Generation(u32::from_be_bytes(*generation)),
                    bytes: wrapped.to_vec(),
                }))
            }
            _ => Err(SealError::Layout("not a key document")),
        }
    }
}

/// A data key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its name; the wrapping is bound to it.
    pub id: KeyId,
    /// Its wrapped bytes.
    pub wrapped: Wrapped,
}

/// Unwrapped data keys.
pub struct KeyRing {
    master: Arc<dyn MasterKey>,
    random: Arc<dyn Random>,
    by_id: Cache<KeyId, Arc<DataKey>>,
    current: Cache<OwnerHash, Arc<DataKey>>,
}

impl KeyRing {
    /// An empty ring.
    pub fn new(
        master: Arc<dyn MasterKey>,
        random: Arc<dyn Random>,
        settings: RingSettings,
    ) -> Self {
        Self {
            master,
            random,
            by_id: cache(settings),
            current: cache(settings),
        }
    }

    /// The key, when it is in the ring.
    pub fn get(&self, id: &KeyId) -> Option<Arc<DataKey>> {
        self.by_id.get(id)
    }

    /// The key that seals an owner's next bodies, when it is in the ring.
    pub fn current(&self, owner: &OwnerHash) -> Option<Arc<DataKey>> {
        self.current.get(owner)
    }

    /// Puts a durable key into the ring.
    pub fn insert(&self, key: &Arc<DataKey>) {
        self.by_id.insert(*key.id(), Arc::clone(key));
    }

    /// Puts a durable key into the ring as the one that seals its owner's next bodies.
    pub fn insert_current(&self, key: &Arc<DataKey>) {
        self.insert(key);
        self.current.insert(owner_of(key.id()), Arc::clone(key));
    }

    /// Unwraps a stored key. It is not put into the ring: only the caller knows whether it is
    /// still there.
    pub fn open_wrapped(&self, key: &WrappedKey) -> Result<Arc<DataKey>, SealError> {
        let secret = self.master.unwrap(&key.wrapped, &key_context(&key.id))?;
        Ok(Arc::new(DataKey::new(key.id, &secret)))
    }

    /// Makes a key and its wrapped form. It seals nothing before the wrapped form is durable.
    pub fn new_key(
        &self,
        owner: &OwnerHash,
        generation: u16,
    ) -> Result<(Arc<DataKey>, WrappedKey), SealError> {
        let id = key_id(owner, generation);
        let secret = new_secret(&*self.random)?;
        let wrapped = self.master.wrap(&secret, &key_context(&id))?;
        let key = Arc::new(DataKey::new(id, &secret));
        Ok((key, WrappedKey { id, wrapped }))
    }

    /// Drops all keys of an owner.
    pub fn forget(&self, owner: &OwnerHash) {
        self.current.invalidate(owner);
        for (id, _key) in &self.by_id {
            if owner_of(&id) == *owner {
                self.by_id.invalidate(&*id);
            }
        }
    }
}

/// Wraps a stored secret anew; `None` when it is wrapped by the current generation already.
pub fn rewrap(
    master: &dyn MasterKey,
    wrapped: &Wrapped,
    context: &[u8],
) -> Result<Option<Wrapped>, SealError> {
    if wrapped.generation == master.generation()? {
        return Ok(None);
    }
    let secret: Secret = master.unwrap(wrapped, context)?;
    Ok(Some(master.wrap(&secret, context)?))
}

/// What the wrapping of a data key is bound to, so that no key can be put in another's place.
pub fn key_context(id: &KeyId) -> Vec<u8> {
    [b"vesta data key ".as_slice(), id].concat()
}

fn cache<K>(settings: RingSettings) -> Cache<K, Arc<DataKey>>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(settings.keys_max)
        .time_to_live(settings.ttl)
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{KeyDocument, KeyRing, RingSettings, WrappedKey, key_context, rewrap};
    use crate::seal::SealError;
    use crate::seal::data_key::{DataKey, key_id};
    use crate::seal::master_key::env::EnvMasterKey;
    use crate::seal::master_key::{Generation, MasterKey, MasterKeyError, Wrapped};
    use crate::seal::random::SystemRandom;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn master(current: &str, others: &[&str]) -> Arc<dyn MasterKey> {
        let others: Vec<_> = others.iter().map(|&value| value.to_owned()).collect();
        Arc::new(EnvMasterKey::new(current, &others, Arc::new(SystemRandom)).unwrap())
    }

    fn ring(master: Arc<dyn MasterKey>) -> KeyRing {
        KeyRing::new(master, Arc::new(SystemRandom), RingSettings::default())
    }

    /// Whether two keys are the same key.
    fn same(one: &DataKey, other: &DataKey) -> bool {
        let mut text = *b"text";
        let tag = one.encrypt(&[0; 12], b"", &mut text).unwrap();
        other.decrypt(&[0; 12], b"", &mut text, &tag).is_ok() && text == *b"text"
    }

    #[test]
    fn a_new_key_unwraps_to_itself_and_nowhere_else() {
        let ring = ring(master(OLD, &[]));
        let (key, wrapped) = ring.new_key(&[1; 14], 1).unwrap();
        assert!(same(&key, &ring.open_wrapped(&wrapped).unwrap()));
        let moved = WrappedKey {
            id: key_id(&[2; 14], 1),
            ..wrapped
        };
        assert!(matches!(
            ring.open_wrapped(&moved),
            Err(SealError::MasterKey(MasterKeyError::NotAuthentic))
        ));
    }

    #[test]
    fn rotation_rewraps_once_and_keeps_the_key() {
        let (key, mut wrapped) = ring(master(OLD, &[])).new_key(&[1; 14], 1).unwrap();
        let rotated = master(NEW, &[OLD]);
        let context = key_context(key.id());
        let again = |wrapped: &Wrapped| rewrap(&*rotated, wrapped, &context).unwrap();
        wrapped.wrapped = again(&wrapped.wrapped).unwrap();
        assert_eq!(again(&wrapped.wrapped), None);
        let opened = ring(master(NEW, &[])).open_wrapped(&wrapped).unwrap();
        assert!(same(&key, &opened));
    }

    #[test]
    fn forgetting_an_owner_leaves_the_others() {
        let ring = ring(master(OLD, &[]));
        let (one, _) = ring.new_key(&[1; 14], 1).unwrap();
        let (two, _) = ring.new_key(&[1; 14], 2).unwrap();
        let (other, _) = ring.new_key(&[2; 14], 1).unwrap();
        assert!(ring.get(one.id()).is_none(), "not before it is durable");
        for key in [&one, &two, &other] {
            ring.insert_current(key);
        }
        ring.forget(&[1; 14]);
        assert!(ring.get(one.id()).is_none() && ring.get(two.id()).is_none());
        assert!(ring.current(&[1; 14]).is_none());
        assert!(ring.get(other.id()).is_some() && ring.current(&[2; 14]).is_some());
    }

    #[test]
    fn a_ring_without_time_remembers_nothing() {
        let settings = RingSettings {
            ttl: Duration::ZERO,
            ..RingSettings::default()
        };
        let ring = KeyRing::new(master(OLD, &[]), Arc::new(SystemRandom), settings);
        let (key, _) = ring.new_key(&[1; 14], 1).unwrap();
        ring.insert_current(&key);
        assert!(ring.get(key.id()).is_none() && ring.current(&[1; 14]).is_none());
    }

    proptest! {
        #[test]
        fn key_documents_read_back(generation: u32, bytes: Vec<u8>) {
            let generation = Generation(generation);
            for document in [
                KeyDocument::Wrapped(Wrapped { generation, bytes }),
                KeyDocument::Erased,
            ] {
                let stored = document.to_bytes();
                prop_assert_eq!(KeyDocument::from_bytes(&stored).unwrap(), document);
            }
        }

        #[test]
        fn no_document_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(document) = KeyDocument::from_bytes(&bytes) {
                prop_assert_eq!(document.to_bytes(), bytes);
            }
        }
    }
}
