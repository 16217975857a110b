//! PV2: more about the visit.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, nm, ts};
use crate::hl7v2::element::Element;
use crate::hl7v2::reading::Reading;

/// Adds to a visit.
pub(in crate::hl7v2) fn encounter(
    conversion: &Conversion<'_>,
    pv2: &Reading<'_>,
    encounter: &Node,
) {
    // PV2-3
    let reason = cwe::concept(conversion, pv2.field(3), None);
    // PV2-11
    let length = nm::decimal(pv2.field(11)).and_then(|days| {
        Element::new()
            .with("value", Some(days))
            .with_code("unit", "days")
            .with_code("system", "http://unitsofmeasure.org")
            .with_code("code", "d")
            .node()
    });
    // PV2-25
    let priority = cwe::concept(conversion, pv2.field(25), Some("0217"));
    // PV2-8, PV2-9
    let planned = [(8, "plannedStartDate"), (9, "plannedEndDate")];
    let planned: Vec<Node> = planned
        .into_iter()
        .filter_map(|(number, name)| {
            let time = ts::date_time(conversion, pv2.field(number))?;
            let base = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter";
            Element::new()
                .with_code("url", &format!("{base}.{name}"))
                .with("valueDateTime", Some(time))
                .node()
        })
        .collect();
    conversion.change(encounter, |element| {
        element.add("reasonCode", reason);
        element.set("length", length);
        element.set("priority", priority);
        element.add("extension", planned);
    });
}
