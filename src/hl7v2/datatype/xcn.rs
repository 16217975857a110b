//! XCN and CNN: a person with an identifier, as a Practitioner.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{hd, xpn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;

const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const NAME_USE: &str = "http://hl7.org/fhir/name-use";

/// A reference to a Practitioner; to one without an identifier by name only.
pub(in crate::hl7v2) fn practitioner(
    conversion: &Conversion<'_>,
    from: &Reading<'_>,
    xcn: Part<'_>,
) -> Option<Node> {
    // XCN-2 to XCN-7
    let name = xpn::parts(xcn, 2);
    let display = display(xcn);
    // XCN-1
    let Some(value) = xcn.component(1).value() else {
        return Element::new().with("display", display.map(text)).node();
    };
    // XCN-9
    let system = hd::system_in_component(conversion, xcn.component(9));
    let identity = Identity {
        system: system.unwrap_or_else(|| hd::system_of_sender(conversion)),
        value: value.into_owned(),
    };
    // XCN-10, XCN-13
    let usage = conversion
        .tables
        .code("0200", NAME_USE, &xcn.component(10).text());
    let kind = xcn.component(13).value();
    let identifier = Element::new()
        .with("type", kind.map(|code| concept(IDENTIFIER_TYPE, &code)))
        .with_code("system", &identity.system)
        .with_code("value", &identity.value);
    let name = if name.is_empty() {
        name
    } else {
        name.with("use", usage.map(text))
    };
    let element = Element::new()
        .with_all("identifier", identifier.node())
        .with_all("name", name.node());
    let to = conversion.add(
        "Practitioner",
        from,
        How::CreateUnless(vec![identity]),
        element,
    );
    let reference = to.get("reference").cloned();
    Element::new()
        .with("reference", reference)
        .with("display", display.map(text))
        .node()
}

/// A name as people write it.
pub(in crate::hl7v2) fn display(xcn: Part<'_>) -> Option<String> {
    words(xcn, 2)
}

/// As [`display`], of a name that begins at a component: 1 in XPN, 2 in XCN.
pub(in crate::hl7v2) fn words(name: Part<'_>, first: usize) -> Option<String> {
    let component = |number: usize| name.component(first + number);
    let family = component(0).subcomponent(1);
    // Prefix, given, further given, family, suffix
    let parts = [
        component(4),
        component(1),
        component(2),
        family,
        component(3),
    ];
    let words: Vec<_> = parts.iter().filter_map(|part| part.value()).collect();
    let joined = words.join(" ");
    (!joined.is_empty()).then_some(joined)
}
