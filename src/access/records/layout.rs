//! Entries of an older layout: noticed when a store is opened, and indexed anew in the background.
//!
//! Which layout the entries of a store have stands in the document of search parameters. Until a
//! type has been walked, searches on it say that they may be incomplete.

use crate::access::records::Records;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::search::index::LAYOUT;
use crate::search::key::Key;

impl Records {
    /// Has everything walked that may have index entries of another layout than this program
    /// writes, an older one or, after a way back, a newer one.
    pub async fn settle_layout(&self) -> Result<(), Outcome> {
        let (_, assigned) = self.read_assigned().await?;
        if assigned.layout == LAYOUT {
            return Ok(());
        }
        let stored = self.stored_types().await?;
        if !stored.is_empty() {
            let (from, types) = (assigned.layout, stored.len());
            tracing::warn!(from, to = LAYOUT, types, "index entries are made anew");
        }
        let now_ms = self.parts.clock.now_ms();
        self.change_assigned(|assigned| {
            if assigned.layout == LAYOUT {
                return;
            }
            assigned.layout = LAYOUT;
            assigned.generation += 1;
            assigned.changed_ms = now_ms;
            for resource_type in &stored {
                assigned.walk_again(*resource_type);
                let name = resource_type.to_string();
                assigned.outdated.insert(name, assigned.generation);
            }
        })
        .await
    }

    /// The types that the store has resources of.
    async fn stored_types(&self) -> Result<Vec<ResourceType>, Outcome> {
        let mut stored = Vec::new();
        let keys = ResourceType::all().map(Key::of_type).collect();
        if self.is_any_stored(keys).await? {
            for resource_type in ResourceType::all() {
                if self
                    .is_any_stored(vec![Key::of_type(resource_type)])
                    .await?
                {
                    stored.push(resource_type);
                }
            }
        }
        Ok(stored)
    }
}
