//! `/livez`, `/readyz` and `/metrics`: for operators and their orchestrators.
//!
//! None of them shows anything of a record. That the process lives is told to everybody, the rest
//! to this machine and to addresses that the settings name: ADR 0162.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::config::address_range::AddressRange;
use crate::config::operations::OperationsConfig;
use crate::http::forwarded;
use crate::http::oauth::Peer;
use crate::http::state::AppState;

/// The routes at the root.
pub fn routes(state: &AppState, config: &OperationsConfig) -> Router<AppState> {
    let readiness = Readiness {
        state: state.clone(),
        holds: Duration::from_millis(config.ready_ms),
        asking: Arc::default(),
        known: Arc::default(),
    };
    let allowed: Arc<[AddressRange]> = config.allowed.clone().into();
    Router::new()
        .route("/readyz", get(async move || readiness.answer().await))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(allowed, near_only))
        .route("/livez", get(async || "alive\n"))
}

/// Lets in who asks from this machine, not through a proxy, or from an address that is named. To
/// everybody else there is nothing here.
async fn near_only(
    State(allowed): State<Arc<[AddressRange]>>,
    request: Request,
    next: Next,
) -> Response {
    let Peer(address) = Peer::of(&request);
    let is_local = address.is_loopback() && !forwarded::claims_to_be(request.headers());
    if is_local || allowed.iter().any(|range| range.contains(address)) {
        return next.run(request).await;
    }
    StatusCode::NOT_FOUND.into_response()
}

/// Whether the store takes reads and durable writes, asked once in a while however many want to
/// know.
#[derive(Clone)]
struct Readiness {
    state: AppState,
    holds: Duration,
    asking: Arc<tokio::sync::Mutex<()>>,
    known: Arc<RwLock<Option<(Instant, bool)>>>,
}

impl Readiness {
    async fn answer(&self) -> Response {
        let _turn = self.asking.lock().await;
        let known = *self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.filter(|(asked, _)| asked.elapsed() < self.holds);
        let is_ready = match known {
            Some((_asked, is_ready)) => is_ready,
            None => self.ask().await,
        };
        if is_ready {
            return "ready\n".into_response();
        }
        let headers = [(RETRY_AFTER, "2")];
        (StatusCode::SERVICE_UNAVAILABLE, headers, "not ready\n").into_response()
    }

    async fn ask(&self) -> bool {
        let ready = self.state.ctx.records.ready().await;
        if let Err(outcome) = &ready {
            let source = outcome.source.as_deref().unwrap_or("none given");
            tracing::warn!(source, "not ready");
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), ready.is_ok()));
        ready.is_ok()
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
