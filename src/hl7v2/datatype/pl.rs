//! PL: a place in a building, as a Location.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::hd;
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;

const PHYSICAL_TYPE: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";

/// A reference to a Location: the innermost place that is named, known by its whole path.
pub(in crate::hl7v2) fn location(
    conversion: &Conversion<'_>,
    from: &Reading<'_>,
    pl: Part<'_>,
) -> Option<Node> {
    // PL-7 building, PL-8 floor, PL-1 point of care, PL-2 room, PL-3 bed
    let levels = [(7, "bu"), (8, "lvl"), (1, "wa"), (2, "ro"), (3, "bd")];
    let part = |number: usize| pl.component(number).subcomponent(1).value();
    let named = levels
        .into_iter()
        .filter_map(|(number, kind)| Some((part(number)?, kind)));
    let named: Vec<_> = named.collect();
    // PL-9 describes it, PL-4 is the facility.
    let (_, kind) = named.last()?;
    let path: Vec<&str> = named.iter().map(|(name, _)| &**name).collect();
    let path = path.join(" / ");
    let system = hd::system_in_component(conversion, pl.component(4));
    let identity = Identity {
        system: system.unwrap_or_else(|| hd::system_of_sender(conversion)),
        value: path.clone(),
    };
    let element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with_code("name", &path)
        .with_text("description", pl.component(9).value())
        .with_code("mode", "instance")
        .with("physicalType", Some(concept(PHYSICAL_TYPE, kind)));
    let to = conversion.add("Location", from, How::CreateUnless(vec![identity]), element);
    Element::new()
        .with("reference", to.get("reference").cloned())
        .with_code("display", &path)
        .node()
}
