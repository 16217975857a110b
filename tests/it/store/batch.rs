//! Batches: all or nothing, and reservations that let one of many writers through.

use std::sync::Arc;

use vesta::search::plan::Predicate;
use vesta::store::batch::{Batch, RESERVATIONS, Reservation};
use vesta::store::{Store, StoreError};

use crate::store::sample::{commit, create, found, key, next, replace, tombstone, version};
use crate::support::stores::{NOW_MS, OpenStore};

on_every_store!(
    a_batch_of_every_kind_is_written,
    a_batch_with_one_conflict_writes_nothing,
    a_conflict_names_its_put,
    an_empty_batch_changes_nothing,
    a_used_reservation_refuses_and_writes_nothing,
    a_version_conflict_leaves_the_reservation,
    an_expired_reservation_counts_as_unused,
    of_many_writers_on_one_condition_one_wins,
    of_many_updates_of_one_version_one_wins,
    a_large_batch_is_written,
);

const HOUR_MS: i64 = 3_600_000;

fn reservation(id: &str, revision: i64) -> Reservation {
    Reservation {
        id: id.to_owned(),
        revision,
        expires_ms: NOW_MS + HOUR_MS,
    }
}

async fn revision(store: &dyn Store, id: &str) -> i64 {
    let document = store.get_document(RESERVATIONS, id, NOW_MS).await.unwrap();
    document.map_or(0, |document| document.revision)
}

async fn a_batch_of_every_kind_is_written(open: OpenStore) {
    let (a, b) = (version("Patient/a", 1), version("Patient/b", 2));
    let name = key(1, b"name");
    let both = vec![create(&a, std::slice::from_ref(&name)), create(&b, &[])];
    commit(&*open.store, both).await.unwrap();

    let (a2, b2, c) = (next(&a), tombstone(&b), version("Encounter/c", 3));
    let puts = vec![
        replace(&a, &a2, &[]),
        replace(&b, &b2, &[]),
        create(&c, std::slice::from_ref(&name)),
    ];
    commit(&*open.store, puts).await.unwrap();
    for written in [a2, b2, c] {
        assert_eq!(
            open.store.get(&written.address).await.unwrap(),
            Some(written)
        );
    }
    assert_eq!(found(&*open.store, Predicate::Key(name)).await, ["c"]);
}

async fn a_batch_with_one_conflict_writes_nothing(open: OpenStore) {
    let a = version("Patient/a", 1);
    let a2 = next(&a);
    commit(&*open.store, vec![create(&a, &[])]).await.unwrap();
    commit(&*open.store, vec![replace(&a, &a2, &[])])
        .await
        .unwrap();
    let name = key(1, b"name");
    let b = version("Patient/b", 2);
    let c = version("Patient/c", 3);
    let puts = vec![
        create(&b, std::slice::from_ref(&name)),
        replace(&a, &a2, &[]),
        create(&c, std::slice::from_ref(&name)),
    ];
    let refused = commit(&*open.store, puts).await;
    assert!(
        matches!(refused, Err(StoreError::VersionConflict(1))),
        "{refused:?}"
    );
    assert_eq!(open.store.get(&b.address).await.unwrap(), None);
    assert_eq!(open.store.get(&c.address).await.unwrap(), None);
    assert!(found(&*open.store, Predicate::Key(name)).await.is_empty());
}

async fn a_conflict_names_its_put(open: OpenStore) {
    let a = version("Patient/a", 1);
    commit(&*open.store, vec![create(&a, &[])]).await.unwrap();
    let fresh = |n: i64| create(&version(&format!("Patient/n{n}"), 10 + n), &[]);
    let puts = vec![
        fresh(0),
        fresh(1),
        create(&version("Patient/a", 5), &[]),
        fresh(2),
    ];
    let refused = commit(&*open.store, puts).await;
    assert!(
        matches!(refused, Err(StoreError::VersionConflict(2))),
        "{refused:?}"
    );
}

async fn an_empty_batch_changes_nothing(open: OpenStore) {
    commit(&*open.store, Vec::new()).await.unwrap();
    assert!(found(&*open.store, Predicate::All).await.is_empty());
}

