//! Checkpoints: signed statements of how far the lanes have come, in one chain for the whole store.
//!
//! A block says what was before it; a checkpoint says that it was there at all, so that an end cut
//! off is missed. Each carries the hash of the checkpoint before, whichever process made it.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::audit::block::{self, Hash, NOTHING_BEFORE};
use crate::audit::ledger::{self, JournalError, Ledger};
use crate::seal::hex;
use crate::store::StoreError;

/// The collection of checkpoints. The newest has the smallest id.
pub(super) const CHECKPOINTS: &str = "journal_checkpoint";

/// The collection of the key that signs them.
const KEYS: &str = "journal_key";
/// Its id there.
const SIGNING: &str = "signing";
/// What it is bound to.
const SIGNING_CONTEXT: &[u8] = b"signing key";

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;

/// How often a checkpoint is tried when other processes make theirs at the same time.
const ATTEMPTS_MAX: u32 = 20;

/// Signs checkpoints.
pub struct Signer(Ed25519KeyPair);

/// How far a lane has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneHead {
    /// Which lane.
    pub lane: String,
    /// The place of its last block.
    pub sequence: u64,
    /// How many events it has up to there.
    pub events: u64,
    /// The hash of that block, hexadecimal.
    pub hash: String,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Counts from 1.
    pub number: u64,
    /// When it was made, in ms since the epoch.
    pub made_ms: i64,
    /// The hash of the checkpoint before it, hexadecimal.
    pub previous: String,
    /// The lanes that have come further since the process made its last one.
    pub heads: Vec<LaneHead>,
}

/// A checkpoint as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The hash that the next one carries.
    pub hash: Hash,
    /// Whether the signature is of this store's key.
    pub is_signed: bool,
}

impl Signer {
    /// The key of a store, made when there is none.
    pub async fn of(ledger: &Ledger) -> Result<Self, JournalError> {
        loop {
            if let Some(known) = Self::find(ledger).await? {
                return Ok(known);
            }
            let damaged =
                |_unspecified| JournalError::Unavailable("no signing key can be made".to_owned());
            let made = Ed25519KeyPair::generate().map_err(damaged)?;
            let document = made.to_pkcs8().map_err(damaged)?;
            let sealed = ledger.seal(SIGNING_CONTEXT, document.as_ref())?;
            let put = ledger::first(KEYS, SIGNING.to_owned(), sealed);
            match ledger.store.put_documents(vec![put]).await {
                // What somebody else made meanwhile is taken.
                Ok(()) | Err(StoreError::ReservationConflict | StoreError::VersionConflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The key of a store; `None` when there is none yet.
    pub async fn find(ledger: &Ledger) -> Result<Option<Self>, JournalError> {
        let now_ms = ledger.clock.now_ms();
        let found = ledger.store.get_document(KEYS, SIGNING, now_ms).await?;
        let Some(found) = found else { return Ok(None) };
        let damaged = || JournalError::Damaged("the signing key does not open".to_owned());
        let opened = ledger.open(SIGNING_CONTEXT, &found.body);
        let opened = Zeroizing::new(opened.ok_or_else(damaged)?);
        let pair = Ed25519KeyPair::from_pkcs8(&opened).map_err(|_rejected| damaged())?;
        Ok(Some(Self(pair)))
    }

    /// The public key, hexadecimal: who keeps it elsewhere can check signatures with it.
    pub fn public_key(&self) -> String {
        hex::encode(self.0.public_key().as_ref())
    }

    /// Makes the next checkpoint of the store.
    pub(super) async fn make(
        &self,
        ledger: &Ledger,
        heads: Vec<LaneHead>,
    ) -> Result<Checkpoint, JournalError> {
        let mut checkpoint = Checkpoint {
            number: 0,
            made_ms: ledger.clock.now_ms(),
            previous: String::new(),
            heads,
        };
        for _ in 0..ATTEMPTS_MAX {
            let newest = self.newest(ledger).await?;
            let (number, hash) = newest.map_or((0, NOTHING_BEFORE), |newest| {
                (newest.checkpoint.number, newest.hash)
            });
            checkpoint.number = number.saturating_add(1);
            checkpoint.previous = hex::encode(&hash);
            let body = self.sign(&checkpoint)?;
            let put = ledger::first(CHECKPOINTS, id_of(checkpoint.number), body);
            match ledger.store.put_documents(vec![put]).await {
                Ok(()) => return Ok(checkpoint),
                Err(StoreError::ReservationConflict | StoreError::VersionConflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let text = "others make checkpoints all the time";
        Err(JournalError::Unavailable(text.to_owned()))
    }

    async fn newest(&self, ledger: &Ledger) -> Result<Option<Stored>, JournalError> {
        let found = ledger.store.find_documents(CHECKPOINTS, None, 1).await?;
        let Some(document) = found.first() else {
            return Ok(None);
        };
        let damaged = || JournalError::Damaged("the last checkpoint cannot be read".to_owned());
        self.read(&document.id, &document.body)
            .map(Some)
            .ok_or_else(damaged)
    }

    /// Reads what is stored under an id; `None` when it is no checkpoint, or another one.
    pub(super) fn read(&self, id: &str, body: &[u8]) -> Option<Stored> {
        let (signature, text) = body.split_at_checked(SIGNATURE_BYTES)?;
        let checkpoint: Checkpoint = serde_json::from_slice(text).ok()?;
        let key = UnparsedPublicKey::new(&ED25519, self.0.public_key().as_ref());
        (id_of(checkpoint.number) == id).then(|| Stored {
            checkpoint,
            hash: block::hash(body),
            is_signed: key.verify(text, signature).is_ok(),
        })
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, JournalError> {
        let text = serde_json::to_vec(checkpoint);
        let text = text.map_err(|error| JournalError::Damaged(error.to_string()))?;
        let signature = self.0.sign(&text);
        Ok([signature.as_ref(), &text].concat())
    }
}

/// Later checkpoints come first in the order of ids, because that is how the newest is found.
pub(super) fn id_of(number: u64) -> String {
    format!("{:016x}", u64::MAX - number)
}
