//! Which segments of which message come to what.
//!
//! Unknown segments, Z ones among them, stay with the message and are told of.
//! Spec: <https://build.fhir.org/ig/HL7/v2-to-fhir/message_maps.html>.

pub(in crate::hl7v2) mod order;

use crate::fhir::resource::Node;
use crate::hl7v2::ack::{Problem, code};
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::obr::{self, Scene};
use crate::hl7v2::segment::orc::Numbers;
use crate::hl7v2::segment::pid::{self, Patient};
use crate::hl7v2::segment::{
    al1, dg1, in1, mrg, nk1, nte, obx, pd1, pr1, pv1, pv2, rxa, rxe, sch, spm, txa,
};
use crate::hl7v2::structure::order::{Order, orders};

/// What is carried over: kinds of messages, each with its events.
const TAKEN: [(&str, &[&str]); 8] = [
    (
        "ADT",
        &[
            "A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A12", "A13", "A28",
            "A31", "A40", "A60",
        ],
    ),
    ("ORU", &["R01"]),
    ("ORM", &["O01"]),
    ("OML", &["O21"]),
    ("SIU", &["S12", "S13", "S14", "S15", "S16", "S17", "S26"]),
    ("VXU", &["V04"]),
    ("MDM", &["T02"]),
    ("RDE", &["O11"]),
];

/// The patient and the visit that a message is about.
struct Subject {
    patient: Patient,
    visit: Option<Node>,
}

impl Subject {
    fn scene(&self) -> Scene<'_> {
        Scene {
            patient: &self.patient,
            visit: self.visit.as_ref(),
        }
    }
}

/// Makes resources of the segments of a message.
pub(super) fn carry_over(
    conversion: &Conversion<'_>,
    readings: &[Reading<'_>],
) -> Result<(), Problem> {
    let kind = conversion.message.head(9);
    let (code, event) = (kind.component(1).text(), kind.component(2).text());
    check_kind(&code, &event)?;
    if let Some(head) = readings.first() {
        // What the head says is about the message; it is kept with it.
        head.pass(&(1..=25).collect::<Vec<_>>());
    }
    if let Some(evn) = find(readings, "EVN") {
        evn.pass(&[1, 2, 3, 4, 5, 6, 7]);
    }
    match &*code {
        "ADT" => administration(conversion, readings, &event),
        "SIU" => scheduling(conversion, readings),
        "MDM" => document(conversion, readings),
        "ORU" => {
            let subject = subject(conversion, readings, false)?;
            for order in &orders(readings) {
                result(conversion, order, &subject);
            }
            Ok(())
        }
        _ => {
            let subject = subject(conversion, readings, false)?;
            let all = orders(readings);
            if all.is_empty() {
                let text = "A message of this kind needs an order.";
                return Err(Problem::of_field("ORC", 0, code::SEQUENCE, text));
            }
            for order in &all {
                request(conversion, order, &subject);
            }
            Ok(())
        }
    }
}

fn check_kind(code: &str, event: &str) -> Result<(), Problem> {
    let Some((_, events)) = TAKEN.iter().find(|(known, _)| *known == code) else {
        let text = "This kind of message is not taken.";
        return Err(Problem::of_field("MSH", 9, code::MESSAGE_TYPE, text));
    };
    // Where there is one event only, early versions leave it out.
    let is_taken = events.contains(&event) || (event.is_empty() && events.len() == 1);
    if !is_taken {
        let text = "This event is not taken.";
        return Err(Problem::of_field("MSH", 9, code::EVENT, text));
    }
    Ok(())
}

fn administration(
    conversion: &Conversion<'_>,
    readings: &[Reading<'_>],
    event: &str,
) -> Result<(), Problem> {
    let subject = subject(conversion, readings, true)?;
    if event == "A40" {
        let mrg = required(readings, "MRG")?;
        mrg::merge(conversion, mrg, &subject.patient)?;
    }
    let patient = &subject.patient;
    for (index, reading) in readings.iter().enumerate() {
        match reading.name() {
            "PD1" => pd1::patient(conversion, reading, &patient.reference),
            "NK1" => nk1::related_person(conversion, reading, patient),
            "AL1" | "IAM" => al1::allergy(conversion, reading, patient),
            "DG1" => dg1::condition(conversion, reading, (patient, subject.visit.as_ref())),
            "PR1" => pr1::procedure(conversion, reading, (patient, subject.visit.as_ref())),
            "IN1" => in1::coverage(conversion, reading, patient),
            "OBX" => loose_observation(conversion, reading, (index, &subject)),
            _ => {}
        }
    }
    Ok(())
}

/// An observation that belongs to no order, as ADT messages have them.
fn loose_observation(
    conversion: &Conversion<'_>,
    obx: &Reading<'_>,
    (index, subject): (usize, &Subject),
) {
    let noted = order::Noted {
        segment: obx,
        notes: Vec::new(),
    };
    let key = conversion.visit_key().unwrap_or_default();
    let of_order = obx::OfOrder {
        scene: subject.scene(),
        key: &key,
        index,
        specimens: &[],
        when: ("effectiveDateTime", None),
    };
    if let obx::Came::Document(_) = obx::observation(conversion, &noted, &of_order) {
        conversion.warn(
            obx.field(5),
            "is a document in a message that has no place for one",
        );
    }
}

/// The results of an order.
fn result(conversion: &Conversion<'_>, order: &Order<'_, '_>, subject: &Subject) {
    let specimens = specimens(conversion, order, subject);
    match &order.detail {
        Some(obr) if obr.segment.name() == "OBR" => {
            obr::report(conversion, order, obr, (subject.scene(), &specimens));
        }
        _ => {
            if let Some(orc) = order.orc {
                conversion.warn(orc.field(1), "has no OBR behind it: the order is left out");
            }
        }
    }
}

/// A request, or a vaccine that was given.
fn request(conversion: &Conversion<'_>, order: &Order<'_, '_>, subject: &Subject) {
    let specimens = specimens(conversion, order, subject);
    let Some(detail) = &order.detail else {
        if let Some(orc) = order.orc {
            conversion.warn(
                orc.field(1),
                "does not say what is ordered: the order is left out",
            );
        }
        return;
    };
    for dg1 in &order.diagnoses {
        dg1::condition(conversion, dg1, (&subject.patient, subject.visit.as_ref()));
    }
    let scene = subject.scene();
    match detail.segment.name() {
        "OBR" => obr::service_request(conversion, order, detail, (scene, &specimens)),
        "RXA" => {
            rxa::immunization(conversion, order, detail, scene);
            return;
        }
        _ => rxe::medication_request(conversion, order, detail, scene),
    }
    let key = Numbers::of(conversion, order).key(conversion);
    for (index, observation) in order.observations.iter().enumerate() {
        let of_order = obx::OfOrder {
            scene,
            key: &key,
            index,
            specimens: &specimens,
            when: ("effectiveDateTime", None),
        };
        if let obx::Came::Document(_) = obx::observation(conversion, observation, &of_order) {
            let field = observation.segment.field(5);
            conversion.warn(
                field,
                "is a document in a message that has no place for one",
            );
        }
    }
}

fn specimens(conversion: &Conversion<'_>, order: &Order<'_, '_>, subject: &Subject) -> Vec<Node> {
    if order.specimens.is_empty() {
        return Vec::new();
    }
    let numbers = Numbers::of(conversion, order);
    let key = numbers.key(conversion);
    let all = order.specimens.iter();
    all.map(|spm| spm::specimen(conversion, spm, (&subject.patient, &key)))
        .collect()
}

fn scheduling(conversion: &Conversion<'_>, readings: &[Reading<'_>]) -> Result<(), Problem> {
    let schedule = required(readings, "SCH")?;
    let subject = match find(readings, "PID") {
        Some(_) => Some(subject(conversion, readings, false)?),
        None => None,
    };
    let patient = subject.as_ref().map(|subject| &subject.patient);
    sch::appointment(conversion, (schedule, readings), patient);
    Ok(())
}

fn document(conversion: &Conversion<'_>, readings: &[Reading<'_>]) -> Result<(), Problem> {
    let subject = subject(conversion, readings, false)?;
    let txa = required(readings, "TXA")?;
    txa::document(conversion, (txa, readings), subject.scene());
    Ok(())
}

