//! One rule of a policy: what a scope comes to on the records of some patients, or on everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::policy::chart::{Charts, Way};
use crate::access::policy::condition::{TypeCondition, conditions};
use crate::access::policy::denial::Denials;
use crate::access::policy::{Opened, Subject, UserReach};
use crate::access::reach::{Opening, Reach};
use crate::access::scope::{Context, Permissions, Scope};
use crate::fhir::resource_type::ResourceType;
use crate::search::index::Indexer;
use crate::search::plan::Predicate;

/// What a patient allows and forbids.
const WILL_TYPE: &str = "Consent";

#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) permissions: Permissions,
    pub(super) resource_type: Option<ResourceType>,
    /// Whose records it is about; `None` for everything.
    pub(super) charts: Option<Charts>,
    /// Whether the records are the bearer's own, or those of patients for whom they act.
    pub(super) is_own: bool,
    /// Whether the bearer may write the first version of a patient who is not in their care yet.
    pub(super) registers: bool,
    /// Conditions by type, all of which have to be met, each by one of its alternatives: types
    /// that one has none for are not reached.
    filters: Vec<Arc<[TypeCondition]>>,
    /// What patients forbid.
    denials: Arc<Denials>,
}

impl Rule {
    /// What a scope comes to for a subject; nothing where nothing can be made of it.
    pub(super) fn all_of(
        scope: &Scope,
        subject: &Subject,
        indexer: &Indexer,
        now_ms: i64,
    ) -> Vec<Self> {
        let filters = if scope.restrictions.is_empty() {
            Vec::new()
        } else {
            match conditions(scope, indexer, now_ms) {
                Some(found) => vec![found.into()],
                None => return Vec::new(),
            }
        };
        let plain = Self {
            permissions: scope.permissions,
            resource_type: scope.resource_type,
            charts: None,
            is_own: false,
            registers: false,
            filters,
            denials: Arc::default(),
        };
        let chart = |patient_id: &str| Self {
            charts: Some(Charts::of(BTreeSet::from([patient_id.to_owned()]), indexer)),
            is_own: true,
            ..plain.clone()
        };
        match (scope.context, subject.patient.as_deref(), &subject.user) {
            (Context::System, ..) | (Context::User, _, Some(UserReach::Everything)) => vec![plain],
            (Context::User, _, Some(UserReach::Chart(patient_id))) => vec![chart(patient_id)],
            (Context::User, _, Some(UserReach::Person(reach))) => plain.on_reach(scope, reach),
            (Context::Patient, Some(patient_id), Some(UserReach::Person(reach))) => {
                plain.on_launched(patient_id, reach, indexer)
            }
            (Context::Patient, Some(patient_id), Some(UserReach::Chart(own))) => {
                let is_own = patient_id == own;
                is_own.then(|| chart(patient_id)).into_iter().collect()
            }
            (Context::Patient, Some(patient_id), None | Some(UserReach::Everything)) => {
                vec![chart(patient_id)]
            }
            (Context::User, _, None) | (Context::Patient, None, _) => Vec::new(),
        }
    }

    /// This rule as far as somebody reaches: on each record that is open to them, and on what their
    /// role has to do with.
    fn on_reach(&self, scope: &Scope, reach: &Reach) -> Vec<Self> {
        let openings = reach.openings.iter();
        let openings = openings.map(|opening| self.on_opening(opening, opening.charts.clone()));
        let duties = reach.duties.iter().filter_map(|duty| {
            let resource_type = duty.resource_type.parse().ok()?;
            let is_asked_for = scope.resource_type.is_none_or(|one| one == resource_type);
            is_asked_for.then(|| Self {
                permissions: self.permissions.and(duty.permissions),
                resource_type: Some(resource_type),
                ..self.clone()
            })
        });
        let mut rules: Vec<Self> = openings.chain(duties).collect();
        rules.retain(|rule| rule.permissions.is_some());
        rules
    }

    /// This rule on the record of the launch, as far as it is open to somebody.
    fn on_launched(&self, patient_id: &str, reach: &Reach, indexer: &Indexer) -> Vec<Self> {
        let mut openings: Vec<_> = reach.openings.iter().collect();
        openings.retain(|one| one.charts.contains(patient_id));
        let chart = Charts::of(BTreeSet::from([patient_id.to_owned()]), indexer);
        let rules = openings.into_iter().map(|opening| Self {
            registers: false,
            ..self.on_opening(opening, chart.clone())
        });
        rules.filter(|rule| rule.permissions.is_some()).collect()
    }

    fn on_opening(&self, opening: &Opening, charts: Charts) -> Self {
        let filters = self.filters.iter().chain(&opening.filter);
        Self {
            permissions: self.permissions.and(opening.permissions),
            resource_type: self.resource_type,
            charts: Some(charts),
            is_own: opening.is_own,
            registers: opening.registers,
            filters: filters.cloned().collect(),
            denials: Arc::clone(&opening.denials),
        }
    }

    /// Whether it has no conditions at all.
    pub(super) fn is_plain(&self) -> bool {
        self.charts.is_none() && self.filters.is_empty()
    }

    /// Whether all of a type is let through although the rule is about some records.
    pub(super) fn is_open(&self, way: Way) -> bool {
        way == Way::Open && self.filters.is_empty()
    }

    /// Whether it lets through the whole of some records.
    pub(super) fn whole_charts(&self) -> Option<&Charts> {
        let is_whole = self.filters.is_empty() && self.resource_type.is_none();
        self.charts.as_ref().filter(|_| is_whole)
    }

