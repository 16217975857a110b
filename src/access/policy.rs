//! What scopes come to on this server: for each type and permission everything, nothing, or what
//! meets conditions.
//!
//! A policy is compiled once for a token and then asked for every plan and every opened resource.
//! What a rule does not plainly let through is not let through.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>,
//! <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>.

mod condition;

use std::collections::BTreeSet;

use crate::access::policy::condition::{TypeCondition, conditions};
use crate::access::scope::{Context, Permissions, Scope};
use crate::conformance::compartment::CompartmentKind;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::search::index::Indexer;
use crate::search::key::Key;
use crate::search::plan::Predicate;

/// Types that say nothing of a patient: whoever may see one patient's record may read them, since
/// the record refers to them.
const OPEN_TYPES: [&str; 9] = [
    "CodeSystem",
    "Endpoint",
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "ValueSet",
];

/// A type that is in the compartments of all its members and would show each the others.
const SHARED_TYPE: &str = "Group";

/// On whose behalf a policy is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The patient of the launch, whom scopes on `patient/` are about.
    pub patient: Option<String>,
    /// How far scopes on `user/` reach; `None` where no user signed in.
    pub user: Option<UserReach>,
}

/// How far a user may see by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserReach {
    /// The record of one patient: the user's own, or one in their care.
    Chart(String),
    /// Every record.
    Everything,
}

/// A resource to decide about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened<'r> {
    pub(super) resource: &'r Resource,
    pub(super) last_updated_ms: i64,
}

/// A change to decide about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'r> {
    /// What is there now.
    pub(super) old: Option<Opened<'r>>,
    /// What will be.
    pub(super) new: Option<Opened<'r>>,
}

/// What a token lets its bearer do.
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Vec<Rule>,
    /// How each type belongs to a patient's record, by its number.
    ways: Vec<Way>,
}

#[derive(Debug, Clone)]
struct Rule {
    permissions: Permissions,
    resource_type: Option<ResourceType>,
    chart: Option<Chart>,
    /// Conditions by type, where the scope has any: other types are not reached then.
    conditions: Option<Vec<TypeCondition>>,
}

/// The record of one patient.
#[derive(Debug, Clone)]
struct Chart {
    patient_id: String,
    compartment: i64,
}

/// How a type belongs to a patient's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the compartment.
    Compartment,
    /// It is the patient.
    Itself,
    /// It says nothing of patients and may be read.
    Open,
    /// Not at all.
    Closed,
}

/// How much of a type a policy lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Nothing.
    Nothing,
    /// What meets conditions.
    Partly,
    /// Everything.
    Everything,
}

/// What a plan's matches have to meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Restriction {
    /// As far as index entries tell.
    pub(super) predicate: Predicate,
    /// Whether index entries tell all: what they leave open is decided on the opened resource.
    pub(super) is_exact: bool,
}

impl Policy {
    /// What scopes come to for a subject. A scope that nothing can be made of permits nothing.
    pub fn compile(scopes: &[Scope], subject: &Subject, indexer: &Indexer, now_ms: i64) -> Self {
        let rules = scopes.iter();
        let rules = rules.filter_map(|scope| Rule::of(scope, subject, indexer, now_ms));
        Self {
            rules: rules.collect(),
            ways: ResourceType::all().map(|one| way(one, indexer)).collect(),
        }
    }

    /// Whether every restriction of a scope can be kept on this server.
    pub fn understands(scope: &Scope, indexer: &Indexer, now_ms: i64) -> bool {
        scope.restrictions.is_empty()
            || conditions(scope, indexer, now_ms).is_some_and(|found| !found.is_empty())
    }

    /// Whether it lets everything through.
    pub fn is_everything(&self) -> bool {
        let mut permissions = Permissions::NONE;
        for rule in self.rules.iter().filter(|rule| rule.is_plain()) {
            if rule.resource_type.is_none() {
                permissions = permissions.or(rule.permissions);
            }
        }
        permissions.has(Permissions::ALL)
    }

    /// How much of a type one of these permissions lets through.
    pub(super) fn level(&self, resource_type: ResourceType, any_of: Permissions) -> Level {
        let mut level = Level::Nothing;
        for rule in self.rules_on(resource_type, any_of) {
            if rule.is_plain() || rule.is_open(self.way(resource_type)) {
                return Level::Everything;
            }
            level = Level::Partly;
        }
        level
    }

