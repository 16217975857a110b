//! Sealed versions opened.

use bytes::Bytes;

use crate::access::records::prepare::version_address;
use crate::access::records::{Records, Stored};
use crate::outcome::Outcome;
use crate::seal::body::Binding;
use crate::store::Version;

impl Records {
    /// Opens a version.
    pub(super) async fn open(&self, version: Version) -> Result<Stored, Outcome> {
        let Some(sealed) = &version.body else {
            return Ok(Stored {
                version,
                json: Bytes::new(),
            });
        };
        let key = self.parts.keys.key(&version.key_id).await?;
        let address = version_address(&version.address);
        let binding = Binding {
            address: &address,
            version_id: version.version_id,
        };
        let json = self.parts.sealer.open(&key, &binding, sealed);
        let json = json.map_err(|error| Outcome::internal(format!("opening a body: {error}")))?;
        Ok(Stored {
            version,
            json: json.into(),
        })
    }

    /// Opens versions.
    pub(super) async fn open_all(&self, versions: Vec<Version>) -> Result<Vec<Stored>, Outcome> {
        let mut opened = Vec::with_capacity(versions.len());
        for version in versions {
            opened.push(self.open(version).await?);
        }
        Ok(opened)
    }
}
