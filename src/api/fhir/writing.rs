//! create and the conditional writes, and what every write answers with.

use axum::body::Body;
use axum::extract::RawQuery;
use http::header::ETAG;
use http::{HeaderMap, StatusCode};

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, TypePath};
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::http::payload::{Answer, Payload, etag};
use crate::http::prefer::{Prefer, Return};
use crate::http::state::AppState;
use crate::http::{body, conditions};
use crate::interaction::create::CreateRequest;
use crate::interaction::delete::DeleteRequest;
use crate::interaction::patch::PatchRequest;
use crate::interaction::stage::Written;
use crate::interaction::update::{Target, UpdateRequest};
use crate::interaction::{create as creating, delete as deleting};
use crate::interaction::{patch as patching, update as updating};
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};

/// POST on a type.
pub(crate) async fn create(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Create(resource_type))?;
    let sent = body::read(&caller.state, sent).await?;
    let bytes = sent.len();
    let work = async move {
        let resource = received(&caller.state, (resource_type, None), &headers, &sent)?;
        let if_none_exist = conditions::if_none_exist(&headers, query.as_deref())?;
        let request = CreateRequest {
            resource,
            if_none_exist,
        };
        let written = creating::create(&caller.state.ctx, &grant, request).await?;
        Ok(answer(&caller.state, &headers, &written))
    };
    body::aside(bytes, work).await?
}

/// PUT with criteria.
pub(crate) async fn conditional_update(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Update(resource_type))?;
    let sent = body::read(&caller.state, sent).await?;
    let bytes = sent.len();
    let work = async move {
        let resource = received(&caller.state, (resource_type, None), &headers, &sent)?;
        let request = UpdateRequest {
            resource,
            target: criteria(query),
            condition: conditions::precondition(&headers)?,
        };
        let written = updating::update(&caller.state.ctx, &grant, request).await?;
        Ok(answer(&caller.state, &headers, &written))
    };
    body::aside(bytes, work).await?
}

/// PATCH with criteria.
pub(crate) async fn conditional_patch(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Patch(resource_type))?;
    let sent = body::read(&caller.state, sent).await?;
    let bytes = sent.len();
    let work = async move {
        let request = PatchRequest {
            resource_type,
            target: criteria(query),
            patch: body::patch_of(&caller.state, &headers, &sent)?,
            condition: conditions::precondition(&headers)?,
        };
        let written = patching::patch(&caller.state.ctx, &grant, request).await?;
        Ok(answer(&caller.state, &headers, &written))
    };
    body::aside(bytes, work).await?
}

/// DELETE with criteria.
pub(crate) async fn conditional_delete(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let grant = caller.grant(Intent::Delete(resource_type))?;
    let request = DeleteRequest {
        resource_type,
        target: criteria(query),
        condition: conditions::precondition(&headers)?,
    };
    let written = deleting::delete(&caller.state.ctx, &grant, request).await?;
    Ok(deleted(&headers, &written))
}

fn criteria(query: Option<String>) -> Target {
    Target::Criteria(query.unwrap_or_default())
}

/// The resource of a create or an update; content that is sent to `Binary` becomes one, under the
/// id of the URL when there is one.
pub(crate) fn received(
    state: &AppState,
    (resource_type, id): (ResourceType, Option<&str>),
    headers: &HeaderMap,
    sent: &[u8],
) -> Result<Resource, Outcome> {
    if resource_type.name() == "Binary" {
        return body::binary_of(state, headers, sent, id);
    }
    let resource = body::resource_of(state, headers, sent)?;
    refuse_other_type(&resource, resource_type)?;
    Ok(resource)
}

/// Refuses a body whose type is not the one in the URL.
fn refuse_other_type(resource: &Resource, resource_type: ResourceType) -> Result<(), Outcome> {
    if resource.resource_type() == resource_type {
        return Ok(());
    }
    Err(Outcome::new(
        Kind::Invalid,
        format!(
            "The URL names {resource_type}, the body is a {}.",
            resource.resource_type()
        ),
    )
    .at("resourceType"))
}

/// The answer to a create, update or patch.
pub(crate) fn answer(state: &AppState, headers: &HeaderMap, written: &Written) -> Payload {
    let Some(stored) = written.stored() else {
        return Payload::empty(StatusCode::NO_CONTENT);
    };
    let status = match written {
        Written::Created(_) => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let mut payload = Payload::of_stored(status, stored);
    payload.add_location(&state.ctx.settings.base_url, stored);
    match Prefer::of(headers).return_ {
        None | Some(Return::Representation) => {}
        Some(Return::Minimal) => payload.json = None,
        Some(Return::OperationOutcome) => {
            payload.json = Payload::of_issues(status, &[notice(written)]).json;
        }
    }
    payload.is_record = false;
    payload
}

fn notice(written: &Written) -> Issue {
    let text = match written {
        Written::Created(_) => "Created.",
        Written::Updated(_) => "Updated.",
        Written::Unchanged(_) => "Nothing had to be changed.",
        Written::Deleted(_) => "Deleted.",
        Written::Absent => "There was nothing to delete.",
    };
    Issue::information("informational", text)
}

/// The answer to a delete.
pub(crate) fn deleted(headers: &HeaderMap, written: &[Written]) -> Payload {
    let wants_outcome = Prefer::of(headers).asks_for(Return::OperationOutcome);
    let mut payload = if wants_outcome {
        let issues: Vec<_> = written.iter().map(notice).collect();
        Payload::of_issues(StatusCode::OK, &issues)
    } else {
        Payload::empty(StatusCode::NO_CONTENT)
    };
    if let [Written::Deleted(stored)] = written {
        payload.add(ETAG, &etag(stored.version.version_id));
    }
    payload
}
