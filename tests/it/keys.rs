//! Data keys in a store: made once, rotated online, erased for good.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use vesta::access::keys::rotation::RotationProgress;
use vesta::access::keys::{KeyKeeper, KeysError};
use vesta::clock::{Clock, FixedClock};
use vesta::outcome::Outcome;
use vesta::outcome::kind::Kind;
use vesta::seal::SealError;
use vesta::seal::blind::Domain;
use vesta::seal::body::{Binding, BodySealer};
use vesta::seal::data_key::{DataKey, OwnerHash, generation_of, key_id, owner_hash, owner_of};
use vesta::seal::dictionary::Dictionary;
use vesta::seal::hex;

use vesta::seal::master_key::env::EnvMasterKey;
use vesta::seal::master_key::file::{FileMasterKey, SETTLING_MS};
use vesta::seal::master_key::{MasterKey, MasterKeyError};
use vesta::seal::random::SystemRandom;
use vesta::seal::ring::RingSettings;
use vesta::store::batch::{DocumentPut, Expected, KEYS};
use vesta::store::embedded::{EmbeddedSettings, EmbeddedStore};
use vesta::store::{Store, Version};

use crate::store::sample::{address, commit, create, version};
use crate::support::stores::{NOW_MS, OpenStore};

on_every_store!(
    a_new_owner_gets_one_key_from_64_tasks,
    keys_come_in_the_owners_order,
    another_process_opens_what_this_one_sealed,
    a_rotated_owner_seals_with_a_new_key,
    an_erased_owner_opens_nothing_and_starts_anew,
    an_erasure_during_a_load_wins,
    rotation_rewraps_everything_once,
    rotation_goes_on_where_it_was_interrupted,
    keys_of_another_store_are_refused,
    a_lost_key_is_not_called_erased_nor_made_again,
    what_was_erased_is_told_from_what_was_lost,
);

const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OWNER: [u8; 14] = [1; 14];
const OTHER: [u8; 14] = [2; 14];
const BINDING: Binding<'_> = Binding {
    address: "Patient/a",
    version_id: 1,
};

fn master(current: &str, others: &[&str]) -> Arc<dyn MasterKey> {
    let others: Vec<_> = others.iter().map(|&value| value.to_owned()).collect();
    Arc::new(EnvMasterKey::new(current, &others, Arc::new(SystemRandom)).unwrap())
}

fn keeper_with(store: &Arc<dyn Store>, master: Arc<dyn MasterKey>, ttl: Duration) -> KeyKeeper {
    let settings = RingSettings {
        ttl,
        ..RingSettings::default()
    };
    let clock = Arc::new(FixedClock::new(NOW_MS));
    KeyKeeper::new(
        Arc::clone(store),
        master,
        Arc::new(SystemRandom),
        clock as Arc<dyn Clock>,
        settings,
    )
}

fn keeper(store: &Arc<dyn Store>) -> KeyKeeper {
    keeper_with(store, master(OLD, &[]), Duration::from_hours(1))
}

async fn key_of(keeper: &KeyKeeper, owner: [u8; 14]) -> Arc<DataKey> {
    keeper.keys_for_owners(&[owner]).await.unwrap().remove(0)
}

fn sealer() -> BodySealer {
    let dictionaries = Dictionary::built_in().unwrap();
    BodySealer::new(dictionaries, Arc::new(SystemRandom), 1 << 20)
}

fn is_erased(result: &Result<Arc<DataKey>, KeysError>) -> bool {
    matches!(
        result,
        Err(KeysError::Missing | KeysError::Seal(SealError::Erased))
    )
}