    /// Whether anything at all is let through by one of these permissions.
    pub(super) fn permits_some(&self, any_of: Permissions) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.permissions.and(any_of).is_some())
    }

    /// Whether one of these permissions lets a resource through.
    pub(super) fn covers(
        &self,
        opened: Opened<'_>,
        any_of: Permissions,
        indexer: &Indexer,
    ) -> bool {
        let resource_type = opened.resource.resource_type();
        let mut rules = self.rules_on(resource_type, any_of);
        let way = self.way(resource_type);
        rules.any(|rule| rule.covers(opened, way, indexer))
    }

    /// What matches have to meet that searches of a type find; of all types without one. `None`
    /// where nothing has to be met.
    pub(super) fn restriction(&self, resource_type: Option<ResourceType>) -> Option<Restriction> {
        let mut parts = Vec::new();
        let mut is_exact = true;
        let rules = self.rules.iter();
        for rule in rules.filter(|rule| rule.permissions.has(Permissions::SEARCH)) {
            match resource_type {
                Some(one) if !rule.reaches(one, self.way(one)) => continue,
                Some(one) => parts.push(rule.predicate_on(one, self.way(one))),
                None => self.push_all(rule, &mut parts),
            }
            if parts.last() == Some(&Predicate::All) && rule.is_exact() {
                return None;
            }
            is_exact &= rule.is_exact();
        }
        // Index entries say nothing of some conditions, such as the negation of what they only
        // approximate: then every match is looked at.
        if parts.contains(&Predicate::All) {
            return Some(Restriction {
                predicate: Predicate::All,
                is_exact: false,
            });
        }
        let predicate = match (parts.pop(), parts.is_empty()) {
            (None, _) => Predicate::Nothing,
            (Some(only), true) => only,
            (Some(last), false) => Predicate::Or(parts.into_iter().chain([last]).collect()),
        };
        Some(Restriction {
            predicate,
            is_exact,
        })
    }

    /// Whether a change may be made: what is there now, if anything, and what will be.
    pub(super) fn permits(&self, turn: Turn<'_>, indexer: &Indexer) -> bool {
        let Turn { old, new } = turn;
        let permission = match (old, new) {
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
        // By a rule on one patient's record nothing moves into or out of another's.
        if all().all(|side| self.covers_plainly(*side, permission, indexer)) {
            return true;
        }
        match (old, new) {
            (Some(old), Some(new)) => {
                patients(old.resource, indexer) == patients(new.resource, indexer)
            }
            (Some(only), None) | (None, Some(only)) => patients(only.resource, indexer).len() == 1,
            (None, None) => false,
        }
    }

    /// Whether a rule that is not about one patient lets a resource through.
    fn covers_plainly(
        &self,
        opened: Opened<'_>,
        permission: Permissions,
        indexer: &Indexer,
    ) -> bool {
        let resource_type = opened.resource.resource_type();
        let way = self.way(resource_type);
        let mut rules = self.rules_on(resource_type, permission);
        rules.any(|rule| rule.chart.is_none() && rule.covers(opened, way, indexer))
    }

    fn push_all(&self, rule: &Rule, parts: &mut Vec<Predicate>) {
        if rule.is_plain() && rule.resource_type.is_none() {
            parts.push(Predicate::All);
            return;
        }
        if let (Some(chart), None, None) = (&rule.chart, &rule.conditions, rule.resource_type) {
            parts.extend(self.whole_chart(chart));
            return;
        }
        for resource_type in ResourceType::all() {
            let way = self.way(resource_type);
            if rule.reaches(resource_type, way) {
                let own = rule.predicate_on(resource_type, way);
                parts.push(and([Predicate::Key(Key::of_type(resource_type)), own]));
            }
        }
    }

    /// A patient's whole record: few conditions instead of one for each type.
    fn whole_chart(&self, chart: &Chart) -> Vec<Predicate> {
        let mut record = vec![Predicate::Compartment(chart.compartment)];
        let mut parts = Vec::new();
        for (resource_type, way) in ResourceType::all().zip(&self.ways) {
            let key = Predicate::Key(Key::of_type(resource_type));
            match way {
                Way::Open => parts.push(key),
                Way::Closed if resource_type.name() == SHARED_TYPE => {
                    record.push(Predicate::Not(Box::new(key)));
                }
                Way::Itself => {
                    let own = Predicate::Ids(vec![chart.patient_id.clone()]);
                    record.push(Predicate::Or(vec![Predicate::Not(Box::new(key)), own]));
                }
                Way::Compartment | Way::Closed => {}
            }
        }
        parts.push(Predicate::And(record));
        parts
    }

    fn rules_on(
        &self,
        resource_type: ResourceType,
        any_of: Permissions,
    ) -> impl Iterator<Item = &Rule> {
        let way = self.way(resource_type);
        let rules = self.rules.iter();
        rules.filter(move |rule| {
            let shared = rule.permissions.and(any_of);
            let may_be_open = way != Way::Open || rule.chart.is_none() || is_reading(shared);
            shared.is_some() && may_be_open && rule.reaches(resource_type, way)
        })
    }

    fn way(&self, resource_type: ResourceType) -> Way {
        let place = usize::from(resource_type.number());
        self.ways.get(place).copied().unwrap_or(Way::Closed)
    }
}

