//! What only the embedded store promises: one process, its files, a limit on their size.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;
use vesta::clock::FixedClock;
use vesta::search::plan::Predicate;
use vesta::store::batch::{DocumentPut, Expected, KEYS, Put};
use vesta::store::embedded::{EmbeddedSettings, EmbeddedStore};
use vesta::store::{Store, StoreError};

use crate::store::sample::{
    OWNER, commit, create, found, key, key_id, next, replace, tombstone, version,
};
use crate::support::stores::NOW_MS;

fn open(path: &Path, change: impl FnOnce(&mut EmbeddedSettings)) -> EmbeddedStore {
    let mut settings = EmbeddedSettings {
        clock: Arc::new(FixedClock::new(NOW_MS)),
        ..EmbeddedSettings::default()
    };
    change(&mut settings);
    EmbeddedStore::open(path, settings).unwrap()
}

fn refusal(path: &Path) -> String {
    match EmbeddedStore::open(path, EmbeddedSettings::default()) {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error.to_string(),
    }
}

/// Which files of a directory hold these bytes.
fn files_with(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        if bytes.windows(needle.len()).any(|window| window == needle) {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}

fn key_put(id: &str, expected: Expected, body: Option<&[u8]>) -> DocumentPut {
    DocumentPut {
        collection: KEYS.to_owned(),
        id: id.to_owned(),
        expected,
        body: body.map(<[u8]>::to_vec),
        expires_ms: None,
    }
}

#[tokio::test]
async fn a_directory_belongs_to_one_store() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |_| {});
    let text = refusal(directory.path());
    assert!(text.contains("another process has the store"), "{text}");
    store.close().await.unwrap();
    open(directory.path(), |_| {}).close().await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = TempDir::new().unwrap();
    open(directory.path(), |_| {}).close().await.unwrap();
    let file = directory.path().join("records.sqlite");
    let update = "UPDATE meta SET value = 2 WHERE name = 'schema_version'";
    Connection::open(file).unwrap().execute(update, []).unwrap();
    let text = refusal(directory.path());
    assert!(text.contains("schema 2"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_store_is_damaged() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("records.sqlite"), vec![b'x'; 9000]).unwrap();
    let text = refusal(directory.path());
    assert!(text.contains("damaged"), "{text}");
}

#[tokio::test]
async fn data_keys_are_in_a_file_of_their_own() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |_| {});
    let put = key_put("owner", Expected::Absent, Some(b"the wrapped data key"));
    store.put_documents(vec![put.clone()]).await.unwrap();
    let mut other = put.clone();
    other.collection = "job".to_owned();
    let mixed = store.put_documents(vec![put, other]).await;
    assert!(matches!(mixed, Err(StoreError::Failed(_))), "{mixed:?}");
    store.close().await.unwrap();
    let found = files_with(directory.path(), b"the wrapped data key");
    assert_eq!(found, ["keys.sqlite"]);
}

#[tokio::test]
async fn a_deleted_data_key_leaves_the_files() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |_| {});
    for id in ["a", "b", "c"] {
        let body = format!("the wrapped data key {id}");
        let put = key_put(id, Expected::Absent, Some(body.as_bytes()));
        store.put_documents(vec![put]).await.unwrap();
    }
    let put = key_put("b", Expected::Anything, None);
    store.put_documents(vec![put]).await.unwrap();
    let put = key_put("c", Expected::Revision(1), Some(b"wrapped anew"));
    store.put_documents(vec![put]).await.unwrap();
    // The writer answers before it cleans up, and cleans up before it answers again.
    store.ready().await.unwrap();
    for gone in ["the wrapped data key b", "the wrapped data key c"] {
        let files = files_with(directory.path(), gone.as_bytes());
        assert!(files.is_empty(), "{gone} in {files:?}");
    }
    let files = files_with(directory.path(), b"the wrapped data key a");
    assert_eq!(files, ["keys.sqlite"]);
    store.close().await.unwrap();
}

