//! Operations called by a GET entry of a batch or transaction: those that change nothing.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use bytes::Bytes;

use crate::access::{Grant, Intent};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::fetch::{address, resource_type};
use crate::interaction::operations::{Answer, Operations};
use crate::interaction::search;
use crate::operation::everything::{EverythingRequest, everything};
use crate::operation::listing::Call;
use crate::operation::{lastn, meta};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// `$everything`, `$lastn` and `$meta`.
#[derive(Debug, Clone, Copy)]
pub struct GetOperations;

impl Operations for GetOperations {
    fn get<'f>(
        &'f self,
        ctx: &'f Context,
        grant: &'f Grant,
        url: (&'f str, &'f str),
    ) -> Answer<'f> {
        Box::pin(get(ctx, grant, url))
    }
}

async fn get(ctx: &Context, grant: &Grant, url: (&str, &str)) -> Result<Bytes, Outcome> {
    let (path, query) = url;
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let segments: Vec<_> = segments.collect();
    let call = || Call {
        path: segments.join("/"),
        query: query.to_owned(),
        sent: Vec::new(),
    };
    let json = match segments.as_slice() {
        [name @ ("Patient" | "Encounter"), id, "$everything"] => {
            let subject = Some(address(name, id)?);
            let call = call();
            let request = EverythingRequest { subject, call };
            let grant = grant.within(Intent::Search(None))?;
            let response = everything(ctx, &grant, request).await?;
            search::to_bundle(ctx, &response)
        }
        ["Patient", "$everything"] => {
            let (subject, call) = (None, call());
            let request = EverythingRequest { subject, call };
            let grant = grant.within(Intent::Search(None))?;
            let response = everything(ctx, &grant, request).await?;
            search::to_bundle(ctx, &response)
        }
        ["Observation", "$lastn"] => {
            let grant = grant.within(Intent::Search(Some(resource_type("Observation")?)))?;
            let response = lastn::lastn(ctx, &grant, &call()).await?;
            search::to_bundle(ctx, &response)
        }
        ["$meta"] => {
            let grant = grant.within(Intent::Search(None))?;
            meta::in_use(ctx, &grant, ResourceType::all()).await?
        }
        [name, "$meta"] => {
            let resource_type = resource_type(name)?;
            let grant = grant.within(Intent::Search(Some(resource_type)))?;
            meta::in_use(ctx, &grant, std::iter::once(resource_type)).await?
        }
        [name, id, "$meta"] => {
            let address = address(name, id)?;
            let grant = grant.within(Intent::Read(address.resource_type))?;
            meta::of_instance(ctx, &grant, address, None).await?
        }
        [name, id, "_history", version_id, "$meta"] => {
            let version_id = Some((*version_id).to_owned());
            let address = address(name, id)?;
            let grant = grant.within(Intent::Read(address.resource_type))?;
            meta::of_instance(ctx, &grant, address, version_id).await?
        }
        _ => {
            let text = "Inside a Bundle, GET calls $everything, $lastn and $meta: call other \
                        operations on their own.";
            return Err(Outcome::new(Kind::Unsupported, text));
        }
    };
    Ok(json.into())
}