async fn a_new_owner_gets_one_key_from_64_tasks(open: OpenStore) {
    let (one, other) = (Arc::new(keeper(&open.store)), Arc::new(keeper(&open.store)));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let keeper = Arc::clone(if number % 2 == 0 { &one } else { &other });
            tokio::spawn(async move {
                let key = key_of(&keeper, OWNER).await;
                sealer().seal(&key, &BINDING, b"{}").unwrap()
            })
        })
        .collect();
    let third = keeper(&open.store);
    let key = key_of(&third, OWNER).await;
    for task in tasks {
        let body = task.await.unwrap();
        assert_eq!(sealer().open(&key, &BINDING, &body).unwrap(), b"{}");
    }
    let documents = open.store.find_documents(KEYS, None, 9).await.unwrap();
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].id, hex::encode(key.id()));
}

async fn keys_come_in_the_owners_order(open: OpenStore) {
    let keeper = keeper(&open.store);
    let owners: Vec<[u8; 14]> = [5, 3, 5, 9, 3].iter().map(|&byte| [byte; 14]).collect();
    for _ in 0..2 {
        let keys = keeper.keys_for_owners(&owners).await.unwrap();
        let got: Vec<_> = keys.iter().map(|key| owner_of(key.id())).collect();
        assert_eq!(got, owners);
    }
    assert_eq!(keeper.status().await.unwrap().keys, 3);
    assert!(keeper.keys_for_owners(&[]).await.unwrap().is_empty());
}

async fn another_process_opens_what_this_one_sealed(open: OpenStore) {
    let here = keeper(&open.store);
    let key = key_of(&here, OWNER).await;
    let body = sealer().seal(&key, &BINDING, b"{}").unwrap();

    let there = keeper(&open.store);
    let same = there.key(key.id()).await.unwrap();
    assert_eq!(sealer().open(&same, &BINDING, &body).unwrap(), b"{}");
    assert_eq!(key_of(&there, OWNER).await.id(), key.id());

    let (blind, other) = (
        here.index_root().await.unwrap(),
        there.index_root().await.unwrap(),
    );
    assert_eq!(
        blind.hash8(Domain::Code, b"x"),
        other.hash8(Domain::Code, b"x")
    );
    let stranger = keeper_with(&open.store, master(NEW, &[]), Duration::ZERO);
    let error = stranger.key(key.id()).await.unwrap_err();
    assert!(error.to_string().contains("has no generation"), "{error}");
    assert!(stranger.index_root().await.is_err());
}

async fn a_rotated_owner_seals_with_a_new_key(open: OpenStore) {
    let keeper = keeper(&open.store);
    let old = key_of(&keeper, OWNER).await;
    let new = keeper.rotate_owner(&OWNER).await.unwrap();
    assert_eq!((generation_of(old.id()), generation_of(new.id())), (1, 2));
    assert_eq!(key_of(&keeper, OWNER).await.id(), new.id());
    for _ in 3..=40 {
        keeper.rotate_owner(&OWNER).await.unwrap();
    }
    let fresh = self::keeper(&open.store);
    assert_eq!(generation_of(key_of(&fresh, OWNER).await.id()), 40);
    assert!(fresh.key(old.id()).await.is_ok(), "old bodies still open");
    assert_eq!(fresh.erase(&OWNER).await.unwrap(), 40);
    assert!(is_erased(&fresh.key(old.id()).await));
}

async fn an_erased_owner_opens_nothing_and_starts_anew(open: OpenStore) {
    let keeper = keeper(&open.store);
    let (key, other) = (key_of(&keeper, OWNER).await, key_of(&keeper, OTHER).await);
    assert_eq!(keeper.erase(&OWNER).await.unwrap(), 1);
    assert!(is_erased(&keeper.key(key.id()).await));
    assert!(keeper.key(other.id()).await.is_ok());
    assert_eq!(keeper.erase(&OWNER).await.unwrap(), 0, "nothing is left");
    assert_eq!(keeper.erase(&[7; 14]).await.unwrap(), 0, "never had one");

    let anew = key_of(&keeper, OWNER).await;
    assert_ne!(anew.id(), key.id(), "the number is not used again");
    assert!(is_erased(&keeper.key(key.id()).await));
    let status = keeper.status().await.unwrap();
    assert_eq!((status.keys, status.erased), (2, 1));
}

