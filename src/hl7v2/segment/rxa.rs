//! RXA with RXR: a vaccine that was given, or was not.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, nm, ts, xcn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::obr::Scene;
use crate::hl7v2::segment::orc::Numbers;
use crate::hl7v2::segment::{nte, obx};
use crate::hl7v2::structure::order::{Noted, Order};

const STATUS: &str = "http://hl7.org/fhir/event-status";
const ROUTE: [&str; 1] = ["http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"];
const FUNCTION: &str = "http://terminology.hl7.org/CodeSystem/v2-0443";

/// Adds an `Immunization`, with what was observed about it.
pub(in crate::hl7v2) fn immunization(
    conversion: &Conversion<'_>,
    order: &Order<'_, '_>,
    rxa: &Noted<'_, '_>,
    scene: Scene<'_>,
) {
    let segment = rxa.segment;
    // RXA-5
    let given = segment.field(5);
    let Some(code) = cwe::concept(conversion, given, None) else {
        conversion.warn(
            given,
            "does not say what was given: the segment is left out",
        );
        return;
    };
    let numbers = Numbers::of(conversion, order);
    let identity = identity(segment, &numbers, scene);
    let mut identifiers = numbers.identifiers.clone();
    identifiers.push(identity.identifier());
    // RXA-3
    let occurrence = ts::date_time(conversion, segment.field(3));
    let unknown = occurrence.is_none().then(|| text("unknown"));
    let notes = rxa.notes.iter();
    let notes = notes.filter_map(|nte| nte::annotation(conversion, nte));
    let element = Element::new()
        .with_all("identifier", identifiers)
        .with_code("status", status(conversion, segment))
        .with(
            "statusReason",
            cwe::concept(conversion, segment.field(18), None),
        )
        .with("vaccineCode", Some(code))
        .with("patient", Some(scene.patient.reference.clone()))
        .with("encounter", scene.visit.cloned())
        .with("occurrenceDateTime", occurrence)
        .with("occurrenceString", unknown)
        .with("recorded", ts::date_time(conversion, segment.field(22)));
    let element = with_product(conversion, segment, element)
        .with_all("performer", performers(conversion, order, segment))
        .with_all("note", notes);
    let element = with_route(conversion, order, element);
    segment.pass(&[1, 2, 4]);
    let how = How::Update(vec![identity]);
    let immunization = conversion.add("Immunization", segment, how, element);
    let key = numbers.key(conversion);
    observations(conversion, order, (scene, &key), &immunization);
}

/// The number that the filler gave it; 9999 and 0 stand for none.
fn identity(rxa: &Reading<'_>, numbers: &Numbers, scene: Scene<'_>) -> Identity {
    let own = numbers.filler.as_ref();
    if let Some(filler) = own.filter(|one| !matches!(one.value.as_str(), "9999" | "0")) {
        return Identity::made_of("immunization", &[&filler.system, &filler.value]);
    }
    let what = rxa.field(5).component(1).text();
    let when = rxa.field(3).text();
    Identity::made_of("immunization", &[&scene.patient.key(), &what, &when])
}

fn with_product(conversion: &Conversion<'_>, rxa: &Reading<'_>, element: Element) -> Element {
    // RXA-9: 00 is given here, all else was told of.
    let source = rxa.field(9).component(1).text();
    let is_primary = (!source.is_empty()).then(|| Node::Bool(&*source == "00"));
    // RXA-15 to RXA-17
    let lot = rxa.each(15).find_map(Part::value);
    let expires = rxa.each(16).find_map(|part| ts::date(conversion, part));
    let maker = Element::new().with_text("display", rxa.field(17).words());
    element
        .with("primarySource", is_primary)
        .with("manufacturer", maker.node())
        .with_text("lotNumber", lot)
        .with("expirationDate", expires)
        .with("doseQuantity", dose(rxa))
}

fn observations(
    conversion: &Conversion<'_>,
    order: &Order<'_, '_>,
    (scene, key): (Scene<'_>, &str),
    immunization: &Node,
) {
    for (index, observation) in order.observations.iter().enumerate() {
        let of_order = obx::OfOrder {
            scene,
            key,
            index,
            specimens: &[],
            when: ("effectiveDateTime", None),
        };
        if let obx::Came::Observation(made) = obx::observation(conversion, observation, &of_order) {
            conversion.change(&made, |element| {
                element.add("partOf", [immunization.clone()]);
            });
        }
    }
}

fn with_route(conversion: &Conversion<'_>, order: &Order<'_, '_>, element: Element) -> Element {
    let Some(rxr) = order.route else {
        return element;
    };
    // RXR-1, RXR-2
    element
        .with("site", cwe::concept(conversion, rxr.field(2), Some("0163")))
        .with(
            "route",
            cwe::mapped(conversion, rxr.field(1), ("0162", &ROUTE)),
        )
}

fn status(conversion: &Conversion<'_>, rxa: &Reading<'_>) -> &'static str {
    // RXA-21, RXA-20
    if &*rxa.field(21).text() == "D" {
        return "entered-in-error";
    }
    let completion = rxa.field(20);
    let found = conversion.code("0322", STATUS, completion.component(1));
    found.unwrap_or("completed")
}

/// RXA-6 and RXA-7; 999 is how an unknown dose is written.
fn dose(rxa: &Reading<'_>) -> Option<Node> {
    let amount = rxa.field(6);
    let unit = rxa.field(7);
    if matches!(&*amount.text(), "999" | "0") {
        return None;
    }
    let value = nm::decimal(amount)?;
    Element::new()
        .with("value", Some(value))
        .with_text(
            "unit",
            unit.component(2).value().or(unit.component(1).value()),
        )
        .node()
}

fn performers(conversion: &Conversion<'_>, order: &Order<'_, '_>, rxa: &Reading<'_>) -> Vec<Node> {
    let performer = |actor: Node, function: &str| {
        let performer = Element::new()
            .with("function", Some(concept(FUNCTION, function)))
            .with("actor", Some(actor));
        Node::Object(performer.into_object())
    };
    // RXA-10
    let gave = rxa
        .each(10)
        .filter_map(|xcn| xcn::practitioner(conversion, rxa, xcn));
    let mut all: Vec<Node> = gave.map(|actor| performer(actor, "AP")).collect();
    // ORC-12
    if let Some(orc) = order.orc {
        let ordered = orc
            .each(12)
            .filter_map(|xcn| xcn::practitioner(conversion, orc, xcn));
        all.extend(ordered.map(|actor| performer(actor, "OP")));
    }
    all
}
