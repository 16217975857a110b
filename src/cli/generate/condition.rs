//! Conditions: diseases that stay, once they are noticed, and episodes that pass.
//!
//! Spec: <https://hl7.org/fhir/R4/condition.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{Condition, ConditionAbatement, ConditionOnset};

use super::calendar::Day;
use super::chart::{Chart, Reason, Visit};
use super::record::EntryId;
use super::term::{Term, term};

const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const ACTIVE: Term = term(CLINICAL, "active", "Active");
const RESOLVED: Term = term(CLINICAL, "resolved", "Resolved");

const CONFIRMED: Term = term(
    "http://terminology.hl7.org/CodeSystem/condition-ver-status",
    "confirmed",
    "Confirmed",
);

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const PROBLEM: Term = term(CATEGORY, "problem-list-item", "Problem List Item");
const DIAGNOSIS: Term = term(CATEGORY, "encounter-diagnosis", "Encounter Diagnosis");

/// What a Condition says beside who and when it was noted.
struct Finding {
    term: Term,
    category: Term,
    onset: Day,
    abatement: Option<Day>,
}

/// Notes the diseases that have begun by this visit.
pub(super) fn record_problems(chart: &mut Chart<'_>, visit: &Visit<'_>) {
    let day = visit.start.day();
    let mut new = Vec::new();
    for problem in &mut chart.problems {
        if problem.condition.is_none() && problem.is_active(day) {
            let id = chart.record.next_id();
            problem.condition = Some(id.clone());
            problem.noted = Some(visit.start);
            let finding = Finding {
                term: problem.disease.term,
                category: PROBLEM,
                onset: problem.onset,
                abatement: problem.abatement,
            };
            new.push((id, finding));
        }
    }
    for (id, finding) in new {
        put(chart, visit, &id, &finding);
    }
}

/// Notes what a visit is for, if it is something that passes.
pub(super) fn record_episode(chart: &mut Chart<'_>, visit: &Visit<'_>) -> Option<EntryId> {
    let Reason::Acute(episode) = visit.reason else {
        return None;
    };
    let day = visit.start.day();
    let onset = day
        .plus_days(-chart.random.between(0, 4))
        .max(chart.person.birth);
    let abatement = day.plus_days(chart.random.around(episode.days, episode.days / 6).max(3));
    let finding = Finding {
        term: episode.term,
        category: DIAGNOSIS,
        onset,
        abatement: Some(abatement).filter(|end| *end < chart.person.last),
    };
    let id = chart.record.next_id();
    put(chart, visit, &id, &finding);
    Some(id)
}

fn put(chart: &mut Chart<'_>, visit: &Visit<'_>, id: &EntryId, finding: &Finding) {
    let status = if finding.abatement.is_some() {
        RESOLVED
    } else {
        ACTIVE
    };
    let abatement = finding
        .abatement
        .map(|end| ConditionAbatement::DateTime(end.text().into()));
    let condition = Condition {
        id: Some(id.id().into()),
        clinical_status: Some(Box::new(status.coded())),
        verification_status: Some(Box::new(CONFIRMED.coded())),
        category: vec![finding.category.coded()],
        code: Some(Box::new(finding.term.concept())),
        subject: Box::new(chart.patient.reference()),
        encounter: Some(visit.id.boxed()),
        onset: Some(ConditionOnset::DateTime(finding.onset.text().into())),
        abatement,
        recorded_date: Some(visit.start.text().into()),
        recorder: Some(Box::new(visit.doctor.reference())),
        ..Condition::default()
    };
    let condition = Resource::Condition(Box::new(condition));
    chart.record.put("Condition", id, condition);
}