#[tokio::test]
async fn erased_bodies_and_keys_leave_the_files() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |_| {});
    let large = |mark: &str| mark.as_bytes().repeat(4000);
    let mut first = version("Patient/a", 1);
    first.body = Some(large("first body").into());
    let mut second = next(&first);
    second.body = Some(large("second body").into());
    let searched = key(1, b"erased key value");
    let put = create(&first, std::slice::from_ref(&searched));
    commit(&store, vec![put]).await.unwrap();
    let put = replace(&first, &second, std::slice::from_ref(&searched));
    commit(&store, vec![put]).await.unwrap();
    let needles = ["first body", "second body", "erased key value"];
    for needle in needles {
        assert!(!files_with(directory.path(), needle.as_bytes()).is_empty());
    }
    assert_eq!(
        store.erase(&key_id(OWNER, u16::MAX), NOW_MS).await.unwrap(),
        2
    );
    for needle in needles {
        let files = files_with(directory.path(), needle.as_bytes());
        assert!(files.is_empty(), "{needle} in {files:?}");
    }
    store.check().await.unwrap();
    store.close().await.unwrap();
}

/// A batch of so many resources of about 5 kB each.
fn bulk(first: i64, count: i64) -> Vec<Put> {
    let puts = (first..first + count).map(|n| {
        let mut one = version(&format!("Observation/o{n}"), n);
        one.body = Some(n.to_le_bytes().repeat(600).into());
        create(&one, &[key(1, &[7]), key(2, &n.to_be_bytes())])
    });
    puts.collect()
}

/// Writes batches until one is refused; gives how many resources there are then, and why.
async fn fill(store: &EmbeddedStore, first: i64, count: i64) -> (i64, StoreError) {
    let mut next = first;
    loop {
        match commit(store, bulk(next, count)).await {
            Ok(()) => next += count,
            Err(error) => return (next, error),
        }
        assert!(next < 1000, "the limit does not hold");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |settings| {
        settings.records_bytes_max = Some(2 << 20);
    });
    store.ready().await.unwrap();
    let (full, failed) = fill(&store, 0, 20).await;
    assert!(matches!(failed, StoreError::Unavailable(_)), "{failed:?}");
    assert!(full > 60);
    let searched = Predicate::Key(key(1, &[7]));
    assert_eq!(
        found(&store, searched.clone()).await.len() as u64,
        full.unsigned_abs()
    );
    assert_eq!(store.check().await.unwrap().resources, full.unsigned_abs());

    // What is small may still fit; then nothing does, and the store says so.
    let (full, _) = fill(&store, full, 1).await;
    let ready = store.ready().await;
    assert!(
        matches!(ready, Err(StoreError::Unavailable(_))),
        "{ready:?}"
    );

    store.limit_records(None).await.unwrap();
    store.ready().await.unwrap();
    commit(&store, bulk(full, 20)).await.unwrap();
    let report = store.check().await.unwrap();
    assert_eq!(report.resources, full.unsigned_abs() + 20);
}

