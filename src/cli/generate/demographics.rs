//! The Patient, their insurance, and where the record comes from.
//!
//! Spec: <https://hl7.org/fhir/R4/patient.html>, <https://hl7.org/fhir/R4/coverage.html>,
//! <https://hl7.org/fhir/R4/provenance.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    Coverage, Patient, PatientCommunication, PatientContact, PatientDeceased, PatientMultipleBirth,
    Provenance, ProvenanceAgent,
};
use vesta_model::r4::types::{
    Address, CodeableConcept, ContactPoint, HumanName, Identifier, Meta, Narrative, Period,
};

use super::chart::Chart;
use super::directory::{self, Payer};
use super::name::Sex;
use super::person::Person;
use super::term::{Term, identifier, term};

/// The system of medical record numbers.
pub(super) const RECORD_NUMBER: &str = "https://synthetic.example/fhir/sid/mrn";

const SOCIAL_SECURITY: &str = "http://hl7.org/fhir/sid/us-ssn";

const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const MEDICAL_RECORD: Term = term(IDENTIFIER_TYPE, "MR", "Medical record number");
const SOCIAL: Term = term(IDENTIFIER_TYPE, "SS", "Social Security number");

const TEST_DATA: Term = term(
    "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "HTEST",
    "test health data",
);

const MARITAL: &str = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
const NEVER_MARRIED: Term = term(MARITAL, "S", "Never Married");
const MARRIED: Term = term(MARITAL, "M", "Married");
const DIVORCED: Term = term(MARITAL, "D", "Divorced");
const WIDOWED: Term = term(MARITAL, "W", "Widowed");

const CONTACT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/v2-0131";
const NEXT_OF_KIN: Term = term(CONTACT_ROLE, "N", "Next-of-Kin");
const EMERGENCY_CONTACT: Term = term(CONTACT_ROLE, "C", "Emergency Contact");

const COVERAGE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PRIVATE_POLICY: Term = term(COVERAGE_TYPE, "EHCPOL", "extended healthcare");
const PUBLIC_POLICY: Term = term(COVERAGE_TYPE, "PUBLICPOL", "public healthcare");

const RELATIONSHIP: &str = "http://terminology.hl7.org/CodeSystem/subscriber-relationship";
const SELF: Term = term(RELATIONSHIP, "self", "Self");
const CHILD: Term = term(RELATIONSHIP, "child", "Child");

const AUTHOR: Term = term(
    "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "author",
    "Author",
);

const STREETS: [&str; 14] = [
    "Maple Street",
    "Church Street",
    "Highland Avenue",
    "Orchard Lane",
    "Spring Street",
    "Pleasant Street",
    "Lincoln Avenue",
    "Birch Road",
    "Pond View Drive",
    "Meadow Lane",
    "Station Road",
    "Prospect Avenue",
    "Cedar Court",
    "North Main Street",
];

/// Adds the Patient and the Coverage.
pub(super) fn record(chart: &mut Chart<'_>, number: u64) {
    let phone = phone(chart);
    let address = address(chart);
    let is_child = chart.person.years(chart.person.last) < 18;
    let (family, deceased) = (chart.person.name.family, deceased(&chart.person));
    let contact = contact(chart, family, &phone);
    let social = chart.random.between(0, 999_999);
    let (group, serial) = (social / 10_000, social % 10_000);
    let id = chart.patient.clone();
    let prefix = match (is_child, chart.person.sex) {
        (true, Sex::Female) => "Miss",
        (false, Sex::Female) => "Ms.",
        (_, Sex::Male) => "Mr.",
    };
    let names = [
        Some(chart.person.name.official(prefix)),
        chart.person.name.in_native_script(),
    ];
    let record_number = format!("{}-{number:06}", id.id().split('-').next().unwrap_or("0"));
    let patient = Patient {
        id: Some(id.id().into()),
        meta: Some(Box::new(Meta {
            tag: vec![TEST_DATA.coding()],
            ..Meta::default()
        })),
        text: Some(Box::new(narrative(&chart.person))),
        identifier: vec![
            typed(MEDICAL_RECORD, RECORD_NUMBER, &record_number),
            // No social security number begins with 999.
            typed(
                SOCIAL,
                SOCIAL_SECURITY,
                &format!("999-{group:02}-{serial:04}"),
            ),
        ],
        active: Some(chart.person.death.is_none().into()),
        name: names.into_iter().flatten().collect(),
        telecom: vec![phone],
        gender: Some(chart.person.sex.code().into()),
        birth_date: Some(chart.person.birth.text().into()),
        deceased: Some(deceased),
        address: vec![address],
        marital_status: Some(Box::new(marital_status(chart))),
        multiple_birth: Some(match chart.person.birth_order {
            Some(1) => PatientMultipleBirth::Integer(1.into()),
            Some(_) => PatientMultipleBirth::Integer(2.into()),
            None => PatientMultipleBirth::Boolean(false.into()),
        }),
        contact: vec![contact],
        communication: vec![communication(&chart.person)],
        general_practitioner: vec![chart.person.doctor.reference()],
        managing_organization: Some(Box::new(chart.person.doctor.site.organization())),
        ..Patient::default()
    };
    chart
        .record
        .put("Patient", &id, Resource::Patient(Box::new(patient)));
    record_coverage(chart, &record_number, is_child);
}

