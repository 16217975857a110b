//! XPN: a person's name.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::ts;
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;

const NAME_USE: &str = "http://hl7.org/fhir/name-use";

/// A `HumanName`.
pub(in crate::hl7v2) fn name(conversion: &Conversion<'_>, xpn: Part<'_>) -> Option<Node> {
    let element = parts(xpn, 1);
    if element.is_empty() {
        return None;
    }
    let period = Element::new()
        // XPN-12, XPN-13
        .with("start", ts::date_time(conversion, xpn.component(12)))
        .with("end", ts::date_time(conversion, xpn.component(13)));
    // XPN-7
    let kind = conversion.code("0200", NAME_USE, xpn.component(7));
    element
        .with("use", kind.map(text))
        .with("period", period.node())
        .node()
}

/// Family, given, suffix and prefix, which begin at a component.
pub(in crate::hl7v2) fn parts(xpn: Part<'_>, first: usize) -> Element {
    let component = |number: usize| xpn.component(first + number);
    // XPN-1 is FN; XPN-3 are further given names.
    let given = [component(1), component(2)];
    Element::new()
        .with_text("family", component(0).subcomponent(1).value())
        .with_all(
            "given",
            given.iter().filter_map(|part| part.value()).map(text),
        )
        .with_all("prefix", component(4).value().map(text))
        .with_all("suffix", component(3).value().map(text))
        .with_all("suffix", component(5).value().map(text))
}
