//! Scopes in words that a patient understands.
//!
//! What a type or category is called says what is in it, not what FHIR calls it. Types that
//! patients seldom meet are called by their name, spelt out.

use crate::access::scope::{Context, Permissions, Scope};
use crate::fhir::resource_type::ResourceType;

/// What there is in the record of a patient, by type, in the order in which it is shown.
pub const KINDS: [(&str, &str); 32] = [
    (
        "Patient",
        "Your name, date of birth, address and contact details",
    ),
    ("AllergyIntolerance", "Allergies"),
    ("Condition", "Illnesses and health problems"),
    ("MedicationRequest", "Medicines that were prescribed"),
    ("MedicationStatement", "Medicines that you take"),
    ("MedicationDispense", "Medicines from the pharmacy"),
    ("MedicationAdministration", "Medicines given to you"),
    ("Observation", "Test results and measurements"),
    (
        "DiagnosticReport",
        "Reports of laboratories and examinations",
    ),
    ("Immunization", "Vaccinations"),
    ("Procedure", "Operations and treatments"),
    ("Encounter", "Visits and hospital stays"),
    ("Appointment", "Appointments"),
    ("DocumentReference", "Letters and documents"),
    ("CarePlan", "Care plans"),
    ("CareTeam", "Who looks after you"),
    ("Goal", "Goals of your care"),
    ("ServiceRequest", "Referrals and orders"),
    ("Specimen", "Samples, such as blood"),
    ("ImagingStudy", "X-rays and other images"),
    ("Device", "Implants and devices"),
    ("DeviceRequest", "Devices that were ordered"),
    ("FamilyMemberHistory", "Illnesses in your family"),
    ("QuestionnaireResponse", "Answers to questionnaires"),
    ("Communication", "Messages"),
    ("Consent", "Consents that you gave"),
    ("Coverage", "Health insurance"),
    ("ExplanationOfBenefit", "What your insurance paid"),
    ("Claim", "Bills to your insurance"),
    ("RelatedPerson", "Family and contacts"),
    ("Provenance", "Who entered what, and when"),
    ("AuditEvent", "Who looked at your record"),
];

/// Categories of a type: type, system, code, and what is in it.
pub const CATEGORIES: [(&str, &str, &str, &str); 13] = [
    (
        "Condition",
        CONDITION,
        "problem-list-item",
        "Problems that last",
    ),
    (
        "Condition",
        CONDITION,
        "encounter-diagnosis",
        "Diagnoses of single visits",
    ),
    (
        "Condition",
        US_CONDITION,
        "health-concern",
        "Health concerns",
    ),
    (
        "Observation",
        OBSERVATION,
        "laboratory",
        "Laboratory results",
    ),
    (
        "Observation",
        OBSERVATION,
        "vital-signs",
        "Blood pressure, weight and other vital signs",
    ),
    (
        "Observation",
        OBSERVATION,
        "social-history",
        "Habits and living, such as smoking",
    ),
    (
        "Observation",
        OBSERVATION,
        "survey",
        "Answers to questionnaires and tests",
    ),
    ("Observation", OBSERVATION, "imaging", "Findings in images"),
    (
        "Observation",
        OBSERVATION,
        "exam",
        "Findings of examinations",
    ),
    (
        "Observation",
        OBSERVATION,
        "procedure",
        "Measurements during treatments",
    ),
    (
        "Observation",
        OBSERVATION,
        "therapy",
        "Results of therapies",
    ),
    (
        "Observation",
        OBSERVATION,
        "activity",
        "Exercise and activity",
    ),
    (
        "Observation",
        US_CATEGORY,
        "sdoh",
        "Work, housing and money",
    ),
];

const CONDITION: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const US_CONDITION: &str = "http://hl7.org/fhir/us/core/CodeSystem/condition-category";
const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const US_CATEGORY: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";

/// The parameter by which categories restrict a scope.
pub const CATEGORY: &str = "category";

/// What a type is called.
pub fn kind(resource_type: ResourceType) -> String {
    let name = resource_type.name();
    let known = KINDS.iter().find(|(known, _)| *known == name);
    known.map_or_else(|| spelt_out(name), |(_, words)| (*words).to_owned())
}

