//! Practitioners with their roles and schedules.
//!
//! Spec: <https://hl7.org/fhir/R4/practitioner.html>,
//! <https://hl7.org/fhir/R4/practitionerrole.html>, <https://hl7.org/fhir/R4/schedule.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    Practitioner as PractitionerResource, PractitionerQualification, PractitionerRole,
    PractitionerRoleAvailableTime, Schedule,
};
use vesta_model::r4::types::ContactPoint;

use super::{NPI, Practitioner, SHARED};
use crate::cli::generate::record::{EntryId, Record};
use crate::cli::generate::term::{Term, identifier, term};

const DOCTOR: Term = term(
    "http://terminology.hl7.org/CodeSystem/practitioner-role",
    "doctor",
    "Doctor",
);
const MEDICAL_DOCTOR: Term = term(
    "http://terminology.hl7.org/CodeSystem/v2-0360",
    "MD",
    "Doctor of Medicine",
);

/// Adds a practitioner, their role and their schedule.
pub(super) fn add(record: &mut Record, practitioner: &Practitioner) {
    let npi = practitioner.npi.as_str();
    let resource = PractitionerResource {
        identifier: vec![identifier(NPI, npi)],
        active: Some(true.into()),
        name: vec![practitioner.name.official("Dr.")],
        telecom: vec![ContactPoint {
            system: Some("email".into()),
            value: Some(format!("{npi}@synthetic.example").into()),
            r#use: Some("work".into()),
            ..ContactPoint::default()
        }],
        gender: Some(practitioner.sex.code().into()),
        qualification: vec![PractitionerQualification {
            code: Box::new(MEDICAL_DOCTOR.concept()),
            ..PractitionerQualification::default()
        }],
        ..PractitionerResource::default()
    };
    let resource = Resource::Practitioner(Box::new(resource));
    let id = record.create_once("Practitioner", resource, (NPI, npi));
    add_role(record, practitioner, &id);
    let value = format!("schedule-{npi}");
    let schedule = Schedule {
        identifier: vec![identifier(SHARED, &value)],
        active: Some(true.into()),
        specialty: vec![practitioner.specialty.term().concept()],
        actor: vec![id.reference(), practitioner.site.location()],
        ..Schedule::default()
    };
    let schedule = Resource::Schedule(Box::new(schedule));
    record.create_once("Schedule", schedule, (SHARED, &value));
}

fn add_role(record: &mut Record, practitioner: &Practitioner, id: &EntryId) {
    let value = format!("role-{}", practitioner.npi);
    let days = ["mon", "tue", "wed", "thu", "fri"];
    let role = PractitionerRole {
        identifier: vec![identifier(SHARED, &value)],
        active: Some(true.into()),
        practitioner: Some(id.boxed()),
        organization: Some(Box::new(practitioner.site.organization())),
        code: vec![DOCTOR.concept()],
        specialty: vec![practitioner.specialty.term().concept()],
        location: vec![practitioner.site.location()],
        available_time: vec![PractitionerRoleAvailableTime {
            days_of_week: days.iter().map(|day| (*day).into()).collect(),
            available_start_time: Some("08:00:00".into()),
            available_end_time: Some("17:00:00".into()),
            ..PractitionerRoleAvailableTime::default()
        }],
        ..PractitionerRole::default()
    };
    let role = Resource::PractitionerRole(Box::new(role));
    record.create_once("PractitionerRole", role, (SHARED, &value));
}
