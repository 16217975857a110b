//! What only the MongoDB store promises: several processes, a server that dies or steps down,
//! collections and indexes as `docs/storage.md` has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use vesta::clock::FixedClock;
use vesta::search::key::Key;
use vesta::search::plan::{Order, Plan, Predicate, Window};
use vesta::store::batch::{Batch, DocumentPut, Expected, KEYS, RESERVATIONS, Reservation};
use vesta::store::mongo::{MongoSettings, MongoStore};
use vesta::store::{HistoryScope, Store, StoreError, Version};

use crate::store::plot::{CREATES, Plot, WRITERS, whole_batches};
use crate::store::sample::{
    OWNER, commit, create, everything, found, key, key_id, kind, next, plan, replace, tombstone,
    version, whole_history,
};
use crate::support::mongod::{Mongod, TestDatabase};
use crate::support::stores::NOW_MS;

/// Long enough for a restarted server to be found again.
const PATIENCE: Duration = Duration::from_secs(30);

fn settings() -> MongoSettings {
    MongoSettings {
        server_selection_ms_max: 400,
        clock: Arc::new(FixedClock::new(NOW_MS)),
        ..MongoSettings::default()
    }
}

async fn open(uri: &str) -> MongoStore {
    MongoStore::open(uri, settings()).await.unwrap()
}

async fn database(uri: &str) -> Database {
    let client = Client::with_uri_str(uri).await.unwrap();
    client.default_database().unwrap()
}

