//! A current version sealed and indexed anew in its place, without becoming another version.

use bytes::Bytes;

use crate::access::Grant;
use crate::access::records::prepare::version_address;
use crate::access::records::{CommitError, Records, Stored, failed, require};
use crate::fhir::instant::Instant;
use crate::fhir::json;
use crate::fhir::resource::Resource;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::seal::body::Binding;
use crate::store::StoreError;
use crate::store::batch::{Batch, Resealed, Rewrite};

impl Records {
    /// Replaces the content of a current version that was read: for changes of `meta` that make
    /// no version. Its time of last update moves, its number does not.
    pub async fn rewrite(
        &self,
        grant: &Grant,
        read: &Stored,
        resource: Resource,
    ) -> Result<Stored, CommitError> {
        require(grant.writes(read.version.address.resource_type)).map_err(CommitError::Failed)?;
        self.check_rewrite(grant, read, &resource)
            .map_err(CommitError::Failed)?;
        self.note_rewrite(grant, read)
            .map_err(CommitError::Failed)?;
        let (rewrite, stored) = self
            .prepare_rewrite(read, resource)
            .await
            .map_err(CommitError::Failed)?;
        let batch = Batch {
            rewrites: vec![rewrite],
            ..Batch::default()
        };
        match self.parts.store.commit(batch).await {
            Ok(()) => Ok(stored),
            Err(StoreError::VersionConflict(_) | StoreError::ReservationConflict) => {
                Err(CommitError::Conflict { lost: Vec::new() })
            }
            Err(error) => Err(CommitError::Failed(failed(&error))),
        }
    }

    async fn prepare_rewrite(
        &self,
        read: &Stored,
        mut resource: Resource,
    ) -> Result<(Rewrite, Stored), Outcome> {
        let indexer = self.indexer();
        let owner = indexer.owner_hash(indexer.owner(&resource));
        let keys = self.parts.keys.keys_for_owners(&[owner]).await?;
        let key = keys
            .first()
            .ok_or_else(|| Outcome::internal("no data key"))?;
        let version = &read.version;
        let last_updated_ms = self.parts.clock.now_ms().max(version.last_updated_ms + 1);
        resource.set_version(version.version_id, Instant::from_millis(last_updated_ms));
        let entries = indexer
            .entries(&resource, last_updated_ms)
            .map_err(|error| Outcome::new(Kind::TooLarge, error.to_string()))?;
        let mut json = Vec::with_capacity(read.json.len());
        json::write_object(&mut json, resource.object());
        let address = version_address(&version.address);
        let binding = Binding {
            address: &address,
            version_id: version.version_id,
        };
        let body = self.parts.sealer.seal(key, &binding, &json);
        let body = body.map_err(|error| Outcome::internal(format!("sealing a body: {error}")))?;
        let mut written = version.clone();
        written.last_updated_ms = last_updated_ms;
        written.key_id = *key.id();
        written.body = Some(body.clone().into());
        let rewrite = Rewrite {
            read: version.clone(),
            entries,
            body: Some(Resealed {
                body,
                key_id: *key.id(),
                last_updated_ms,
            }),
        };
        let stored = Stored {
            version: written,
            json: Bytes::from(json),
        };
        Ok((rewrite, stored))
    }
}
