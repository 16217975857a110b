//! Lets in as many requests as are worked on at once, and tells the others to come again.
//!
//! Who waited instead would wait without end when more come than are done, and keep what it sent.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::http::payload::Rejection;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// The middleware; a permit of the semaphore is a request.
pub async fn admit(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_permit) = room.try_acquire() else {
        let reason = "The server works on as many requests as it may. Try again shortly.";
        return Rejection(
            Outcome::new(Kind::Unavailable, reason).caused_by(&"limits.requests_at_once_max"),
        )
        .into_response();
    };
    next.run(request).await
}
