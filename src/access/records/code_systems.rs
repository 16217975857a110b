//! What stored code systems say about their codes: whether case counts.
//!
//! Remembered for a moment, for searches ask it again and again; a write here is seen at once, one
//! of another process within that moment.

use std::time::Duration;

use moka::sync::Cache;

use crate::access::Grant;
use crate::access::records::{Records, failed};
use crate::fhir::resource::Node;
use crate::outcome::Outcome;
use crate::search::param::Condition;
use crate::search::param::uri::UriCondition;
use crate::search::plan::{Order, Window};
use crate::search::query::{Criterion, Query};

/// The type of the resources that define systems.
pub(super) const CODE_SYSTEM: &str = "CodeSystem";

/// Systems that are remembered.
const SYSTEMS_MAX: u64 = 1_000;

/// How long they are.
const KEPT: Duration = Duration::from_secs(2);

/// Code systems with one URL that are looked at.
const SAME_URL_MAX: usize = 16;

/// Whether case counts, by the URL of the system; `None` where nothing stored says so.
pub(super) struct CodeSystems(Cache<String, Option<bool>>);

impl Default for CodeSystems {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(SYSTEMS_MAX);
        Self(cache.time_to_live(KEPT).build())
    }
}

impl CodeSystems {
    /// After a write of a code system.
    pub(super) fn forget(&self) {
        self.0.invalidate_all();
    }
}

impl Records {
    /// Whether case counts in the codes of a system, as the newest stored CodeSystem with its URL
    /// says. It decides how all search, whoever may read it.
    pub async fn is_case_sensitive(
        &self,
        _grant: &Grant,
        url: &str,
    ) -> Result<Option<bool>, Outcome> {
        if let Some(known) = self.code_systems.0.get(url) {
            return Ok(known);
        }
        let found = self.stated_case(url).await?;
        self.code_systems.0.insert(url.to_owned(), found);
        Ok(found)
    }

    async fn stated_case(&self, url: &str) -> Result<Option<bool>, Outcome> {
        let resource_type = CODE_SYSTEM
            .parse()
            .map_err(|_unknown| Outcome::internal("R4 has no CodeSystem"))?;
        let criterion = Criterion::Parameter {
            code: "url".into(),
            any_of: vec![Condition::Uri(UriCondition::Same(url.to_owned()))],
        };
        let query = Query::of(resource_type, vec![criterion]);
        let plan = query.lower(&self.indexer()).plan(&[]);
        let window = Window {
            order: Order::NewestFirst,
            after: None,
            high_water: None,
            limit: SAME_URL_MAX,
            examined_max: usize::MAX,
            bytes_max: usize::MAX,
        };
        let found = self.parts.store.find(&plan, &window).await;
        for version in found.map_err(|error| failed(&error))?.versions {
            let resource = self.open(version).await?.resource()?;
            let object = resource.object();
            if object.get_str("url") == Some(url) {
                return Ok(match object.get("caseSensitive") {
                    Some(Node::Bool(counts)) => Some(*counts),
                    _ => None,
                });
            }
        }
        Ok(None)
    }
}
