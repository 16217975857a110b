//! Threads that read, each with a connection of its own.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::embedded::reader::ReaderSettings;

/// Steps of SQLite's machine between two looks whether anybody still waits for the read; some
/// hundred microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// What is read, and what becomes of the result.
type Reading = Box<dyn FnOnce(Result<&Connection, StoreError>) + Send>;

/// A read.
pub(super) struct Read {
    /// Whether nobody waits for it any more.
    pub(super) is_given_up: Arc<AtomicBool>,
    /// Does it.
    pub(super) run: Reading,
}

/// Threads that wait for reads; they end when this is dropped.
pub(super) struct Threads {
    queue: Arc<Queue>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reads: VecDeque<Read>,
    is_closed: bool,
}

impl Threads {
    /// Starts the threads; each opens its connection at its first read.
    pub(super) fn start(settings: &ReaderSettings) -> Result<Self, StoreError> {
        let threads = Self {
            queue: Arc::new(Queue::default()),
            handles: Mutex::new(Vec::new()),
        };
        for _thread in 0..settings.threads {
            let queue = Arc::clone(&threads.queue);
            let settings = settings.clone();
            let builder = std::thread::Builder::new().name("read".to_owned());
            let started = builder.spawn(move || work(&queue, &settings));
            let handle = started.map_err(|cause| {
                StoreError::Unavailable(format!("a reading thread does not start: {cause}"))
            })?;
            threads.handles().push(handle);
        }
        Ok(threads)
    }

    /// Gives a read to the next free thread.
    pub(super) fn push(&self, read: Read) {
        self.queue.state().reads.push_back(read);
        self.queue.changed.notify_one();
    }

    /// Lets the threads end when they have done what waits, and gives them away to be joined.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        self.queue.state().is_closed = true;
        self.queue.changed.notify_all();
        std::mem::take(&mut *self.handles())
    }

    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next read; `None` when there will be no more.
    fn next(&self) -> Option<Read> {
        let mut state = self.state();
        loop {
            if let Some(read) = state.reads.pop_front() {
                return Some(read);
            }
            if state.is_closed {
                return None;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work(queue: &Queue, settings: &ReaderSettings) {
    let mut idle: Option<Connection> = None;
    while let Some(read) = queue.next() {
        if read.is_given_up.load(Ordering::Relaxed) {
            continue;
        }
        let opened = idle.take().map_or_else(|| settings.open(), Ok);
        let db = match opened.and_then(|db| watched(db, &read)) {
            Ok(db) => db,
            Err(error) => {
                (read.run)(Err(error));
                continue;
            }
        };
        // A read that panics is answered by the loss of its answer, and takes no thread along.
        let ended = catch_unwind(AssertUnwindSafe(|| (read.run)(Ok(&db))));
        idle = (ended.is_ok() && db.is_autocommit()).then_some(db);
    }
}

/// A connection that breaks a read off when nobody waits for it any more.
fn watched(mut db: Connection, read: &Read) -> Result<Connection, StoreError> {
    let is_given_up = Arc::clone(&read.is_given_up);
    let look = move || is_given_up.load(Ordering::Relaxed);
    db.progress_handler(STEPS_BETWEEN_LOOKS, Some(look))?;
    Ok(db)
}