async fn an_erasure_during_a_load_wins(open: OpenStore) {
    let keeper = Arc::new(keeper_with(
        &open.store,
        master(OLD, &[]),
        Duration::from_hours(1),
    ));
    for round in 0..20_u8 {
        let owner = [round; 14];
        let id = *key_of(&keeper, owner).await.id();
        let fresh = Arc::new(self::keeper(&open.store));
        let loads: Vec<_> = (0..8)
            .map(|_| {
                let fresh = Arc::clone(&fresh);
                tokio::spawn(async move { fresh.key(&id).await.is_ok() })
            })
            .collect();
        fresh.erase(&owner).await.unwrap();
        for load in loads {
            let _loaded_before = load.await.unwrap();
        }
        assert!(is_erased(&fresh.key(&id).await), "round {round}");
    }
}

async fn rotation_rewraps_everything_once(open: OpenStore) {
    let before = keeper(&open.store);
    let root = before.index_root().await.unwrap();
    let owners: Vec<[u8; 14]> = (0..=255).chain(0..=255).map(|byte| [byte; 14]).collect();
    let keys = before.keys_for_owners(&owners).await.unwrap();
    before.erase(&[9; 14]).await.unwrap();
    let body = sealer().seal(&keys[7], &BINDING, b"{}").unwrap();

    let during = keeper_with(&open.store, master(NEW, &[OLD]), Duration::ZERO);
    let seen = Mutex::new(Vec::new());
    let hear = |progress: RotationProgress| seen.lock().unwrap().push(progress.rewrapped);
    let done = during.rotate_master(&hear).await.unwrap();
    assert_eq!((done.examined, done.rewrapped), (257, 256));
    assert!(seen.lock().unwrap().is_sorted());
    let again = during.rotate_master(&hear).await.unwrap();
    assert_eq!(again.rewrapped, 0);

    let after = keeper_with(&open.store, master(NEW, &[]), Duration::ZERO);
    let key = after.key(keys[7].id()).await.unwrap();
    assert_eq!(sealer().open(&key, &BINDING, &body).unwrap(), b"{}");
    assert_eq!(
        after.index_root().await.unwrap().hash8(Domain::Uri, b"x"),
        root.hash8(Domain::Uri, b"x"),
        "the index stays as it is"
    );
    let status = after.status().await.unwrap();
    let current = master(NEW, &[]).generation().unwrap();
    assert_eq!((status.keys, status.erased), (255, 1));
    assert_eq!(
        status.wrapped_by.into_iter().collect::<Vec<_>>(),
        [(current, 256)]
    );
}

async fn rotation_goes_on_where_it_was_interrupted(open: OpenStore) {
    let before = keeper(&open.store);
    let owners: Vec<[u8; 14]> = (0..600_u16)
        .map(|number| {
            let mut owner = [0; 14];
            owner[..2].copy_from_slice(&number.to_be_bytes());
            owner
        })
        .collect();
    before.keys_for_owners(&owners).await.unwrap();
    let rotating = Arc::new(keeper_with(
        &open.store,
        master(NEW, &[OLD]),
        Duration::ZERO,
    ));
    let pages = Arc::new(AtomicU64::new(0));
    let task = {
        let (rotating, pages) = (Arc::clone(&rotating), Arc::clone(&pages));
        tokio::spawn(async move {
            let hear = move |_progress: RotationProgress| {
                assert_eq!(
                    pages.fetch_add(1, Ordering::SeqCst),
                    0,
                    "killed after a page"
                );
            };
            rotating.rotate_master(&hear).await
        })
    };
    assert!(task.await.unwrap_err().is_panic());
    let status = before.status().await.unwrap();
    assert_eq!(status.wrapped_by.len(), 2, "some are done, some are not");
    // Meanwhile another process makes and erases keys.
    key_of(&before, [250; 14]).await;
    before.erase(&owners[0]).await.unwrap();

    let rest = rotating.rotate_master(&|_progress| ()).await.unwrap();
    assert!(rest.rewrapped > 0 && rest.rewrapped < 600, "{rest:?}");
    assert_eq!(rotating.status().await.unwrap().wrapped_by.len(), 1);
}

