//! The state of the store: whether it takes requests, its figures, its end.
//!
//! Nothing of this is about what is stored, so that nobody has to be granted anything.

use crate::access::records::{Records, failed};
use crate::outcome::Outcome;
use crate::store::StoreGauges;

impl Records {
    /// Whether reads and durable writes are possible now.
    pub async fn ready(&self) -> Result<(), Outcome> {
        self.parts
            .store
            .ready()
            .await
            .map_err(|error| failed(&error))
    }

    /// Figures for `/metrics`.
    pub fn gauges(&self) -> StoreGauges {
        self.parts.store.gauges()
    }

    /// Finishes what is under way.
    pub async fn close(&self) -> Result<(), Outcome> {
        if let Err(outcome) = self.release_walk().await {
            tracing::warn!(source = ?outcome.source, "the walk is free when its lease ends");
        }
        self.parts
            .store
            .close()
            .await
            .map_err(|error| failed(&error))
    }
}
