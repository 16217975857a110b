//! The writer of a file: one thread that commits what waits together.
//!
//! A commit costs a disk flush however much is in it, so what comes while one is under way forms
//! the next group. A write that is refused was refused before it wrote anything; when one breaks,
//! the group is undone and its writes are done one by one. A write goes on when its caller goes
//! away: the thread owns it.

mod thread;

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::store::StoreError;
use crate::store::batch::{Batch, DocumentPut};
use crate::store::embedded::EmbeddedSettings;
use crate::store::embedded::change::Verdict;
use crate::store::embedded::erase::Sealed;
use crate::store::embedded::schema::Contents;
use crate::store::embedded::writer::thread::Thread;

/// A write.
pub(super) enum Job {
    /// New versions.
    Commit(Batch),
    /// Small documents.
    PutDocuments(Vec<DocumentPut>),
    /// An erasure, at a time in ms.
    Erase(Sealed, i64),
    /// Something of no consequence, to see that writing works.
    Probe,
    /// A new limit of the file, in bytes.
    Limit(Option<u64>),
    /// The last write of all.
    Close,
}

/// Takes writes for a file.
pub(super) struct Writer {
    queue: Sender<Request>,
    permits: Arc<Semaphore>,
    size: u32,
    wait_max: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Request {
    job: Job,
    answer: oneshot::Sender<Verdict>,
    /// A place in the queue, given up when the write begins.
    permit: Option<OwnedSemaphorePermit>,
}

impl Writer {
    /// Opens a file and starts its thread.
    pub(super) fn start(
        path: &Path,
        contents: Contents,
        settings: &EmbeddedSettings,
        lock: Arc<File>,
    ) -> Result<Self, StoreError> {
        let (queue, requests) = channel();
        let thread = Thread::new(path, contents, settings, requests, lock)?;
        let name = match contents {
            Contents::Records => "write-records",
            Contents::Keys => "write-keys",
        };
        let builder = std::thread::Builder::new().name(name.to_owned());
        let handle = builder.spawn(move || thread.run());
        let handle = handle.map_err(|cause| {
            StoreError::Unavailable(format!("the writer's thread does not start: {cause}"))
        })?;
        let size = settings.queue_jobs_max.max(1);
        Ok(Self {
            queue,
            permits: Arc::new(Semaphore::new(size as usize)),
            size,
            wait_max: Duration::from_millis(settings.wait_ms_max),
            thread: Mutex::new(Some(handle)),
        })
    }

    /// Queues a write and waits until it is durable or refused.
    pub(super) async fn run(&self, job: Job) -> Verdict {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_none_free) => self.wait().await?,
        };
        self.send(job, Some(permit)).await
    }

    /// Writes waiting.
    pub(super) fn queue_depth(&self) -> u64 {
        let free = self.permits.available_permits() as u64;
        u64::from(self.size).saturating_sub(free)
    }

    /// Finishes what waits, empties the log and ends the thread; later writes are refused.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        self.permits.close();
        let handle = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(handle) = handle else {
            return Ok(());
        };
        self.send(Job::Close, None).await?;
        let joined = tokio::task::spawn_blocking(move || handle.join()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            _ => Err(StoreError::Failed(
                "the writer's thread broke off".to_owned(),
            )),
        }
    }

    /// Waits for a place in the queue.
    async fn wait(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let acquire = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.wait_max, acquire).await {
            Ok(permit) => permit.map_err(|_closed| closed()),
            Err(_elapsed) => {
                let text = "the queue of writes is full".to_owned();
                Err(StoreError::Unavailable(text))
            }
        }
    }

    async fn send(&self, job: Job, permit: Option<OwnedSemaphorePermit>) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        let request = Request {
            job,
            answer,
            permit,
        };
        self.queue.send(request).map_err(|_ended| closed())?;
        verdict.await.map_err(|_ended| closed())?
    }
}

impl Request {
    fn answer(self, verdict: Verdict) {
        // Nobody listens when the caller went away; the write counts all the same.
        drop(self.answer.send(verdict));
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
