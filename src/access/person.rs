//! People who sign in: who somebody is, in which role, and whether they may still act.
//!
//! Every session and every token of a person stands on this one document, so that a person who is
//! disabled loses all of them with one write. Passwords, second factors and sessions are in
//! `account`; what a role lets through is decided in [`super::policy`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Documents, Kept};

/// The collection of people.
const PEOPLE: &str = "person";

/// What somebody is to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A patient, who sees their own record.
    Patient,
    /// Somebody who acts for patients: a parent or carer.
    Proxy,
    /// A clinician, who sees the records of patients in their care.
    Practitioner,
    /// Somebody who manages accounts, clients and data; sees no record by that alone.
    Administrator,
    /// Somebody who reads the audit trail; sees no record by that alone.
    Auditor,
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of patient, proxy, practitioner, administrator, auditor")]
pub struct UnknownRole;

impl Role {
    /// Every role, for tables and tests.
    pub const ALL: [Self; 5] = [
        Self::Patient,
        Self::Proxy,
        Self::Practitioner,
        Self::Administrator,
        Self::Auditor,
    ];

    /// The role as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Proxy => "proxy",
            Self::Practitioner => "practitioner",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }

    /// Whether nobody in this role signs in without a second factor.
    pub const fn needs_second_factor(self) -> bool {
        matches!(
            self,
            Self::Practitioner | Self::Administrator | Self::Auditor
        )
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let mut all = Self::ALL.into_iter();
        all.find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

/// Somebody who signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The server's own id of the person, of random characters; tokens call it `sub`.
    pub id: String,
    /// What they are called on pages.
    pub name: String,
    /// What they are to this server.
    pub role: Role,
    /// The resource that describes them, `Patient/1`, `Practitioner/2`, `RelatedPerson/3`; absent
    /// until an administrator or an invitation has confirmed who a patient is.
    pub fhir_user: Option<String>,
    /// Ids of the patients for whom a proxy acts; empty in every other role.
    #[serde(default)]
    pub acts_for: Vec<String>,
    /// Whether they were shut out.
    pub is_disabled: bool,
    /// When the person was first known, in ms since the epoch.
    pub created_ms: i64,
}

impl Person {
    /// The id of the resource that describes them, when it is of a type.
    pub fn fhir_id(&self, type_name: &str) -> Option<&str> {
        let (found, id) = self.fhir_user.as_deref()?.split_once('/')?;
        (found == type_name).then_some(id)
    }

    /// The patients whose records are theirs to open: the patient's own, or those in a proxy's
    /// care. Empty in every other role, whose reach follows from care relationships.
    pub fn own_patients(&self) -> Vec<&str> {
        match self.role {
            Role::Patient => self.fhir_id("Patient").into_iter().collect(),
            Role::Proxy => self.acts_for.iter().map(String::as_str).collect(),
            Role::Practitioner | Role::Administrator | Role::Auditor => Vec::new(),
        }
    }
}

/// The person with an id, disabled or not.
pub async fn find(documents: &Documents, id: &str) -> Result<Option<Kept<Person>>, DocumentError> {
    documents.get(PEOPLE, id).await
}

/// Everybody, in no order.
pub async fn list(documents: &Documents) -> Result<Vec<Kept<Person>>, DocumentError> {
    documents.list(PEOPLE).await
}

/// Writes a person.
pub async fn put(
    documents: &Documents,
    person: &Person,
    before: Before,
) -> Result<(), DocumentError> {
    let place = (PEOPLE, person.id.as_str());
    documents.put(place, person, before, None).await
}

#[cfg(test)]
mod tests {
    use super::{Person, Role};

    fn person(role: Role, fhir_user: &str, acts_for: &[&str]) -> Person {
        Person {
            id: "p".to_owned(),
            name: "A".to_owned(),
            role,
            fhir_user: Some(fhir_user.to_owned()),
            acts_for: acts_for.iter().map(ToString::to_string).collect(),
            is_disabled: false,
            created_ms: 0,
        }
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn only_patients_and_proxies_have_records_of_their_own() {
        let patient = person(Role::Patient, "Patient/1", &["2"]);
        assert_eq!(patient.own_patients(), ["1"]);
        let proxy = person(Role::Proxy, "RelatedPerson/3", &["1", "2"]);
        assert_eq!(proxy.own_patients(), ["1", "2"]);
        let clinician = person(Role::Practitioner, "Practitioner/1", &["2"]);
        assert!(clinician.own_patients().is_empty());
        assert_eq!(clinician.fhir_id("Practitioner"), Some("1"));
        assert_eq!(clinician.fhir_id("Patient"), None);
    }
}
