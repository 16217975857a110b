//! Erasure: nothing of an owner is left but that something was there.

use vesta::search::plan::Predicate;
use vesta::store::{HistoryScope, Method, Version};

use crate::store::sample::{
    OWNER, commit, create, found, key, key_id, next, plan, replace, tombstone, version,
    whole_history,
};
use crate::support::stores::{NOW_MS, OpenStore};

on_every_store!(
    erasing_an_owner_empties_every_version_of_it,
    superseded_versions_of_deleted_resources_are_emptied,
    other_owners_are_left_alone,
    an_erased_resource_can_be_written_again,
);

const ERASED_MS: i64 = NOW_MS + 1_000_000;

async fn erasing_an_owner_empties_every_version_of_it(open: OpenStore) {
    let store = &*open.store;
    let name = key(1, b"name");
    let first = version("Patient/a", 1);
    let mut second = next(&first);
    second.key_id = key_id(OWNER, 2);
    let mut puts = [
        create(&first, std::slice::from_ref(&name)),
        replace(&first, &second, std::slice::from_ref(&name)),
    ];
    for put in &mut puts {
        put.entries.compartments = vec![7];
        commit(store, vec![put.clone()]).await.unwrap();
    }
    assert_eq!(
        store
            .erase(&key_id(OWNER, u16::MAX), ERASED_MS)
            .await
            .unwrap(),
        2
    );

    let current = store.get(&first.address).await.unwrap();
    let erased = Version {
        last_updated_ms: ERASED_MS,
        method: Method::Delete,
        key_id: [0; 16],
        body: None,
        ..second
    };
    assert_eq!(current, Some(erased));
    for driver in [
        Predicate::Key(name),
        Predicate::Compartment(7),
        Predicate::All,
    ] {
        assert!(found(store, driver.clone()).await.is_empty(), "{driver:?}");
        assert_eq!(store.count(&plan(driver), 9).await.unwrap(), 0);
    }
    let window = whole_history();
    let history = store.history(&HistoryScope::System, &window).await.unwrap();
    assert_eq!(history.len(), 2);
    assert!(history.iter().all(|one| one.body.is_none()));
    assert_eq!(
        store
            .erase(&key_id(OWNER, u16::MAX), ERASED_MS)
            .await
            .unwrap(),
        0
    );
}

async fn superseded_versions_of_deleted_resources_are_emptied(open: OpenStore) {
    let store = &*open.store;
    let deleted = version("Observation/d", 2);
    let gone = tombstone(&deleted);
    commit(store, vec![create(&deleted, &[])]).await.unwrap();
    let put = replace(&deleted, &gone, &[]);
    commit(store, vec![put]).await.unwrap();
    assert_eq!(
        store
            .erase(&key_id(OWNER, u16::MAX), ERASED_MS)
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.get(&deleted.address).await.unwrap(), Some(gone));
    let old = store.get_version(&deleted.address, 1).await.unwrap();
    assert_eq!(old.unwrap().body, None);
    assert_eq!(
        store
            .erase(&key_id(OWNER, u16::MAX), ERASED_MS)
            .await
            .unwrap(),
        0
    );
}

async fn other_owners_are_left_alone(open: OpenStore) {
    let store = &*open.store;
    let mut owners = [OWNER; 3];
    owners[1][13] -= 1;
    owners[2][13] += 1;
    let name = key(1, b"name");
    let mut written = Vec::new();
    for (owner, sequence) in owners.into_iter().zip(1..) {
        let mut one = version(&format!("Patient/p{sequence}"), sequence);
        one.key_id = key_id(owner, u16::MAX);
        let put = create(&one, std::slice::from_ref(&name));
        commit(store, vec![put]).await.unwrap();
        written.push(one);
    }
    assert_eq!(
        store
            .erase(&key_id(OWNER, u16::MAX), ERASED_MS)
            .await
            .unwrap(),
        1
    );
    assert_eq!(found(store, Predicate::Key(name)).await, ["p3", "p2"]);
    for one in written.into_iter().skip(1) {
        assert_eq!(store.get(&one.address).await.unwrap(), Some(one));
    }
    assert_eq!(
        store
            .erase(&key_id(*b"nobody's-owner", 9), ERASED_MS)
            .await
            .unwrap(),
        0
    );
}

async fn an_erased_resource_can_be_written_again(open: OpenStore) {
    let store = &*open.store;
    let first = version("Patient/a", 1);
    commit(store, vec![create(&first, &[key(1, b"old")])])
        .await
        .unwrap();
    store
        .erase(&key_id(OWNER, u16::MAX), ERASED_MS)
        .await
        .unwrap();
    let erased = store.get(&first.address).await.unwrap().unwrap();
    let back = next(&erased);
    let put = replace(&erased, &back, &[key(1, b"new")]);
    commit(store, vec![put]).await.unwrap();
    assert_eq!(store.get(&first.address).await.unwrap(), Some(back));
    assert_eq!(found(store, Predicate::Key(key(1, b"new"))).await, ["a"]);
    assert!(
        found(store, Predicate::Key(key(1, b"old")))
            .await
            .is_empty()
    );
}
