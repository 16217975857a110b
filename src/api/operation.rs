//! The routes of operations: `$...` on the system, a type or an instance.

use axum::Router;
use axum::routing::post;
use http::StatusCode;

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, InstancePath};
use crate::http::payload::{Answer, Payload};
use crate::http::state::AppState;
use crate::operation::erase::{self, EraseRequest};
use crate::outcome::Issue;

/// The routes of operations, below the FHIR base.
pub fn routes() -> Router<AppState> {
    Router::new().route("/{type}/{id}/$erase", post(erase))
}

async fn erase(caller: Caller, InstancePath(address): InstancePath) -> Answer {
    let grant = caller.grant(Intent::Erase)?;
    let request = EraseRequest { address };
    let response = erase::erase(&caller.state.ctx, &grant, request).await?;
    let text = format!(
        "Erased: {} versions can no longer be read.",
        response.versions
    );
    let issue = Issue::information("informational", text);
    Ok(Payload::of_issues(StatusCode::OK, &[issue]))
}
