//! How far a person reaches: whose records are open to them by role and relationship, and what
//! else their role has to do with.
//!
//! A reach is a value that [`crate::access::policy`] narrows by the scopes of a token; it never
//! widens them. How it is found out is in [`keeper`].

mod care;
mod finding;
pub mod keeper;
mod search;
mod visits;
mod will;

use std::sync::Arc;

use crate::access::person::{Person, Role};
use crate::access::policy::chart::Charts;
use crate::access::policy::condition::TypeCondition;
use crate::access::policy::denial::Denials;
use crate::access::scope::Permissions;
use crate::access::share::Share;

/// What is open to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Whose it is: the id of a person, or what stands for one.
    pub(super) of: String,
    /// The person, where it is one.
    pub(super) person: Option<Arc<Person>>,
    /// When something that is open closes, in ms since the epoch: it has to be found out anew.
    pub(super) ends_ms: i64,
    /// Records, each set for a reason of its own.
    pub(super) openings: Vec<Opening>,
    /// Types outside of records that the role has to do with.
    pub(super) duties: &'static [Duty],
}

/// The records of some patients, open for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// Whose records.
    pub(super) charts: Charts,
    /// What may be done with them at most.
    pub(super) permissions: Permissions,
    /// Whether they are the person's own, or those of patients for whom they act.
    pub(super) is_own: bool,
    /// Whether the person may register patients.
    pub(super) registers: bool,
    /// The parts that are open; all where there is no filter.
    pub(super) filter: Option<Arc<[TypeCondition]>>,
    /// What patients forbid of it.
    pub(super) denials: Arc<Denials>,
}

/// A type that a role has to do with, whatever patients are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duty {
    pub(super) resource_type: &'static str,
    pub(super) permissions: Permissions,
}

const fn managed(resource_type: &'static str) -> Duty {
    Duty {
        resource_type,
        permissions: Permissions::ALL,
    }
}

/// What administrators manage: who there is, terminology and conformance. No clinical record.
const ADMINISTRATION: [Duty; 21] = [
    managed("CapabilityStatement"),
    managed("CodeSystem"),
    managed("CompartmentDefinition"),
    managed("ConceptMap"),
    managed("Endpoint"),
    managed("GraphDefinition"),
    managed("HealthcareService"),
    managed("ImplementationGuide"),
    managed("Location"),
    managed("MessageDefinition"),
    managed("NamingSystem"),
    managed("OperationDefinition"),
    managed("Organization"),
    managed("OrganizationAffiliation"),
    managed("Practitioner"),
    managed("PractitionerRole"),
    managed("SearchParameter"),
    managed("StructureDefinition"),
    managed("StructureMap"),
    managed("TerminologyCapabilities"),
    managed("ValueSet"),
];

/// What auditors read.
const AUDITING: [Duty; 1] = [Duty {
    resource_type: "AuditEvent",
    permissions: Permissions::READ.or(Permissions::SEARCH),
}];

impl Reach {
    /// What a role and the records that are open come to.
    fn of(person: &Person, openings: Vec<Opening>) -> Self {
        let duties: &'static [Duty] = match person.role {
            Role::Administrator => &ADMINISTRATION,
            Role::Auditor => &AUDITING,
            Role::Patient | Role::Proxy | Role::Practitioner => &[],
        };
        Self {
            of: person.id.clone(),
            person: Some(Arc::new(person.clone())),
            ends_ms: i64::MAX,
            openings,
            duties,
        }
    }

    /// What whoever has a link may see.
    fn of_share(share: &Share, openings: Vec<Opening>) -> Self {
        Self {
            of: format!("share {}", share.id),
            person: None,
            ends_ms: share.ends_ms,
            openings,
            duties: &[],
        }
    }

    /// Whether a patient's record is open, or a part of it.
    pub fn has_patient(&self, patient_id: &str) -> bool {
        let mut openings = self.openings.iter();
        openings.any(|opening| opening.charts.contains(patient_id))
    }

    /// How many records are open.
    pub fn patients(&self) -> usize {
        self.openings.iter().map(|one| one.charts.len()).sum()
    }
}
