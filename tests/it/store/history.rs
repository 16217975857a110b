//! History: the order, the window, and pages without gaps or repeats while others write.

use std::sync::Arc;

use vesta::store::{HistoryPosition, HistoryScope, HistoryWindow, Store, Version, sealed_bytes};

use crate::store::sample::{
    address, commit, create, kind, next, replace, tombstone, version, whole_history,
};
use crate::support::random::Random;
use crate::support::stores::{NOW_MS, OpenStore};

on_every_store!(
    histories_are_newest_first,
    since_and_until_bound_a_history,
    an_unknown_resource_has_no_history,
    pages_fit_together_in_random_histories,
    pages_have_no_gaps_or_repeats_while_others_write,
);

fn position(version: &Version) -> HistoryPosition {
    HistoryPosition {
        last_updated_ms: version.last_updated_ms,
        sequence: version.sequence,
        version_id: version.version_id,
    }
}

async fn page_through(
    store: &dyn Store,
    scope: &HistoryScope,
    first: &HistoryWindow,
) -> Vec<Version> {
    let mut window = first.clone();
    let mut all = Vec::new();
    loop {
        let page = store.history(scope, &window).await.unwrap();
        assert!(page.len() <= window.limit);
        let all_but_last = page.split_last().map_or(0, |(_, rest)| sealed_bytes(rest));
        assert!(all_but_last < window.bytes_max);
        let Some(last) = page.last() else { return all };
        window.after = Some(position(last));
        all.extend(page);
    }
}

/// Writes random versions and gives all of them, newest first.
async fn fill(store: &dyn Store, random: &mut Random) -> Vec<Version> {
    let types = ["Encounter", "Patient"];
    let mut current: Vec<Version> = Vec::new();
    let mut all = Vec::new();
    let mut now_ms = NOW_MS;
    for number in 0..120 {
        // Several writes share a millisecond, as the entries of a bundle do.
        now_ms += random.whole(2);
        let (put, new) = if current.len() < 4 || random.one_in(3) {
            let text = format!("{}/h{number}", types[random.index(2)]);
            let mut new = version(&text, 1000 - number);
            new.last_updated_ms = now_ms;
            current.push(new.clone());
            (create(&new, &[]), new)
        } else {
            let index = random.index(current.len());
            let old = current[index].clone();
            let mut new = if random.one_in(4) {
                tombstone(&old)
            } else {
                next(&old)
            };
            new.last_updated_ms = now_ms;
            current[index] = new.clone();
            (replace(&old, &new, &[]), new)
        };
        commit(store, vec![put]).await.unwrap();
        all.push(new);
    }
    all.sort_by_key(|one| std::cmp::Reverse(position(one)));
    all
}

async fn histories_are_newest_first(open: OpenStore) {
    let store = &*open.store;
    let a1 = version("Patient/a", 1);
    let b1 = version("Encounter/b", 2);
    let (a2, b2) = (next(&a1), tombstone(&b1));
    commit(store, vec![create(&a1, &[]), create(&b1, &[])])
        .await
        .unwrap();
    commit(store, vec![replace(&a1, &a2, &[]), replace(&b1, &b2, &[])])
        .await
        .unwrap();
    let cases = [
        (HistoryScope::Instance(a1.address.clone()), vec![&a2, &a1]),
        (HistoryScope::Instance(b1.address.clone()), vec![&b2, &b1]),
        (HistoryScope::Type(kind("Patient")), vec![&a2, &a1]),
        (HistoryScope::Type(kind("Group")), vec![]),
        (HistoryScope::System, vec![&b2, &a2, &b1, &a1]),
    ];
    for (scope, expected) in cases {
        let window = whole_history();
        let history = store.history(&scope, &window).await.unwrap();
        assert_eq!(history.iter().collect::<Vec<_>>(), expected, "{scope:?}");
        let count = store.count_history(&scope, &window).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{scope:?}");
    }
}

