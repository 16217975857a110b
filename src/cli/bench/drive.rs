//! Drives workers as fast as they go, and keeps how long each step took.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::cli::Failure;

/// Something that does one piece of work after another.
#[async_trait]
pub(super) trait Worker: Send + 'static {
    /// Does the next piece; `false` when there is none.
    async fn step(&mut self) -> Result<bool, Failure>;
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// Microseconds that each step took.
    pub(super) step_us: Vec<u32>,
    /// Seconds from the first step to the end of the last.
    pub(super) elapsed_s: f64,
    /// Seconds of processor that the other process used meanwhile.
    pub(super) cpu_s: f64,
}

impl Sample {
    /// A single step.
    pub(super) fn whole(elapsed_s: f64) -> Self {
        let elapsed = Duration::from_secs_f64(elapsed_s);
        Self {
            step_us: vec![micros(elapsed)],
            elapsed_s,
            cpu_s: 0.0,
        }
    }

    /// Adds what another round measured.
    pub(super) fn add(&mut self, other: Self) {
        self.step_us.extend(other.step_us);
        self.elapsed_s += other.elapsed_s;
        self.cpu_s += other.cpu_s;
    }

    /// How many steps there were.
    pub(super) fn steps(&self) -> f64 {
        f64::from(u32::try_from(self.step_us.len()).unwrap_or(u32::MAX))
    }

    /// Milliseconds within which this many of a thousand steps were done.
    pub(super) fn per_mille_ms(&mut self, per_mille: usize) -> f64 {
        self.step_us.sort_unstable();
        let last = self.step_us.len().saturating_sub(1);
        let place = self.step_us.len() * per_mille / 1000;
        let found = self.step_us.get(place.min(last)).copied();
        f64::from(found.unwrap_or_default()) / 1000.0
    }
}

/// Runs all workers at once, until they have no more work or the time is over; gives them back
/// for the next round.
pub(super) async fn drive<W: Worker>(
    workers: Vec<W>,
    time_max: Option<Duration>,
) -> Result<(Vec<W>, Sample), Failure> {
    let started = Instant::now();
    let end = time_max.map(|time| started + time);
    let tasks: Vec<_> = workers
        .into_iter()
        .map(|worker| tokio::spawn(work(worker, end)))
        .collect();
    let mut sample = Sample::default();
    let mut back = Vec::with_capacity(tasks.len());
    for task in tasks {
        let (worker, step_us) = task.await??;
        back.push(worker);
        sample.step_us.extend(step_us);
    }
    sample.elapsed_s = started.elapsed().as_secs_f64();
    Ok((back, sample))
}

async fn work<W: Worker>(mut worker: W, end: Option<Instant>) -> Result<(W, Vec<u32>), Failure> {
    let mut step_us = Vec::new();
    loop {
        let started = Instant::now();
        if end.is_some_and(|end| started >= end) || !worker.step().await? {
            return Ok((worker, step_us));
        }
        step_us.push(micros(started.elapsed()));
    }
}

fn micros(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX)
}