/// The patient and the visit, which messages are about or only mention.
fn subject(
    conversion: &Conversion<'_>,
    readings: &[Reading<'_>],
    is_about_them: bool,
) -> Result<Subject, Problem> {
    let pid = required(readings, "PID")?;
    let patient = pid::patient(conversion, pid, is_about_them)?;
    let visit = find(readings, "PV1");
    let visit = visit.and_then(|pv1| pv1::encounter(conversion, pv1, (&patient, is_about_them)));
    if let (Some(visit), Some(pv2)) = (&visit, find(readings, "PV2")) {
        pv2::encounter(conversion, pv2, visit);
    }
    let is_own = |index: usize| index.checked_sub(1).and_then(|before| readings.get(before));
    for (index, note) in readings.iter().enumerate() {
        let follows_patient = is_own(index).is_some_and(|before| before.name() == "PID");
        if note.name() == "NTE" && follows_patient && nte::annotation(conversion, note).is_some() {
            conversion.warn(
                note.field(3),
                "is a note on the patient, who has no place for one",
            );
        }
    }
    Ok(Subject { patient, visit })
}

fn find<'r, 'a>(readings: &'r [Reading<'a>], name: &str) -> Option<&'r Reading<'a>> {
    readings.iter().find(|reading| reading.name() == name)
}

fn required<'r, 'a>(readings: &'r [Reading<'a>], name: &str) -> Result<&'r Reading<'a>, Problem> {
    find(readings, name).ok_or_else(|| {
        let text = format!("A message of this kind needs a {name} segment.");
        Problem::of_field(name, 0, code::SEQUENCE, text)
    })
}
