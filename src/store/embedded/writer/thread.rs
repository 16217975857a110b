//! The thread that writes a file: groups, commits, answers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::batch::Expected;
use crate::store::embedded::change::{self, Verdict};
use crate::store::embedded::posting::Postings;
use crate::store::embedded::schema::{self, Contents};
use crate::store::embedded::writer::{Job, Request};
use crate::store::embedded::{EmbeddedSettings, document, erase};

/// New versions in one commit from which on no further write joins it.
const GROUP_PUTS_MAX: usize = 5000;

/// How long the log is left alone after it could not be emptied: a long read must not hold up every
/// write.
const TRUNCATE_INTERVAL: Duration = Duration::from_secs(1);

/// What the thread owns.
pub(super) struct Thread {
    db: Connection,
    queue: Receiver<Request>,
    clock: Arc<dyn Clock>,
    contents: Contents,
    group_jobs_max: usize,
    purge_interval_ms: i64,
    purged_ms: i64,
    /// Whether the log still holds what was to be gone, or has grown too large.
    has_log_to_truncate: bool,
    /// Not before this is it tried again.
    truncate_at: Instant,
    log_path: PathBuf,
    log_bytes_max: u64,
    /// Held until the file is closed.
    _lock: Arc<File>,
}

impl Thread {
    /// Opens a file.
    pub(super) fn new(
        path: &Path,
        contents: Contents,
        settings: &EmbeddedSettings,
        queue: Receiver<Request>,
        lock: Arc<File>,
    ) -> Result<Self, StoreError> {
        let db = schema::open_writer(path, contents, settings)?;
        if contents == Contents::Records {
            schema::limit_file(&db, settings.records_bytes_max)?;
        }
        Ok(Self {
            db,
            queue,
            clock: Arc::clone(&settings.clock),
            contents,
            group_jobs_max: settings.group_jobs_max.max(1),
            purge_interval_ms: settings.purge_interval_ms,
            purged_ms: i64::MIN,
            has_log_to_truncate: false,
            truncate_at: Instant::now(),
            log_path: log_of(path),
            log_bytes_max: schema::log_bytes_max(settings),
            _lock: lock,
        })
    }

    /// Writes what comes until the store is closed or gone.
    pub(super) fn run(mut self) {
        let mut next = None;
        while let Some(first) = next.take().or_else(|| self.receive()) {
            if matches!(first.job, Job::Close) {
                let closed = schema::truncate_log(&self.db).map(|_is_done| 0);
                // The files are let go before the caller hears of it.
                drop(self);
                first.answer(closed);
                return;
            }
            if !is_grouped(&first.job) {
                let verdict = self.run_alone(&first.job);
                first.answer(verdict);
                continue;
            }
            let group;
            (group, next) = self.gather(first);
            self.run_group(group);
        }
    }

