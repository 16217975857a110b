//! Every surface on one router, and what surrounds them all.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use http::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION,
};
use http::{HeaderValue, Method, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::TimeoutLayer;

use crate::api;
use crate::config::Config;
use crate::http::middleware::guard::{Guard, guard};
use crate::http::middleware::observe::observe;
use crate::http::middleware::represent::represent;
use crate::http::state::AppState;

/// The router of the server.
pub(super) fn router(state: &AppState, config: &Config) -> Router {
    let limits = &config.limits;
    let allowed = Guard::new(state.access, &config.fhir_base(), &config.rest.cors_origins);
    let guarded = from_fn_with_state(allowed, guard);
    let fhir = Router::new()
        .nest("/fhir", api::fhir::routes().merge(api::operation::routes()))
        .route("/fhir/", api::fhir::system())
        .fallback(api::fhir::nothing_here)
        .layer(DefaultBodyLimit::disable())
        .layer(RequestDecompressionLayer::new())
        .layer(CatchPanicLayer::custom(api::fhir::panicked))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(limits.request_seconds_max),
        ))
        .layer(guarded.clone())
        .layer(from_fn_with_state(state.clone(), represent))
        .layer(CompressionLayer::new())
        .layer(cors(&config.rest.cors_origins))
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(GlobalConcurrencyLimitLayer::new(
            limits.requests_at_once_max,
        ));
    fhir.merge(api::metrics::routes().layer(guarded))
        .with_state(state.clone())
}

fn cors(origins: &[String]) -> CorsLayer {
    let request_headers = [
        ACCEPT,
        CONTENT_TYPE,
        IF_MATCH,
        IF_MODIFIED_SINCE,
        IF_NONE_MATCH,
        http::header::AUTHORIZATION,
        HeaderName::from_static("if-none-exist"),
        HeaderName::from_static("prefer"),
        HeaderName::from_static("x-request-id"),
    ];
    let response_headers = [
        ETAG,
        LAST_MODIFIED,
        LOCATION,
        HeaderName::from_static("x-request-id"),
    ];
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(
            origins
                .iter()
                .filter_map(|text| HeaderValue::from_str(text).ok()),
        )
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods(methods)
        .allow_headers(request_headers)
        .expose_headers(response_headers)
        .max_age(Duration::from_hours(24))
}

/// Accepts connections until told to stop, then waits for those that are busy.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        let stream = match accepted {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: give the others time to finish.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
        let service = TowerToHyperService::new(router.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