    /// The records of which it lets all of a type through.
    pub(super) fn unfiltered_charts(&self) -> Option<&Charts> {
        let is_unfiltered = self.filters.is_empty() && self.denials.is_empty();
        self.charts.as_ref().filter(|_| is_unfiltered)
    }

    /// Whether index entries tell all of a type, or of all types, that it lets through.
    pub(super) fn is_exact(&self, resource_type: Option<ResourceType>) -> bool {
        let mut all = self.filters.iter().flat_map(|filter| filter.iter());
        all.all(|one| !one.query.needs_verification()) && self.denials.told(resource_type).is_exact
    }

    /// What patients forbid, as far as index entries tell.
    pub(super) fn forbidden(&self, resource_type: Option<ResourceType>) -> Predicate {
        self.denials.told(resource_type).forbidden
    }

    /// The alternatives of each filter on a type; `None` where one of them leaves it out.
    fn alternatives(&self, resource_type: ResourceType) -> Option<Vec<Vec<&TypeCondition>>> {
        let filters = self.filters.iter().map(|filter| {
            let own = filter.iter();
            let own = own.filter(|one| one.query.resource_type == resource_type);
            let own: Vec<_> = own.collect();
            (!own.is_empty()).then_some(own)
        });
        filters.collect()
    }

    /// Whether anything of a type may be let through by one of these permissions.
    pub(super) fn permits(
        &self,
        resource_type: ResourceType,
        way: Way,
        any_of: Permissions,
    ) -> bool {
        let shared = self.permissions.and(any_of);
        // What says nothing of patients, and what the server notes, is no record's to change.
        let is_kept = self.charts.is_some() && matches!(way, Way::Open | Way::Noted);
        // What a patient has decided is changed by nobody else.
        let is_willed = self.charts.is_some() && !self.is_own && resource_type.name() == WILL_TYPE;
        let reading = Permissions::READ.or(Permissions::SEARCH);
        let permitted = match (is_kept, is_willed) {
            (true, _) => reading,
            (false, true) => reading.or(Permissions::CREATE),
            (false, false) => Permissions::ALL,
        };
        shared.and(permitted).is_some() && self.reaches(resource_type, way)
    }

    /// Whether anything of a type may be let through.
    pub(super) fn reaches(&self, resource_type: ResourceType, way: Way) -> bool {
        let is_in_charts = match way {
            _ if self.charts.is_none() => true,
            Way::Closed => false,
            Way::Noted => self.is_own,
            Way::Compartment | Way::Itself | Way::Open => true,
        };
        self.resource_type.is_none_or(|own| own == resource_type)
            && is_in_charts
            && self.alternatives(resource_type).is_some()
    }

    /// What matches of a type that is reached have to meet.
    pub(super) fn predicate_on(&self, resource_type: ResourceType, way: Way) -> Predicate {
        let in_charts = match (&self.charts, way) {
            (None, _) | (_, Way::Open) => Predicate::All,
            (Some(charts), Way::Itself) => charts.is_itself(),
            (Some(charts), Way::Compartment | Way::Noted) => charts.in_compartment(),
            (Some(_), Way::Closed) => Predicate::Nothing,
        };
        let filters = self.alternatives(resource_type).unwrap_or_default();
        let filters = filters
            .into_iter()
            .map(|any| or(any.into_iter().map(|one| one.predicate.clone())));
        let permitted = match self.forbidden(Some(resource_type)) {
            Predicate::Nothing => Predicate::All,
            forbidden => Predicate::Not(Box::new(forbidden)),
        };
        and([in_charts].into_iter().chain(filters).chain([permitted]))
    }

    /// Whether it lets a resource through that is in the records of these patients.
    pub(super) fn covers(
        &self,
        opened: Opened<'_>,
        (way, patients): (Way, &BTreeSet<&str>),
        indexer: &Indexer,
    ) -> bool {
        let Opened {
            resource,
            last_updated_ms,
        } = opened;
        let is_in_charts = match (&self.charts, way) {
            (None, _) | (_, Way::Open) => true,
            (Some(charts), Way::Itself) => resource.id().is_some_and(|id| charts.contains(id)),
            (Some(charts), Way::Compartment | Way::Noted) => charts.contains_one(patients),
            (Some(_), Way::Closed) => false,
        };
        let Some(filters) = self.alternatives(resource.resource_type()) else {
            return false;
        };
        let meets = |one: &&TypeCondition| one.query.matches(resource, last_updated_ms, indexer);
        is_in_charts
            && filters.iter().all(|any| any.iter().any(meets))
            && !self.denials.forbid(opened, patients, indexer)
    }
}

/// One of these; everything when one of them holds for everything.
fn or(parts: impl Iterator<Item = Predicate>) -> Predicate {
    let mut parts: Vec<_> = parts.collect();
    if parts.contains(&Predicate::All) {
        return Predicate::All;
    }
    match (parts.len(), parts.pop()) {
        (0 | 1, only) => only.unwrap_or(Predicate::Nothing),
        (_, last) => Predicate::Or(parts.into_iter().chain(last).collect()),
    }
}

/// All of these, without those that hold for everything.
pub(super) fn and(parts: impl Iterator<Item = Predicate>) -> Predicate {
    let mut parts: Vec<_> = parts.filter(|one| *one != Predicate::All).collect();
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Predicate::All,
        (Some(only), true) => only,
        (Some(last), false) => Predicate::And(parts.into_iter().chain([last]).collect()),
    }
}
