//! Erasure of a patient's record, and the sweep that follows it.
//!
//! Another process may seal for an erased patient with a key that it still remembers. Nobody can
//! open what it writes then, and its index entries would stay: so every erasure is noted before it
//! begins, and what it missed is swept once no process remembers the key any more.

use std::time::Duration;

use crate::access::Grant;
use crate::access::records::{Records, failed, require};
use crate::outcome::Outcome;
use crate::seal::data_key::OwnerHash;
use crate::seal::hex;
use crate::store::StoreError;
use crate::store::batch::{Document, DocumentPut, Expected};

/// How often a server looks for erasures to sweep.
pub const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The collection of erasures that have to be swept: id = owner's hash in hexadecimal, body = when
/// to, in ms since the epoch, eight bytes, big-endian.
const ERASURES: &str = "erasure";

/// Erasures read together.
const PAGE: usize = 64;

/// How much later than keys are forgotten the sweep comes, in ms: for clocks that differ and for
/// writes under way.
const MARGIN_MS: i64 = 60_000;

impl Records {
    /// Destroys everything of a patient: the keys first, then bodies and index entries.
    pub async fn erase(&self, grant: &Grant, patient_id: &str) -> Result<u64, Outcome> {
        require(grant.erases())?;
        Self::note_erasure(grant, patient_id)?;
        let owner = self.indexer().owner_hash(Some(patient_id));
        let now_ms = self.parts.clock.now_ms();
        self.note(&owner, now_ms)
            .await
            .map_err(|error| failed(&error))?;
        self.parts.keys.erase(&owner).await?;
        self.empty(&owner, now_ms).await
    }

    /// Erases again, as far as it is time, what was erased before; how many versions were left.
    /// A server does it at its start and every now and then.
    pub async fn sweep_erasures(&self) -> Result<u64, Outcome> {
        let now_ms = self.parts.clock.now_ms();
        let (mut swept, mut after) = (0, None::<String>);
        loop {
            let page = self
                .parts
                .store
                .find_documents(ERASURES, after.as_deref(), PAGE);
            let page = page.await.map_err(|error| failed(&error))?;
            for document in &page {
                swept += self.sweep(document, now_ms).await?;
            }
            match page.last() {
                Some(last) => after = Some(last.id.clone()),
                None => return Ok(swept),
            }
        }
    }

    async fn sweep(&self, document: &Document, now_ms: i64) -> Result<u64, Outcome> {
        let due_ms = <[u8; 8]>::try_from(document.body.as_slice()).map(i64::from_be_bytes);
        let (Ok(due_ms), Some(owner)) = (due_ms, hex::decode(&document.id)) else {
            return Err(Outcome::internal("the note of an erasure is damaged"));
        };
        if due_ms > now_ms {
            return Ok(0);
        }
        let emptied = self.empty(&owner, now_ms).await?;
        // A later erasure has changed the note: it is swept in its turn.
        let put = DocumentPut {
            collection: ERASURES.to_owned(),
            id: document.id.clone(),
            expected: Expected::Revision(document.revision),
            body: None,
            expires_ms: None,
        };
        match self.parts.store.put_documents(vec![put]).await {
            Ok(()) | Err(StoreError::VersionConflict(_) | StoreError::ReservationConflict) => {
                Ok(emptied)
            }
            Err(error) => Err(failed(&error)),
        }
    }

    async fn note(&self, owner: &OwnerHash, now_ms: i64) -> Result<(), StoreError> {
        let forgotten_ms = self.parts.keys.remembers_for().as_millis();
        let forgotten_ms = i64::try_from(forgotten_ms).unwrap_or(i64::MAX / 2);
        let due_ms = now_ms
            .saturating_add(forgotten_ms)
            .saturating_add(MARGIN_MS);
        let put = DocumentPut {
            collection: ERASURES.to_owned(),
            id: hex::encode(owner),
            expected: Expected::Anything,
            body: Some(due_ms.to_be_bytes().to_vec()),
            expires_ms: None,
        };
        self.parts.store.put_documents(vec![put]).await
    }

    /// Empties what erased keys have sealed. What is sealed with a key that the patient got since
    /// stays.
    async fn empty(&self, owner: &OwnerHash, now_ms: i64) -> Result<u64, Outcome> {
        let Some(last) = self.parts.keys.last_erased(owner).await? else {
            return Ok(0);
        };
        let emptied = self.parts.store.erase(&last, now_ms).await;
        emptied.map_err(|error| failed(&error))
    }
}
