//! vread: one version of a resource, current or superseded.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#vread>.

use crate::access::Grant;
use crate::access::records::Stored;
use crate::interaction::Context;
use crate::interaction::read::gone;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::Address;

/// Which version.
#[derive(Debug, Clone)]
pub struct VreadRequest {
    /// The resource.
    pub address: Address,
    /// The version, as it stands in the URL.
    pub version_id: String,
}

/// Reads a version.
pub async fn vread(ctx: &Context, grant: &Grant, request: VreadRequest) -> Result<Stored, Outcome> {
    let found = match request.version_id.parse::<i64>() {
        Ok(version_id) => {
            ctx.records
                .get_version(grant, &request.address, version_id)
                .await?
        }
        // Our version ids are numbers; anything else never existed.
        Err(_) => None,
    };
    let stored = found.ok_or_else(|| {
        let name = request.address.resource_type.name();
        Outcome::new(
            Kind::NotFound,
            format!("There is no such version of a {name} with this id."),
        )
    })?;
    // A tombstone, or a version whose body was erased.
    if stored.json.is_empty() {
        return Err(gone(&stored));
    }
    Ok(stored)
}
