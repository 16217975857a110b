//! Counts that were made a moment ago, for choosing between drivers: nobody is shown them.

use std::time::Duration;

use moka::sync::Cache;

use crate::access::Grant;
use crate::access::records::{Records, failed};
use crate::outcome::Outcome;
use crate::search::key::Key;
use crate::search::lower::COUNT_LIMIT;
use crate::search::plan::{Plan, Predicate};

/// Drivers that are remembered, of some 100 bytes each.
const DRIVERS_MAX: u64 = 10_000;

/// Alternatives of a driver that is remembered.
const PARTS_MAX: usize = 4;

/// How long they are: until then a search may walk a driver that is no longer the best.
const KEPT: Duration = Duration::from_secs(30);

/// How many resources each driver was found to have.
pub(super) struct Counts(Cache<Predicate, u64>);

impl Default for Counts {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(DRIVERS_MAX);
        Self(cache.time_to_live(KEPT).build())
    }
}

impl Records {
    /// Whether any stored resource has one of these keys, whoever may see it: it only decides what
    /// is looked for.
    pub async fn has_any(&self, _grant: &Grant, keys: Vec<Key>) -> Result<bool, Outcome> {
        self.is_any_stored(keys).await
    }

    /// Whether any stored resource has one of these keys.
    pub(super) async fn is_any_stored(&self, keys: Vec<Key>) -> Result<bool, Outcome> {
        let plan = Plan {
            driver: Predicate::Or(keys.into_iter().map(Predicate::Key).collect()),
            residual: Predicate::All,
            type_key: None,
        };
        let counted = self.parts.store.count(&plan, 1).await;
        Ok(counted.map_err(|error| failed(&error))? > 0)
    }

    /// As [`Records::count`], of a plan that only walks its driver; what was counted a moment ago
    /// will do.
    pub async fn count_roughly(
        &self,
        _grant: &Grant,
        plan: &Plan,
        limit: u64,
    ) -> Result<u64, Outcome> {
        let is_small = is_small(&plan.driver);
        if is_small && let Some(counted) = self.counts.0.get(&plan.driver) {
            return Ok(counted);
        }
        // What the bearer may not see counts as well: it only decides what is walked.
        let counted = self.parts.store.count(plan, limit).await;
        let counted = counted.map_err(|error| failed(&error))?;
        // What stopped at the limit of this search says too little for others.
        if is_small && (counted < limit || limit >= COUNT_LIMIT) {
            self.counts.0.insert(plan.driver.clone(), counted);
        }
        Ok(counted)
    }
}

/// Alternatives may be thousands of keys: too much to remember.
fn is_small(driver: &Predicate) -> bool {
    match driver {
        Predicate::Key(_) | Predicate::Range(_) => true,
        Predicate::Or(any) => any.len() <= PARTS_MAX,
        _ => false,
    }
}
