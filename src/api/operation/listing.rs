//! `$everything` and `$lastn` over HTTP, by GET and by POST.

use axum::body::Body;
use axum::extract::RawQuery;
use http::{HeaderMap, StatusCode};

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, InstancePath, TypePath};
use crate::fhir::resource_type::ResourceType;
use crate::http::body;
use crate::http::payload::{Answer, Payload};
use crate::interaction::search::{self, SearchResponse};
use crate::operation::everything::{EverythingRequest, everything};
use crate::operation::lastn;
use crate::operation::listing::Call;
use crate::operation::parameters;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// Everything of a patient or an encounter.
pub(super) async fn everything_of_instance(
    caller: Caller,
    InstancePath(address): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    require(address.resource_type, &["Patient", "Encounter"])?;
    let path = format!("{}/{}/$everything", address.resource_type, address.id);
    let request = EverythingRequest {
        subject: Some(address),
        call: read(&caller, path, query, (&headers, sent)).await?,
    };
    answer_everything(&caller, request).await
}

/// Everything of all patients.
pub(super) async fn everything_of_type(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    require(resource_type, &["Patient"])?;
    let path = format!("{resource_type}/$everything");
    let request = EverythingRequest {
        subject: None,
        call: read(&caller, path, query, (&headers, sent)).await?,
    };
    answer_everything(&caller, request).await
}

/// The newest observations.
pub(super) async fn lastn(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    require(resource_type, &["Observation"])?;
    let path = format!("{resource_type}/$lastn");
    let call = read(&caller, path, query, (&headers, sent)).await?;
    let grant = caller.grant(Intent::Search(Some(resource_type)))?;
    let response = lastn::lastn(&caller.state.ctx, &grant, &call).await?;
    Ok(bundle(&caller, &response))
}

/// The operation is defined on some types only.
fn require(resource_type: ResourceType, types: &[&str]) -> Result<(), Outcome> {
    if types.contains(&resource_type.name()) {
        return Ok(());
    }
    let text = format!("This operation is on {} only.", types.join(" and "));
    Err(Outcome::new(Kind::NotFound, text))
}

async fn answer_everything(caller: &Caller, request: EverythingRequest) -> Answer {
    let grant = caller.grant(Intent::Search(None))?;
    let response = everything(&caller.state.ctx, &grant, request).await?;
    Ok(bundle(caller, &response))
}

fn bundle(caller: &Caller, response: &SearchResponse) -> Payload {
    let json = search::to_bundle(&caller.state.ctx, response);
    Payload::of_json(StatusCode::OK, json)
}

/// A call with the parameters of the URL and of the body, which may be empty.
async fn read(
    caller: &Caller,
    path: String,
    query: Option<String>,
    (headers, sent): (&HeaderMap, Body),
) -> Result<Call, Outcome> {
    let mut call = Call {
        path,
        query: query.unwrap_or_default(),
        sent: Vec::new(),
    };
    let bytes = body::read(&caller.state, sent).await?;
    if !bytes.is_empty() {
        let resource = body::resource(&caller.state, headers, bytes.into()).await?;
        call.sent = parameters::pairs(&caller.state.ctx, &resource)?;
    }
    Ok(call)
}