    /// Waits for a write; `None` when there will be no more.
    fn receive(&mut self) -> Option<Request> {
        while self.has_log_to_truncate {
            match self.queue.recv_timeout(TRUNCATE_INTERVAL) {
                Ok(request) => return Some(request),
                Err(RecvTimeoutError::Timeout) => self.clean(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.queue.recv().ok()
    }

    /// The writes that are committed together with `first`, and one that must come behind them:
    /// what waits already. Waiting for more would keep this thread idle while others prepare
    /// writes, and those idle while it commits.
    fn gather(&self, mut first: Request) -> (Vec<Request>, Option<Request>) {
        first.permit = None;
        let mut puts = puts(&first.job);
        let mut group = vec![first];
        while group.len() < self.group_jobs_max && puts < GROUP_PUTS_MAX {
            let Ok(mut request) = self.queue.try_recv() else {
                break;
            };
            if !is_grouped(&request.job) {
                return (group, Some(request));
            }
            request.permit = None;
            puts += self::puts(&request.job);
            group.push(request);
        }
        (group, None)
    }

    fn run_group(&mut self, group: Vec<Request>) {
        // What a data key was replaced or deleted for must not be undone from the log.
        self.has_log_to_truncate |= self.contents == Contents::Keys
            && group.iter().any(|request| is_replacing(&request.job));
        match self.write_together(&group) {
            Ok(verdicts) => {
                for (request, verdict) in group.into_iter().zip(verdicts) {
                    request.answer(verdict);
                }
            }
            Err(error) => self.settle(group, error),
        }
        self.clean();
    }

    /// Answers a group that broke: one write at a time, unless none can be done now.
    fn settle(&mut self, mut group: Vec<Request>, error: StoreError) {
        let is_unavailable = matches!(error, StoreError::Unavailable(_));
        if group.len() > 1 && !is_unavailable {
            for request in group {
                self.run_group(vec![request]);
            }
            return;
        }
        let last = group.pop();
        for request in group {
            let text = "the group this write was in failed".to_owned();
            request.answer(Err(StoreError::Unavailable(text)));
        }
        if let Some(request) = last {
            request.answer(Err(error));
        }
    }

    /// Writes a group in one transaction; an error means that nothing of it was written.
    fn write_together(&self, group: &[Request]) -> Result<Vec<Verdict>, StoreError> {
        let now_ms = self.clock.now_ms();
        self.in_transaction(|db| {
            let mut postings = Postings::default();
            let mut verdicts = Vec::with_capacity(group.len());
            for request in group {
                verdicts.push(write(db, &request.job, &mut postings, now_ms)?);
            }
            postings.write(db)?;
            Ok(verdicts)
        })
    }

    fn run_alone(&mut self, job: &Job) -> Verdict {
        match job {
            Job::Limit(bytes) => schema::limit_file(&self.db, *bytes).map(|()| 0),
            Job::Erase(sealed, now_ms) => {
                let erased = self.in_transaction(|db| {
                    let mut postings = Postings::default();
                    let erased = erase::apply(db, sealed, &mut postings, *now_ms)?;
                    postings.write(db)?;
                    Ok(erased)
                })?;
                self.has_log_to_truncate = true;
                self.clean();
                Ok(erased)
            }
            _ => Err(StoreError::Failed("a write has no meaning".to_owned())),
        }
    }

    fn in_transaction<T>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let result = write(&self.db).and_then(|value| {
            self.db.prepare_cached("COMMIT")?.execute([])?;
            Ok(value)
        });
        // Some errors, a full disk among them, undo the transaction by themselves.
        if result.is_err() && !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        result
    }

    /// Removes what has expired, and from the log what was to be gone.
    ///
    /// A failure here concerns no write; the next one finds out what is wrong with the file.
    fn clean(&mut self) {
        let now_ms = self.clock.now_ms();
        if now_ms >= self.purged_ms.saturating_add(self.purge_interval_ms) {
            self.purged_ms = now_ms;
            drop(self.in_transaction(|db| document::purge(db, now_ms)));
        }
        // Reads that overlap without a gap keep SQLite from beginning the log anew by itself.
        let log_bytes = std::fs::metadata(&self.log_path).map_or(0, |file| file.len());
        self.has_log_to_truncate |= log_bytes > self.log_bytes_max;
        if self.has_log_to_truncate && Instant::now() >= self.truncate_at {
            self.has_log_to_truncate = !schema::truncate_log(&self.db).unwrap_or(false);
            if self.has_log_to_truncate {
                self.truncate_at = Instant::now() + TRUNCATE_INTERVAL;
            }
        }
    }
}

fn write(
    db: &Connection,
    job: &Job,
    postings: &mut Postings,
    now_ms: i64,
) -> Result<Verdict, StoreError> {
    match job {
        Job::Commit(batch) => change::apply(db, batch, postings, now_ms),
        Job::PutDocuments(puts) => change::apply_documents(db, puts, now_ms),
        _ => {
            schema::probe_writing(db)?;
            Ok(Ok(0))
        }
    }
}

/// The write-ahead log beside a file.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn is_grouped(job: &Job) -> bool {
    matches!(job, Job::Commit(_) | Job::PutDocuments(_) | Job::Probe)
}

fn is_replacing(job: &Job) -> bool {
    match job {
        Job::PutDocuments(puts) => puts.iter().any(|put| put.expected != Expected::Absent),
        _ => false,
    }
}

fn puts(job: &Job) -> usize {
    match job {
        Job::Commit(batch) => batch.puts.len(),
        Job::PutDocuments(puts) => puts.len(),
        _ => 1,
    }
}
