//! Interactions on one resource: read, vread, update, patch, delete.

use axum::body::Body;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use crate::access::Intent;
use crate::access::records::Stored;
use crate::api::fhir::locate::{Caller, InstancePath, VersionPath};
use crate::api::fhir::writing;
use crate::http::payload::{Answer, Payload, Rejection};
use crate::http::{body, conditions, content};
use crate::interaction::delete::DeleteRequest;
use crate::interaction::patch::PatchRequest;
use crate::interaction::read::{ReadRequest, ReadResponse};
use crate::interaction::update::{Target, UpdateRequest};
use crate::interaction::vread::VreadRequest;
use crate::interaction::{delete as deleting, patch as patching, read as reading};
use crate::interaction::{update as updating, vread as version_reading};

/// GET and HEAD.
pub(crate) async fn read(
    caller: Caller,
    InstancePath(address): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let grant = caller.grant(Intent::Read(address.resource_type))?;
    let request = ReadRequest {
        address,
        if_none_match: conditions::if_none_match(&headers)?,
        if_modified_since: conditions::if_modified_since(&headers),
    };
    match reading::read(&caller.state.ctx, &grant, request).await? {
        ReadResponse::Found(stored) => shown(stored, query, headers).await,
        ReadResponse::NotModified(stored) => Ok(Payload {
            json: None,
            ..Payload::of_stored(StatusCode::NOT_MODIFIED, &stored)
        }
        .into_response()),
    }
}

/// GET of a version.
pub(crate) async fn vread(
    caller: Caller,
    VersionPath(address, version_id): VersionPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let grant = caller.grant(Intent::Read(address.resource_type))?;
    let request = VreadRequest {
        address,
        version_id,
    };
    let stored = version_reading::vread(&caller.state.ctx, &grant, request).await?;
    shown(stored, query, headers).await
}

/// The answer to a read: the resource, or the content of a `Binary` for who wants that.
async fn shown(
    stored: Stored,
    query: Option<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    if stored.version.address.resource_type.name() != "Binary" {
        return Ok(Payload::of_stored(StatusCode::OK, &stored).into_response());
    }
    let bytes = stored.json.len();
    let work = async move {
        let payload = Payload::of_stored(StatusCode::OK, &stored);
        let binary = stored.resource()?;
        let query = query.unwrap_or_default();
        if content::is_wanted(&headers, &query, content::type_of(&binary)) {
            return Ok(content::answer(&binary, payload)?);
        }
        Ok(payload.into_response())
    };
    body::aside(bytes, work).await?
}

/// PUT.
pub(crate) async fn update(
    caller: Caller,
    InstancePath(address): InstancePath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Update(address.resource_type))?;
    let sent = body::read(&caller.state, sent).await?;
    let bytes = sent.len();
    let work = async move {
        let target = (address.resource_type, Some(address.id.as_str()));
        let resource = writing::received(&caller.state, target, &headers, &sent)?;
        let request = UpdateRequest {
            resource,
            target: Target::Id(address.id),
            condition: conditions::precondition(&headers)?,
        };
        let written = updating::update(&caller.state.ctx, &grant, request).await?;
        Ok(writing::answer(&caller.state, &headers, &written))
    };
    body::aside(bytes, work).await?
}

/// PATCH.
pub(crate) async fn patch(
    caller: Caller,
    InstancePath(address): InstancePath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Patch(address.resource_type))?;
    let sent = body::read(&caller.state, sent).await?;
    let bytes = sent.len();
    let work = async move {
        let request = PatchRequest {
            resource_type: address.resource_type,
            target: Target::Id(address.id),
            patch: body::patch_of(&caller.state, &headers, &sent)?,
            condition: conditions::precondition(&headers)?,
        };
        let written = patching::patch(&caller.state.ctx, &grant, request).await?;
        Ok(writing::answer(&caller.state, &headers, &written))
    };
    body::aside(bytes, work).await?
}

/// DELETE.
pub(crate) async fn delete(
    caller: Caller,
    InstancePath(address): InstancePath,
    RawQuery(_query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let grant = caller.grant(Intent::Delete(address.resource_type))?;
    let request = DeleteRequest {
        resource_type: address.resource_type,
        target: Target::Id(address.id),
        condition: conditions::precondition(&headers)?,
    };
    let written = deleting::delete(&caller.state.ctx, &grant, request).await?;
    Ok(writing::deleted(&headers, &written))
}
