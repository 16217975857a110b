//! Which clinicians and organisations were written about lately, so that what is remembered of
//! their relationships is found out anew by the process that wrote.
//!
//! Names are `Practitioner/1` and alike, as references have them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::access::records::{Change, Records, Stored};
use crate::fhir::id;
use crate::fhir::resource_type::ResourceType;

/// Types that say who has to do with which patient.
const RELATING: [&str; 5] = [
    "Appointment",
    "CareTeam",
    "Encounter",
    "Patient",
    "PractitionerRole",
];

/// What patients allow and forbid, which is looked up anew whoever it is about.
const WILL_TYPE: &str = "Consent";

/// What names those who have to do with patients.
const NAMING: [&str; 3] = ["Practitioner/", "PractitionerRole/", "Organization/"];

/// Names that are remembered, of some 100 bytes each.
const NAMES_MAX: u64 = 100_000;

/// How long: longer than relationships may be remembered.
const KEPT: Duration = Duration::from_mins(15);

/// When names were last written about, as a count of commits.
pub(super) struct Relations {
    commits: AtomicU64,
    written: Cache<String, u64>,
    /// Whether anybody has ever asked: without sessions of people nothing is noted.
    is_watched: AtomicBool,
}

impl Default for Relations {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(NAMES_MAX);
        Self {
            commits: AtomicU64::default(),
            written: cache.time_to_live(KEPT).build(),
            is_watched: AtomicBool::default(),
        }
    }
}

impl Records {
    /// A number that grows with every change to relationships. Take it before reading them.
    pub(in crate::access) fn relations_count(&self) -> u64 {
        self.relations.is_watched.store(true, Ordering::SeqCst);
        self.relations.commits.load(Ordering::SeqCst)
    }

    /// Whether this process has written about a name since the number was taken.
    pub(in crate::access) fn is_written_since(&self, name: &str, count: u64) -> bool {
        let written = self.relations.written.get(name);
        written.is_some_and(|written| written > count)
    }

    /// Notes that relationships of a name have changed.
    pub(in crate::access) fn note_relation(&self, name: &str) {
        let count = self.relations.commits.fetch_add(1, Ordering::SeqCst) + 1;
        self.relations.written.insert(name.to_owned(), count);
    }

    /// The names in what changes supersede.
    pub(super) fn names_before(&self, changes: &[Change]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        if self.relations.is_watched.load(Ordering::SeqCst) {
            for change in changes {
                if let Some(old) = &change.supersedes {
                    add_names(change.address.resource_type, &old.json, &mut names);
                }
            }
        }
        names
    }

    /// Notes what was written about the names that were there before, and those that are now.
    pub(super) fn note_relations(&self, mut names: BTreeSet<String>, written: &[Stored]) {
        if !self.relations.is_watched.load(Ordering::SeqCst) {
            return;
        }
        for stored in written {
            let resource_type = stored.version.address.resource_type;
            add_names(resource_type, &stored.json, &mut names);
        }
        for name in names {
            self.note_relation(&name);
        }
    }
}

/// Adds the names that stand in the JSON of a resource, in whatever place.
fn add_names(resource_type: ResourceType, json: &[u8], names: &mut BTreeSet<String>) {
    if resource_type.name() == WILL_TYPE {
        names.insert(WILL_TYPE.to_owned());
    }
    if !RELATING.contains(&resource_type.name()) {
        return;
    }
    let text = String::from_utf8_lossy(json);
    for naming in NAMING {
        for (_, rest) in text.match_indices(naming).map(|(at, _)| text.split_at(at)) {
            let rest = rest.strip_prefix(naming).unwrap_or_default();
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
            let (found, _) = rest.split_at(end.unwrap_or(rest.len()));
            if id::is_valid(found) {
                names.insert(format!("{naming}{found}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::add_names;

    #[test]
    fn names_are_found_wherever_they_stand() {
        let json = br#"{"a":[{"reference":"Practitioner/d1"},{"reference":
            "http://x/fhir/Organization/o-1/_history/2"}],"b":"PractitionerRole/","c":"Patient/p"}"#;
        let mut names = BTreeSet::new();
        add_names("Encounter".parse().unwrap(), json, &mut names);
        let found: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(found, ["Organization/o-1", "Practitioner/d1"]);
        let mut none = BTreeSet::new();
        add_names("Observation".parse().unwrap(), json, &mut none);
        assert!(none.is_empty());
    }
}
