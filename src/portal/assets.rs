//! What pages load: the one stylesheet. Compiled in, so that it fits the pages.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;

use crate::http::state::AppState;

/// Where the stylesheet is.
pub const STYLESHEET_PATH: &str = "/assets/vesta.css";

const STYLESHEET: &str = include_str!("assets/vesta.css");

/// The routes of what pages load.
pub fn routes() -> Router<AppState> {
    Router::new().route(STYLESHEET_PATH, get(stylesheet))
}

async fn stylesheet() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLESHEET).into_response()
}
