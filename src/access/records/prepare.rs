//! A change made ready to store: version, index entries, sealed body.
//!
//! Pure work, done on a thread for blocking work when there is much of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::access::records::Change;
use crate::fhir::instant::Instant;
use crate::fhir::json;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::seal::body::{Binding, BodySealer};
use crate::seal::data_key::DataKey;
use crate::search::index::Indexer;
use crate::search::key::Entries;
use crate::store::batch::Put;
use crate::store::{Address, Version};

/// A change with what is needed to seal it.
pub(super) struct Work {
    pub(super) change: Change,
    pub(super) key: Arc<DataKey>,
    pub(super) sequence: i64,
    pub(super) now_ms: i64,
}

/// Seals every change, with its index entries; gives the JSON back for the answer.
pub(super) fn seal_all(
    indexer: &Indexer,
    sealer: &BodySealer,
    work: Vec<Work>,
) -> Result<Vec<(Put, Bytes)>, Outcome> {
    work.into_iter()
        .map(|one| seal_one(indexer, sealer, one))
        .collect()
}

fn seal_one(indexer: &Indexer, sealer: &BodySealer, work: Work) -> Result<(Put, Bytes), Outcome> {
    let Work {
        change,
        key,
        sequence,
        now_ms,
    } = work;
    let current = change.supersedes.map(|stored| stored.version);
    // Time never runs backwards within one resource, whatever the clocks of several machines say.
    let last_updated_ms = current
        .as_ref()
        .map_or(now_ms, |v| now_ms.max(v.last_updated_ms + 1));
    let mut version = Version {
        version_id: current.as_ref().map_or(1, |v| v.version_id + 1),
        last_updated_ms,
        sequence,
        method: change.method,
        key_id: [0; 16],
        body: None,
        address: change.address,
    };
    let (mut entries, mut json) = (Entries::default(), Bytes::new());
    if let Some(mut resource) = change.resource {
        resource.set_version(version.version_id, Instant::from_millis(last_updated_ms));
        entries = indexer
            .entries(&resource, last_updated_ms)
            .map_err(|error| Outcome::new(Kind::TooLarge, error.to_string()))?;
        let mut bytes = Vec::with_capacity(2048);
        json::write_object(&mut bytes, resource.object());
        let address = version_address(&version.address);
        let binding = Binding {
            address: &address,
            version_id: version.version_id,
        };
        let body = sealer.seal(&key, &binding, &bytes);
        let body = body.map_err(|error| Outcome::internal(format!("sealing a body: {error}")))?;
        version.body = Some(body.into());
        version.key_id = *key.id();
        json = bytes.into();
    }
    Ok((
        Put {
            version,
            entries,
            supersedes: current,
        },
        json,
    ))
}

/// What a body is bound to beside its version.
pub(super) fn version_address(address: &Address) -> String {
    format!("{}/{}", address.resource_type, address.id)
}
