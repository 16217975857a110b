//! Appointments: those that led to recent visits, one that was missed, and the next one.
//!
//! A booked appointment fills a Slot of the doctor's shared Schedule.
//! Spec: <https://hl7.org/fhir/R4/appointment.html>, <https://hl7.org/fhir/R4/slot.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{Appointment, AppointmentParticipant, Slot};
use vesta_model::r4::types::Reference;

use super::calendar::{Day, Moment};
use super::chart::{Chart, Reason, Visit};
use super::directory::Practitioner;
use super::record::EntryId;
use super::term::{Term, snomed, term};

const TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0276";
const CHECKUP: Term = term(
    TYPE,
    "CHECKUP",
    "A routine check-up, such as an annual physical",
);
const FOLLOWUP: Term = term(
    TYPE,
    "FOLLOWUP",
    "A follow up visit from a previous appointment",
);
const GENERAL: Term = snomed("394814009", "General practice");

/// Visits older than this keep no appointment, in months.
const KEPT_MONTHS: i64 = 30;

const ATTENDED_MINUTES: i64 = 20;

/// What an appointment says beside who takes part.
struct Booking<'d> {
    status: &'static str,
    kind: Term,
    start: Moment,
    end: Moment,
    created: Day,
    doctor: &'d Practitioner,
}

/// The appointment that a visit came of, if it is recent and was arranged.
pub(super) fn record(chart: &mut Chart<'_>, visit: &Visit<'_>, until: Day) -> Option<EntryId> {
    let kind = match visit.reason {
        Reason::Acute(_) => return None,
        Reason::FollowUp => FOLLOWUP,
        Reason::WellChild | Reason::Checkup => CHECKUP,
    };
    let day = visit.start.day();
    if until.months_since(day) >= KEPT_MONTHS {
        return None;
    }
    let lead = chart.random.between(3, 40);
    let created = day.plus_days(-lead).max(chart.person.birth);
    if chart.random.chance(60) && created < day {
        put_missed(chart, visit, kind, created);
    }
    let booking = Booking {
        status: "fulfilled",
        kind,
        start: visit.start,
        end: visit.end,
        created,
        doctor: visit.doctor,
    };
    Some(put(chart, &booking, None))
}

/// Books the next visit of somebody who lives.
pub(super) fn record_next(chart: &mut Chart<'_>, until: Day) {
    if chart.person.death.is_some() || chart.visits == 0 {
        return;
    }
    let has_disease = chart
        .problems
        .iter()
        .any(|p| p.disease.follow_up_months.is_some());
    let (kind, longest) = if has_disease {
        (FOLLOWUP, 150)
    } else {
        (CHECKUP, 330)
    };
    let day = until.plus_days(chart.random.between(4, longest)).working();
    let start = day.at(8 * 60 + 15 * chart.random.between(0, 34));
    let last = chart.last_visit_end.map_or(chart.person.birth, Moment::day);
    let booking = Booking {
        status: "booked",
        kind,
        start,
        end: start.plus_minutes(ATTENDED_MINUTES),
        created: until.plus_days(-chart.random.between(1, 30)).max(last),
        doctor: chart.person.doctor,
    };
    let slot = put_slot(chart, &booking);
    put(chart, &booking, Some(slot.reference()));
}

fn put_missed(chart: &mut Chart<'_>, visit: &Visit<'_>, kind: Term, created: Day) {
    let is_cancelled = chart.random.chance(600);
    let day = Day(i64::midpoint(created.0, visit.start.day().0));
    let start = day.at(10 * 60);
    let booking = Booking {
        status: if is_cancelled { "cancelled" } else { "noshow" },
        kind,
        start,
        end: start.plus_minutes(ATTENDED_MINUTES),
        created,
        doctor: visit.doctor,
    };
    put(chart, &booking, None);
}

fn put_slot(chart: &mut Chart<'_>, booking: &Booking<'_>) -> EntryId {
    let id = chart.record.next_id();
    let slot = Slot {
        id: Some(id.id().into()),
        appointment_type: Some(Box::new(booking.kind.concept())),
        schedule: Box::new(booking.doctor.schedule()),
        status: "busy".into(),
        start: booking.start.text().into(),
        end: booking.end.text().into(),
        ..Slot::default()
    };
    chart
        .record
        .put("Slot", &id, Resource::Slot(Box::new(slot)));
    id
}

fn put(chart: &mut Chart<'_>, booking: &Booking<'_>, slot: Option<Reference>) -> EntryId {
    let answer = match booking.status {
        "cancelled" => "declined",
        _ => "accepted",
    };
    let participant = |actor: Reference, status: &str| AppointmentParticipant {
        actor: Some(Box::new(actor)),
        required: Some("required".into()),
        status: status.into(),
        ..AppointmentParticipant::default()
    };
    let minutes = booking.start.minutes_until(booking.end);
    let id = chart.record.next_id();
    let appointment = Appointment {
        id: Some(id.id().into()),
        status: booking.status.into(),
        service_type: vec![GENERAL.concept()],
        appointment_type: Some(Box::new(booking.kind.concept())),
        start: Some(booking.start.text().into()),
        end: Some(booking.end.text().into()),
        minutes_duration: u32::try_from(minutes).ok().map(Into::into),
        slot: slot.into_iter().collect(),
        created: Some(booking.created.text().into()),
        participant: vec![
            participant(chart.patient.reference(), answer),
            participant(booking.doctor.reference(), "accepted"),
            participant(booking.doctor.site.location(), "accepted"),
        ],
        ..Appointment::default()
    };
    let appointment = Resource::Appointment(Box::new(appointment));
    chart.record.put("Appointment", &id, appointment);
    id
}