async fn since_and_until_bound_a_history(open: OpenStore) {
    let store = &*open.store;
    let mut versions = vec![version("Patient/a", 1)];
    commit(store, vec![create(&versions[0], &[])])
        .await
        .unwrap();
    for index in 0..3 {
        let new = next(&versions[index]);
        commit(store, vec![replace(&versions[index], &new, &[])])
            .await
            .unwrap();
        versions.push(new);
    }
    let at = |index: usize| Some(versions[index].last_updated_ms);
    let cases = [
        (at(1), None, vec![4, 3, 2]),
        (None, at(1), vec![2, 1]),
        (at(1), at(2), vec![3, 2]),
        (at(3).map(|ms| ms + 1), None, vec![]),
        (at(2), at(1), vec![]),
    ];
    let scopes = [
        HistoryScope::Instance(versions[0].address.clone()),
        HistoryScope::Type(kind("Patient")),
        HistoryScope::System,
    ];
    for (since_ms, until_ms, expected) in cases {
        for scope in &scopes {
            let window = HistoryWindow {
                since_ms,
                until_ms,
                ..whole_history()
            };
            let history = store.history(scope, &window).await.unwrap();
            let ids: Vec<_> = history.iter().map(|one| one.version_id).collect();
            assert_eq!(ids, expected, "{scope:?} {window:?}");
            let count = store.count_history(scope, &window).await.unwrap();
            assert_eq!(count, expected.len() as u64);
        }
    }
}

async fn an_unknown_resource_has_no_history(open: OpenStore) {
    let scope = HistoryScope::Instance(address("Patient/nobody"));
    let window = whole_history();
    assert!(
        open.store
            .history(&scope, &window)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(open.store.count_history(&scope, &window).await.unwrap(), 0);
}

async fn pages_fit_together_in_random_histories(open: OpenStore) {
    let store = &*open.store;
    let mut random = Random::new(3);
    let all = fill(store, &mut random).await;
    let mut scopes = vec![HistoryScope::System, HistoryScope::Type(kind("Patient"))];
    scopes.extend(
        all.iter()
            .take(5)
            .map(|one| HistoryScope::Instance(one.address.clone())),
    );
    for scope in &scopes {
        for (limit, bytes_max) in [
            (1, usize::MAX),
            (2, 90),
            (7, usize::MAX),
            (1000, 1),
            (1000, 70),
            (1000, 400),
            (1000, usize::MAX),
        ] {
            let expected: Vec<_> = all
                .iter()
                .filter(|one| match scope {
                    HistoryScope::System => true,
                    HistoryScope::Type(of) => one.address.resource_type == *of,
                    HistoryScope::Instance(of) => one.address == *of,
                })
                .collect();
            let window = HistoryWindow {
                limit,
                bytes_max,
                ..whole_history()
            };
            let paged = page_through(store, scope, &window).await;
            assert_eq!(
                paged.iter().collect::<Vec<_>>(),
                expected,
                "{scope:?} by {limit}, {bytes_max}"
            );
            let count = store.count_history(scope, &whole_history()).await.unwrap();
            assert_eq!(count, expected.len() as u64);
        }
    }
}

async fn pages_have_no_gaps_or_repeats_while_others_write(open: OpenStore) {
    let mut random = Random::new(4);
    let all = fill(&*open.store, &mut random).await;
    let mut heads: Vec<Version> = Vec::new();
    for one in &all {
        if heads.iter().all(|head| head.address != one.address) {
            heads.push(one.clone());
        }
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = tokio::spawn(update_until(Arc::clone(&open.store), heads, stopped));
    let until_ms = all[0].last_updated_ms;
    let window = HistoryWindow {
        limit: 3,
        until_ms: Some(until_ms),
        ..whole_history()
    };
    for _round in 0..5 {
        let paged = page_through(&*open.store, &HistoryScope::System, &window).await;
        assert_eq!(paged, all);
    }
    stop.send(()).unwrap();
    assert!(writer.await.unwrap() > 0);
}

/// Updates resources in turn until told to stop; gives how many updates it made.
async fn update_until(
    store: Arc<dyn Store>,
    mut heads: Vec<Version>,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) -> i64 {
    let mut updates = 0;
    for index in (0..heads.len()).cycle() {
        let mut new = next(&heads[index]);
        new.last_updated_ms = NOW_MS + 1_000_000 + updates;
        let put = replace(&heads[index], &new, &[]);
        commit(&*store, vec![put]).await.unwrap();
        heads[index] = new;
        updates += 1;
        if stopped.try_recv().is_ok() {
            break;
        }
    }
    updates
}
