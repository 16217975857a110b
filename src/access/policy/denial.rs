//! What patients forbid of their records, whatever else opens them: on opened resources, and as far
//! as index entries tell.

use std::collections::{BTreeSet, HashMap};

use crate::access::consent::matter::Matter;
use crate::access::policy::Opened;
use crate::access::policy::chart::Charts;
use crate::fhir::resource_type::ResourceType;
use crate::search::index::Indexer;
use crate::search::key::Key;
use crate::search::plan::Predicate;

/// What is forbidden to somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::access) struct Denials {
    each: Vec<Denial>,
    /// As index entries tell it, by the number of the type.
    by_type: Vec<Told>,
    /// Of all types together.
    overall: Told,
}

/// The same for the records of some patients.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Denial {
    charts: Charts,
    matter: Matter,
}

/// What index entries tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What is forbidden for certain.
    pub(super) forbidden: Predicate,
    /// Whether that is all.
    pub(super) is_exact: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            forbidden: Predicate::Nothing,
            is_exact: true,
        }
    }
}

impl Denials {
    /// Puts together what patients forbid, each by id.
    pub(in crate::access) fn of(
        forbidden: HashMap<Matter, BTreeSet<String>>,
        indexer: &Indexer,
    ) -> Self {
        let denials = forbidden
            .into_iter()
            .filter(|(matter, _)| *matter != Matter::Never);
        let denials = denials.map(|(matter, patients)| Denial {
            charts: Charts::of(patients, indexer),
            matter,
        });
        let mut all = Self {
            each: denials.collect(),
            ..Self::default()
        };
        if !all.each.is_empty() {
            let types = ResourceType::all();
            all.by_type = types.map(|one| all.tell(one, indexer)).collect();
            all.overall = all.tell_all();
        }
        all
    }

    /// Whether nothing is forbidden.
    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// What index entries tell of a type, or of all.
    pub(super) fn told(&self, resource_type: Option<ResourceType>) -> Told {
        let Some(resource_type) = resource_type else {
            return self.overall.clone();
        };
        let place = usize::from(resource_type.number());
        self.by_type.get(place).cloned().unwrap_or_default()
    }

    /// Whether a resource in the records of these patients is forbidden.
    pub(super) fn forbid(
        &self,
        opened: Opened<'_>,
        patients: &BTreeSet<&str>,
        indexer: &Indexer,
    ) -> bool {
        let mut denials = self.each.iter();
        denials.any(|denial| {
            denial.charts.contains_one(patients)
                && denial
                    .matter
                    .matches(opened.resource, opened.last_updated_ms, indexer)
        })
    }

    fn tell(&self, resource_type: ResourceType, indexer: &Indexer) -> Told {
        let mut told = Told::default();
        let mut parts = Vec::new();
        for denial in &self.each {
            let in_charts = denial.charts.in_compartment();
            match denial.matter.predicate(resource_type, indexer) {
                None => told.is_exact = false,
                Some(Predicate::Nothing) => {}
                Some(Predicate::All) => parts.push(in_charts),
                Some(other) => parts.push(Predicate::And(vec![in_charts, other])),
            }
        }
        told.forbidden = any(parts);
        told
    }

    fn tell_all(&self) -> Told {
        let is_exact = self.by_type.iter().all(|told| told.is_exact);
        let mut types = ResourceType::all().zip(&self.by_type);
        let first = types.next().map(|(_, told)| told.forbidden.clone());
        if let Some(first) = first
            && types.all(|(_, told)| told.forbidden == first)
        {
            return Told {
                forbidden: first,
                is_exact,
            };
        }
        let types = ResourceType::all().zip(&self.by_type);
        let forbidden = types.filter(|(_, told)| told.forbidden != Predicate::Nothing);
        let parts = forbidden.map(|(resource_type, told)| {
            let key = Predicate::Key(Key::of_type(resource_type));
            Predicate::And(vec![key, told.forbidden.clone()])
        });
        Told {
            forbidden: any(parts.collect()),
            is_exact,
        }
    }
}

fn any(mut parts: Vec<Predicate>) -> Predicate {
    match (parts.len(), parts.pop()) {
        (0 | 1, only) => only.unwrap_or(Predicate::Nothing),
        (_, last) => Predicate::Or(parts.into_iter().chain(last).collect()),
    }
}
