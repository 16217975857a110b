//! The routes of operations: `$...` on the system, a type or an instance.

mod listing;
mod meta;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, InstancePath};
use crate::http::payload::{Answer, Payload};
use crate::http::state::AppState;
use crate::operation::erase::{self, EraseRequest};
use crate::operation::reindex;
use crate::outcome::Issue;

/// The routes of operations, below the FHIR base.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/{type}/{id}/$erase", post(erase))
        .route("/$reindex-status", get(reindex_status))
        .route(
            "/{type}/$everything",
            get(listing::everything_of_type).post(listing::everything_of_type),
        )
        .route(
            "/{type}/{id}/$everything",
            get(listing::everything_of_instance).post(listing::everything_of_instance),
        )
        .route("/{type}/$lastn", get(listing::lastn).post(listing::lastn))
        .route("/$meta", get(meta::of_system).post(meta::of_system))
        .route("/{type}/$meta", get(meta::of_type).post(meta::of_type))
        .route(
            "/{type}/{id}/$meta",
            get(meta::of_instance).post(meta::of_instance),
        )
        .route(
            "/{type}/{id}/_history/{version_id}/$meta",
            get(meta::of_version).post(meta::of_version),
        )
        .route("/{type}/{id}/$meta-add", post(meta::add))
        .route("/{type}/{id}/$meta-delete", post(meta::delete))
        .route(
            "/{type}/{id}/_history/{version_id}/$meta-add",
            post(meta::add_to_version),
        )
        .route(
            "/{type}/{id}/_history/{version_id}/$meta-delete",
            post(meta::delete_from_version),
        )
}

async fn reindex_status(caller: Caller) -> Answer {
    let grant = caller.grant(Intent::Reindex)?;
    let json = reindex::status(&caller.state.ctx, &grant).await?;
    let mut payload = Payload::of_json(StatusCode::OK, json);
    payload.is_record = false;
    Ok(payload)
}

async fn erase(caller: Caller, InstancePath(address): InstancePath) -> Answer {
    let grant = caller.grant(Intent::Erase)?;
    let request = EraseRequest { address };
    let patient_id = request.address.id.clone();
    let response = erase::erase(&caller.state.ctx, &grant, request).await?;
    caller.state.events.forget(&patient_id).await?;
    let text = match response.versions {
        0 => "This record was erased already: nothing was left to erase.".to_owned(),
        1 => "Erased: 1 version can no longer be read.".to_owned(),
        versions => format!("Erased: {versions} versions can no longer be read."),
    };
    let issue = Issue::information("informational", text);
    Ok(Payload::of_issues(StatusCode::OK, &[issue]))
}