#[tokio::test]
async fn one_broken_write_does_not_take_its_group_along() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path(), |_| {}));
    // A sequence that another resource has is no conflict but an error of the caller.
    let taken = create(&version("Patient/taken", 1), &[]);
    commit(&*store, vec![taken]).await.unwrap();
    let tasks = (0..48_i64).map(|n| {
        let store = Arc::clone(&store);
        let sequence = if n % 8 == 0 { 1 } else { 100 + n };
        let put = create(&version(&format!("Patient/p{n}"), sequence), &[]);
        tokio::spawn(async move { (n, commit(&*store, vec![put]).await) })
    });
    for task in tasks.collect::<Vec<_>>() {
        let (n, result) = task.await.unwrap();
        match result {
            Ok(()) => assert_ne!(n % 8, 0),
            Err(StoreError::Failed(_)) => assert_eq!(n % 8, 0),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(found(&*store, Predicate::All).await.len(), 43);
    store.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_emptied_while_reads_overlap() {
    const BATCHES_MAX: i64 = 1000;
    let directory = TempDir::new().unwrap();
    let pages: u32 = 100;
    let store = open(directory.path(), |settings| {
        settings.checkpoint_pages = pages;
    });
    let store = Arc::new(store);
    commit(&*store, bulk(0, 20)).await.unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers = (0..4).map(|_reader| {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(
                    found(&*store, Predicate::Key(key(1, &[7]))).await.len() % 20,
                    0
                );
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let log = directory.path().join("records.sqlite-wal");
    // How large it gets until then depends on when readers are given the processor.
    let (mut before, mut is_emptied, mut batch) = (0, false, 1);
    while !is_emptied && batch < BATCHES_MAX {
        commit(&*store, bulk(batch * 20, 20)).await.unwrap();
        let now = std::fs::metadata(&log).unwrap().len();
        is_emptied = now < before;
        before = now;
        batch += 1;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(is_emptied, "not in {batch} batches");
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_is_done() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |_| {});
    let one = version("Patient/a", 1);
    let mut write = Box::pin(commit(&store, vec![create(&one, &[])]));
    // It is queued when it is first asked how far it is.
    assert!(futures::poll!(write.as_mut()).is_pending());
    drop(write);
    store.ready().await.unwrap();
    assert_eq!(store.get(&one.address).await.unwrap(), Some(one));
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |settings| settings.body_bytes_max = 1000);
    let mut one = version("Binary/a", 1);
    one.body = Some(vec![1; 1001].into());
    let refused = commit(&store, vec![create(&one, &[])]).await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge(_))),
        "{refused:?}"
    );
    one.body = Some(vec![1; 1000].into());
    commit(&store, vec![create(&one, &[])]).await.unwrap();
}

#[tokio::test]
async fn reads_work_off_the_calling_thread_too() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path(), |settings| {
        settings.short_reads_inline = false;
    });
    let first = version("Patient/a", 1);
    let second = next(&first);
    commit(&store, vec![create(&first, &[])]).await.unwrap();
    commit(&store, vec![replace(&first, &second, &[])])
        .await
        .unwrap();
    let address = &first.address;
    assert_eq!(store.get(address).await.unwrap().as_ref(), Some(&second));
    let both = [address.clone(), address.clone()];
    assert_eq!(
        store.get_many(&both).await.unwrap(),
        [second.clone(), second]
    );
    assert_eq!(store.get_version(address, 1).await.unwrap(), Some(first));
    assert_eq!(store.get_document("a", "b", NOW_MS).await.unwrap(), None);
}

#[tokio::test]
async fn a_check_sees_what_does_not_agree() {
    let breakages = [
        "DELETE FROM post WHERE rid = 2",
        "INSERT INTO post(k, rid) VALUES (x'0102', 1)",
        "DELETE FROM cmp",
        "UPDATE hist SET v = 9",
        "DELETE FROM res WHERE rid = 3",
    ];
    for breakage in breakages {
        let directory = TempDir::new().unwrap();
        let store = open(directory.path(), |_| {});
        for sequence in 1..=3 {
            let one = version(&format!("Patient/p{sequence}"), sequence);
            let mut put = create(&one, &[key(1, &[1])]);
            put.entries.compartments = vec![5];
            commit(&store, vec![put]).await.unwrap();
            let gone = replace(&one, &tombstone(&one), &[]);
            if sequence == 3 {
                commit(&store, vec![gone]).await.unwrap();
            }
        }
        let report = store.check().await.unwrap();
        assert_eq!((report.resources, report.superseded), (3, 1));
        assert_eq!(report.entries, 6);
        let file = Connection::open(directory.path().join("records.sqlite")).unwrap();
        file.execute(breakage, []).unwrap();
        let damaged = store.check().await;
        assert!(matches!(damaged, Err(StoreError::Damaged(_))), "{breakage}");
    }
}
