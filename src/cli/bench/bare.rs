//! Writers on a bare store: the ceilings of what is written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::access::sequence::SequenceSource;
use crate::cli::Failure;
use crate::cli::bench::drive::{Sample, Worker, drive};
use crate::cli::bench::process;
use crate::cli::bench::ready::Observation;
use crate::store::Store;
use crate::store::batch::{Batch, Put};

/// Commits batches that are ready, from a list that all writers share.
pub(super) struct BatchWriter {
    /// Where to.
    pub(super) store: Arc<dyn Store>,
    /// What is left, last one first.
    pub(super) batches: Arc<Mutex<Vec<Batch>>>,
}

#[async_trait]
impl Worker for BatchWriter {
    async fn step(&mut self) -> Result<bool, Failure> {
        let next = self
            .batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let Some(batch) = next else {
            return Ok(false);
        };
        self.store.commit(batch).await?;
        Ok(true)
    }
}

/// Creates one document after another, each a copy of a stored one under a new id.
pub(super) struct Creator {
    /// Where to.
    pub(super) store: Arc<dyn Store>,
    /// What is copied.
    pub(super) patterns: Arc<[Observation]>,
    /// Gives every document its place in the order of all.
    pub(super) sequences: Arc<SequenceSource>,
    /// Tells the writers apart.
    pub(super) place: usize,
    /// How many it has written.
    pub(super) written: usize,
}

#[async_trait]
impl Worker for Creator {
    async fn step(&mut self) -> Result<bool, Failure> {
        let count = self.patterns.len().max(1);
        let pattern = self.patterns.get((self.place + self.written) % count);
        let mut put = pattern.ok_or("nothing to copy")?.put.clone();
        self.written += 1;
        put.version.address.id = format!("bare-{}-{}", self.place, self.written);
        put.version.sequence = self.sequences.next(put.version.last_updated_ms);
        commit(&*self.store, put).await?;
        Ok(true)
    }
}

/// Writes one version after another of the documents that are its own.
pub(super) struct Updater {
    /// Where to.
    pub(super) store: Arc<dyn Store>,
    /// Whether it reads what it supersedes, as a server has to that does not know it.
    pub(super) is_reader: bool,
    /// The current versions of its documents.
    pub(super) own: Vec<Put>,
    /// How many versions it has written.
    pub(super) written: usize,
}

#[async_trait]
impl Worker for Updater {
    async fn step(&mut self) -> Result<bool, Failure> {
        let count = self.own.len().max(1);
        let Some(current) = self.own.get_mut(self.written % count) else {
            return Ok(false);
        };
        self.written += 1;
        if self.is_reader {
            let read = self.store.get(&current.version.address).await?;
            current.version = read.ok_or("a document is not there any more")?;
        }
        let mut next = current.clone();
        next.version.version_id += 1;
        next.version.last_updated_ms += 1;
        next.supersedes = Some(current.version.clone());
        *current = Put {
            supersedes: None,
            ..next.clone()
        };
        commit(&*self.store, next).await?;
        Ok(true)
    }
}

async fn commit(store: &dyn Store, put: Put) -> Result<(), Failure> {
    let batch = Batch {
        puts: vec![put],
        ..Batch::default()
    };
    Ok(store.commit(batch).await?)
}

/// Runs writers as [`drive`] does, and keeps what this process, in which the store is, has used.
pub(super) async fn write<W: Worker>(
    writers: Vec<W>,
    time_max: Option<Duration>,
) -> Result<(Vec<W>, Sample), Failure> {
    let own = std::process::id();
    let before_s = process::cpu_s(own);
    let (writers, mut sample) = drive(writers, time_max).await?;
    sample.cpu_s = process::cpu_s(own) - before_s;
    Ok((writers, sample))
}
