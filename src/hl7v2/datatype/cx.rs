//! CX: an identifier with check digit, authority and type.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{hd, ts};
use crate::hl7v2::draft::Identity;
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::part::Part;

const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

/// An `Identifier`.
pub(in crate::hl7v2) fn identifier(conversion: &Conversion<'_>, cx: Part<'_>) -> Option<Node> {
    let identity = identity(conversion, cx)?;
    // CX-5
    let kind = cx.component(5).value();
    let period = Element::new()
        // CX-7, CX-8
        .with("start", ts::date_time(conversion, cx.component(7)))
        .with("end", ts::date_time(conversion, cx.component(8)));
    let assigner = cx
        .component(4)
        .subcomponent(1)
        .value()
        .or(cx.component(6).subcomponent(1).value());
    Element::new()
        .with("type", kind.map(|code| concept(IDENTIFIER_TYPE, &code)))
        .with("system", Some(text(identity.system)))
        .with("value", Some(text(identity.value)))
        .with("period", period.node())
        .with(
            "assigner",
            Element::new().with_text("display", assigner).node(),
        )
        .node()
}

/// What an identifier says, without its type; `None` when it has no value.
pub(in crate::hl7v2) fn identity(conversion: &Conversion<'_>, cx: Part<'_>) -> Option<Identity> {
    // CX-1
    let value = cx.component(1).value()?;
    // CX-4
    let system = hd::system_in_component(conversion, cx.component(4));
    Some(Identity {
        system: system.unwrap_or_else(|| hd::system_of_sender(conversion)),
        value: value.into_owned(),
    })
}
