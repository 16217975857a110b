//! Sealed versions opened, and compared with what shall follow them.

use bytes::Bytes;

use crate::access::records::prepare::version_address;
use crate::access::records::{Records, Stored};
use crate::fhir::json;
use crate::fhir::resource::Resource;
use crate::outcome::Outcome;
use crate::seal::body::Binding;
use crate::store::Version;

/// What a text may be longer than the stored one without moving.
const ROOM_BYTES: usize = 256;

impl Stored {
    /// Whether a resource says what this version says. It gets this version's `meta.versionId` and
    /// `meta.lastUpdated`.
    ///
    /// What is stored was written here, so the same content is the same text but for the order of
    /// members: texts of other bytes need not be read.
    pub fn says_the_same(&self, resource: &mut Resource) -> Result<bool, Outcome> {
        resource.set_version(self.version.version_id, self.last_updated());
        let mut text = Vec::with_capacity(self.json.len() + ROOM_BYTES);
        json::write_object(&mut text, resource.object());
        if text == self.json {
            return Ok(true);
        }
        Ok(has_same_bytes(&text, &self.json) && self.resource()?.same_content(resource))
    }
}

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
}

/// Whether one text is the other in some order.
fn has_same_bytes(one: &[u8], other: &[u8]) -> bool {
    let mut counts = [0_i64; 256];
    let mut count = |bytes: &[u8], by: i64| {
        for byte in bytes {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += by;
            }
        }
    };
    if one.len() != other.len() {
        return false;
    }
    count(one, 1);
    count(other, -1);
    counts.iter().all(|count| *count == 0)
}

#[cfg(test)]
mod tests {
    use super::has_same_bytes;

    #[test]
    fn order_alone_does_not_matter() {
        assert!(has_same_bytes(b"abca", b"caab"));
        assert!(!has_same_bytes(b"abca", b"abcb"));
        assert!(!has_same_bytes(b"ab", b"abb"));
    }
}
