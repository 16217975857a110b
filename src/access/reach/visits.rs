//! Patients who are in a clinician's care for a while: by encounters and appointments.
//!
//! Spec: <https://hl7.org/fhir/R4/encounter.html>, <https://hl7.org/fhir/R4/appointment.html>.

use crate::access::reach::care::{Care, InCare};
use crate::access::records::Stored;
use crate::fhir::instant::Instant;
use crate::fhir::resource::Node;
use crate::outcome::Outcome;
use crate::search::param::date::{Interval, interval};
use crate::search::param::{DataType, Found};

/// Encounters that are going on or were: neither planned ones nor those that were called off.
const MET: &str = "arrived,triaged,in-progress,onleave,finished";

/// Appointments that were not called off.
const AGREED: &str = "pending,booked,arrived,checked-in,fulfilled";

const DAY_MS: i64 = 86_400_000;

/// A number of days in ms.
fn days_ms(days: u32) -> i64 {
    i64::from(days).saturating_mul(DAY_MS)
}

impl Care<'_> {
    /// Patients whom the clinician meets, or has met lately.
    pub(super) async fn add_encounters(
        &self,
        named: &str,
        found: &mut InCare,
    ) -> Result<(), Outcome> {
        let since_ms = self
            .searches
            .now_ms
            .saturating_sub(days_ms(self.config.encounter_days));
        let since = format!("ge{}", Instant::from_millis(since_ms));
        let by = [
            ("participant", named),
            ("status", MET),
            ("date", since.as_str()),
        ];
        let (patients, known) = (&mut found.patients, &found.names);
        let mut visit = |stored: &Stored| {
            let resource = stored.resource()?;
            let object = resource.object();
            let is_of = |participant: &Node| {
                let individual = participant.get("individual");
                let name = individual.and_then(|one| self.any_local(one));
                name.is_some_and(|name| known.contains(&name))
            };
            // An open end counts while the encounter goes on, not for one that is said to be over.
            let period = stated(object.get("period"), DataType::Period);
            let is_over = object.get_str("status") == Some("finished");
            let is_recent = period.is_some_and(|period| {
                let last_ms = if period.high_ms == i64::MAX && is_over {
                    period.low_ms
                } else {
                    period.high_ms
                };
                last_ms > since_ms && period.low_ms <= self.searches.now_ms
            });
            if is_recent && object.items("participant").iter().any(is_of) {
                let subject = object.get("subject");
                patients.extend(subject.and_then(|one| self.patient(one)));
            }
            Ok(patients.len() < self.config.patients_max)
        };
        self.searches.each("Encounter", &by, &mut visit).await
    }

    /// Patients who have an appointment with the clinician about now.
    pub(super) async fn add_appointments(
        &self,
        named: &str,
        found: &mut InCare,
    ) -> Result<(), Outcome> {
        let (now_ms, config) = (self.searches.now_ms, self.config);
        let from_ms = now_ms.saturating_sub(days_ms(config.appointment_days_after));
        let until_ms = now_ms.saturating_add(days_ms(config.appointment_days_before));
        let from = format!("ge{}", Instant::from_millis(from_ms));
        let until = format!("le{}", Instant::from_millis(until_ms));
        let by = [
            ("actor", named),
            ("status", AGREED),
            ("date", from.as_str()),
            ("date", until.as_str()),
        ];
        let (patients, known) = (&mut found.patients, &found.names);
        let mut visit = |stored: &Stored| {
            let resource = stored.resource()?;
            let object = resource.object();
            let comes = |participant: &&Node| {
                let status = participant.get("status").and_then(Node::as_str);
                status != Some("declined")
            };
            let participants = object.items("participant").iter().filter(comes);
            let actors = participants.filter_map(|one| one.get("actor"));
            let is_of = |actor: &Node| {
                let name = self.any_local(actor);
                name.is_some_and(|name| known.contains(&name))
            };
            let start = stated(object.get("start"), DataType::Other);
            let is_near = start.is_some_and(|start| (from_ms..=until_ms).contains(&start.low_ms));
            if is_near && actors.clone().any(is_of) {
                patients.extend(actors.filter_map(|one| self.patient(one)));
            }
            Ok(patients.len() < config.patients_max)
        };
        self.searches.each("Appointment", &by, &mut visit).await
    }
}

fn stated(node: Option<&Node>, data_type: DataType) -> Option<Interval> {
    interval(&Found::new(node?, data_type))
}
