//! Every surface on one router, and what surrounds them all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use http::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION,
};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::timeout::TimeoutLayer;

use crate::api;
use crate::config::Config;
use crate::http::content::X_SECURITY_CONTEXT;
use crate::http::middleware::admit::Entrance;
use crate::http::middleware::guard::{Guard, guard};
use crate::http::middleware::observe::observe;
use crate::http::middleware::represent::represent;
use crate::http::state::AppState;
use crate::portal;
use crate::smart::authority::{JWKS_PATH, STYLE_PATH};

/// Requests with HL7 v2 messages that are worked on at once; further ones wait.
const HL7V2_AT_ONCE_MAX: usize = 64;

/// The router of the server.
pub(super) fn router(state: &AppState, config: &Config) -> Router {
    let limits = &config.limits;
    let allowed = Guard::new(state.access, &config.fhir_base(), &config.rest.cors_origins);
    let entrance = Entrance {
        room: semaphore(limits.requests_at_once_max),
        guard: allowed.clone(),
        rates: Arc::clone(&state.rates),
        clock: Arc::clone(&state.ctx.clock),
    };
    // One stack and not a layer after another: a router boxes service and future for each layer.
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(cors(&config.rest.cors_origins, state))
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
    let operations = api::metrics::routes(state, &config.operations);
    let router = fhir.merge(operations.layer(from_fn_with_state(allowed, guard)));
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
        .layer(CatchPanicLayer::new())
        .layer(DefaultBodyLimit::disable());
    api::hl7v2::routes().layer(around)
}

/// The authorization server, which speaks forms and JSON and no FHIR.
fn oauth(state: &AppState, config: &Config) -> Router<AppState> {
    let limits = &config.limits;
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(cors(&config.rest.cors_origins, state))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(limits.request_seconds_max),
        ))
        .layer(CatchPanicLayer::custom(api::smart::panicked));
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
        ))
        .layer(CatchPanicLayer::custom(portal::page::panicked));
    portal::routes::routes().layer(around)
}

/// Documents that anybody's page may read: they say how this server works and nothing else.
const PUBLIC_PATHS: [&str; 6] = [
    "/fhir/metadata",
    "/fhir/.well-known/smart-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    JWKS_PATH,
    STYLE_PATH,
];

/// Pages that may call: those of the settings, and those of registered browser apps.
fn origins(origins: &[String], state: &AppState) -> AllowOrigin {
    if origins.iter().any(|origin| origin == "*") {
        return AllowOrigin::any();
    }
    let set: Arc<[String]> = origins.into();
    let state = state.clone();
    AllowOrigin::async_predicate(move |origin: HeaderValue, parts: &Parts| {
        let path = parts.uri.path();
        let is_public = state.authority.is_some() && PUBLIC_PATHS.contains(&path);
        let named = origin.to_str().ok().map(ToOwned::to_owned);
        async move {
            let Some(origin) = named else {
                return false;
            };
            let is_set = is_public || set.contains(&origin);
            match &state.authority {
                Some(authority) if !is_set => authority.knows_origin(&origin).await,
                _ => is_set,
            }
        }
    })
}

fn cors(allowed: &[String], state: &AppState) -> CorsLayer {
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
    CorsLayer::new()
        .allow_origin(origins(allowed, state))
        .allow_methods(methods)
        .allow_headers(request_headers)
        .expose_headers(response_headers)
        .max_age(Duration::from_hours(24))
}

/// As many places as that.
pub(super) fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}
