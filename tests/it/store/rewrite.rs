//! Rewrites: a current version with other index entries or another body, and no new version.

use vesta::search::key::{Entries, Key};
use vesta::search::plan::Predicate;
use vesta::store::batch::{Batch, Resealed, Rewrite};
use vesta::store::{HistoryScope, Store, StoreError, Version};

use crate::store::sample::{
    commit, create, entries, found, key, key_id, kind, next, replace, tombstone, version,
    whole_history,
};
use crate::support::stores::OpenStore;

on_every_store!(
    other_entries_leave_the_version_as_it_is,
    another_body_keeps_the_number_of_the_version,
    compartments_come_and_go,
    a_rewrite_of_what_was_superseded_is_a_conflict,
    of_two_rewrites_of_one_version_the_second_is_a_conflict,
    an_update_that_did_not_see_a_rewrite_is_a_conflict,
    one_conflict_among_many_writes_nothing,
    a_tombstone_is_not_rewritten,
);

fn reindexed(read: &Version, keys: &[Key]) -> Rewrite {
    Rewrite {
        read: read.clone(),
        entries: entries(read, keys, &[]),
        body: None,
    }
}

fn resealed(read: &Version, keys: &[Key]) -> Rewrite {
    Rewrite {
        body: Some(Resealed {
            body: b"sealed again".to_vec(),
            key_id: key_id(*b"another-owner-", 2),
            last_updated_ms: read.last_updated_ms + 1,
        }),
        ..reindexed(read, keys)
    }
}

async fn rewrite(store: &dyn Store, rewrites: Vec<Rewrite>) -> Result<(), StoreError> {
    let batch = Batch {
        rewrites,
        ..Batch::default()
    };
    store.commit(batch).await
}

fn assert_conflict(result: Result<(), StoreError>, place: usize) {
    match result {
        Err(StoreError::VersionConflict(at)) => assert_eq!(at, place),
        other => panic!("{other:?}"),
    }
}

async fn history_length(store: &dyn Store) -> usize {
    let scope = HistoryScope::System;
    store.history(&scope, &whole_history()).await.unwrap().len()
}

async fn other_entries_leave_the_version_as_it_is(open: OpenStore) {
    let store = &*open.store;
    let (one, two) = (version("Patient/one", 1), version("Patient/two", 2));
    let (old, new) = (key(7, b"old"), key(8, b"new"));
    let puts = vec![
        create(&one, std::slice::from_ref(&old)),
        create(&two, std::slice::from_ref(&old)),
    ];
    commit(store, puts).await.unwrap();
    rewrite(store, vec![reindexed(&one, std::slice::from_ref(&new))])
        .await
        .unwrap();
    assert_eq!(found(store, Predicate::Key(old)).await, ["two"]);
    assert_eq!(found(store, Predicate::Key(new)).await, ["one"]);
    let of_type = Key::of_type(kind("Patient"));
    assert_eq!(found(store, Predicate::Key(of_type)).await, ["two", "one"]);
    assert_eq!(store.get(&one.address).await.unwrap(), Some(one));
    assert_eq!(history_length(store).await, 2);
}

async fn another_body_keeps_the_number_of_the_version(open: OpenStore) {
    let store = &*open.store;
    let first = version("Patient/one", 1);
    commit(store, vec![create(&first, &[])]).await.unwrap();
    let second = next(&first);
    commit(store, vec![replace(&first, &second, &[])])
        .await
        .unwrap();
    rewrite(store, vec![resealed(&second, &[key(7, b"x")])])
        .await
        .unwrap();
    let expected = Version {
        body: Some(b"sealed again".to_vec().into()),
        key_id: key_id(*b"another-owner-", 2),
        last_updated_ms: second.last_updated_ms + 1,
        ..second.clone()
    };
    let address = &second.address;
    assert_eq!(store.get(address).await.unwrap().as_ref(), Some(&expected));
    let read = store.get_version(address, 2).await.unwrap();
    assert_eq!(read.as_ref(), Some(&expected));
    let superseded = store.get_version(address, 1).await.unwrap();
    assert_eq!(superseded, Some(first));
    let scope = HistoryScope::Instance(address.clone());
    let history = store.history(&scope, &whole_history()).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history.first(), Some(&expected));
    let third = next(&expected);
    commit(store, vec![replace(&expected, &third, &[])])
        .await
        .unwrap();
    let read = store.get_version(address, 2).await.unwrap();
    assert_eq!(read, Some(expected));
}

