//! XON: an organization by name and identifier.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::hd;
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::Element;
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;

/// A reference to an Organization; to one without an identifier by name only.
pub(in crate::hl7v2) fn organization(
    conversion: &Conversion<'_>,
    from: &Reading<'_>,
    xon: Part<'_>,
) -> Option<Node> {
    // XON-1
    let name = xon.component(1).value();
    // XON-10, or XON-3 before v2.5
    let value = xon.component(10).value().or(xon.component(3).value());
    let Some(value) = value else {
        return Element::new().with_text("display", name).node();
    };
    // XON-6
    let system = hd::system_in_component(conversion, xon.component(6));
    let identity = Identity {
        system: system.unwrap_or_else(|| hd::system_of_sender(conversion)),
        value: value.into_owned(),
    };
    let element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with_text("name", name.clone());
    let to = conversion.add(
        "Organization",
        from,
        How::CreateUnless(vec![identity]),
        element,
    );
    Element::new()
        .with("reference", to.get("reference").cloned())
        .with_text("display", name)
        .node()
}
