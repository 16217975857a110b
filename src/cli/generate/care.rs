//! Care plans with their goals, and the team behind them.
//!
//! One plan a chronic disease that has one, one team a patient.
//! Spec: <https://hl7.org/fhir/R4/careplan.html>, <https://hl7.org/fhir/R4/goal.html>,
//! <https://hl7.org/fhir/R4/careteam.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    CarePlan, CarePlanActivity, CarePlanActivityDetail, CareTeam, CareTeamParticipant, Goal,
    GoalStart, GoalTarget, GoalTargetDetail,
};
use vesta_model::r4::types::{CodeableConcept, Range, Reference};

use super::calendar::Moment;
use super::chart::Chart;
use super::record::EntryId;
use super::term::{Term, loinc, period, quantity, snomed, term};

/// How a disease is cared for.
#[derive(Debug)]
pub(super) struct Plan {
    term: Term,
    activities: &'static [Term],
    goal: &'static str,
    /// What is measured, the value to stay below, decimals and unit.
    target: Option<(Term, i64, u32, (&'static str, &'static str))>,
}

const EXERCISE: Term = snomed("229065009", "Exercise therapy");
const NO_SMOKING: Term = snomed("225323000", "Smoking cessation education");
const BREATHING: Term = snomed("229298005", "Breathing control");

pub(super) static DIABETES_PLAN: Plan = Plan {
    term: snomed("698360004", "Diabetes self management plan"),
    activities: &[snomed("160670007", "Diabetic diet"), EXERCISE],
    goal: "Keep the long-term blood sugar below seven percent",
    target: Some((
        loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
        70,
        1,
        ("%", "%"),
    )),
};

pub(super) static HYPERTENSION_PLAN: Plan = Plan {
    term: snomed("443402002", "Lifestyle education regarding hypertension"),
    activities: &[
        snomed(
            "1151000175103",
            "Dietary approaches to stop hypertension diet",
        ),
        EXERCISE,
    ],
    goal: "Keep the upper blood pressure below 140",
    target: Some((
        loinc("8480-6", "Systolic blood pressure"),
        140,
        0,
        ("mmHg", "mm[Hg]"),
    )),
};

pub(super) static ASTHMA_PLAN: Plan = Plan {
    term: snomed("699728000", "Asthma self management"),
    activities: &[snomed("58332002", "Allergy education"), BREATHING],
    goal: "Sleep through the night without symptoms",
    target: None,
};

pub(super) static LUNG_PLAN: Plan = Plan {
    term: snomed(
        "412776001",
        "Chronic obstructive pulmonary disease clinical management plan",
    ),
    activities: &[
        snomed("15081005", "Pulmonary rehabilitation"),
        NO_SMOKING,
        BREATHING,
    ],
    goal: "Walk for half an hour without a rest",
    target: None,
};

pub(super) static HEART_PLAN: Plan = Plan {
    term: snomed("735984001", "Heart failure self management plan"),
    activities: &[snomed("183063000", "Low salt diet education"), EXERCISE],
    goal: "Keep the weight steady from day to day",
    target: None,
};

const GOAL_STATUS: Term = term(
    "http://terminology.hl7.org/CodeSystem/goal-achievement",
    "in-progress",
    "In Progress",
);
const PATIENT_ROLE: Term = snomed("116154003", "Patient");
const DOCTOR_ROLE: Term = snomed("223366009", "Healthcare professional");

/// Adds the plans of all diseases that were noted and have one.
pub(super) fn record(chart: &mut Chart<'_>) {
    let mut planned = Vec::new();
    for problem in &chart.problems {
        if let (Some(plan), Some(condition), Some(noted)) =
            (problem.disease.plan, &problem.condition, problem.noted)
        {
            planned.push((plan, condition.clone(), noted));
        }
    }
    let Some(first) = planned.iter().map(|planned| planned.2).min() else {
        return;
    };
    let reasons = planned
        .iter()
        .map(|planned| planned.1.reference())
        .collect();
    let team = put_team(chart, first, reasons);
    for (plan, condition, noted) in planned {
        let goal = put_goal(chart, plan, &condition, noted);
        put_plan(chart, plan, (&condition, &goal, &team), noted);
    }
}

