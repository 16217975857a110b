//! Small documents: preconditions, revisions, expiry, listing.

use std::sync::Arc;

use vesta::store::batch::{Document, DocumentPut, Expected, KEYS};
use vesta::store::{Store, StoreError};

use crate::support::stores::{NOW_MS, OpenStore};

on_every_store!(
    a_document_comes_back_with_its_revision,
    preconditions_are_kept,
    one_failed_precondition_writes_nothing,
    a_deleted_document_is_absent,
    an_expired_document_is_absent,
    documents_are_listed_in_the_order_of_their_ids,
    collections_are_apart,
    keys_are_kept_and_listed_like_other_documents,
    of_many_writers_of_one_revision_one_wins,
    documents_are_there_after_reopening,
);

fn put(collection: &str, id: &str, expected: Expected, body: &[u8]) -> DocumentPut {
    DocumentPut {
        collection: collection.to_owned(),
        id: id.to_owned(),
        expected,
        body: Some(body.to_vec()),
        expires_ms: None,
    }
}

fn delete(collection: &str, id: &str, expected: Expected) -> DocumentPut {
    DocumentPut {
        body: None,
        ..put(collection, id, expected, b"")
    }
}

fn document(id: &str, revision: i64, body: &[u8]) -> Document {
    Document {
        id: id.to_owned(),
        revision,
        body: body.to_vec(),
        expires_ms: None,
    }
}

async fn read(store: &dyn Store, collection: &str, id: &str) -> Option<Document> {
    store.get_document(collection, id, NOW_MS).await.unwrap()
}

fn is_refused(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::ReservationConflict))
}

async fn a_document_comes_back_with_its_revision(open: OpenStore) {
    let store = &*open.store;
    assert_eq!(read(store, "job", "a").await, None);
    for revision in 1..=3 {
        let body = format!("state {revision}").into_bytes();
        let write = put("job", "a", Expected::Anything, &body);
        store.put_documents(vec![write]).await.unwrap();
        assert_eq!(
            read(store, "job", "a").await,
            Some(document("a", revision, &body))
        );
    }
}

async fn preconditions_are_kept(open: OpenStore) {
    let store = &*open.store;
    let write = |expected| store.put_documents(vec![put("job", "a", expected, b"x")]);
    assert!(is_refused(&write(Expected::Revision(1)).await));
    write(Expected::Absent).await.unwrap();
    assert!(is_refused(&write(Expected::Absent).await));
    assert!(is_refused(&write(Expected::Revision(2)).await));
    write(Expected::Revision(1)).await.unwrap();
    assert!(is_refused(&write(Expected::Revision(1)).await));
    assert_eq!(read(store, "job", "a").await, Some(document("a", 2, b"x")));
}

async fn one_failed_precondition_writes_nothing(open: OpenStore) {
    let store = &*open.store;
    let puts = vec![
        put("job", "a", Expected::Absent, b"a"),
        put("lock", "b", Expected::Revision(4), b"b"),
        put("job", "c", Expected::Absent, b"c"),
    ];
    assert!(is_refused(&store.put_documents(puts).await));
    for (collection, id) in [("job", "a"), ("lock", "b"), ("job", "c")] {
        assert_eq!(read(store, collection, id).await, None);
    }
}

async fn a_deleted_document_is_absent(open: OpenStore) {
    let store = &*open.store;
    let write = put("job", "a", Expected::Anything, b"x");
    store.put_documents(vec![write.clone()]).await.unwrap();
    let stale = delete("job", "a", Expected::Revision(9));
    assert!(is_refused(&store.put_documents(vec![stale]).await));
    let right = delete("job", "a", Expected::Revision(1));
    store.put_documents(vec![right]).await.unwrap();
    assert_eq!(read(store, "job", "a").await, None);
    let absent = delete("job", "a", Expected::Anything);
    store.put_documents(vec![absent]).await.unwrap();
    store.put_documents(vec![write]).await.unwrap();
    assert_eq!(read(store, "job", "a").await, Some(document("a", 1, b"x")));
}

