//! When somebody is seen, and what is recorded each time.
//!
//! The timeline is drawn first, by age and diseases; then the visits are written in their order,
//! so that each sees what was known before. Spec: <https://hl7.org/fhir/R4/encounter.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    Encounter, EncounterDiagnosis, EncounterHospitalization, EncounterLocation,
    EncounterParticipant,
};

use super::calendar::{Day, Moment};
use super::chart::{Chart, Reason, Visit};
use super::disease::Setting;
use super::disease::table::EPISODES;
use super::record::EntryId;
use super::term::{Term, period, snomed, term};
use super::{
    allergy, appointment, condition, document, immunization, laboratory, medication, procedure,
    vitals,
};

/// Years of an adult's life that are in the record.
const RECORD_YEARS: i64 = 5;

/// Years of visits for chronic diseases that are in the record.
const FOLLOW_UP_YEARS: i64 = 3;

/// Ages of a child's check-ups in months.
const WELL_CHILD_MONTHS: [i64; 25] = [
    0, 1, 2, 4, 6, 9, 12, 15, 18, 24, 30, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168,
    180, 192,
];

/// Check-ups of these ages in months stay in a child's record however long ago, for the vaccines.
const KEPT_WELL_CHILD_MONTHS: [i64; 2] = [48, 132];

/// A follow-up this close to another visit is saved, in days.
const FOLLOW_UP_GAP_DAYS: i64 = 30;

const CLASS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const AMBULATORY: Term = term(CLASS, "AMB", "ambulatory");
const VIRTUAL: Term = term(CLASS, "VR", "virtual");
const EMERGENCY: Term = term(CLASS, "EMER", "emergency");
const INPATIENT: Term = term(CLASS, "IMP", "inpatient encounter");

const ATTENDER: Term = term(
    "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
    "ATND",
    "attender",
);
const HOME: Term = term(
    "http://terminology.hl7.org/CodeSystem/discharge-disposition",
    "home",
    "Home",
);

/// Draws and records all visits.
pub(super) fn record(chart: &mut Chart<'_>, until: Day) {
    for (day, reason) in timeline(chart) {
        record_visit(chart, day, reason, until);
    }
}

fn timeline(chart: &mut Chart<'_>) -> Vec<(Day, Reason)> {
    let mut visits = Vec::new();
    add_checkups(chart, &mut visits);
    add_episodes(chart, &mut visits);
    add_follow_ups(chart, &mut visits);
    let last = chart.person.last;
    visits.retain(|(day, reason)| match reason {
        Reason::Acute(episode) => day.plus_days(episode.setting.days()) < last,
        _ => *day < last,
    });
    // Stable, so that a check-up goes before what else is on the day.
    visits.sort_by_key(|(day, _)| *day);
    visits.dedup_by(|next, kept| {
        let is_near = next.0.0 - kept.0.0 < FOLLOW_UP_GAP_DAYS;
        next.0 == kept.0 || (is_near && matches!(next.1, Reason::FollowUp))
    });
    visits
}

/// The first day of an adult's record.
fn record_start(chart: &Chart<'_>) -> Day {
    let start = chart.person.last.plus_months(-12 * RECORD_YEARS);
    start.max(chart.person.birth)
}

fn add_checkups(chart: &mut Chart<'_>, visits: &mut Vec<(Day, Reason)>) {
    let (birth, last) = (chart.person.birth, chart.person.last);
    let start = record_start(chart);
    let is_child = chart.person.years(last) < 18;
    for months in WELL_CHILD_MONTHS {
        let day = birth
            .plus_months(months)
            .plus_days(chart.random.between(2, 12))
            .working();
        let is_kept = months <= 24 || KEPT_WELL_CHILD_MONTHS.contains(&months);
        if day >= start || (is_child && is_kept) {
            visits.push((day, Reason::WellChild));
        }
    }
    let adult = birth.plus_months(18 * 12);
    let mut day = start.max(adult).plus_days(chart.random.between(0, 500));
    while day < last {
        visits.push((day.working(), Reason::Checkup));
        let months = match chart.person.years(day) {
            ..=39 => 24,
            40..=49 => 18,
            _ => 12,
        };
        day = day
            .plus_months(months)
            .plus_days(chart.random.between(-15, 40));
    }
}

fn add_episodes(chart: &mut Chart<'_>, visits: &mut Vec<(Day, Reason)>) {
    let mut day = record_start(chart).plus_days(45);
    loop {
        // Days between two episodes, on average.
        let gap = match chart.person.years(day) {
            ..=5 => 330,
            6..=64 => 600,
            _ => 480,
        };
        day = day.plus_days(chart.random.between(20, 2 * gap - 20));
        if day >= chart.person.last {
            return;
        }
        let years = chart.person.years(day);
        let episode = chart.random.weighted(EPISODES, |episode| {
            let (youngest, oldest) = episode.ages;
            if (youngest..=oldest).contains(&years) {
                episode.weight
            } else {
                0
            }
        });
        if let Some(episode) = episode {
            let is_office = matches!(episode.setting, Setting::Office | Setting::Virtual);
            let seen = if is_office { day.working() } else { day };
            visits.push((seen, Reason::Acute(episode)));
        }
    }
}

