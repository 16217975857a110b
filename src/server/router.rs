//! Every surface on one router, and what surrounds them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use http::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION,
};
use http::{HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::TimeoutLayer;

use crate::api;
use crate::config::Config;
use crate::config::limits::Limits;
use crate::http::content::X_SECURITY_CONTEXT;
use crate::http::middleware::admit::Entrance;
use crate::http::middleware::guard::{Guard, guard};
use crate::http::middleware::observe::observe;
use crate::http::middleware::represent::represent;
use crate::http::oauth::Peer;
use crate::http::state::AppState;
use crate::portal;
use crate::server::unparsed::Explained;

/// Requests with HL7 v2 messages that are worked on at once; further ones wait.
const HL7V2_AT_ONCE_MAX: usize = 64;

/// The router of the server.
pub(super) fn router(state: &AppState, config: &Config) -> Router {
    let limits = &config.limits;
    let allowed = Guard::new(state.access, &config.fhir_base(), &config.rest.cors_origins);
    let entrance = Entrance {
        room: semaphore(limits.requests_at_once_max),
        guard: allowed.clone(),
    };
    // One stack and not a layer after another: a router boxes service and future for each layer.
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(cors(&config.rest.cors_origins))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state((state.clone(), entrance), represent))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(limits.request_seconds_max),
        ))
        .layer(CatchPanicLayer::custom(api::fhir::panicked))
        .layer(RequestDecompressionLayer::new())
        .layer(DefaultBodyLimit::disable());
    let fhir = Router::new()
        .nest("/fhir", api::fhir::routes().merge(api::operation::routes()))
        .route("/fhir/", api::fhir::system())
        .merge(api::care::routes())
        .fallback(api::fhir::nothing_here)
        .layer(around);
    let router = fhir.merge(api::metrics::routes().layer(from_fn_with_state(allowed, guard)));
    let router = router.merge(hl7v2(state, config));
    let router = match &state.authority {
        Some(_) => router
            .merge(oauth(state, config))
            .merge(pages(state, config)),
        None => router,
    };
    router.with_state(state.clone())
}

/// HL7 v2 over HTTP; browsers have no business there.
fn hl7v2(state: &AppState, config: &Config) -> Router<AppState> {
    let allowed = Guard::new(state.access, &config.fhir_base(), &[]);
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(from_fn_with_state(allowed, guard))
        .layer(ConcurrencyLimitLayer::new(HL7V2_AT_ONCE_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(config.limits.request_seconds_max),
        ))
        .layer(DefaultBodyLimit::disable());
    api::hl7v2::routes().layer(around)
}

/// The authorization server, which speaks forms and JSON and no FHIR.
fn oauth(state: &AppState, config: &Config) -> Router<AppState> {
    let limits = &config.limits;
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(cors(&config.rest.cors_origins))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(limits.request_seconds_max),
        ));
    api::smart::routes().layer(around)
}

/// The pages, which no page of another site may call.
fn pages(state: &AppState, config: &Config) -> Router<AppState> {
    let limits = &config.limits;
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(limits.request_seconds_max),
        ));
    portal::routes::routes().layer(around)
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
        X_SECURITY_CONTEXT,
    ];
    let response_headers = [
        ETAG,
        LAST_MODIFIED,
        LOCATION,
        HeaderName::from_static("x-request-id"),
        X_SECURITY_CONTEXT,
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

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}

/// How connections are served: who is gone, or does not go on, is not waited for.
fn connections(head_time_max: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(head_time_max);
    builder
}

/// Ends when no request has come in time. Until the first bytes tell which HTTP it is, hyper has
/// no timeout of its own.
async fn stays_silent(head_time_max: Duration, begun: &AtomicBool) {
    tokio::time::sleep(head_time_max).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Accepts connections until told to stop, then waits for those that are busy.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let room = semaphore(limits.connections_max);
    let head_time_max = Duration::from_secs(limits.request_head_seconds_max);
    let builder = connections(head_time_max);
    loop {
        let accepting = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepting => accepted,
            _ = stopped.changed() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
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
        let begun = Arc::new(AtomicBool::new(false));
        let (inner, noted) = (TowerToHyperService::new(router.clone()), Arc::clone(&begun));
        let peer = Peer(peer.ip());
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            noted.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            inner.call(request)
        });
        let watcher = graceful.watcher();
        let builder = builder.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let connection =
                builder.serve_connection(TokioIo::new(Explained::new(stream)), service);
            let connection = watcher.watch(connection.into_owned());
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = stays_silent(head_time_max, &begun) => {
                    tracing::debug!("a connection without a request was closed");
                }
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
