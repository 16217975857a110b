//! The three history interactions.

use axum::extract::RawQuery;
use http::StatusCode;

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, InstancePath, TypePath};
use crate::http::payload::{Answer, Payload};
use crate::interaction::history::{self, HistoryRequest};
use crate::store::HistoryScope;

/// GET on an instance's history.
pub(crate) async fn instance_history(
    caller: Caller,
    InstancePath(address): InstancePath,
    RawQuery(text): RawQuery,
) -> Answer {
    let path = format!("{}/{}/_history", address.resource_type, address.id);
    let intent = Intent::Read(address.resource_type);
    answer(caller, intent, HistoryScope::Instance(address), &path, text).await
}

/// GET on a type's history.
pub(crate) async fn type_history(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(text): RawQuery,
) -> Answer {
    let path = format!("{resource_type}/_history");
    let scope = HistoryScope::Type(resource_type);
    answer(caller, Intent::Read(resource_type), scope, &path, text).await
}

/// GET on the history of everything.
pub(crate) async fn system_history(caller: Caller, RawQuery(text): RawQuery) -> Answer {
    answer(
        caller,
        Intent::ReadSystem,
        HistoryScope::System,
        "_history",
        text,
    )
    .await
}

async fn answer(
    caller: Caller,
    intent: Intent,
    scope: HistoryScope,
    path: &str,
    text: Option<String>,
) -> Answer {
    let grant = caller.grant(intent)?;
    let query = text.unwrap_or_default();
    let ctx = &caller.state.ctx;
    let request = HistoryRequest::read(ctx, scope, &query)?;
    let response = history::history(ctx, &grant, request).await?;
    let bundle = history::to_bundle(ctx, path, &query, &response);
    Ok(Payload::of_json(StatusCode::OK, bundle))
}