fn add_follow_ups(chart: &mut Chart<'_>, visits: &mut Vec<(Day, Reason)>) {
    let last = chart.person.last;
    let mut day = last
        .plus_months(-12 * FOLLOW_UP_YEARS)
        .max(chart.person.birth);
    day = day.plus_days(chart.random.between(0, 90));
    while day < last {
        let months = chart
            .active(day)
            .filter_map(|problem| problem.disease.follow_up_months);
        match months.min() {
            Some(months) => {
                visits.push((day.working(), Reason::FollowUp));
                day = day
                    .plus_months(months)
                    .plus_days(chart.random.between(-8, 14));
            }
            None => day = day.plus_months(3),
        }
    }
}

fn record_visit(chart: &mut Chart<'_>, day: Day, reason: Reason, until: Day) {
    let setting = match reason {
        Reason::Acute(episode) => episode.setting,
        _ => Setting::Office,
    };
    let start = match setting {
        Setting::Office | Setting::Virtual => day.at(8 * 60 + 15 * chart.random.between(0, 34)),
        Setting::Emergency | Setting::Ward(_) => day.at(chart.random.between(0, 24 * 60 - 1)),
    };
    let doctor = match setting {
        Setting::Office | Setting::Virtual => chart.person.doctor,
        Setting::Emergency | Setting::Ward(_) => chart.person.hospital_doctor,
    };
    let visit = Visit {
        id: chart.record.next_id(),
        reason,
        start,
        end: start.plus_minutes(Visit::usual_minutes(reason)),
        doctor,
    };
    condition::record_problems(chart, &visit);
    let episode = condition::record_episode(chart, &visit);
    let appointment = appointment::record(chart, &visit, until);
    put_encounter(
        chart,
        &visit,
        setting,
        (episode.as_ref(), appointment.as_ref()),
    );
    allergy::record(chart, &visit);
    let is_seen = setting != Setting::Virtual;
    if is_seen {
        let body = vitals::record(chart, &visit);
        document::record(chart, &visit, &body, until);
        laboratory::record(chart, &visit);
        procedure::record(chart, &visit, episode.as_ref());
    }
    match (reason, episode) {
        (Reason::Acute(illness), Some(condition)) => {
            for prescribed in illness.medications {
                medication::prescribe(chart, &visit, prescribed, &condition);
            }
        }
        _ => medication::renew(chart, &visit),
    }
    if matches!(reason, Reason::WellChild | Reason::Checkup) {
        immunization::record(chart, &visit);
    }
    chart.visits += 1;
    let end: Moment = visit.end;
    chart.last_visit_end = Some(chart.last_visit_end.map_or(end, |last| last.max(end)));
}

fn put_encounter(
    chart: &mut Chart<'_>,
    visit: &Visit<'_>,
    setting: Setting,
    (episode, appointment): (Option<&EntryId>, Option<&EntryId>),
) {
    let (class, acute) = match setting {
        Setting::Office => (AMBULATORY, snomed("185345009", "Encounter for symptom")),
        Setting::Virtual => (VIRTUAL, snomed("185317003", "Telephone encounter")),
        Setting::Emergency => (EMERGENCY, snomed("50849002", "Emergency room admission")),
        Setting::Ward(_) => (INPATIENT, snomed("32485007", "Hospital admission")),
    };
    let (kind, reason) = match visit.reason {
        Reason::Acute(illness) => (acute, Some(illness.term)),
        Reason::WellChild => (snomed("410620009", "Well child visit"), None),
        Reason::Checkup => (snomed("162673000", "General examination of patient"), None),
        Reason::FollowUp => {
            let of_follow_up = chart
                .active(visit.start.day())
                .find(|problem| problem.disease.follow_up_months.is_some());
            let reason = of_follow_up.map(|problem| problem.disease.term);
            (snomed("390906007", "Follow-up encounter"), reason)
        }
    };
    let span = period(visit.start, Some(visit.end));
    let site = visit.doctor.site;
    let encounter = Encounter {
        id: Some(visit.id.id().into()),
        status: "finished".into(),
        class: Box::new(class.coding()),
        r#type: vec![kind.concept()],
        subject: Some(chart.patient.boxed()),
        participant: vec![EncounterParticipant {
            r#type: vec![ATTENDER.concept()],
            period: Some(Box::new(span.clone())),
            individual: Some(Box::new(visit.doctor.reference())),
            ..EncounterParticipant::default()
        }],
        appointment: appointment.map(EntryId::reference).into_iter().collect(),
        period: Some(Box::new(span)),
        reason_code: reason.map(Term::concept).into_iter().collect(),
        diagnosis: episode
            .map(|condition| EncounterDiagnosis {
                condition: Box::new(condition.reference()),
                ..EncounterDiagnosis::default()
            })
            .into_iter()
            .collect(),
        hospitalization: matches!(setting, Setting::Ward(_)).then(|| EncounterHospitalization {
            discharge_disposition: Some(Box::new(HOME.concept())),
            ..EncounterHospitalization::default()
        }),
        location: vec![EncounterLocation {
            location: Box::new(site.location()),
            ..EncounterLocation::default()
        }],
        service_provider: Some(Box::new(site.organization())),
        ..Encounter::default()
    };
    let encounter = Resource::Encounter(Box::new(encounter));
    chart.record.put("Encounter", &visit.id, encounter);
}
