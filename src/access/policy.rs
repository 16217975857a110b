//! What scopes come to on this server: for each type and permission everything, nothing, or what
//! meets conditions.
//!
//! A policy is compiled once for a token and then asked for every plan and every opened resource.
//! What a rule does not plainly let through is not let through.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>,
//! <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>.

mod change;
pub(super) mod chart;
pub(super) mod condition;
pub(super) mod denial;
mod rule;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::person::Person;
use crate::access::policy::chart::{Charts, SHARED_TYPE, Way, patients, way};
use crate::access::policy::condition::conditions;
use crate::access::policy::rule::{Rule, and};
use crate::access::reach::Reach;
use crate::access::scope::{Permissions, Scope};
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::seal::data_key::KeyId;
use crate::search::index::Indexer;
use crate::search::key::Key;
use crate::search::plan::Predicate;

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
    /// What is open to a person: by role, relationship and what patients allow. The patient of a
    /// launch has to be among them.
    Person(Arc<Reach>),
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
    /// What it was made of, hashed.
    mark: String,
    /// Who signed in.
    person: Option<Arc<Person>>,
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

impl Subject {
    /// A person who signed in, and the patient of the launch if there is one.
    pub fn of_person(reach: Arc<Reach>, patient: Option<String>) -> Self {
        Self {
            patient,
            user: Some(UserReach::Person(reach)),
        }
    }
}

impl Policy {
    /// What scopes come to for a subject. A scope that nothing can be made of permits nothing.
    pub fn compile(scopes: &[Scope], subject: &Subject, indexer: &Indexer, now_ms: i64) -> Self {
        let rules = scopes.iter();
        let rules = rules.flat_map(|scope| Rule::all_of(scope, subject, indexer, now_ms));
        Self {
            rules: rules.collect(),
            ways: ResourceType::all().map(|one| way(one, indexer)).collect(),
            mark: mark(scopes, subject),
            person: match &subject.user {
                Some(UserReach::Person(reach)) => reach.person.clone(),
                _ => None,
            },
        }
    }

    /// Whether every restriction of a scope can be kept on this server.
    pub fn understands(scope: &Scope, indexer: &Indexer, now_ms: i64) -> bool {
        scope.restrictions.is_empty()
            || conditions(scope, indexer, now_ms).is_some_and(|found| !found.is_empty())
    }

    /// The person for whom it was made, where it is one who signed in.
    pub fn person(&self) -> Option<&Person> {
        self.person.as_deref()
    }

    /// Tells the policies of other scopes, launches and people apart; the same for another token
    /// of the same right.
    pub fn mark(&self) -> &str {
        &self.mark
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

    /// Whether everything may be created, updated and deleted, whatever else.
    pub(super) fn writes_everything(&self) -> bool {
        let plain = self.rules.iter().filter(|rule| rule.is_plain());
        let permissions = plain
            .filter(|rule| rule.resource_type.is_none())
            .fold(Permissions::NONE, |all, rule| all.or(rule.permissions));
        [
            Permissions::CREATE,
            Permissions::UPDATE,
            Permissions::DELETE,
        ]
        .into_iter()
        .all(|one| permissions.has(one))
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
        let way = self.way(resource_type);
        let of = match way {
            Way::Compartment | Way::Noted | Way::Itself => patients(opened.resource, indexer),
            Way::Open | Way::Closed => BTreeSet::new(),
        };
        let mut rules = self.rules_on(resource_type, any_of);
        rules.any(|rule| rule.covers(opened, (way, &of), indexer))
    }

    /// Whether the data key of a version tells already that one of these permissions lets it
    /// through: it is that of the patient in whose record the version is.
    pub(super) fn covers_owner(
        &self,
        resource_type: ResourceType,
        key: &KeyId,
        any_of: Permissions,
    ) -> bool {
        let is_owned = matches!(
            self.way(resource_type),
            Way::Compartment | Way::Noted | Way::Itself
        );
        let mut rules = self.rules_on(resource_type, any_of);
        is_owned
            && rules.any(|rule| {
                let charts = rule.unfiltered_charts();
                charts.is_some_and(|charts| charts.own(key))
            })
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
            let is_told = rule.is_exact(resource_type);
            if parts.last() == Some(&Predicate::All) && is_told {
                return None;
            }
            is_exact &= is_told;
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

    fn push_all(&self, rule: &Rule, parts: &mut Vec<Predicate>) {
        if rule.is_plain() && rule.resource_type.is_none() {
            parts.push(Predicate::All);
            return;
        }
        if let Some(charts) = rule.whole_charts() {
            let forbidden = rule.forbidden(None);
            parts.extend(self.whole_charts(charts, (rule.is_own, forbidden)));
            return;
        }
        for resource_type in ResourceType::all() {
            let way = self.way(resource_type);
            if rule.reaches(resource_type, way) {
                let own = rule.predicate_on(resource_type, way);
                let of_type = Predicate::Key(Key::of_type(resource_type));
                parts.push(and([of_type, own].into_iter()));
            }
        }
    }

    /// Whole records: few conditions instead of one for each type.
    fn whole_charts(
        &self,
        charts: &Charts,
        (is_own, forbidden): (bool, Predicate),
    ) -> Vec<Predicate> {
        let mut record = vec![charts.in_compartment()];
        if forbidden != Predicate::Nothing {
            record.push(Predicate::Not(Box::new(forbidden)));
        }
        let mut parts = Vec::new();
        for (resource_type, way) in ResourceType::all().zip(&self.ways) {
            let key = Predicate::Key(Key::of_type(resource_type));
            match way {
                Way::Open => parts.push(key),
                Way::Closed if resource_type.name() == SHARED_TYPE => {
                    record.push(Predicate::Not(Box::new(key)));
                }
                Way::Noted if !is_own => record.push(Predicate::Not(Box::new(key))),
                Way::Itself => {
                    let own = charts.is_itself();
                    record.push(Predicate::Or(vec![Predicate::Not(Box::new(key)), own]));
                }
                Way::Compartment | Way::Noted | Way::Closed => {}
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
        rules.filter(move |rule| rule.permits(resource_type, way, any_of))
    }

    fn way(&self, resource_type: ResourceType) -> Way {
        let place = usize::from(resource_type.number());
        self.ways.get(place).copied().unwrap_or(Way::Closed)
    }
}

fn mark(scopes: &[Scope], subject: &Subject) -> String {
    let mut texts: Vec<String> = scopes.iter().map(Scope::to_string).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.push(subject.patient.clone().unwrap_or_default());
    texts.push(match &subject.user {
        None => String::new(),
        Some(UserReach::Everything) => "*".to_owned(),
        Some(UserReach::Chart(patient_id)) => format!("Patient/{patient_id}"),
        Some(UserReach::Person(reach)) => format!("person {}", reach.of),
    });
    let digest = blake3::hash(texts.join("\n").as_bytes());
    digest.to_hex().to_string()
}
