//! What pages load: the one stylesheet, and the script of passkeys. Compiled in, so that they fit
//! the pages.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;

use crate::http::state::AppState;

/// Where the stylesheet is.
pub const STYLESHEET_PATH: &str = "/assets/vesta.css";

/// Where the script of passkeys is.
const PASSKEY_PATH: &str = "/assets/passkey.js";

const STYLESHEET: &str = include_str!("assets/vesta.css");
const PASSKEY: &str = include_str!("assets/passkey.js");

/// The routes of what pages load.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(STYLESHEET_PATH, get(stylesheet))
        .route(PASSKEY_PATH, get(passkey))
}

async fn stylesheet() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLESHEET).into_response()
}

async fn passkey() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], PASSKEY).into_response()
}