/// The end of what is given up only at death.
fn end(chart: &Chart<'_>) -> Option<Moment> {
    chart.person.death.and(chart.last_visit_end)
}

fn put_team(chart: &mut Chart<'_>, start: Moment, reasons: Vec<Reference>) -> EntryId {
    let participant = |role: Term, member: Reference| CareTeamParticipant {
        role: vec![role.concept()],
        member: Some(Box::new(member)),
        ..CareTeamParticipant::default()
    };
    let doctor = chart.person.doctor;
    let is_over = chart.person.death.is_some();
    let id = chart.record.next_id();
    let team = CareTeam {
        id: Some(id.id().into()),
        status: Some(if is_over { "inactive" } else { "active" }.into()),
        name: Some(format!("Care team of {}", chart.person.name.text()).into()),
        subject: Some(chart.patient.boxed()),
        period: Some(Box::new(period(start, end(chart)))),
        participant: vec![
            participant(PATIENT_ROLE, chart.patient.reference()),
            participant(DOCTOR_ROLE, doctor.reference()),
            participant(DOCTOR_ROLE, doctor.site.organization()),
        ],
        reason_reference: reasons,
        managing_organization: vec![doctor.site.organization()],
        ..CareTeam::default()
    };
    chart
        .record
        .put("CareTeam", &id, Resource::CareTeam(Box::new(team)));
    id
}

fn put_goal(chart: &mut Chart<'_>, plan: &Plan, condition: &EntryId, start: Moment) -> EntryId {
    let target = plan
        .target
        .map(|(measure, high, decimals, (unit, code))| GoalTarget {
            measure: Some(Box::new(measure.concept())),
            detail: Some(GoalTargetDetail::Range(Box::new(Range {
                high: Some(Box::new(quantity(high, decimals, unit, code))),
                ..Range::default()
            }))),
            ..GoalTarget::default()
        });
    let is_over = chart.person.death.is_some();
    let id = chart.record.next_id();
    let goal = Goal {
        id: Some(id.id().into()),
        lifecycle_status: if is_over { "cancelled" } else { "active" }.into(),
        achievement_status: (!is_over).then(|| Box::new(GOAL_STATUS.coded())),
        description: Box::new(CodeableConcept {
            text: Some(plan.goal.into()),
            ..CodeableConcept::default()
        }),
        subject: Box::new(chart.patient.reference()),
        start: Some(GoalStart::Date(start.day().text().into())),
        target: target.into_iter().collect(),
        expressed_by: Some(Box::new(chart.person.doctor.reference())),
        addresses: vec![condition.reference()],
        ..Goal::default()
    };
    chart
        .record
        .put("Goal", &id, Resource::Goal(Box::new(goal)));
    id
}

fn put_plan(
    chart: &mut Chart<'_>,
    plan: &Plan,
    (condition, goal, team): (&EntryId, &EntryId, &EntryId),
    start: Moment,
) {
    let is_over = chart.person.death.is_some();
    let activity = |term: &Term| CarePlanActivity {
        detail: Some(CarePlanActivityDetail {
            code: Some(Box::new(term.concept())),
            status: if is_over { "stopped" } else { "in-progress" }.into(),
            location: Some(Box::new(chart.person.doctor.site.location())),
            ..CarePlanActivityDetail::default()
        }),
        ..CarePlanActivity::default()
    };
    let activities = plan.activities.iter().map(activity).collect();
    let id = chart.record.next_id();
    let resource = CarePlan {
        id: Some(id.id().into()),
        status: if is_over { "revoked" } else { "active" }.into(),
        intent: "plan".into(),
        category: vec![plan.term.concept()],
        title: Some(plan.term.display.into()),
        subject: Box::new(chart.patient.reference()),
        period: Some(Box::new(period(start, end(chart)))),
        author: Some(Box::new(chart.person.doctor.reference())),
        care_team: vec![team.reference()],
        addresses: vec![condition.reference()],
        goal: vec![goal.reference()],
        activity: activities,
        ..CarePlan::default()
    };
    let resource = Resource::CarePlan(Box::new(resource));
    chart.record.put("CarePlan", &id, resource);
}
