//! Whether a change may be made, by what is there and by what will be.

use std::collections::BTreeSet;

use crate::access::policy::chart::{Way, patients};
use crate::access::policy::{Opened, Policy, Turn};
use crate::access::scope::Permissions;
use crate::search::index::Indexer;

impl Policy {
    /// Whether a change may be made: what is there now, if anything, and what will be.
    pub(in crate::access) fn permits(&self, turn: Turn<'_>, indexer: &Indexer) -> bool {
        let Turn { old, new } = turn;
        let permission = match (old, new) {
            (None, Some(new)) if self.registers(new, indexer) => return true,
            (None, Some(_)) => Permissions::CREATE,
            (Some(_), Some(_)) => Permissions::UPDATE,
            (Some(_), None) => Permissions::DELETE,
            (None, None) => return false,
        };
        let sides = [old, new];
        let all = || sides.iter().flatten();
        if !all().all(|side| self.covers(*side, permission, indexer)) {
            return false;
        }
        if all().all(|side| self.covers_plainly(*side, permission, indexer)) {
            return true;
        }
        // By a rule on records nothing moves into or out of another one.
        match (old, new) {
            (Some(old), Some(new)) => {
                patients(old.resource, indexer) == patients(new.resource, indexer)
            }
            (Some(only), None) | (None, Some(only)) => {
                self.is_within_charts(only, permission, indexer)
            }
            (None, None) => false,
        }
    }

    /// Whether the first version of a patient is written by somebody who may register patients.
    fn registers(&self, new: Opened<'_>, indexer: &Indexer) -> bool {
        let resource_type = new.resource.resource_type();
        let way = self.way(resource_type);
        if way != Way::Itself {
            return false;
        }
        let mut linked = patients(new.resource, indexer);
        linked.retain(|id| Some(*id) != new.resource.id());
        let mut rules = self.rules_on(resource_type, Permissions::CREATE);
        rules.any(|rule| {
            let charts = rule.unfiltered_charts();
            rule.registers && charts.is_some_and(|charts| charts.contains_all(&linked))
        })
    }

    /// Whether all patients in whose records a resource is are those of one rule that covers it.
    fn is_within_charts(
        &self,
        only: Opened<'_>,
        permission: Permissions,
        indexer: &Indexer,
    ) -> bool {
        let resource_type = only.resource.resource_type();
        let way = self.way(resource_type);
        let of: BTreeSet<&str> = patients(only.resource, indexer);
        let mut rules = self.rules_on(resource_type, permission);
        rules.any(|rule| {
            let charts = rule.charts.as_ref();
            charts.is_some_and(|charts| charts.contains_all(&of))
                && rule.covers(only, (way, &of), indexer)
        })
    }

    /// Whether a rule that is not about some records lets a resource through.
    fn covers_plainly(
        &self,
        opened: Opened<'_>,
        permission: Permissions,
        indexer: &Indexer,
    ) -> bool {
        let resource_type = opened.resource.resource_type();
        let way = self.way(resource_type);
        let mut rules = self.rules_on(resource_type, permission);
        rules.any(|rule| {
            rule.charts.is_none() && rule.covers(opened, (way, &BTreeSet::new()), indexer)
        })
    }
}
