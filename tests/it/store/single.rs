//! Single versions: create, read, update, conflict, tombstone, recreation, version read.

use vesta::search::key::Key;
use vesta::search::plan::{Plan, Predicate};
use vesta::store::{Method, StoreError};

use crate::store::sample::{
    address, commit, create, everything, found, key, next, plan, replace, tombstone, version,
};
use crate::support::stores::OpenStore;

on_every_store!(
    a_created_version_comes_back_as_written,
    what_was_never_written_is_absent,
    get_many_leaves_out_the_absent,
    an_update_needs_the_current_version,
    a_create_needs_an_unused_address,
    an_update_moves_the_index_entries,
    a_tombstone_stays_readable_and_leaves_the_index,
    a_deleted_resource_comes_back,
    every_version_can_be_read,
    equal_ids_of_two_types_are_two_resources,
    a_large_body_comes_back,
    reopening_keeps_everything,
    gauges_and_readiness_tell_of_an_open_store,
);

async fn a_created_version_comes_back_as_written(open: OpenStore) {
    let mut written = version("Patient/a", 7);
    for (index, method) in [Method::Post, Method::Put, Method::Patch]
        .into_iter()
        .enumerate()
    {
        written.address.id = format!("a{index}");
        written.sequence += 1;
        written.method = method;
        let put = create(&written, &[]);
        commit(&*open.store, vec![put]).await.unwrap();
        let read = open.store.get(&written.address).await.unwrap();
        assert_eq!(read, Some(written.clone()));
    }
}

async fn what_was_never_written_is_absent(open: OpenStore) {
    let nobody = address("Patient/nobody");
    assert_eq!(open.store.get(&nobody).await.unwrap(), None);
    assert_eq!(open.store.get_version(&nobody, 1).await.unwrap(), None);
    assert!(open.store.get_many(&[nobody]).await.unwrap().is_empty());
    assert!(open.store.get_many(&[]).await.unwrap().is_empty());
}

async fn get_many_leaves_out_the_absent(open: OpenStore) {
    let (a, b) = (version("Patient/a", 1), version("Observation/b", 2));
    commit(&*open.store, vec![create(&a, &[]), create(&b, &[])])
        .await
        .unwrap();
    let wanted = [b.address.clone(), address("Patient/x"), a.address.clone()];
    let mut read = open.store.get_many(&wanted).await.unwrap();
    read.sort_by_key(|one| one.sequence);
    assert_eq!(read, [a, b]);
}

async fn an_update_needs_the_current_version(open: OpenStore) {
    let first = version("Patient/a", 1);
    let second = next(&first);
    commit(&*open.store, vec![create(&first, &[])])
        .await
        .unwrap();
    commit(&*open.store, vec![replace(&first, &second, &[])])
        .await
        .unwrap();
    assert_eq!(
        open.store.get(&first.address).await.unwrap(),
        Some(second.clone())
    );

    let late = commit(&*open.store, vec![replace(&first, &second, &[])]).await;
    assert!(
        matches!(late, Err(StoreError::VersionConflict(0))),
        "{late:?}"
    );
    let absent = version("Patient/b", 2);
    let nothing = commit(&*open.store, vec![replace(&absent, &next(&absent), &[])]).await;
    assert!(
        matches!(nothing, Err(StoreError::VersionConflict(0))),
        "{nothing:?}"
    );
    assert_eq!(open.store.get(&first.address).await.unwrap(), Some(second));
    assert_eq!(open.store.get(&absent.address).await.unwrap(), None);
}

async fn a_create_needs_an_unused_address(open: OpenStore) {
    let first = version("Patient/a", 1);
    commit(&*open.store, vec![create(&first, &[])])
        .await
        .unwrap();
    let mut again = version("Patient/a", 2);
    let taken = commit(&*open.store, vec![create(&again, &[])]).await;
    assert!(
        matches!(taken, Err(StoreError::VersionConflict(0))),
        "{taken:?}"
    );

    let gone = tombstone(&first);
    commit(&*open.store, vec![replace(&first, &gone, &[])])
        .await
        .unwrap();
    again.sequence = 3;
    let deleted = commit(&*open.store, vec![create(&again, &[])]).await;
    assert!(
        matches!(deleted, Err(StoreError::VersionConflict(0))),
        "{deleted:?}"
    );
    assert_eq!(open.store.get(&first.address).await.unwrap(), Some(gone));
}

async fn an_update_moves_the_index_entries(open: OpenStore) {
    let first = version("Patient/a", 1);
    let second = next(&first);
    let (old, kept, new) = (key(1, b"old"), key(1, b"kept"), key(2, b"new"));
    let put = create(&first, &[old.clone(), kept.clone()]);
    commit(&*open.store, vec![put]).await.unwrap();
    let put = replace(&first, &second, &[kept.clone(), new.clone()]);
    commit(&*open.store, vec![put]).await.unwrap();
    assert!(found(&*open.store, Predicate::Key(old)).await.is_empty());
    for there in [kept, new] {
        let plan = plan(Predicate::Key(there));
        let matches = open.store.find(&plan, &everything()).await.unwrap();
        assert_eq!(matches.versions, std::slice::from_ref(&second));
    }
}

