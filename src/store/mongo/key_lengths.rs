//! Which lengths search keys have, because MongoDB orders binary values by length first.
//!
//! A range of keys in byte order is therefore one range for every length that occurs. The lengths
//! are a set of bits in `meta`, raised durably before the first key of a new length is written.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::{Document, doc};

use crate::search::key::Key;
use crate::store::StoreError;
use crate::store::mongo::connect::durable_document;
use crate::store::mongo::failure::from_driver;
use crate::store::mongo::statement::written;
use crate::store::mongo::{MongoSettings, schema};

/// The lengths of the kinds of keys there are: types 4, hashes and dates 10, tokens 14, quantities
/// 18 bytes.
pub(super) const INITIAL: i64 = (1 << 4) | (1 << 10) | (1 << 14) | (1 << 18);

/// The longest key that can be told apart by a bit.
const LENGTH_MAX: usize = 62;

/// How long another process's new length may go unnoticed. New lengths come with new versions of
/// the server only.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// The lengths that occur in the database.
#[derive(Debug)]
pub(super) struct KeyLengths {
    bits: AtomicU64,
    read_at: Mutex<Instant>,
}

impl KeyLengths {
    /// The lengths as `meta` has them.
    pub(super) fn new(bits: i64) -> Self {
        Self {
            bits: AtomicU64::new(bits.cast_unsigned()),
            read_at: Mutex::new(Instant::now()),
        }
    }

    /// The lengths, ascending.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        let bits = self.bits.load(Ordering::Relaxed);
        (0..=LENGTH_MAX).filter(move |length| bits & (1 << length) != 0)
    }

    /// Makes sure that the lengths of all `keys` are known before they are written.
    pub(super) async fn admit<'a>(
        &self,
        db: &Database,
        settings: &MongoSettings,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<(), StoreError> {
        let mut bits = 0_u64;
        for length in keys.map(|key| key.as_bytes().len()) {
            if length > LENGTH_MAX {
                return Err(StoreError::TooLarge("a search key is too long".to_owned()));
            }
            bits |= 1 << length;
        }
        if bits & !self.bits.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let raise = doc! {
            "update": schema::META,
            "updates": [{
                "q": { "_id": schema::SCHEMA },
                "u": { "$bit": { "key_lengths": { "or": bits.cast_signed() } } },
            }],
            "writeConcern": durable_document(settings),
        };
        let answer = db
            .run_command(raise)
            .await
            .map_err(|error| from_driver(&error))?;
        written(&answer).map_err(super::failure::Failure::into_store_error)?;
        self.bits.fetch_or(bits, Ordering::Relaxed);
        Ok(())
    }

    /// Reads the lengths again when they may have been raised by another process.
    pub(super) async fn refresh(&self, db: &Database) -> Result<(), StoreError> {
        if !self.is_stale() {
            return Ok(());
        }
        let schema = schema::read_schema(db).await?.unwrap_or_default();
        self.bits.fetch_or(bits_of(&schema), Ordering::Relaxed);
        Ok(())
    }

    /// Whether it is time to read again; true for one caller only.
    fn is_stale(&self) -> bool {
        let Ok(mut read_at) = self.read_at.lock() else {
            return true;
        };
        let stale = read_at.elapsed() > STALE_AFTER;
        if stale {
            *read_at = Instant::now();
        }
        stale
    }
}

fn bits_of(schema: &Document) -> u64 {
    schema
        .get_i64("key_lengths")
        .unwrap_or(INITIAL)
        .cast_unsigned()
}
