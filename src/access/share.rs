//! What a patient lets others see: a clinician, an organisation, or whoever has a link and knows
//! the passcode to it; all of the record or some categories, until a day that is set.
//!
//! A share only ever opens for reading. Here is what a share is; where shares are kept is in
//! [`ledger`], what one comes to in [`crate::access::reach`].

pub mod ledger;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of a record, as patients speak of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Diagnoses and other problems.
    Conditions,
    /// What is prescribed, dispensed and taken.
    Medications,
    /// Allergies and intolerances.
    Allergies,
    /// Vaccinations.
    Immunizations,
    /// Laboratory results, reports and images.
    Results,
    /// Blood pressure, weight and alike.
    VitalSigns,
    /// What was done.
    Procedures,
    /// Visits and stays.
    Encounters,
    /// Letters and other documents.
    Documents,
    /// Plans, goals and care teams.
    CarePlans,
    /// Appointments.
    Appointments,
    /// Illnesses in the family.
    FamilyHistory,
}

/// A text that names no category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a category is one of conditions, medications, allergies, immunizations, results, \
     vital-signs, procedures, encounters, documents, care-plans, appointments, family-history"
)]
pub struct UnknownCategory;

/// A type, and the values of `category` that are meant; empty for any.
type Part = (&'static str, &'static str);

type Row = (Category, &'static str, &'static [Part]);

/// Every category with its name and what belongs to it: types, some with a restriction as scopes
/// have it.
const CATEGORIES: [Row; 12] = [
    (Category::Conditions, "conditions", &[("Condition", "")]),
    (
        Category::Medications,
        "medications",
        &[
            ("MedicationRequest", ""),
            ("MedicationStatement", ""),
            ("MedicationDispense", ""),
            ("MedicationAdministration", ""),
        ],
    ),
    (
        Category::Allergies,
        "allergies",
        &[("AllergyIntolerance", "")],
    ),
    (
        Category::Immunizations,
        "immunizations",
        &[("Immunization", ""), ("ImmunizationRecommendation", "")],
    ),
    (
        Category::Results,
        "results",
        &[
            ("Observation", "laboratory,imaging"),
            ("DiagnosticReport", ""),
            ("Specimen", ""),
            ("ImagingStudy", ""),
        ],
    ),
    (
        Category::VitalSigns,
        "vital-signs",
        &[("Observation", "vital-signs")],
    ),
    (Category::Procedures, "procedures", &[("Procedure", "")]),
    (Category::Encounters, "encounters", &[("Encounter", "")]),
    (
        Category::Documents,
        "documents",
        &[("DocumentReference", ""), ("Composition", "")],
    ),
    (
        Category::CarePlans,
        "care-plans",
        &[
            ("CarePlan", ""),
            ("CareTeam", ""),
            ("Goal", ""),
            ("ServiceRequest", ""),
        ],
    ),
    (
        Category::Appointments,
        "appointments",
        &[("Appointment", "")],
    ),
    (
        Category::FamilyHistory,
        "family-history",
        &[("FamilyMemberHistory", "")],
    ),
];

impl Category {
    /// The category as it is written.
    pub fn name(self) -> &'static str {
        let mut all = CATEGORIES.iter();
        all.find(|(one, ..)| *one == self)
            .map_or("", |(_, name, _)| name)
    }

    /// The types that belong to it; beside each the values of `category` that it must have, empty
    /// for any.
    pub(super) fn parts(self) -> &'static [Part] {
        let mut all = CATEGORIES.iter();
        all.find(|(one, ..)| *one == self)
            .map_or(&[], |(.., parts)| parts)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Category {
    type Err = UnknownCategory;

    fn from_str(text: &str) -> Result<Self, UnknownCategory> {
        let mut all = CATEGORIES.iter();
        let found = all.find(|(_, name, _)| *name == text);
        found.map(|(one, ..)| *one).ok_or(UnknownCategory)
    }
}

/// To whom a record is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipient {
    /// The clinician whom this id of a `Practitioner` names.
    Practitioner(String),
    /// Whoever acts in the organisation with this id.
    Organization(String),
    /// Whoever has the link.
    Link,
}

/// A record, opened by its patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its id, of random characters.
    pub id: String,
    /// Whose record.
    pub patient_id: String,
    /// To whom.
    pub to: Recipient,
    /// Which parts; all of them where none is named.
    pub categories: Vec<Category>,
    /// When it was made, in ms since the epoch.
    pub created_ms: i64,
    /// When it ends, in ms since the epoch.
    pub ends_ms: i64,
    /// Who made it: the id of the person.
    pub created_by: String,
}

impl Share {
    /// Whether it opens anything now.
    pub fn is_active(&self, now_ms: i64) -> bool {
        (self.created_ms..self.ends_ms).contains(&now_ms)
    }

    /// The name that references have for the recipient; none for a link.
    pub(super) fn recipient(&self) -> Option<String> {
        match &self.to {
            Recipient::Practitioner(id) => Some(format!("Practitioner/{id}")),
            Recipient::Organization(id) => Some(format!("Organization/{id}")),
            Recipient::Link => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CATEGORIES, Category, Recipient, Share};
    use crate::fhir::resource_type::ResourceType;

    #[test]
    fn categories_are_read_as_they_are_written() {
        for (category, name, parts) in CATEGORIES {
            assert_eq!(name.parse(), Ok(category));
            let json = serde_json::to_string(&category).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert!(!parts.is_empty());
            for (type_name, _) in parts {
                assert!(type_name.parse::<ResourceType>().is_ok(), "{type_name}");
            }
        }
        assert!("everything".parse::<Category>().is_err());
    }

    #[test]
    fn a_share_is_active_from_its_making_to_its_end() {
        let share = Share {
            id: "s".to_owned(),
            patient_id: "p".to_owned(),
            to: Recipient::Organization("o".to_owned()),
            categories: Vec::new(),
            created_ms: 10,
            ends_ms: 20,
            created_by: "a".to_owned(),
        };
        let active: Vec<i64> = (0..30).filter(|ms| share.is_active(*ms)).collect();
        assert_eq!((active.first(), active.last()), (Some(&10), Some(&19)));
        assert_eq!(share.recipient().as_deref(), Some("Organization/o"));
    }
}
