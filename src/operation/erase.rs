//! `$erase`: a patient's record destroyed for good, by destroying the keys that seal it.
//!
//! An operation of this server's own. Bodies cannot be opened afterwards, from a backup either;
//! index entries are gone; what remains is that something with this id existed.
//! How and what stays: `docs/security.md`.

use crate::access::Grant;
use crate::interaction::Context;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::Address;

/// Whose record.
#[derive(Debug, Clone)]
pub struct EraseRequest {
    /// The patient.
    pub address: Address,
}

/// What was erased.
#[derive(Debug, Clone, Copy)]
pub struct EraseResponse {
    /// How many versions lost their bodies; none when all were erased already.
    pub versions: u64,
}

/// Erases a patient's record. Erasing it again erases what was written meanwhile.
pub async fn erase(
    ctx: &Context,
    grant: &Grant,
    request: EraseRequest,
) -> Result<EraseResponse, Outcome> {
    if request.address.resource_type.name() != "Patient" {
        return Err(Outcome::new(
            Kind::Invalid,
            "$erase works on a Patient: records are sealed patient by patient.",
        ));
    }
    let versions = ctx.records.erase(grant, &request.address.id).await?;
    let is_erased = ctx
        .records
        .get(grant, &request.address)
        .await?
        .is_some_and(|stored| stored.is_deleted());
    if versions == 0 && !is_erased {
        return Err(crate::interaction::read::not_found(&request.address));
    }
    Ok(EraseResponse { versions })
}
