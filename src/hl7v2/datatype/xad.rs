//! XAD: an address.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::ts;
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;

const ADDRESS_USE: &str = "http://hl7.org/fhir/address-use";
const ADDRESS_TYPE: &str = "http://hl7.org/fhir/address-type";

/// An `Address`.
pub(in crate::hl7v2) fn address(conversion: &Conversion<'_>, xad: Part<'_>) -> Option<Node> {
    // XAD-1 is SAD: street and number in one, or apart.
    let street = xad.component(1);
    let line = street.subcomponent(1).value().map(text).or_else(|| {
        let apart = [3, 2].map(|number| street.subcomponent(number).text());
        let joined = apart.join(" ");
        (!joined.trim().is_empty()).then(|| text(joined.trim()))
    });
    let period = Element::new()
        // XAD-13, XAD-14
        .with("start", ts::date_time(conversion, xad.component(13)))
        .with("end", ts::date_time(conversion, xad.component(14)));
    let element = Element::new()
        .with_all("line", line)
        .with_all("line", xad.component(2).value().map(text))
        .with_text("city", xad.component(3).value())
        .with_text("district", xad.component(9).value())
        .with_text("state", xad.component(4).value())
        .with_text("postalCode", xad.component(5).value())
        .with_text("country", xad.component(6).value())
        .with("period", period.node());
    if element.is_empty() {
        return None;
    }
    // XAD-7 is a use or a type, and each table has half of the codes.
    let kind = xad.component(7);
    let code = kind.text();
    let found = |system| conversion.tables.code("0190", system, &code);
    let (usage, of_type) = (found(ADDRESS_USE), found(ADDRESS_TYPE));
    if kind.has_value() && usage.is_none() && of_type.is_none() {
        conversion.warn(
            kind,
            "has a code of table 0190 that addresses of FHIR do not have",
        );
    }
    element
        .with("use", usage.map(text))
        .with("type", of_type.map(text))
        .node()
}