/// Asks until a store is ready again.
async fn recover(store: &MongoStore) {
    let started = std::time::Instant::now();
    while let Err(error) = store.ready().await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(started.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let mongod = Mongod::start_private().await;
    let store = open(&mongod.uri("killed")).await;
    let mut told = BTreeMap::new();
    for (round, acknowledgements) in (0..).zip([1, 40, 120]) {
        let counts = write_and_kill(&mongod, &store, round, acknowledgements).await;
        told.extend(
            (0..)
                .zip(counts)
                .map(|(writer, count)| ((round, writer), count)),
        );
        mongod.start().await;
        recover(&store).await;
        let mut stored = 0;
        for ((round, writer), told) in &told {
            let (round, writer) = (*round, *writer);
            let batches = whole_batches(&store, Plot { round, writer }).await;
            assert!(
                batches == *told || batches == told + 1,
                "{batches} of {told}"
            );
            stored += batches;
        }
        let all = found(&store, Predicate::Key(key(1, b"all"))).await;
        assert_eq!(all.len(), usize::try_from(stored * CREATES).unwrap());
        let count = store.count(&plan(Predicate::All), u64::MAX).await.unwrap();
        let patients = i64::try_from(told.len()).unwrap();
        assert!(i64::try_from(count).unwrap() <= stored * CREATES + patients);
    }
}

/// Lets writers write until they were told of `acknowledgements`, kills the server, and gives how
/// many batches each writer was told are written.
async fn write_and_kill(
    mongod: &Mongod,
    store: &MongoStore,
    round: i64,
    acknowledgements: i64,
) -> Vec<i64> {
    let total = Arc::new(AtomicI64::new(0));
    let writers = (0..WRITERS).map(|writer| {
        let plot = Plot { round, writer };
        tokio::spawn(write_until_refused(store.clone(), plot, Arc::clone(&total)))
    });
    let writers: Vec<_> = writers.collect();
    while total.load(Ordering::SeqCst) < acknowledgements {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    mongod.kill();
    let mut told = Vec::new();
    for writer in writers {
        told.push(writer.await.unwrap());
    }
    told
}

async fn write_until_refused(store: MongoStore, plot: Plot, total: Arc<AtomicI64>) -> i64 {
    let mut patient = None;
    for batch in 0.. {
        let (puts, new) = plot.batch(batch, patient.as_ref());
        match commit(&store, puts).await {
            Ok(()) => total.fetch_add(1, Ordering::SeqCst),
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => return batch,
            Err(other) => panic!("{other}"),
        };
        patient = Some(new);
    }
    unreachable!("writes are refused when the server is gone")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_primary_the_store_is_unavailable_until_there_is_one() {
    let mongod = Mongod::start_private().await;
    let store = open(&mongod.uri("lost")).await;
    let first = version("Patient/a", 1);
    commit(&store, vec![create(&first, &[])]).await.unwrap();

    mongod.stop();
    all_unavailable(&store, &first).await;
    mongod.start().await;
    recover(&store).await;
    assert_eq!(
        store.get(&first.address).await.unwrap(),
        Some(first.clone())
    );

    mongod.step_down(3).await;
    all_unavailable(&store, &first).await;
    recover(&store).await;
    let second = next(&first);
    commit(&store, vec![replace(&first, &second, &[])])
        .await
        .unwrap();
    assert_eq!(store.get(&first.address).await.unwrap(), Some(second));

    store.close().await.unwrap();
    all_unavailable(&store, &first).await;
}

/// Asserts that reads, single writes, transactions and the question for readiness are refused.
async fn all_unavailable(store: &MongoStore, first: &Version) {
    let document = DocumentPut {
        collection: "job".to_owned(),
        id: "a".to_owned(),
        expected: Expected::Anything,
        body: Some(Vec::new()),
        expires_ms: None,
    };
    let (all, window) = (plan(Predicate::All), everything());
    // All at once: each waits for a primary, which may be there again after all in turn.
    let (ready, got, found, put, created, replaced) = tokio::join!(
        store.ready(),
        store.get(&first.address),
        store.find(&all, &window),
        store.put_documents(vec![document]),
        commit(store, vec![create(&version("Patient/x", 8), &[])]),
        commit(store, vec![replace(first, &next(first), &[])]),
    );
    let (got, found) = (got.map(drop), found.map(drop));
    for (which, refusal) in (0..).zip([ready, got, found, put, created, replaced]) {
        assert!(
            matches!(refusal, Err(StoreError::Unavailable(_))),
            "{which}: {refusal:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_in_two_processes_one_wins_a_reservation() {
    let database = TestDatabase::new().await;
    let uri = database.uri();
    // Both make the collections, at the same time.
    let (one, other) = tokio::join!(open(&uri), open(&uri));
    let stores = [one, other];
    for round in 0..3_i64 {
        let tasks = (0..64_i64).map(|writer| {
            let store = stores[usize::try_from(writer % 2).unwrap()].clone();
            tokio::spawn(create_unless_there(store, round, writer))
        });
        let mut created = 0;
        for task in tasks.collect::<Vec<_>>() {
            created += task.await.unwrap();
        }
        assert_eq!(created, 1, "round {round}");
        for store in &stores {
            let driver = Predicate::Key(key(1, &round.to_be_bytes()));
            assert_eq!(found(store, driver).await.len(), 1);
        }
    }
}

/// A conditional create as an interaction does it: read the reservation, search, write, and begin
/// again when somebody else was faster. Gives how many resources it created.
async fn create_unless_there(store: MongoStore, round: i64, writer: i64) -> usize {
    let condition = key(1, &round.to_be_bytes());
    let sequence = round * 1000 + writer;
    let id = format!("condition-{round}");
    for _attempt in 0..100 {
        let read = store.get_document(RESERVATIONS, &id, NOW_MS).await.unwrap();
        if !found(&store, Predicate::Key(condition.clone()))
            .await
            .is_empty()
        {
            return 0;
        }
        let new = version(&format!("Patient/p{sequence}"), sequence);
        let written = store
            .commit(Batch {
                puts: vec![create(&new, std::slice::from_ref(&condition))],
                reservations: vec![Reservation {
                    id: id.clone(),
                    revision: read.map_or(0, |read| read.revision),
                    expires_ms: NOW_MS + 60_000,
                }],
                ..Batch::default()
            })
            .await;
        match written {
            Ok(()) => return 1,
            Err(StoreError::ReservationConflict) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("a writer never came to an end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_transaction_takes_20_000_puts() {
    const COUNT: i64 = 20_000;
    let database = TestDatabase::new().await;
    let store = open(&database.uri()).await;
    let versions: Vec<_> = (1..=COUNT)
        .map(|n| version(&format!("Observation/o{n}"), n))
        .collect();
    let mark = key(1, b"all");
    let puts = versions
        .iter()
        .map(|one| create(one, std::slice::from_ref(&mark)));
    commit(&store, puts.collect()).await.unwrap();
    let all = plan(Predicate::Key(mark));
    assert_eq!(
        store.count(&all, u64::MAX).await.unwrap(),
        COUNT.unsigned_abs()
    );

    // One stale precondition among as many updates, in the last command.
    let mut puts: Vec<_> = versions
        .iter()
        .map(|old| replace(old, &next(old), &[]))
        .collect();
    let last = puts.len() - 1;
    puts[last].supersedes.as_mut().unwrap().version_id = 7;
    let refused = commit(&store, puts.clone()).await;
    assert!(
        matches!(refused, Err(StoreError::VersionConflict(at)) if at == last),
        "{refused:?}"
    );
    assert_eq!(
        store.count(&all, u64::MAX).await.unwrap(),
        COUNT.unsigned_abs()
    );

    puts[last].supersedes.as_mut().unwrap().version_id = 1;
    commit(&store, puts).await.unwrap();
    assert_eq!(store.count(&all, u64::MAX).await.unwrap(), 0);
    let window = whole_history();
    let versions = store
        .count_history(&HistoryScope::System, &window)
        .await
        .unwrap();
    assert_eq!(versions, 2 * COUNT.unsigned_abs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_larger_than_a_document_is_kept_in_parts() {
    let database = TestDatabase::new().await;
    let store = open(&database.uri()).await;
    let mut large = version("Binary/large", 1);
    large.body = Some(
        (0..40_000_000_u32)
            .map(|n| (n >> 7).to_le_bytes()[0])
            .collect(),
    );
    commit(&store, vec![create(&large, &[])]).await.unwrap();
    assert!(store.get(&large.address).await.unwrap() == Some(large.clone()));
    let small = next(&large);
    commit(&store, vec![replace(&large, &small, &[])])
        .await
        .unwrap();
    assert_eq!(store.get(&large.address).await.unwrap(), Some(small));
    assert!(store.get_version(&large.address, 1).await.unwrap() == Some(large.clone()));
    let versions = store
        .history(&HistoryScope::System, &whole_history())
        .await
        .unwrap();
    assert!(versions[1] == large);

    assert_eq!(
        store.erase(&key_id(OWNER, u16::MAX), NOW_MS).await.unwrap(),
        2
    );
    let erased = store.get_version(&large.address, 1).await.unwrap().unwrap();
    assert_eq!(erased.body, None);
    let db = self::database(&database.uri()).await;
    let parts = db
        .collection::<Document>("blob")
        .count_documents(doc! {})
        .await
        .unwrap();
    assert_eq!(parts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_with_an_erased_body_does_not_come_back_through_the_history() {
    let database = TestDatabase::new().await;
    let store = open(&database.uri()).await;
    let first = version("Patient/a", 1);
    commit(&store, vec![create(&first, &[])]).await.unwrap();
    store.erase(&key_id(OWNER, u16::MAX), NOW_MS).await.unwrap();
    let stale = commit(&store, vec![replace(&first, &next(&first), &[])]).await;
    assert!(
        matches!(stale, Err(StoreError::VersionConflict(0))),
        "{stale:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_alone_is_refused_with_what_mends_it() {
    let mongod = Mongod::start_alone().await;
    for options in ["", "?replicaSet=rs0"] {
        let uri = format!("mongodb://127.0.0.1:{}/alone{options}", mongod.port());
        let Err(error) = MongoStore::open(&uri, settings()).await else {
            panic!("a server without transactions was accepted");
        };
        assert!(
            error.to_string().contains("--replSet"),
            "{options}: {error}"
        );
    }
    let Err(error) = MongoStore::open("mongodb://me:secret@[bad", settings()).await else {
        panic!("a bad connection string was accepted");
    };
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_keys_are_in_a_database_of_their_own() {
    let database = TestDatabase::new().await;
    let store = open(&database.uri()).await;
    let put = DocumentPut {
        collection: KEYS.to_owned(),
        id: "owner".to_owned(),
        expected: Expected::Absent,
        body: Some(b"wrapped".to_vec()),
        expires_ms: None,
    };
    store.put_documents(vec![put.clone()]).await.unwrap();
    let job = DocumentPut {
        collection: "job".to_owned(),
        ..put.clone()
    };
    let mixed = store.put_documents(vec![put, job]).await;
    assert!(matches!(mixed, Err(StoreError::Failed(_))), "{mixed:?}");

    let db = self::database(&database.uri()).await;
    let mut names = db.list_collection_names().await.unwrap();
    names.sort();
    assert_eq!(names, ["blob", "doc", "hist", "meta", "res"]);
    let documents = db
        .collection::<Document>("doc")
        .count_documents(doc! {})
        .await
        .unwrap();
    assert_eq!(documents, 0);
    let keys = db.client().database(&format!("{}_keys", db.name()));
    let keys = keys
        .collection::<Document>("key")
        .count_documents(doc! {})
        .await
        .unwrap();
    assert_eq!(keys, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collections_and_indexes_are_as_documented() {
    let database = TestDatabase::new().await;
    drop(open(&database.uri()).await);
    let db = self::database(&database.uri()).await;
    let mut indexes = BTreeMap::new();
    for name in ["res", "hist", "blob", "doc"] {
        let mut cursor = db
            .collection::<Document>(name)
            .list_indexes()
            .await
            .unwrap();
        while cursor.advance().await.unwrap() {
            let index = cursor.deserialize_current().unwrap();
            let mut text = format!("{name} {}", index.keys);
            text.retain(|letter| !letter.is_whitespace() && letter != '"');
            indexes.insert(text, index.options.unwrap_or_default());
        }
    }
    let expected = [
        "blob{_id:1}",
        "blob{e:1}",
        "doc{_id:1}",
        "doc{x:1}",
        "hist{_id:1}",
        "hist{e:1}",
        "hist{y:1,u:-1,n:-1,v:-1}",
        "res{_id:1}",
        "res{c:1,y:1,ds:-1,n:-1}",
        "res{e:1}",
        "res{k:1,n:1}",
        "res{y:1,u:-1,n:-1}",
    ];
    assert_eq!(indexes.keys().collect::<Vec<_>>(), expected);
    assert_eq!(
        indexes["doc{x:1}"].expire_after,
        Some(Duration::from_hours(1))
    );
    let partial = indexes["res{c:1,y:1,ds:-1,n:-1}"]
        .partial_filter_expression
        .as_ref();
    assert_eq!(partial, Some(&doc! { "c": { "$exists": true } }));
    for name in ["res", "hist"] {
        let figures = db.run_command(doc! { "collStats": name }).await.unwrap();
        let engine = figures.get_document("wiredTiger").unwrap();
        let created = engine.get_str("creationString").unwrap();
        assert!(created.contains("block_compressor=zstd"), "{created}");
    }
}

/// What the server's profiler says of the queries that `work` made.
async fn profiled<F: Future<Output = ()>>(db: &Database, work: F) -> Vec<Document> {
    db.run_command(doc! { "profile": 2 }).await.unwrap();
    work.await;
    db.run_command(doc! { "profile": 0 }).await.unwrap();
    let profile = db.collection::<Document>("system.profile");
    let filter =
        doc! { "ns": { "$in": [format!("{}.res", db.name()), format!("{}.hist", db.name())] } };
    let mut cursor = profile.find(filter).await.unwrap();
    let mut queries = Vec::new();
    while cursor.advance().await.unwrap() {
        queries.push(cursor.deserialize_current().unwrap());
    }
    drop(cursor);
    profile.drop().await.unwrap();
    queries
}

fn number(query: &Document, name: &str) -> i64 {
    let value = query.get(name);
    value
        .and_then(|n| n.as_i64().or_else(|| n.as_i32().map(i64::from)))
        .unwrap_or_default()
}

/// A store with many resources, of which one in ten is asked for.
async fn filled(database: &TestDatabase) -> MongoStore {
    let store = open(&database.uri()).await;
    let puts = (1..=500_i64).map(|n| {
        let kinds = ["Observation", "Condition", "Patient"];
        let name = kinds[usize::try_from(n % 3).unwrap()];
        let one = version(&format!("{name}/r{n}"), n);
        let mut put = create(&one, &[key(1, &[u8::try_from(n % 2).unwrap()])]);
        put.entries.compartments = vec![n % 5];
        put
    });
    commit(&store, puts.collect()).await.unwrap();
    let gone = version("Observation/r3", 3);
    let put = replace(&gone, &tombstone(&gone), &[]);
    commit(&store, vec![put]).await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_and_histories_walk_an_index_and_stop_at_their_limit() {
    const LIMIT: usize = 10;
    let database = TestDatabase::new().await;
    let store = filled(&database).await;
    let db = self::database(&database.uri()).await;
    let window = |order| Window {
        order,
        limit: LIMIT,
        ..everything()
    };
    let keys = vec![Predicate::Key(key(1, &[0])), Predicate::Key(key(1, &[1]))];
    let patients = Predicate::Key(Key::of_type(kind("Patient")));
    let even = Predicate::Key(key(1, &[0]));
    let streamed = [
        (plan(even.clone()), 10),
        (plan(Predicate::Or(keys)), 10),
        (plan(Predicate::All), 10),
        (
            Plan {
                residual: even,
                ..plan(patients)
            },
            64,
        ),
    ];
    for (plan, examined_max) in streamed {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let work = async {
                let page = store.find(&plan, &window(order)).await.unwrap();
                assert_eq!(page.versions.len(), LIMIT, "{plan:?}");
            };
            for query in profiled(&db, work).await {
                assert!(!query.contains_key("hasSortStage"), "{plan:?}: {query}");
                assert!(
                    number(&query, "docsExamined") <= examined_max,
                    "{plan:?}: {query}"
                );
            }
        }
    }
    for scope in [HistoryScope::System, HistoryScope::Type(kind("Patient"))] {
        let work = async {
            let mut window = whole_history();
            window.limit = LIMIT;
            let page = store.history(&scope, &window).await.unwrap();
            assert_eq!(page.len(), LIMIT, "{scope:?}");
        };
        for query in profiled(&db, work).await {
            assert!(!query.contains_key("hasSortStage"), "{scope:?}: {query}");
            assert!(number(&query, "docsExamined") <= 10, "{scope:?}: {query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_look_at_no_document() {
    let database = TestDatabase::new().await;
    let store = filled(&database).await;
    let db = self::database(&database.uri()).await;
    let count = profiled(&db, async {
        let odd = plan(Predicate::Key(key(1, &[1])));
        assert_eq!(store.count(&odd, 1000).await.unwrap(), 249);
    });
    for query in count.await {
        assert_eq!(number(&query, "docsExamined"), 0, "{query}");
    }
}
