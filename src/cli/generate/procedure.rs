//! Procedures: what an illness asks for, and what is done at certain ages.
//!
//! Spec: <https://hl7.org/fhir/R4/procedure.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{Procedure, ProcedurePerformed, ProcedurePerformer};

use super::chart::{Chart, Reason, Visit};
use super::name::Sex;
use super::record::EntryId;
use super::term::{Term, period, snomed};

/// A procedure, ages in years, whom it is for, and how many of a thousand have it.
type Screening = (Term, (i64, i64), Option<Sex>, i64);

/// What is done at check-ups.
const SCREENINGS: &[Screening] = &[
    (
        snomed("171207006", "Depression screening"),
        (16, 90),
        None,
        350,
    ),
    (
        snomed("430193006", "Medication reconciliation"),
        (40, 120),
        None,
        500,
    ),
    (snomed("73761001", "Colonoscopy"), (50, 75), None, 120),
    (
        snomed("24623002", "Screening mammography"),
        (45, 74),
        Some(Sex::Female),
        450,
    ),
];

/// How many of a thousand follow-up visits see what is done about once a year.
const YEARLY_PER_MILLE: i64 = 450;

/// Records what is done at a visit; `episode` is the condition it is for.
pub(super) fn record(chart: &mut Chart<'_>, visit: &Visit<'_>, episode: Option<&EntryId>) {
    let day = visit.start.day();
    match visit.reason {
        Reason::Acute(illness) => {
            for procedure in illness.procedures {
                put(chart, visit, *procedure, episode);
            }
        }
        Reason::FollowUp => {
            let mut due = Vec::new();
            for problem in chart
                .problems
                .iter()
                .filter(|problem| problem.is_active(day))
            {
                for procedure in problem.disease.procedures {
                    let is_new = due.iter().all(|(term, _)| term != procedure);
                    if is_new && chart.random.chance(YEARLY_PER_MILLE) {
                        due.push((*procedure, problem.condition.clone()));
                    }
                }
            }
            for (procedure, condition) in due {
                put(chart, visit, procedure, condition.as_ref());
            }
        }
        Reason::Checkup => {
            let years = chart.person.years(day);
            for (procedure, (youngest, oldest), sex, chance) in SCREENINGS {
                let is_for = sex.is_none_or(|sex| sex == chart.person.sex);
                let is_of_age = (*youngest..=*oldest).contains(&years);
                if is_for && is_of_age && chart.random.chance(*chance) {
                    put(chart, visit, *procedure, None);
                }
            }
        }
        Reason::WellChild => {}
    }
}

fn put(chart: &mut Chart<'_>, visit: &Visit<'_>, term: Term, reason: Option<&EntryId>) {
    let id = chart.record.next_id();
    let end = visit.start.plus_minutes(chart.random.between(10, 15));
    let procedure = Procedure {
        id: Some(id.id().into()),
        status: "completed".into(),
        code: Some(Box::new(term.concept())),
        subject: Box::new(chart.patient.reference()),
        encounter: Some(visit.id.boxed()),
        performed: Some(ProcedurePerformed::Period(Box::new(period(
            visit.start,
            Some(end),
        )))),
        performer: vec![ProcedurePerformer {
            actor: Box::new(visit.doctor.reference()),
            ..ProcedurePerformer::default()
        }],
        location: Some(Box::new(visit.doctor.site.location())),
        reason_reference: reason.map(EntryId::reference).into_iter().collect(),
        ..Procedure::default()
    };
    let procedure = Resource::Procedure(Box::new(procedure));
    chart.record.put("Procedure", &id, procedure);
}