async fn keys_of_another_store_are_refused(open: OpenStore) {
    let keeper = keeper(&open.store);
    keeper.index_root().await.unwrap();
    let lost = DocumentPut {
        collection: KEYS.to_owned(),
        id: "index-root".to_owned(),
        expected: Expected::Anything,
        body: None,
        expires_ms: None,
    };
    open.store.put_documents(vec![lost]).await.unwrap();
    assert!(matches!(
        self::keeper(&open.store).index_root().await,
        Err(KeysError::Foreign)
    ));
}

/// A directory with an embedded store, and the master key beside it.
struct Site {
    directory: TempDir,
    master: Arc<FileMasterKey>,
}

impl Site {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("master.key");
        let master = FileMasterKey::open_or_create(&path, Arc::new(SystemRandom), NOW_MS);
        Self {
            directory,
            master: Arc::new(master.unwrap()),
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn start(&self) -> (Arc<dyn Store>, KeyKeeper) {
        let settings = EmbeddedSettings::default();
        let store = EmbeddedStore::open(&self.data(), settings).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let master = Arc::clone(&self.master) as Arc<dyn MasterKey>;
        let keeper = keeper_with(&store, master, Duration::ZERO);
        (store, keeper)
    }

    /// Whether a file of the store holds these bytes.
    fn holds(&self, bytes: &[u8]) -> bool {
        fs::read_dir(self.data()).unwrap().any(|entry| {
            let content = fs::read(entry.unwrap().path()).unwrap();
            content.windows(bytes.len()).any(|window| window == bytes)
        })
    }
}

async fn a_lost_key_is_not_called_erased_nor_made_again(open: OpenStore) {
    let store = Arc::clone(&open.store);
    let known = keeper(&store);
    let owner = store_patient(&*store, &known, "a").await;
    let first = *key_of(&known, owner).await.id();
    forget_key(&*store, &first).await;
    let restored = keeper(&store);
    let opened = restored.key(&first).await.unwrap_err();
    assert!(matches!(opened, KeysError::Missing), "{opened}");
    assert_eq!(Outcome::from(opened).kind, Kind::Internal);
    let made = restored.keys_for_owners(&[OTHER, owner]).await;
    assert!(matches!(made, Err(KeysError::Missing)));
    assert_eq!(generation_of(key_of(&restored, OTHER).await.id()), 1);
}

async fn what_was_erased_is_told_from_what_was_lost(open: OpenStore) {
    let known = keeper(&open.store);
    key_of(&known, OWNER).await;
    known.erase(&OWNER).await.unwrap();
    let erased = keeper(&open.store).key(&key_id(&OWNER, 1)).await;
    assert!(matches!(erased, Err(KeysError::Seal(SealError::Erased))));
    let later = keeper(&open.store).key(&key_id(&OWNER, 2)).await;
    assert!(matches!(later, Err(KeysError::Missing)));
}

/// What restoring an older copy of the keys does to a key.
async fn forget_key(store: &dyn Store, id: &[u8; 16]) {
    let put = DocumentPut {
        collection: KEYS.to_owned(),
        id: hex::encode(id),
        expected: Expected::Anything,
        body: None,
        expires_ms: None,
    };
    store.put_documents(vec![put]).await.unwrap();
}

/// Stores a patient whose body is its own id, and gives back the owner.
async fn store_patient(store: &dyn Store, keeper: &KeyKeeper, id: &str) -> OwnerHash {
    let blind = keeper.index_root().await.unwrap();
    let owner = owner_hash(&blind, Some(id));
    let key = key_of(keeper, owner).await;
    let version = Version {
        key_id: *key.id(),
        body: Some(sealer().seal(&key, &BINDING, id.as_bytes()).unwrap().into()),
        ..version(&format!("Patient/{id}"), i64::from(owner[0]))
    };
    commit(store, vec![create(&version, &[])]).await.unwrap();
    owner
}

async fn open_patient(
    store: &dyn Store,
    keeper: &KeyKeeper,
    id: &str,
) -> Result<Vec<u8>, KeysError> {
    let version = store.get(&address(&format!("Patient/{id}"))).await?;
    let version = version.unwrap();
    let key = keeper.key(&version.key_id).await?;
    Ok(sealer().open(&key, &BINDING, &version.body.unwrap())?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_patient_stays_erased_when_an_old_copy_of_the_records_is_restored() {
    let site = Site::new();
    let (records, copy) = (
        site.data().join("records.sqlite"),
        site.directory.path().join("copy.sqlite"),
    );
    let (store, keeper) = site.start();
    let owner = store_patient(&*store, &keeper, "a").await;
    store_patient(&*store, &keeper, "b").await;
    assert_eq!(open_patient(&*store, &keeper, "a").await.unwrap(), b"a");
    let id = hex::encode(key_of(&keeper, owner).await.id());
    let wrapped = store.get_document(KEYS, &id, NOW_MS).await.unwrap();
    let wrapped = wrapped.unwrap().body;
    assert!(site.holds(&wrapped));
    store.close().await.unwrap();
    fs::copy(&records, &copy).unwrap();

    let (store, keeper) = site.start();
    assert_eq!(keeper.erase(&owner).await.unwrap(), 1);
    // The writer of the keys has cleaned up when it answers again.
    store.ready().await.unwrap();
    assert!(!site.holds(&wrapped), "the wrapped key is still in a file");
    assert_eq!(
        store
            .erase(&keeper.last_erased(&owner).await.unwrap().unwrap(), NOW_MS)
            .await
            .unwrap(),
        1
    );
    store.close().await.unwrap();

    fs::copy(&copy, &records).unwrap();
    let (store, keeper) = site.start();
    assert!(matches!(
        open_patient(&*store, &keeper, "a").await,
        Err(KeysError::Seal(SealError::Erased))
    ));
    assert_eq!(open_patient(&*store, &keeper, "b").await.unwrap(), b"b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_keys_opens_nothing_once_its_master_generation_is_dropped() {
    let site = Site::new();
    let (keys, copy) = (
        site.data().join("keys.sqlite"),
        site.directory.path().join("copy.sqlite"),
    );
    let (store, keeper) = site.start();
    let owner = store_patient(&*store, &keeper, "a").await;
    store_patient(&*store, &keeper, "b").await;
    let records = site.data().join("records.sqlite");
    store.close().await.unwrap();
    let records_before = fs::read(&records).unwrap();
    fs::copy(&keys, &copy).unwrap();

    let (store, keeper) = site.start();
    keeper.erase(&owner).await.unwrap();
    site.master.add_generation(NOW_MS).unwrap();
    keeper.rotate_master(&|_progress| ()).await.unwrap();
    let status = keeper.status().await.unwrap();
    let in_use: Vec<_> = status.wrapped_by.into_keys().collect();
    let settled_ms = NOW_MS + SETTLING_MS;
    assert_eq!(
        site.master.drop_unused(&in_use, settled_ms).unwrap().len(),
        1
    );
    assert_eq!(open_patient(&*store, &keeper, "b").await.unwrap(), b"b");
    store.close().await.unwrap();

    fs::write(&records, records_before).unwrap();
    fs::copy(&copy, &keys).unwrap();
    let (store, keeper) = site.start();
    assert!(matches!(
        open_patient(&*store, &keeper, "a").await,
        Err(KeysError::Seal(SealError::MasterKey(
            MasterKeyError::UnknownGeneration(_)
        )))
    ));
}