/// `DeviceUseStatement` as `Device use statement`.
fn spelt_out(name: &str) -> String {
    let mut words = String::new();
    for (place, letter) in name.chars().enumerate() {
        if place > 0 && letter.is_ascii_uppercase() {
            words.push(' ');
            words.push(letter.to_ascii_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

/// What a scope is about.
pub fn subject(scope: &Scope) -> String {
    let Some(resource_type) = scope.resource_type else {
        return match scope.context {
            Context::Patient => "The whole health record".to_owned(),
            Context::User | Context::System => "Everything that you may see".to_owned(),
        };
    };
    let kind = kind(resource_type);
    if scope.restrictions.is_empty() {
        return kind;
    }
    let parts = scope.restrictions.iter();
    let parts = parts.map(|(name, value)| restriction(resource_type, name, value));
    let parts: Vec<_> = parts.collect();
    format!("{kind}, only: {}", parts.join("; "))
}

fn restriction(resource_type: ResourceType, name: &str, value: &str) -> String {
    let known = CATEGORIES.iter().find(|(of, system, code, _)| {
        let is_it = value == *code || value == format!("{system}|{code}");
        *of == resource_type.name() && name == CATEGORY && is_it
    });
    if let Some((.., words)) = known {
        return (*words).to_owned();
    }
    // A code is all there is to say.
    let code = value.rsplit('|').next().unwrap_or(value);
    format!("{name} {code}")
}

/// What a scope lets an app do.
pub fn doing(scope: &Scope) -> String {
    let has = |permissions: Permissions| scope.permissions.and(permissions).is_some();
    let mut doing = Vec::new();
    for (permissions, words) in [
        (Permissions::READ.or(Permissions::SEARCH), "see"),
        (Permissions::CREATE, "add"),
        (Permissions::UPDATE, "change"),
        (Permissions::DELETE, "delete"),
    ] {
        if has(permissions) {
            doing.push(words);
        }
    }
    let verbs = match doing.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((only, _)) => (*only).to_owned(),
        None => String::new(),
    };
    let whose = match scope.context {
        Context::Patient => "",
        Context::User => " for everybody whose record you may open",
        Context::System => " for everybody",
    };
    format!("Can {verbs} it{whose}.")
}

/// Whether a scope lets an app do more than look.
pub fn is_writing(scope: &Scope) -> bool {
    let looking = Permissions::READ.or(Permissions::SEARCH);
    !looking.has(scope.permissions)
}

#[cfg(test)]
mod tests {
    use super::{CATEGORIES, KINDS, doing, is_writing, subject};
    use crate::access::scope::Scope;
    use crate::fhir::resource_type::ResourceType;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn scopes_are_told_in_words() {
        for (text, words, does) in [
            ("patient/Immunization.rs", "Vaccinations", "Can see it."),
            (
                "patient/Observation.read",
                "Test results and measurements",
                "Can see it.",
            ),
            (
                "patient/*.cruds",
                "The whole health record",
                "Can see, add, change and delete it.",
            ),
            (
                "user/Immunization.r",
                "Vaccinations",
                "Can see it for everybody whose record you may open.",
            ),
            ("patient/NutritionOrder.c", "Nutrition order", "Can add it."),
            (
                "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
                "Test results and measurements, only: Laboratory results",
                "Can see it.",
            ),
            (
                "patient/Observation.rs?code=http://loinc.org|8480-6",
                "Test results and measurements, only: code 8480-6",
                "Can see it.",
            ),
        ] {
            let scope = scope(text);
            assert_eq!(
                (subject(&scope).as_str(), doing(&scope).as_str()),
                (words, does)
            );
        }
        assert!(!is_writing(&scope("patient/*.rs")) && is_writing(&scope("patient/*.rus")));
    }

    #[test]
    fn every_type_that_is_named_exists() {
        for name in KINDS
            .iter()
            .map(|(name, _)| *name)
            .chain(CATEGORIES.iter().map(|(name, ..)| *name))
        {
            assert!(name.parse::<ResourceType>().is_ok(), "{name}");
        }
    }
}
