//! RXE and RXO with RXR and TQ1: a prescription.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, nm, ts};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::nte;
use crate::hl7v2::segment::obr::Scene;
use crate::hl7v2::segment::orc::{self, Numbers};
use crate::hl7v2::structure::order::{Noted, Order};

const ROUTE: [&str; 1] = ["http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"];

/// Where RXE and RXO have the same thing.
struct Fields {
    code: usize,
    amount: [usize; 3],
    instructions: usize,
    dispense: [usize; 2],
    refills: usize,
}

const RXE: Fields = Fields {
    code: 2,
    amount: [3, 4, 5],
    instructions: 7,
    dispense: [10, 11],
    refills: 12,
};

const RXO: Fields = Fields {
    code: 1,
    amount: [2, 3, 4],
    instructions: 7,
    dispense: [11, 12],
    refills: 13,
};

/// Adds a `MedicationRequest`.
pub(in crate::hl7v2) fn medication_request(
    conversion: &Conversion<'_>,
    order: &Order<'_, '_>,
    detail: &Noted<'_, '_>,
    scene: Scene<'_>,
) {
    let segment = detail.segment;
    let fields = if segment.name() == "RXO" { RXO } else { RXE };
    let given = segment.field(fields.code);
    let Some(code) = cwe::concept(conversion, given, None) else {
        conversion.warn(
            given,
            "does not say what is prescribed: the segment is left out",
        );
        return;
    };
    let numbers = Numbers::of(conversion, order);
    let known_by = numbers.placer.as_ref().or(numbers.filler.as_ref());
    let identity = if let Some(one) = known_by {
        Identity::made_of("prescription", &[&one.system, &one.value])
    } else {
        let what = given.component(1).text();
        Identity::made_of("prescription", &[&numbers.key(conversion), &what])
    };
    let mut identifiers = numbers.identifiers.clone();
    identifiers.push(identity.identifier());
    let status = match orc::request_status(conversion, order.orc) {
        "revoked" => "cancelled",
        other => other,
    };
    let [amount, unit] = fields.dispense.map(|number| segment.field(number));
    let refills = nm::positive(segment.field(fields.refills));
    let dispense = Element::new()
        .with("numberOfRepeatsAllowed", refills)
        .with("quantity", quantity(amount, unit));
    let notes = detail
        .notes
        .iter()
        .filter_map(|nte| nte::annotation(conversion, nte));
    let mut element = Element::new()
        .with_all("identifier", identifiers)
        .with_code("status", status)
        .with_code("intent", "order")
        .with("medicationCodeableConcept", Some(code))
        .with("subject", Some(scene.patient.reference.clone()))
        .with("encounter", scene.visit.cloned())
        .with_all(
            "dosageInstruction",
            dosage(conversion, order, (segment, &fields)),
        )
        .with("dispenseRequest", dispense.node())
        .with("priority", orc::priority(conversion, order.timing))
        .with_all("note", notes);
    if let Some(orc) = order.orc {
        orc::add_to_request(conversion, orc, (&mut element, "groupIdentifier"));
    }
    conversion.add(
        "MedicationRequest",
        segment,
        How::Update(vec![identity]),
        element,
    );
}

fn dosage(
    conversion: &Conversion<'_>,
    order: &Order<'_, '_>,
    (segment, fields): (&Reading<'_>, &Fields),
) -> Option<Node> {
    let [least, most, unit] = fields.amount.map(|number| segment.field(number));
    let low = quantity(least, unit);
    let mut dose = Element::new();
    match (low, quantity(most, unit)) {
        (Some(low), Some(high)) if low != high => {
            let range = Element::new()
                .with("low", Some(low))
                .with("high", Some(high));
            dose.set("doseRange", range.node());
        }
        (low, _) => dose.set("doseQuantity", low),
    }
    let words: Vec<_> = segment
        .each(fields.instructions)
        .filter_map(Part::words)
        .collect();
    let instructions = (!words.is_empty()).then(|| text(words.join("; ")));
    let route = order
        .route
        .and_then(|rxr| cwe::mapped(conversion, rxr.field(1), ("0162", &ROUTE)));
    let site = order
        .route
        .and_then(|rxr| cwe::concept(conversion, rxr.field(2), Some("0163")));
    Element::new()
        .with("text", instructions)
        .with(
            "timing",
            order.timing.and_then(|tq1| timing(conversion, tq1)),
        )
        .with("site", site)
        .with("route", route)
        .with_all("doseAndRate", dose.node())
        .node()
}

/// TQ1-3, TQ1-7 and TQ1-8: how often, from when to when.
fn timing(conversion: &Conversion<'_>, tq1: &Reading<'_>) -> Option<Node> {
    let bounds = Element::new()
        .with("start", ts::date_time(conversion, tq1.field(7)))
        .with("end", ts::date_time(conversion, tq1.field(8)));
    let repeat = Element::new().with("boundsPeriod", bounds.node());
    let pattern = tq1.field(3).component(1);
    let code = cwe::concept(conversion, pattern, Some("0335"));
    Element::new()
        .with("repeat", repeat.node())
        .with("code", code)
        .node()
}

fn quantity(amount: Part<'_>, unit: Part<'_>) -> Option<Node> {
    let value = nm::decimal(amount)?;
    Element::new()
        .with("value", Some(value))
        .with_text(
            "unit",
            unit.component(2).value().or(unit.component(1).value()),
        )
        .node()
}
