//! Allergies and the reactions that showed them.
//!
//! Spec: <https://hl7.org/fhir/R4/allergyintolerance.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    AllergyIntolerance, AllergyIntoleranceOnset, AllergyIntoleranceReaction,
};

use super::chart::{Chart, Sensitivity, Visit};
use super::person::Person;
use super::random::Random;
use super::term::{Term, snomed, term};

/// Something people are allergic to.
#[derive(Debug)]
pub(super) struct Allergy {
    term: Term,
    category: &'static str,
    per_mille: i64,
    reactions: &'static [(Term, &'static str)],
}

const RASH: Term = snomed("271807003", "Eruption of skin");
const HIVES: Term = snomed("126485001", "Urticaria");
const ANAPHYLAXIS: Term = snomed("39579001", "Anaphylaxis");
const SNEEZING: Term = snomed("76067001", "Sneezing");
const COUGH: Term = snomed("49727002", "Cough");
const WHEEZING: Term = snomed("56018004", "Wheezing");
const NAUSEA: Term = snomed("422587007", "Nausea");

const AIRBORNE: &[(Term, &str)] = &[(SNEEZING, "mild"), (COUGH, "mild"), (WHEEZING, "moderate")];
const EATEN: &[(Term, &str)] = &[
    (HIVES, "moderate"),
    (NAUSEA, "mild"),
    (ANAPHYLAXIS, "severe"),
    (RASH, "mild"),
];
const TAKEN: &[(Term, &str)] = &[(RASH, "mild"), (HIVES, "moderate"), (ANAPHYLAXIS, "severe")];

const fn allergy(
    term: Term,
    category: &'static str,
    per_mille: i64,
    reactions: &'static [(Term, &'static str)],
) -> Allergy {
    Allergy {
        term,
        category,
        per_mille,
        reactions,
    }
}

const ALLERGIES: &[Allergy] = &[
    allergy(
        snomed("91936005", "Allergy to penicillin"),
        "medication",
        70,
        TAKEN,
    ),
    allergy(
        snomed("294505008", "Allergy to amoxicillin"),
        "medication",
        20,
        TAKEN,
    ),
    allergy(snomed("91935009", "Allergy to peanut"), "food", 18, EATEN),
    allergy(snomed("91934008", "Allergy to nut"), "food", 12, EATEN),
    allergy(snomed("300913006", "Shellfish allergy"), "food", 22, EATEN),
    allergy(
        snomed("425525006", "Allergy to dairy product"),
        "food",
        14,
        EATEN,
    ),
    allergy(snomed("91930004", "Allergy to eggs"), "food", 10, EATEN),
    allergy(
        snomed("418689008", "Allergy to grass pollen"),
        "environment",
        60,
        AIRBORNE,
    ),
    allergy(
        snomed("419263009", "Allergy to tree pollen"),
        "environment",
        50,
        AIRBORNE,
    ),
    allergy(
        snomed("419474003", "Allergy to mould"),
        "environment",
        30,
        AIRBORNE,
    ),
    allergy(
        snomed("232350006", "House dust mite allergy"),
        "environment",
        45,
        AIRBORNE,
    ),
    allergy(
        snomed("232347008", "Dander (animal) allergy"),
        "environment",
        40,
        AIRBORNE,
    ),
    allergy(
        snomed("300916003", "Latex allergy"),
        "environment",
        10,
        TAKEN,
    ),
    allergy(
        snomed("424213003", "Allergy to bee venom"),
        "environment",
        12,
        TAKEN,
    ),
];

const ACTIVE: Term = term(
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
    "active",
    "Active",
);
const CONFIRMED: Term = term(
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    "confirmed",
    "Confirmed",
);

/// Draws what somebody is allergic to.
pub(super) fn draw(person: &Person<'_>, random: &mut Random) -> Vec<Sensitivity> {
    let mut drawn = Vec::new();
    for allergy in ALLERGIES {
        let onset = person.birth.plus_months(random.between(8, 25 * 12));
        if random.chance(allergy.per_mille) && onset < person.last {
            drawn.push(Sensitivity {
                allergy,
                onset,
                is_noted: false,
            });
        }
    }
    drawn
}

/// Notes what has shown itself by this visit.
pub(super) fn record(chart: &mut Chart<'_>, visit: &Visit<'_>) {
    let day = visit.start.day();
    let mut new = Vec::new();
    for known in &mut chart.allergies {
        if known.onset <= day && !known.is_noted {
            known.is_noted = true;
            new.push((known.allergy, known.onset));
        }
    }
    for (allergy, onset) in new {
        let reaction = chart.random.pick(allergy.reactions).copied();
        let is_severe = reaction.is_some_and(|(_, severity)| severity == "severe");
        let reaction = reaction.map(|(manifestation, severity)| AllergyIntoleranceReaction {
            manifestation: vec![manifestation.concept()],
            severity: Some(severity.into()),
            ..AllergyIntoleranceReaction::default()
        });
        let id = chart.record.next_id();
        let resource = AllergyIntolerance {
            id: Some(id.id().into()),
            clinical_status: Some(Box::new(ACTIVE.coded())),
            verification_status: Some(Box::new(CONFIRMED.coded())),
            r#type: Some("allergy".into()),
            category: vec![allergy.category.into()],
            criticality: Some(if is_severe { "high" } else { "low" }.into()),
            code: Some(Box::new(allergy.term.concept())),
            patient: Box::new(chart.patient.reference()),
            encounter: Some(visit.id.boxed()),
            onset: Some(AllergyIntoleranceOnset::DateTime(onset.text().into())),
            recorded_date: Some(visit.start.text().into()),
            recorder: Some(Box::new(visit.doctor.reference())),
            reaction: reaction.into_iter().collect(),
            ..AllergyIntolerance::default()
        };
        let resource = Resource::AllergyIntolerance(Box::new(resource));
        chart.record.put("AllergyIntolerance", &id, resource);
    }
}
