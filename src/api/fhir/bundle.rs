//! POST of a batch or transaction, and the CapabilityStatement.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::access::{Grant, Intent};
use crate::api::fhir::locate::Caller;
use crate::fhir::query;
use crate::fhir::resource::Resource;
use crate::http::body;
use crate::http::middleware::observe::RequestId;
use crate::http::middleware::represent::traced;
use crate::http::payload::{Answer, Payload};
use crate::http::prefer::{Prefer, Return};
use crate::http::state::AppState;
use crate::interaction::Context;
use crate::interaction::batch::{BatchRequest, batch};
use crate::interaction::bundle::{self as bundles, EntryAnswer, read_bundle};
use crate::interaction::capabilities;
use crate::interaction::transaction::{TransactionRequest, transaction};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// POST on the base.
pub(crate) async fn bundle(
    caller: Caller,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let grant = caller.grant(Intent::Bundle)?;
    let sent = body::read(&caller.state, sent).await?;
    let bytes = sent.len();
    let work = async move {
        let with_resources = Prefer::of(&headers).asks_for(Return::Representation);
        let read = || body::resource_of(&caller.state, &headers, &sent);
        carry_out(&caller.state.ctx, &grant, &id, (&read, with_resources)).await
    };
    body::aside(bytes, work).await?
}

async fn carry_out(
    ctx: &Context,
    grant: &Grant,
    id: &RequestId,
    (read, with_resources): (&(dyn Fn() -> Result<Resource, Outcome> + Sync), bool),
) -> Answer {
    let sent = read()?;
    if sent.resource_type().name() != "Bundle" {
        let reason = "Only a Bundle (batch or transaction) can be posted to the base; a resource \
                      goes to its type, as in POST Patient.";
        return Err(Outcome::new(Kind::Invalid, reason)
            .at("resourceType")
            .into());
    }
    let request = read_bundle(ctx, sent)?;
    let is_transaction = request.is_transaction;
    let answers = if is_transaction {
        let request = TransactionRequest {
            entries: request.entries.into_iter().collect::<Result<_, _>>()?,
            again: &|| read_bundle(ctx, read()?)?.entries.into_iter().collect(),
            marks: Vec::new(),
        };
        transaction(ctx, grant, request).await?
    } else {
        batch(
            ctx,
            grant,
            BatchRequest {
                entries: request.entries,
            },
        )
        .await?
    };
    let trace = |answer| match answer {
        EntryAnswer::Failed(outcome) => EntryAnswer::Failed(traced(id, outcome)),
        other => other,
    };
    let answers: Vec<_> = answers.into_iter().map(trace).collect();
    let json = bundles::write(ctx, is_transaction, &answers, with_resources);
    Ok(Payload {
        is_record: false,
        ..Payload::of_json(StatusCode::OK, json)
    })
}

/// GET on `/metadata`.
pub(crate) async fn capabilities(
    State(state): State<AppState>,
    RawQuery(text): RawQuery,
) -> Answer {
    let pairs = query::pairs(&text.unwrap_or_default());
    let json = match query::first(&pairs, "mode") {
        None | Some("full" | "normative") => {
            let indexer = state.ctx.records.indexer();
            if indexer.registry().has_custom_parameters() {
                capabilities::in_force(&state.ctx, indexer.registry())?.into()
            } else {
                Bytes::from_owner(std::sync::Arc::clone(&state.capability_statement))
            }
        }
        Some("terminology") => capabilities::terminology(&state.ctx)?.into(),
        Some(_) => {
            let reason = "mode must be full, normative or terminology.";
            return Err(Outcome::new(Kind::Malformed, reason).into());
        }
    };
    Ok(Payload::of_json(StatusCode::OK, json))
}

/// DELETE on the base: a conditional delete over all types, which this server does not do.
pub(crate) async fn delete_nothing(caller: Caller) -> Answer {
    caller.grant(Intent::Bundle)?;
    let reason = "A conditional delete over all types is not offered: name a type.";
    Err(Outcome::new(Kind::Unsupported, reason).into())
}
