//! `/livez`, `/readyz` and `/metrics`: for operators and their orchestrators.
//!
//! None of them shows anything of a record.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::http::state::AppState;

/// The routes at the root.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Whether the store takes reads and durable writes.
async fn ready(State(state): State<AppState>) -> Response {
    match state.ctx.records.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(outcome) => {
            let source = outcome.source.as_deref().unwrap_or("none given");
            tracing::warn!(source, "not ready");
            let headers = [(RETRY_AFTER, "2")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, "not ready\n").into_response()
        }
    }
}

/// Measurements in the Prometheus text format.
async fn metrics(State(state): State<AppState>) -> Response {
    let gauges = state.ctx.records.gauges();
    let figures = [
        ("vesta_store_write_queue_depth", gauges.write_queue_depth),
        ("vesta_store_connections_in_use", gauges.connections_in_use),
        ("vesta_store_connections_max", gauges.connections_max),
    ];
    let progress = state.ctx.records.reindex_progress().await;
    let progress = progress.unwrap_or_default();
    let pending = u64::try_from(progress.pending.len()).unwrap_or(u64::MAX);
    let figures = figures.into_iter().chain([
        ("vesta_reindex_types_pending", pending),
        ("vesta_reindex_resources_done", progress.done),
        ("vesta_reindex_resources_total", progress.total),
    ]);
    metrics::with_local_recorder(&*state.recorder, || {
        for (name, value) in figures {
            metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
        }
    });
    let text = state.recorder.handle().render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
