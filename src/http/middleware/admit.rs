//! Lets in who may call, and as many as are worked on at once; tells the others to come again.
//!
//! Who waited instead would wait without end when more come than are done, and keep what it sent.
//! No middleware of its own: each one costs every request a copy of all that is inside it.

use std::sync::Arc;

use axum::extract::Request;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::http::middleware::guard::Guard;
use crate::http::oauth::Peer;
use crate::http::rates::{self, Rates};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// What a request passes before anything is done for it.
#[derive(Clone)]
pub struct Entrance {
    /// A permit of it is a request.
    pub room: Arc<Semaphore>,
    /// Who may call.
    pub guard: Guard,
    /// What addresses may still ask for.
    pub rates: Arc<Rates>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Entrance {
    /// A place for a request, given back when it is dropped.
    pub fn admit(&self, request: &Request) -> Result<SemaphorePermit<'_>, Outcome> {
        self.guard.check(request.uri(), request.headers())?;
        let Peer(address) = Peer::of(request);
        let units = rates::units(request.method(), request.uri(), request.headers());
        let now_ms = self.clock.now_ms();
        self.rates.count_address(address, units, now_ms)?;
        self.room.try_acquire().map_err(|_full| {
            let reason = "The server works on as many requests as it may. Try again shortly.";
            Outcome::new(Kind::Unavailable, reason).caused_by(&"limits.requests_at_once_max")
        })
    }
}
