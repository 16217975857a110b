//! HL7 v2 messages taken in: kept sealed, answered, applied once, in the order of each patient.
//!
//! A message is durable before anybody is told that it was taken. It is applied as a transaction
//! that also sets a mark, so that it is applied once whatever happens; what cannot be applied is
//! put aside with the reason. What a message means is `hl7v2`'s business, framing `mllp`'s.

mod apply;
mod lanes;
pub mod matching;
mod overlay;
pub mod oversee;
pub mod record;
pub mod resume;
pub mod take;
mod undo;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use crate::access::documents::Documents;
use crate::config::hl7v2::Hl7v2Config;
use crate::hl7v2::feed::{FeedError, Feeds};
use crate::hl7v2::tables::Tables;
use crate::ingest::lanes::Lanes;
use crate::ingest::record::Record;
use crate::interaction::Context;

/// Takes messages in.
pub struct Ingest {
    ctx: Context,
    documents: Arc<Documents>,
    feeds: Feeds,
    tables: Tables,
    config: Hl7v2Config,
    lanes: Arc<Lanes>,
    /// Places for messages that are not applied yet.
    waiting: Arc<Semaphore>,
    /// Places for messages that are being applied.
    at_once: Semaphore,
    /// Messages that this process sees to, and what comes of them.
    under_way: Mutex<HashMap<String, watch::Receiver<Option<Arc<Record>>>>>,
    numbers: AtomicU64,
}

impl Ingest {
    /// What takes messages in.
    pub fn new(
        ctx: Context,
        documents: Arc<Documents>,
        config: &Hl7v2Config,
    ) -> Result<Self, FeedError> {
        let room = |places: usize| places.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            ctx,
            documents,
            feeds: Feeds::new(&config.feeds)?,
            tables: Tables::default(),
            config: config.clone(),
            lanes: Arc::default(),
            waiting: Arc::new(Semaphore::new(room(config.waiting_max))),
            at_once: Semaphore::new(room(config.at_once_max)),
            under_way: Mutex::default(),
            numbers: AtomicU64::new(0),
        })
    }

    /// The settings.
    pub fn config(&self) -> &Hl7v2Config {
        &self.config
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Option<Arc<Record>>>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}