/// Whether these permissions change nothing.
fn is_reading(permissions: Permissions) -> bool {
    permissions
        .and(Permissions::READ.or(Permissions::SEARCH))
        .is_some()
}

impl Rule {
    fn of(scope: &Scope, subject: &Subject, indexer: &Indexer, now_ms: i64) -> Option<Self> {
        let patient_id = match (scope.context, &subject.user) {
            (Context::System, _) | (Context::User, Some(UserReach::Everything)) => None,
            (Context::Patient, _) => Some(subject.patient.clone()?),
            (Context::User, Some(UserReach::Chart(patient_id))) => Some(patient_id.clone()),
            (Context::User, None) => return None,
        };
        let chart = patient_id.map(|patient_id| Chart {
            compartment: indexer.compartment(&patient_id),
            patient_id,
        });
        let conditions = if scope.restrictions.is_empty() {
            None
        } else {
            Some(conditions(scope, indexer, now_ms)?)
        };
        Some(Self {
            permissions: scope.permissions,
            resource_type: scope.resource_type,
            chart,
            conditions,
        })
    }

    /// Whether it has no conditions at all.
    fn is_plain(&self) -> bool {
        self.chart.is_none() && self.conditions.is_none()
    }

    /// Whether all of a type is let through although the rule is about one patient.
    fn is_open(&self, way: Way) -> bool {
        way == Way::Open && self.conditions.is_none()
    }

    fn is_exact(&self) -> bool {
        let mut all = self.conditions.iter().flatten();
        all.all(|one| !one.query.needs_verification())
    }

    fn condition(&self, resource_type: ResourceType) -> Option<&TypeCondition> {
        let mut all = self.conditions.iter().flatten();
        all.find(|one| one.query.resource_type == resource_type)
    }

    /// Whether anything of a type may be let through.
    fn reaches(&self, resource_type: ResourceType, way: Way) -> bool {
        self.resource_type.is_none_or(|own| own == resource_type)
            && (self.chart.is_none() || way != Way::Closed)
            && (self.conditions.is_none() || self.condition(resource_type).is_some())
    }

    /// What matches of a type that is reached have to meet.
    fn predicate_on(&self, resource_type: ResourceType, way: Way) -> Predicate {
        let chart = match (&self.chart, way) {
            (None, _) | (_, Way::Open) => Predicate::All,
            (Some(chart), Way::Itself) => Predicate::Ids(vec![chart.patient_id.clone()]),
            (Some(chart), Way::Compartment) => Predicate::Compartment(chart.compartment),
            (Some(_), Way::Closed) => Predicate::Nothing,
        };
        match self.condition(resource_type) {
            Some(condition) => and([chart, condition.predicate.clone()]),
            None => chart,
        }
    }

    fn covers(&self, opened: Opened<'_>, way: Way, indexer: &Indexer) -> bool {
        let Opened {
            resource,
            last_updated_ms,
        } = opened;
        let is_in_chart = match (&self.chart, way) {
            (None, _) | (_, Way::Open) => true,
            (Some(chart), Way::Itself) => resource.id() == Some(&chart.patient_id),
            (Some(chart), Way::Compartment) => {
                patients(resource, indexer).contains(chart.patient_id.as_str())
            }
            (Some(_), Way::Closed) => false,
        };
        let condition = self.condition(resource.resource_type());
        is_in_chart
            && condition.is_none_or(|one| one.query.matches(resource, last_updated_ms, indexer))
    }
}

fn way(resource_type: ResourceType, indexer: &Indexer) -> Way {
    let registry = indexer.registry();
    let has_compartment = !registry
        .compartment(CompartmentKind::Patient, resource_type)
        .is_empty();
    match resource_type.name() {
        SHARED_TYPE => Way::Closed,
        name if name == CompartmentKind::Patient.name() => Way::Itself,
        _ if has_compartment => Way::Compartment,
        name if OPEN_TYPES.contains(&name) => Way::Open,
        _ => Way::Closed,
    }
}

/// The patients in whose records a resource is.
fn patients<'a>(resource: &'a Resource, indexer: &'a Indexer) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    indexer.each_patient(resource, &mut |id| {
        found.insert(id);
    });
    found
}

fn and(parts: [Predicate; 2]) -> Predicate {
    let mut parts: Vec<_> = parts
        .into_iter()
        .filter(|one| *one != Predicate::All)
        .collect();
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Predicate::All,
        (Some(only), true) => only,
        (Some(last), false) => Predicate::And(parts.into_iter().chain([last]).collect()),
    }
}