async fn a_used_reservation_refuses_and_writes_nothing(open: OpenStore) {
    let write = |id: &str, sequence, reservations| Batch {
        puts: vec![create(&version(id, sequence), &[])],
        reservations,
        ..Batch::default()
    };
    let first = write("Patient/a", 1, vec![reservation("x", 0)]);
    open.store.commit(first).await.unwrap();
    assert_eq!(revision(&*open.store, "x").await, 1);
    let both = vec![reservation("y", 0), reservation("x", 0)];
    let second = open.store.commit(write("Patient/b", 2, both)).await;
    assert!(
        matches!(second, Err(StoreError::ReservationConflict)),
        "{second:?}"
    );
    assert_eq!(revision(&*open.store, "x").await, 1);
    assert_eq!(revision(&*open.store, "y").await, 0);
    assert_eq!(found(&*open.store, Predicate::All).await, ["a"]);

    let third = write(
        "Patient/b",
        2,
        vec![reservation("y", 0), reservation("x", 1)],
    );
    open.store.commit(third).await.unwrap();
    assert_eq!(revision(&*open.store, "x").await, 2);
    assert_eq!(revision(&*open.store, "y").await, 1);
    assert_eq!(found(&*open.store, Predicate::All).await, ["b", "a"]);
}

async fn a_version_conflict_leaves_the_reservation(open: OpenStore) {
    let a = version("Patient/a", 1);
    commit(&*open.store, vec![create(&a, &[])]).await.unwrap();
    let taken = Batch {
        puts: vec![create(&a, &[])],
        reservations: vec![reservation("x", 0)],
        ..Batch::default()
    };
    let refused = open.store.commit(taken).await;
    assert!(
        matches!(refused, Err(StoreError::VersionConflict(0))),
        "{refused:?}"
    );
    assert_eq!(revision(&*open.store, "x").await, 0);
}

async fn an_expired_reservation_counts_as_unused(open: OpenStore) {
    let batch = |id: &str, sequence| Batch {
        puts: vec![create(&version(id, sequence), &[])],
        reservations: vec![reservation("x", 0)],
        ..Batch::default()
    };
    open.store.commit(batch("Patient/a", 1)).await.unwrap();
    open.clock.advance_ms(2 * HOUR_MS);
    let now_ms = NOW_MS + 2 * HOUR_MS;
    let read = open
        .store
        .get_document(RESERVATIONS, "x", now_ms)
        .await
        .unwrap();
    assert_eq!(read, None);
    open.store.commit(batch("Patient/b", 2)).await.unwrap();
    assert_eq!(found(&*open.store, Predicate::All).await, ["b", "a"]);
}

async fn of_many_writers_on_one_condition_one_wins(open: OpenStore) {
    const WRITERS: i64 = 64;
    for (round, used) in (0..4).zip(1..) {
        let tasks = (0..WRITERS).map(|writer| {
            let store = Arc::clone(&open.store);
            tokio::spawn(async move {
                let sequence = 1 + round * WRITERS + writer;
                let batch = Batch {
                    puts: vec![create(
                        &version(&format!("Patient/w{sequence}"), sequence),
                        &[],
                    )],
                    reservations: vec![reservation("identifier", round)],
                    ..Batch::default()
                };
                store.commit(batch).await
            })
        });
        let mut won = 0;
        for task in tasks.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Ok(()) => won += 1,
                Err(StoreError::ReservationConflict) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1, "round {round}");
        assert_eq!(found(&*open.store, Predicate::All).await.len(), used);
        assert_eq!(revision(&*open.store, "identifier").await, round + 1);
    }
}

async fn of_many_updates_of_one_version_one_wins(open: OpenStore) {
    let mut current = version("Patient/a", 1);
    commit(&*open.store, vec![create(&current, &[])])
        .await
        .unwrap();
    for _round in 0..4 {
        let tasks = (0..32_u8).map(|writer| {
            let store = Arc::clone(&open.store);
            let old = current.clone();
            let mut new = next(&old);
            new.body = Some(vec![writer; 9].into());
            tokio::spawn(async move {
                let put = replace(&old, &new, &[key(1, &[writer])]);
                (commit(&*store, vec![put]).await, new, writer)
            })
        });
        let mut winners = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            match task.await.unwrap() {
                (Ok(()), new, writer) => winners.push((new, writer)),
                (Err(StoreError::VersionConflict(0)), ..) => {}
                (Err(other), ..) => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1);
        let (new, writer) = winners.remove(0);
        assert_eq!(
            open.store.get(&new.address).await.unwrap().as_ref(),
            Some(&new)
        );
        for one in 0..32 {
            let hits = found(&*open.store, Predicate::Key(key(1, &[one]))).await;
            assert_eq!(hits.len(), usize::from(one == writer));
        }
        current = new;
    }
}

async fn a_large_batch_is_written(open: OpenStore) {
    let puts = (1..=3000_i64).map(|n| {
        let one = version(&format!("Observation/o{n}"), n);
        create(
            &one,
            &[key(1, &n.to_be_bytes()), key(2, &[u8::from(n % 2 == 0)])],
        )
    });
    commit(&*open.store, puts.collect()).await.unwrap();
    assert_eq!(found(&*open.store, Predicate::All).await.len(), 3000);
    assert_eq!(
        found(&*open.store, Predicate::Key(key(2, &[1])))
            .await
            .len(),
        1500
    );
}