/// Adds who made the record, as of the last visit.
pub(super) fn record_provenance(chart: &mut Chart<'_>) {
    let Some(recorded) = chart.last_visit_end else {
        return;
    };
    let id = chart.record.next_id();
    let provenance = Provenance {
        id: Some(id.id().into()),
        target: vec![chart.patient.reference()],
        recorded: recorded.text().into(),
        agent: vec![ProvenanceAgent {
            r#type: Some(Box::new(AUTHOR.concept())),
            who: Box::new(chart.person.doctor.reference()),
            on_behalf_of: Some(Box::new(chart.person.doctor.site.organization())),
            ..ProvenanceAgent::default()
        }],
        ..Provenance::default()
    };
    let provenance = Resource::Provenance(Box::new(provenance));
    chart.record.put("Provenance", &id, provenance);
}

fn typed(kind: Term, system: &str, value: &str) -> Identifier {
    Identifier {
        r#use: Some("official".into()),
        r#type: Some(Box::new(kind.concept())),
        ..identifier(system, value)
    }
}

fn narrative(person: &Person<'_>) -> Narrative {
    let text = format!(
        "{}, {}, born {}",
        person.name.text(),
        person.sex.code(),
        person.birth.text()
    );
    Narrative {
        status: "generated".into(),
        div: format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{text}</div>").into(),
        ..Narrative::default()
    }
}

fn phone(chart: &mut Chart<'_>) -> ContactPoint {
    let area = chart.random.between(201, 989);
    let line = chart.random.between(0, 99);
    ContactPoint {
        system: Some("phone".into()),
        // Kept for fiction.
        value: Some(format!("({area}) 555-01{line:02}").into()),
        r#use: Some("home".into()),
        ..ContactPoint::default()
    }
}

fn address(chart: &mut Chart<'_>) -> Address {
    let house = chart.random.between(1, 480);
    let street = chart.random.word(&STREETS);
    let mut line = vec![format!("{house} {street}").into()];
    if chart.random.chance(280) {
        line.push(format!("Apt {}", chart.random.between(1, 40)).into());
    }
    // Most live where their doctor is.
    let home = chart.person.doctor.site.town;
    let town = if chart.random.chance(150) {
        directory::town(&mut chart.random).unwrap_or(home)
    } else {
        home
    };
    Address {
        r#use: Some("home".into()),
        line,
        city: Some(town.city.into()),
        district: Some(town.district.into()),
        state: Some(town.state.into()),
        postal_code: Some(town.postal_code.into()),
        country: Some("US".into()),
        ..Address::default()
    }
}

fn deceased(person: &Person<'_>) -> PatientDeceased {
    match person.death {
        Some(death) => PatientDeceased::DateTime(death.text().into()),
        None => PatientDeceased::Boolean(false.into()),
    }
}

fn marital_status(chart: &mut Chart<'_>) -> CodeableConcept {
    let years = chart.person.years(chart.person.last);
    let drawn = chart.random.between(0, 999);
    let status = match years {
        ..=20 => NEVER_MARRIED,
        21..=34 if drawn < 620 => NEVER_MARRIED,
        70.. if drawn < 350 => WIDOWED,
        _ if drawn < 150 => NEVER_MARRIED,
        _ if drawn > 840 => DIVORCED,
        _ => MARRIED,
    };
    status.concept()
}

fn contact(chart: &mut Chart<'_>, family: &'static str, phone: &ContactPoint) -> PatientContact {
    let is_kin = chart.random.chance(700);
    let role = if is_kin {
        NEXT_OF_KIN
    } else {
        EMERGENCY_CONTACT
    };
    PatientContact {
        relationship: vec![role.concept()],
        name: Some(Box::new(HumanName {
            family: Some(family.into()),
            ..HumanName::default()
        })),
        telecom: vec![phone.clone()],
        ..PatientContact::default()
    }
}

fn communication(person: &Person<'_>) -> PatientCommunication {
    let tag = if person.name.language == "en" {
        "en-US"
    } else {
        person.name.language
    };
    let language = term("urn:ietf:bcp:47", tag, person.name.language_name);
    PatientCommunication {
        language: Box::new(language.concept()),
        preferred: Some(true.into()),
        ..PatientCommunication::default()
    }
}

fn record_coverage(chart: &mut Chart<'_>, record_number: &str, is_child: bool) {
    let years = chart.person.years(chart.person.last);
    let Some(payer) = Payer::draw(years, &mut chart.random) else {
        return;
    };
    let kind = if payer.is_public {
        PUBLIC_POLICY
    } else {
        PRIVATE_POLICY
    };
    let relationship = if is_child { CHILD } else { SELF };
    let start = chart.person.last.plus_months(-chart.random.between(1, 60));
    let start = start.max(chart.person.birth);
    let status = if chart.person.death.is_some() {
        "cancelled"
    } else {
        "active"
    };
    let id = chart.record.next_id();
    let coverage = Coverage {
        id: Some(id.id().into()),
        status: status.into(),
        r#type: Some(Box::new(kind.concept())),
        subscriber: (!is_child).then(|| Box::new(chart.patient.reference())),
        subscriber_id: Some(format!("S{record_number}").into()),
        beneficiary: Box::new(chart.patient.reference()),
        relationship: Some(Box::new(relationship.concept())),
        period: Some(Box::new(Period {
            start: Some(start.text().into()),
            end: chart.person.death.map(|death| death.text().into()),
            ..Period::default()
        })),
        payor: vec![payer.organization()],
        ..Coverage::default()
    };
    let coverage = Resource::Coverage(Box::new(coverage));
    chart.record.put("Coverage", &id, coverage);
}
