//! The pages, over plain HTTP as a browser without scripts sees them.

use std::sync::Arc;

use vesta::clock::{Clock, FixedClock, SystemClock};
use vesta::config::{AccessMode, Config};

use crate::support::server::{Backend, TestServer};

mod join;
mod looks;
mod outside;
mod people;
mod second_factor;
mod sign_in;

/// A server whose clock stands still: at this moment, because `vesta user` may open the store with a
/// clock of its own.
pub(crate) async fn at_a_moment(backend: Backend) -> (TestServer, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::new(SystemClock.now_ms()));
    let shown = Arc::clone(&clock) as Arc<dyn Clock>;
    let smart = |config: &mut Config| config.access = AccessMode::Smart;
    (TestServer::start_at(backend, smart, shown).await, clock)
}
