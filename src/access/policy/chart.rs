//! The records of patients: one, or all that are in somebody's care, and how a type belongs to
//! them.
//!
//! Spec: <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::conformance::compartment::CompartmentKind;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::seal::data_key::{KeyId, OwnerHash, owner_of};
use crate::search::index::Indexer;
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
pub(super) const SHARED_TYPE: &str = "Group";

/// What the server itself notes about a record: those whose record it is may read it.
const NOTED_TYPE: &str = "AuditEvent";

/// How a type belongs to a patient's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the compartment.
    Compartment,
    /// By the compartment, for those whose own record it is; nobody writes it.
    Noted,
    /// It is the patient.
    Itself,
    /// It says nothing of patients and may be read.
    Open,
    /// Not at all.
    Closed,
}

/// The records of some patients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::access) struct Charts {
    ids: Arc<BTreeSet<String>>,
    /// Hashes of their compartments, sorted.
    compartments: Arc<[i64]>,
    /// What their data keys begin with, sorted.
    owners: Arc<[OwnerHash]>,
}

impl Charts {
    pub(in crate::access) fn of(ids: BTreeSet<String>, indexer: &Indexer) -> Self {
        let mut compartments: Vec<i64> = ids.iter().map(|id| indexer.compartment(id)).collect();
        compartments.sort_unstable();
        let mut owners: Vec<_> = ids.iter().map(|id| indexer.owner_hash(Some(id))).collect();
        owners.sort_unstable();
        Self {
            ids: Arc::new(ids),
            compartments: compartments.into(),
            owners: owners.into(),
        }
    }

    pub(in crate::access) fn contains(&self, patient_id: &str) -> bool {
        self.ids.contains(patient_id)
    }

    /// Whether one of the patients owns what a data key seals.
    /// How many patients.
    pub(in crate::access) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn own(&self, key: &KeyId) -> bool {
        self.owners.binary_search(&owner_of(key)).is_ok()
    }

    pub(super) fn contains_one(&self, patients: &BTreeSet<&str>) -> bool {
        patients.iter().any(|id| self.ids.contains(*id))
    }

    pub(super) fn contains_all(&self, patients: &BTreeSet<&str>) -> bool {
        patients.iter().all(|id| self.ids.contains(*id))
    }

    /// The condition that a resource is in one of the records.
    pub(in crate::access) fn in_compartment(&self) -> Predicate {
        match *self.compartments {
            [] => Predicate::Nothing,
            [only] => Predicate::Compartment(only),
            _ => Predicate::AnyCompartment(Arc::clone(&self.compartments)),
        }
    }

    /// The condition that a resource is one of the patients.
    pub(super) fn is_itself(&self) -> Predicate {
        let mut ids = self.ids.iter();
        match (ids.next(), ids.next()) {
            (None, _) => Predicate::Nothing,
            (Some(only), None) => Predicate::Ids(vec![only.clone()]),
            _ => Predicate::AnyId(Arc::clone(&self.ids)),
        }
    }
}

pub(super) fn way(resource_type: ResourceType, indexer: &Indexer) -> Way {
    let registry = indexer.registry();
    let has_compartment = !registry
        .compartment(CompartmentKind::Patient, resource_type)
        .is_empty();
    match resource_type.name() {
        SHARED_TYPE => Way::Closed,
        NOTED_TYPE => Way::Noted,
        name if name == CompartmentKind::Patient.name() => Way::Itself,
        _ if has_compartment => Way::Compartment,
        name if OPEN_TYPES.contains(&name) => Way::Open,
        _ => Way::Closed,
    }
}

/// The patients in whose records a resource is.
pub(super) fn patients<'a>(resource: &'a Resource, indexer: &'a Indexer) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    indexer.each_patient(resource, &mut |id| {
        found.insert(id);
    });
    found
}
