//! Every page on one router, and the headers that all of them have.
//!
//! Spec: Content Security Policy Level 3, Referrer Policy, RFC 9110.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::HeaderValue;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::http::state::AppState;
use crate::portal::{
    assets, authorize, consent, grants, home, join, launch, outside, people, picker, second_factor,
    security, sign_in,
};

/// Nothing from elsewhere, nothing inline, no frame around it.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                          connect-src 'self'; form-action 'self'; base-uri 'none'; \
                          frame-ancestors 'none'";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The routes at the root of the server.
pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(sign_in::routes())
        .merge(outside::routes())
        .merge(second_factor::routes())
        .merge(join::routes())
        .merge(home::routes())
        .merge(security::routes())
        .merge(people::routes())
        .merge(assets::routes())
        .merge(authorize::routes())
        .merge(consent::routes())
        .merge(picker::routes())
        .merge(grants::routes())
        .merge(launch::routes())
        .layer(from_fn(protect))
}

/// Sets the headers; a page that needs another policy has set its own.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (
            PERMISSIONS_POLICY,
            "camera=(), microphone=(), geolocation=()",
        ),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
