//! SCH with AIS, AIP, AIL and AIG: an appointment.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, ei, nm, pl, ts, xcn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::nte;
use crate::hl7v2::segment::pid::Patient;

const STATUS: &str = "http://hl7.org/fhir/appointmentstatus";

/// Adds an `Appointment`.
pub(in crate::hl7v2) fn appointment(
    conversion: &Conversion<'_>,
    (sch, readings): (&Reading<'_>, &[Reading<'_>]),
    patient: Option<&Patient>,
) {
    // SCH-2, SCH-1
    let filler = ei::identity(conversion, sch.field(2));
    let placer = ei::identity(conversion, sch.field(1));
    let identity = filler.or(placer).unwrap_or_else(|| {
        let control_id = conversion.message.head(10).text();
        Identity::made_of("appointment", &[&control_id])
    });
    let identifiers = [(1, "PLAC"), (2, "FILL")];
    let identifiers = identifiers
        .into_iter()
        .filter_map(|(number, kind)| ei::identifier(conversion, sch.field(number), kind));
    let mut identifiers: Vec<Node> = identifiers.collect();
    if identifiers.is_empty() {
        identifiers.push(identity.identifier());
    }
    let (start, end) = times(conversion, sch, readings);
    let minutes = nm::positive(sch.field(9)).or_else(|| nm::positive(sch.field(11).component(3)));
    let mut status = status(conversion, sch);
    if start.is_none() && !matches!(status, "proposed" | "cancelled" | "waitlist") {
        conversion.warn(
            sch.field(11),
            "has no start and end: the appointment is only proposed",
        );
        status = "proposed";
    }
    let services = readings.iter().filter(|reading| reading.name() == "AIS");
    let services = services.filter_map(|ais| cwe::concept(conversion, ais.field(3), None));
    let notes = readings.iter().filter(|reading| reading.name() == "NTE");
    let notes: Vec<Node> = notes
        .filter_map(|nte| nte::annotation(conversion, nte))
        .collect();
    let comment: Vec<&str> = notes
        .iter()
        .filter_map(|note| note.get("text").and_then(Node::as_str))
        .collect();
    let comment = (!comment.is_empty()).then(|| text(comment.join("\n")));
    let element = Element::new()
        .with_all("identifier", identifiers)
        .with_code("status", status)
        .with_all("serviceType", services)
        // SCH-8, SCH-7
        .with(
            "appointmentType",
            cwe::concept(conversion, sch.field(8), Some("0277")),
        )
        .with_all(
            "reasonCode",
            cwe::concept(conversion, sch.field(7), Some("0276")),
        )
        .with("start", start)
        .with("end", end)
        .with("minutesDuration", minutes)
        .with("comment", comment)
        .with_all("participant", participants(conversion, readings, patient));
    sch.pass(&[10]);
    conversion.add("Appointment", sch, How::Update(vec![identity]), element);
}

/// What SCH-25 says, else what the event did.
fn status(conversion: &Conversion<'_>, sch: &Reading<'_>) -> &'static str {
    let code = sch.field(25).component(1).text();
    let known = conversion.tables.code("0278", STATUS, &code);
    let event = conversion.message.head(9).component(2).text();
    let by_event = match &*event {
        "S15" | "S16" => Some("cancelled"),
        "S17" => Some("entered-in-error"),
        "S26" => Some("noshow"),
        _ => None,
    };
    by_event.or(known).unwrap_or("booked")
}

/// Start and end, both or neither: of TQ1, SCH-11, or the first AIS with its duration.
fn times(
    conversion: &Conversion<'_>,
    sch: &Reading<'_>,
    readings: &[Reading<'_>],
) -> (Option<Node>, Option<Node>) {
    let find = |name: &str| readings.iter().find(|reading| reading.name() == name);
    let timing = find("TQ1");
    let of_timing =
        |number: usize| timing.and_then(|tq1| ts::instant(conversion, tq1.field(number)));
    let written = sch.field(11);
    let of_quantity = |number: usize| {
        let part = written.component(number);
        part.has_value()
            .then(|| ts::instant(conversion, part))
            .flatten()
    };
    let service = find("AIS").filter(|ais| ais.field(4).has_value());
    let start = of_timing(7)
        .or_else(|| of_quantity(4))
        .or_else(|| service.and_then(|ais| ts::instant(conversion, ais.field(4))));
    let end = of_timing(8).or_else(|| of_quantity(5));
    match (start, end) {
        (Some(start), Some(end)) => (Some(start), Some(end)),
        (Some(start), None) => {
            // SCH-9 and SCH-10; AIS-7 and AIS-8
            let of = |reading: &Reading<'_>, number: usize, unit: usize| {
                let amount: i64 = reading.field(number).text().trim().parse().ok()?;
                let unit = reading.field(unit).component(1).text().to_ascii_lowercase();
                let minutes = if unit.starts_with('h') { 60 } else { 1 };
                Some(amount.checked_mul(minutes)?.clamp(0, 525_600))
            };
            let minutes = of(sch, 9, 10).or_else(|| service.and_then(|ais| of(ais, 7, 8)));
            let end = later(&start, minutes.unwrap_or(0));
            (Some(start), end)
        }
        _ => (None, None),
    }
}

/// An instant some minutes later.
fn later(start: &Node, minutes: i64) -> Option<Node> {
    let start = crate::fhir::instant::Instant::parse(start.as_str()?)?;
    let end = start.millis().checked_add(minutes.checked_mul(60_000)?)?;
    Some(text(
        crate::fhir::instant::Instant::from_millis(end).to_string(),
    ))
}

fn participants(
    conversion: &Conversion<'_>,
    readings: &[Reading<'_>],
    patient: Option<&Patient>,
) -> Vec<Node> {
    let participant = |actor: Node| {
        let participant = Element::new()
            .with("actor", Some(actor))
            .with_code("status", "accepted");
        Node::Object(participant.into_object())
    };
    let mut all: Vec<Node> = patient
        .map(|one| participant(one.reference.clone()))
        .into_iter()
        .collect();
    for reading in readings {
        let actors: Vec<Node> = match reading.name() {
            // AIP-3
            "AIP" => reading
                .each(3)
                .filter_map(|xcn| xcn::practitioner(conversion, reading, xcn))
                .collect(),
            // AIL-3
            "AIL" => reading
                .each(3)
                .filter_map(|pl| pl::location(conversion, reading, pl))
                .collect(),
            // AIG-3
            "AIG" => {
                let named = reading
                    .field(3)
                    .component(2)
                    .value()
                    .or(reading.field(3).component(1).value());
                Element::new()
                    .with_text("display", named)
                    .node()
                    .into_iter()
                    .collect()
            }
            "AIS" | "RGS" => {
                reading.pass(&[1, 2, 10]);
                continue;
            }
            _ => continue,
        };
        reading.pass(&[1, 2]);
        all.extend(actors.into_iter().map(participant));
    }
    if all.is_empty() {
        all.push(participant(Node::Object(
            Element::new()
                .with_code("display", "not stated")
                .into_object(),
        )));
    }
    all
}
