//! EI: an identifier of a thing, such as an order.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::hd;
use crate::hl7v2::draft::Identity;
use crate::hl7v2::element::{Element, concept};
use crate::hl7v2::part::Part;

const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

/// What an identifier says; `None` when it has no value.
pub(in crate::hl7v2) fn identity(conversion: &Conversion<'_>, ei: Part<'_>) -> Option<Identity> {
    // EI-1
    let value = ei.component(1).value()?;
    // EI-2, EI-3, EI-4
    let system = hd::system(conversion, [2, 3, 4].map(|number| ei.component(number)));
    Some(Identity {
        system: system.unwrap_or_else(|| hd::system_of_sender(conversion)),
        value: value.into_owned(),
    })
}

/// An `Identifier` with a type of HL7 table 0203.
pub(in crate::hl7v2) fn identifier(
    conversion: &Conversion<'_>,
    ei: Part<'_>,
    kind: &str,
) -> Option<Node> {
    let identity = identity(conversion, ei)?;
    Element::new()
        .with("type", Some(concept(IDENTIFIER_TYPE, kind)))
        .with_code("system", &identity.system)
        .with_code("value", &identity.value)
        .node()
}