async fn a_tombstone_stays_readable_and_leaves_the_index(open: OpenStore) {
    let first = version("Patient/a", 1);
    let gone = tombstone(&first);
    let name = key(1, b"name");
    let mut put = create(&first, std::slice::from_ref(&name));
    put.entries.compartments = vec![99];
    commit(&*open.store, vec![put]).await.unwrap();
    assert_eq!(found(&*open.store, Predicate::Compartment(99)).await, ["a"]);
    commit(&*open.store, vec![replace(&first, &gone, &[])])
        .await
        .unwrap();

    let read = open.store.get(&first.address).await.unwrap().unwrap();
    assert!(read.is_deleted());
    assert_eq!(read, gone);
    for driver in [
        Predicate::Key(name),
        Predicate::Compartment(99),
        Predicate::All,
    ] {
        assert!(
            found(&*open.store, driver.clone()).await.is_empty(),
            "{driver:?}"
        );
        assert_eq!(open.store.count(&plan(driver), 10).await.unwrap(), 0);
    }
    let ids = Plan {
        type_key: Some(Key::of_type(first.address.resource_type)),
        ..plan(Predicate::Ids(vec!["a".to_owned()]))
    };
    let window = everything();
    assert!(
        open.store
            .find(&ids, &window)
            .await
            .unwrap()
            .versions
            .is_empty()
    );
}

async fn a_deleted_resource_comes_back(open: OpenStore) {
    let first = version("Patient/a", 1);
    let gone = tombstone(&first);
    let back = next(&gone);
    let name = key(1, b"name");
    commit(&*open.store, vec![create(&first, &[])])
        .await
        .unwrap();
    commit(&*open.store, vec![replace(&first, &gone, &[])])
        .await
        .unwrap();
    let put = replace(&gone, &back, std::slice::from_ref(&name));
    commit(&*open.store, vec![put]).await.unwrap();
    assert_eq!(open.store.get(&first.address).await.unwrap(), Some(back));
    assert_eq!(found(&*open.store, Predicate::Key(name)).await, ["a"]);
    assert_eq!(
        open.store.get_version(&first.address, 2).await.unwrap(),
        Some(gone)
    );
}

async fn every_version_can_be_read(open: OpenStore) {
    let mut versions = vec![version("Patient/a", 1)];
    commit(&*open.store, vec![create(&versions[0], &[])])
        .await
        .unwrap();
    for index in 0..5 {
        let old = versions[index].clone();
        let new = if index == 2 {
            tombstone(&old)
        } else {
            next(&old)
        };
        commit(&*open.store, vec![replace(&old, &new, &[])])
            .await
            .unwrap();
        versions.push(new);
    }
    for one in &versions {
        let read = open.store.get_version(&one.address, one.version_id).await;
        assert_eq!(read.unwrap().as_ref(), Some(one));
    }
    for unknown in [0, -1, 7, i64::MAX] {
        let read = open.store.get_version(&versions[0].address, unknown).await;
        assert_eq!(read.unwrap(), None);
    }
}

async fn equal_ids_of_two_types_are_two_resources(open: OpenStore) {
    let (patient, observation) = (version("Patient/a", 1), version("Observation/a", 2));
    commit(&*open.store, vec![create(&patient, &[])])
        .await
        .unwrap();
    commit(&*open.store, vec![create(&observation, &[])])
        .await
        .unwrap();
    assert_eq!(
        open.store.get(&patient.address).await.unwrap(),
        Some(patient)
    );
    assert_eq!(
        open.store.get(&observation.address).await.unwrap(),
        Some(observation)
    );
}

async fn a_large_body_comes_back(open: OpenStore) {
    let mut large = version("Binary/large", 1);
    let bytes = (0..9_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    large.body = Some(bytes.collect());
    commit(&*open.store, vec![create(&large, &[])])
        .await
        .unwrap();
    assert!(open.store.get(&large.address).await.unwrap() == Some(large.clone()));
    let second = next(&large);
    commit(&*open.store, vec![replace(&large, &second, &[])])
        .await
        .unwrap();
    assert!(open.store.get_version(&large.address, 1).await.unwrap() == Some(large));
}

async fn reopening_keeps_everything(mut open: OpenStore) {
    let first = version("Patient/a", 1);
    let second = next(&first);
    let name = key(1, b"name");
    commit(&*open.store, vec![create(&first, &[])])
        .await
        .unwrap();
    let put = replace(&first, &second, std::slice::from_ref(&name));
    commit(&*open.store, vec![put]).await.unwrap();
    open.reopen().await;
    assert_eq!(
        open.store.get(&first.address).await.unwrap(),
        Some(second.clone())
    );
    assert_eq!(
        open.store.get_version(&first.address, 1).await.unwrap(),
        Some(first)
    );
    assert_eq!(found(&*open.store, Predicate::Key(name)).await, ["a"]);
    let third = next(&second);
    commit(&*open.store, vec![replace(&second, &third, &[])])
        .await
        .unwrap();
    assert_eq!(open.store.get(&third.address).await.unwrap(), Some(third));
}

async fn gauges_and_readiness_tell_of_an_open_store(open: OpenStore) {
    open.store.ready().await.unwrap();
    let gauges = open.store.gauges();
    assert!(gauges.connections_max > 0);
    assert!(gauges.connections_in_use <= gauges.connections_max);
    assert_eq!(gauges.write_queue_depth, 0);
    open.store.close().await.unwrap();
    let after = open.store.ready().await;
    assert!(
        matches!(after, Err(StoreError::Unavailable(_))),
        "{after:?}"
    );
    let late = commit(&*open.store, vec![create(&version("Patient/a", 1), &[])]).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
}
