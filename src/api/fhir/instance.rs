//! Interactions on one resource: read, vread, update, patch, delete.

use axum::body::Body;
use axum::extract::RawQuery;
use http::{HeaderMap, StatusCode};

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, InstancePath, VersionPath};
use crate::api::fhir::writing::{self, refuse_other_type};
use crate::http::payload::{Answer, Payload};
use crate::http::{body, conditions};
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
    headers: HeaderMap,
) -> Answer {
    let grant = caller.grant(Intent::Read(address.resource_type))?;
    let request = ReadRequest {
        address,
        if_none_match: conditions::if_none_match(&headers)?,
        if_modified_since: conditions::if_modified_since(&headers),
    };
    Ok(
        match reading::read(&caller.state.ctx, &grant, request).await? {
            ReadResponse::Found(stored) => Payload::of_stored(StatusCode::OK, &stored),
            ReadResponse::NotModified(stored) => Payload {
                json: None,
                ..Payload::of_stored(StatusCode::NOT_MODIFIED, &stored)
            },
        },
    )
}

/// GET of a version.
pub(crate) async fn vread(caller: Caller, VersionPath(address, version_id): VersionPath) -> Answer {
    let grant = caller.grant(Intent::Read(address.resource_type))?;
    let request = VreadRequest {
        address,
        version_id,
    };
    let stored = version_reading::vread(&caller.state.ctx, &grant, request).await?;
    Ok(Payload::of_stored(StatusCode::OK, &stored))
}

/// PUT.
pub(crate) async fn update(
    caller: Caller,
    InstancePath(address): InstancePath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Write(address.resource_type))?;
    let resource = body::resource(&caller.state, &headers, sent).await?;
    refuse_other_type(&resource, address.resource_type)?;
    let condition = conditions::precondition(&headers)?;
    let request = UpdateRequest {
        resource,
        target: Target::Id(address.id),
        condition,
    };
    let written = updating::update(&caller.state.ctx, &grant, request).await?;
    Ok(writing::answer(&caller.state, &headers, &written))
}

/// PATCH.
pub(crate) async fn patch(
    caller: Caller,
    InstancePath(address): InstancePath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Write(address.resource_type))?;
    let request = PatchRequest {
        resource_type: address.resource_type,
        target: Target::Id(address.id),
        patch: body::patch(&caller.state, &headers, sent).await?,
        condition: conditions::precondition(&headers)?,
    };
    let written = patching::patch(&caller.state.ctx, &grant, request).await?;
    Ok(writing::answer(&caller.state, &headers, &written))
}

/// DELETE.
pub(crate) async fn delete(
    caller: Caller,
    InstancePath(address): InstancePath,
    RawQuery(_query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let grant = caller.grant(Intent::Write(address.resource_type))?;
    let request = DeleteRequest {
        resource_type: address.resource_type,
        target: Target::Id(address.id),
        condition: conditions::precondition(&headers)?,
    };
    let written = deleting::delete(&caller.state.ctx, &grant, request).await?;
    Ok(writing::deleted(&headers, &written))
}