async fn an_expired_document_is_absent(open: OpenStore) {
    let store = &*open.store;
    let mut write = put("session", "a", Expected::Absent, b"old");
    write.expires_ms = Some(NOW_MS + 1000);
    store.put_documents(vec![write.clone()]).await.unwrap();
    let before = store
        .get_document("session", "a", NOW_MS + 999)
        .await
        .unwrap();
    assert_eq!(before.unwrap().expires_ms, Some(NOW_MS + 1000));
    let then = store
        .get_document("session", "a", NOW_MS + 1000)
        .await
        .unwrap();
    assert_eq!(then, None);
    assert!(is_refused(&store.put_documents(vec![write.clone()]).await));

    open.clock.advance_ms(1000);
    let listed = store.find_documents("session", None, 10).await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
    let stale = put("session", "a", Expected::Revision(1), b"stale");
    assert!(is_refused(&store.put_documents(vec![stale]).await));
    write.expires_ms = None;
    write.body = Some(b"new".to_vec());
    store.put_documents(vec![write]).await.unwrap();
    assert_eq!(
        read(store, "session", "a").await,
        Some(document("a", 1, b"new"))
    );
}

async fn documents_are_listed_in_the_order_of_their_ids(open: OpenStore) {
    let store = &*open.store;
    let ids = ["b", "a/2", "c", "a", "B", "a-1"];
    let puts = ids.map(|id| put("client", id, Expected::Absent, id.as_bytes()));
    store.put_documents(puts.to_vec()).await.unwrap();
    let mut after: Option<String> = None;
    let mut seen = Vec::new();
    loop {
        let page = store
            .find_documents("client", after.as_deref(), 2)
            .await
            .unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        seen.extend(page);
    }
    let expected = ["B", "a", "a-1", "a/2", "b", "c"];
    let expected = expected.map(|id| document(id, 1, id.as_bytes()));
    assert_eq!(seen, expected);
}

async fn collections_are_apart(open: OpenStore) {
    let store = &*open.store;
    let puts = vec![
        put("a", "x", Expected::Absent, b"1"),
        put("b", "x", Expected::Absent, b"2"),
    ];
    store.put_documents(puts).await.unwrap();
    assert_eq!(read(store, "a", "x").await, Some(document("x", 1, b"1")));
    assert_eq!(read(store, "b", "x").await, Some(document("x", 1, b"2")));
    let listed = store.find_documents("a", None, 10).await.unwrap();
    assert_eq!(listed, [document("x", 1, b"1")]);
    assert!(
        store
            .find_documents("c", None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn keys_are_kept_and_listed_like_other_documents(open: OpenStore) {
    let store = &*open.store;
    let puts = vec![
        put(KEYS, "k1", Expected::Absent, b"wrapped 1"),
        put(KEYS, "k2", Expected::Absent, b"wrapped 2"),
    ];
    store.put_documents(puts).await.unwrap();
    assert_eq!(
        read(store, KEYS, "k2").await,
        Some(document("k2", 1, b"wrapped 2"))
    );
    let again = put(KEYS, "k1", Expected::Absent, b"other");
    assert!(is_refused(&store.put_documents(vec![again]).await));
    let gone = delete(KEYS, "k1", Expected::Anything);
    store.put_documents(vec![gone]).await.unwrap();
    let listed = store.find_documents(KEYS, None, 10).await.unwrap();
    assert_eq!(listed, [document("k2", 1, b"wrapped 2")]);
}

async fn of_many_writers_of_one_revision_one_wins(open: OpenStore) {
    let first = put("lease", "a", Expected::Absent, b"0");
    open.store.put_documents(vec![first]).await.unwrap();
    for revision in 1..=4 {
        let tasks = (0..64_u8).map(|writer| {
            let store = Arc::clone(&open.store);
            let write = put("lease", "a", Expected::Revision(revision), &[writer]);
            tokio::spawn(async move { (store.put_documents(vec![write]).await, writer) })
        });
        let mut winners = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            match task.await.unwrap() {
                (Ok(()), writer) => winners.push(writer),
                (Err(StoreError::ReservationConflict), _) => {}
                (Err(other), _) => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1);
        let expected = document("a", revision + 1, &winners);
        assert_eq!(read(&*open.store, "lease", "a").await, Some(expected));
    }
}

async fn documents_are_there_after_reopening(mut open: OpenStore) {
    let key = put(KEYS, "k", Expected::Absent, b"wrapped");
    open.store.put_documents(vec![key]).await.unwrap();
    let job = put("job", "j", Expected::Absent, b"state");
    open.store.put_documents(vec![job]).await.unwrap();
    open.reopen().await;
    assert_eq!(
        read(&*open.store, KEYS, "k").await,
        Some(document("k", 1, b"wrapped"))
    );
    assert_eq!(
        read(&*open.store, "job", "j").await,
        Some(document("j", 1, b"state"))
    );
}