async fn compartments_come_and_go(open: OpenStore) {
    let store = &*open.store;
    let one = version("Observation/one", 1);
    commit(store, vec![create(&one, &[])]).await.unwrap();
    let of = |compartments: &[i64]| Rewrite {
        read: one.clone(),
        entries: Entries {
            date_ms: 77,
            ..entries(&one, &[], compartments)
        },
        body: None,
    };
    let within = |owner| found(store, Predicate::Compartment(owner));
    rewrite(store, vec![of(&[5, 6])]).await.unwrap();
    assert_eq!(within(5).await, ["one"]);
    rewrite(store, vec![of(&[6])]).await.unwrap();
    assert!(within(5).await.is_empty());
    assert_eq!(within(6).await, ["one"]);
    rewrite(store, vec![of(&[])]).await.unwrap();
    assert!(within(6).await.is_empty());
}

async fn a_rewrite_of_what_was_superseded_is_a_conflict(open: OpenStore) {
    let store = &*open.store;
    let first = version("Patient/one", 1);
    commit(store, vec![create(&first, &[])]).await.unwrap();
    let second = next(&first);
    commit(store, vec![replace(&first, &second, &[key(7, b"new")])])
        .await
        .unwrap();
    let late = rewrite(store, vec![reindexed(&first, &[key(7, b"old")])]).await;
    assert_conflict(late, 0);
    assert!(
        found(store, Predicate::Key(key(7, b"old")))
            .await
            .is_empty()
    );
    assert_eq!(found(store, Predicate::Key(key(7, b"new"))).await, ["one"]);
    let absent = rewrite(store, vec![reindexed(&version("Patient/no", 3), &[])]).await;
    assert_conflict(absent, 0);
}

async fn of_two_rewrites_of_one_version_the_second_is_a_conflict(open: OpenStore) {
    let store = &*open.store;
    let one = version("Patient/one", 1);
    commit(store, vec![create(&one, &[])]).await.unwrap();
    rewrite(store, vec![resealed(&one, &[])]).await.unwrap();
    assert_conflict(rewrite(store, vec![resealed(&one, &[])]).await, 0);
    assert_conflict(rewrite(store, vec![reindexed(&one, &[])]).await, 0);
}

async fn an_update_that_did_not_see_a_rewrite_is_a_conflict(open: OpenStore) {
    let store = &*open.store;
    let one = version("Patient/one", 1);
    commit(store, vec![create(&one, &[])]).await.unwrap();
    rewrite(store, vec![resealed(&one, &[])]).await.unwrap();
    let blind = commit(store, vec![replace(&one, &next(&one), &[])]).await;
    assert_conflict(blind, 0);
    let stored = store.get(&one.address).await.unwrap().unwrap();
    assert_eq!(stored.body.as_deref(), Some(&b"sealed again"[..]));
    commit(store, vec![replace(&stored, &next(&stored), &[])])
        .await
        .unwrap();
}

async fn one_conflict_among_many_writes_nothing(open: OpenStore) {
    let store = &*open.store;
    let (one, two) = (version("Patient/one", 1), version("Patient/two", 2));
    commit(store, vec![create(&one, &[]), create(&two, &[])])
        .await
        .unwrap();
    commit(store, vec![replace(&two, &next(&two), &[])])
        .await
        .unwrap();
    let new = key(7, b"new");
    let batch = Batch {
        puts: vec![create(&version("Patient/three", 3), &[])],
        rewrites: vec![
            reindexed(&one, std::slice::from_ref(&new)),
            reindexed(&two, std::slice::from_ref(&new)),
        ],
        ..Batch::default()
    };
    assert_conflict(store.commit(batch).await, 2);
    assert!(found(store, Predicate::Key(new)).await.is_empty());
    let three = version("Patient/three", 3).address;
    assert_eq!(store.get(&three).await.unwrap(), None);
}

async fn a_tombstone_is_not_rewritten(open: OpenStore) {
    let store = &*open.store;
    let one = version("Patient/one", 1);
    commit(store, vec![create(&one, &[])]).await.unwrap();
    let gone = tombstone(&one);
    commit(store, vec![replace(&one, &gone, &[])])
        .await
        .unwrap();
    let refused = rewrite(store, vec![reindexed(&gone, &[])]).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert!(found(store, Predicate::All).await.is_empty());
}
