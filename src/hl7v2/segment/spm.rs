//! SPM: a specimen.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, hd, nm, ts};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::Patient;

/// Adds a `Specimen`.
pub(in crate::hl7v2) fn specimen(
    conversion: &Conversion<'_>,
    spm: &Reading<'_>,
    (patient, order): (&Patient, &str),
) -> Node {
    // SPM-2: of whoever placed the order and of whoever fills it.
    let both = [2, 1].map(|number| spm.field(2).component(number));
    let own = both.into_iter().find_map(|part| identity(conversion, part));
    let number = spm.field(1).text();
    let identity = own.unwrap_or_else(|| Identity::made_of("specimen", &[order, &number]));
    // SPM-17 is a span.
    let taken = spm.field(17);
    let [start, end] = [1, 2].map(|number| ts::date_time(conversion, taken.component(number)));
    let span = Element::new()
        .with("start", start.clone())
        .with("end", end.clone());
    let mut collection = Element::new()
        .with(
            "method",
            cwe::concept(conversion, spm.field(7), Some("0488")),
        )
        .with("bodySite", cwe::concept(conversion, spm.field(8), None))
        .with("quantity", quantity(spm.field(12)));
    match end {
        Some(_) => collection.set("collectedPeriod", span.node()),
        None => collection.set("collectedDateTime", start),
    }
    let note = spm
        .field(14)
        .value()
        .map(|words| Node::Object(Element::new().with("text", Some(text(words))).into_object()));
    let element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with("type", cwe::concept(conversion, spm.field(4), Some("0487")))
        .with("subject", Some(patient.reference.clone()))
        .with("receivedTime", ts::date_time(conversion, spm.field(18)))
        .with("collection", collection.node())
        .with_all(
            "condition",
            spm.each(24)
                .filter_map(|it| cwe::concept(conversion, it, Some("0493"))),
        )
        .with_all("note", note);
    conversion.add("Specimen", spm, How::Update(vec![identity]), element)
}

fn identity(conversion: &Conversion<'_>, ei: Part<'_>) -> Option<Identity> {
    let value = ei.subcomponent(1).value()?;
    let system = hd::system(conversion, [2, 3, 4].map(|number| ei.subcomponent(number)));
    Some(Identity {
        system: system.unwrap_or_else(|| hd::system_of_sender(conversion)),
        value: value.into_owned(),
    })
}

/// A CQ: a number and its unit.
fn quantity(cq: Part<'_>) -> Option<Node> {
    let value = nm::decimal(cq.component(1))?;
    let unit = cq.component(2);
    Element::new()
        .with("value", Some(value))
        .with_text(
            "unit",
            unit.subcomponent(2)
                .value()
                .or(unit.subcomponent(1).value()),
        )
        .node()
}
