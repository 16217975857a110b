//! `$meta`, `$meta-add` and `$meta-delete` over HTTP.

use axum::body::Body;
use http::header::{ETAG, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, InstancePath, TypePath, VersionPath};
use crate::fhir::resource_type::ResourceType;
use crate::http::payload::{Answer, Payload, etag};
use crate::http::{body, conditions};
use crate::operation::meta::{self, MetaChange, MetaRequest};
use crate::store::Address;

/// On the system.
pub(super) async fn of_system(caller: Caller) -> Answer {
    let grant = caller.grant(Intent::Search(None))?;
    let json = meta::in_use(&caller.state.ctx, &grant, ResourceType::all()).await?;
    Ok(made(json))
}

/// On a type.
pub(super) async fn of_type(caller: Caller, TypePath(resource_type): TypePath) -> Answer {
    let grant = caller.grant(Intent::Search(Some(resource_type)))?;
    let types = std::iter::once(resource_type);
    let json = meta::in_use(&caller.state.ctx, &grant, types).await?;
    Ok(made(json))
}

/// On a resource.
pub(super) async fn of_instance(caller: Caller, InstancePath(address): InstancePath) -> Answer {
    read(&caller, address, None).await
}

/// On a version.
pub(super) async fn of_version(
    caller: Caller,
    VersionPath(address, version_id): VersionPath,
) -> Answer {
    read(&caller, address, Some(version_id)).await
}

/// Adds to a resource.
pub(super) async fn add(
    caller: Caller,
    InstancePath(address): InstancePath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    change(&caller, (address, None, MetaChange::Add), &headers, sent).await
}

/// Removes from a resource.
pub(super) async fn delete(
    caller: Caller,
    InstancePath(address): InstancePath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let what = (address, None, MetaChange::Delete);
    change(&caller, what, &headers, sent).await
}

/// Adds to a version.
pub(super) async fn add_to_version(
    caller: Caller,
    VersionPath(address, version_id): VersionPath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let what = (address, Some(version_id), MetaChange::Add);
    change(&caller, what, &headers, sent).await
}

/// Removes from a version.
pub(super) async fn delete_from_version(
    caller: Caller,
    VersionPath(address, version_id): VersionPath,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let what = (address, Some(version_id), MetaChange::Delete);
    change(&caller, what, &headers, sent).await
}

async fn read(caller: &Caller, address: Address, version_id: Option<String>) -> Answer {
    let grant = caller.grant(Intent::Read(address.resource_type))?;
    let json = meta::of_instance(&caller.state.ctx, &grant, address, version_id).await?;
    Ok(made(json))
}

async fn change(
    caller: &Caller,
    (address, version_id, change): (Address, Option<String>, MetaChange),
    headers: &HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Patch(address.resource_type))?;
    let request = MetaRequest {
        address,
        version_id,
        change,
        parameters: body::resource(&caller.state, headers, sent).await?,
        condition: conditions::precondition(headers)?,
    };
    let (stored, json) = meta::change(&caller.state.ctx, &grant, request).await?;
    let mut payload = made(json);
    payload.add(ETAG, &etag(stored.version.version_id));
    payload.add(LAST_MODIFIED, &stored.last_updated().to_http_date());
    Ok(payload)
}

fn made(json: Vec<u8>) -> Payload {
    let mut payload = Payload::of_json(StatusCode::OK, json);
    payload.is_record = false;
    payload
}
