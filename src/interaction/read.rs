//! read: the current version of a resource, or word that the client has it already.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#read>, <https://hl7.org/fhir/R4/http.html#cread>.

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::instant::Instant;
use crate::interaction::Context;
use crate::interaction::entity_tag::Known;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::Address;

/// Which resource, and what the client has already.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The resource.
    pub address: Address,
    /// What the client has (`If-None-Match`).
    pub if_none_match: Option<Known>,
    /// The client has what was written up to here (`If-Modified-Since`, whole seconds).
    pub if_modified_since: Option<Instant>,
}

/// The answer.
#[derive(Debug, Clone)]
pub enum ReadResponse {
    /// The current version.
    Found(Stored),
    /// The client has the current version; only what the headers need is given.
    NotModified(Stored),
}

/// Reads a resource.
pub async fn read(
    ctx: &Context,
    grant: &Grant,
    request: ReadRequest,
) -> Result<ReadResponse, Outcome> {
    let stored = ctx.records.get(grant, &request.address).await?;
    let stored = stored.ok_or_else(|| not_found(&request.address))?;
    if stored.is_deleted() {
        return Err(gone(&stored));
    }
    if is_known(&stored, &request) {
        return Ok(ReadResponse::NotModified(stored));
    }
    Ok(ReadResponse::Found(stored))
}

/// `If-None-Match` counts before `If-Modified-Since`, RFC 9110 section 13.2.2.
fn is_known(stored: &Stored, request: &ReadRequest) -> bool {
    if let Some(known) = &request.if_none_match {
        return known.has(stored.version.version_id);
    }
    let written_s = stored.version.last_updated_ms.div_euclid(1000);
    request
        .if_modified_since
        .is_some_and(|since| written_s <= since.millis().div_euclid(1000))
}

/// There never was such a resource.
pub fn not_found(address: &Address) -> Outcome {
    Outcome::new(
        Kind::NotFound,
        format!("There is no {} with this id.", address.resource_type),
    )
}

/// The resource was deleted.
pub fn gone(stored: &Stored) -> Outcome {
    Outcome::new(
        Kind::Gone,
        format!(
            "This {} was deleted or erased; version {} holds nothing.",
            stored.version.address.resource_type, stored.version.version_id
        ),
    )
}
