//! Who is next: messages about the same patient go one after the other, others side by side.
//!
//! A message enters all its lanes at once and runs when it is the first in each, so that nobody
//! waits in a circle. Only within one process: a sender's connection leads to one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    lanes: HashMap<String, VecDeque<u64>>,
    waiting: HashMap<u64, Arc<Notify>>,
}

/// A place in some lanes, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lanes: Arc<Lanes>,
    number: u64,
    names: Vec<String>,
    turn: Arc<Notify>,
}

impl Lanes {
    /// Takes a place behind whoever is in one of these lanes.
    pub(super) fn enter(self: &Arc<Self>, names: Vec<String>) -> Place {
        let mut inner = self.inner();
        let number = inner.next;
        inner.next += 1;
        for name in &names {
            inner
                .lanes
                .entry(name.clone())
                .or_default()
                .push_back(number);
        }
        let turn = Arc::new(Notify::new());
        inner.waiting.insert(number, Arc::clone(&turn));
        Place {
            lanes: Arc::clone(self),
            number,
            names,
            turn,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until nobody is in front.
    pub(super) async fn turn(&self) {
        while !self.is_first() {
            self.turn.notified().await;
        }
    }

    fn is_first(&self) -> bool {
        let inner = self.lanes.inner();
        let mut lanes = self.names.iter().filter_map(|name| inner.lanes.get(name));
        lanes.all(|lane| lane.front() == Some(&self.number))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guard = self.lanes.inner();
        let inner = &mut *guard;
        inner.waiting.remove(&self.number);
        for name in &self.names {
            let Some(lane) = inner.lanes.get_mut(name) else {
                continue;
            };
            lane.retain(|number| *number != self.number);
            match lane.front().and_then(|first| inner.waiting.get(first)) {
                Some(next) => next.notify_one(),
                None => drop(inner.lanes.remove(name)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::Lanes;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn who_shares_a_lane_waits_and_others_do_not() {
        let lanes = Arc::new(Lanes::default());
        let first = lanes.enter(names(&["a"]));
        let both = lanes.enter(names(&["a", "b"]));
        let behind = lanes.enter(names(&["b"]));
        let other = lanes.enter(names(&["c"]));
        assert!(first.turn().now_or_never().is_some());
        assert!(other.turn().now_or_never().is_some());
        assert!(both.turn().now_or_never().is_none());
        assert!(behind.turn().now_or_never().is_none());
        drop(first);
        assert!(both.turn().now_or_never().is_some());
        assert!(behind.turn().now_or_never().is_none());
        drop(both);
        assert!(behind.turn().now_or_never().is_some());
        drop((behind, other));
        assert!(lanes.inner().lanes.is_empty());
        assert!(lanes.inner().waiting.is_empty());
    }
}
