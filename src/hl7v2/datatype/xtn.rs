//! XTN: a telephone number or electronic address.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;

const SYSTEM: &str = "http://hl7.org/fhir/contact-point-system";
const USE: &str = "http://hl7.org/fhir/contact-point-use";

/// A `ContactPoint`.
pub(in crate::hl7v2) fn contact_point(conversion: &Conversion<'_>, xtn: Part<'_>) -> Option<Node> {
    let email = xtn.component(4).value();
    // XTN-3
    let equipment = xtn.component(3).text();
    let is_address = matches!(&*equipment, "Internet" | "X.400");
    let value = match (&email, is_address) {
        (Some(email), _) => text(email),
        (None, true) => text(xtn.component(1).value()?),
        (None, false) => text(number(xtn)?),
    };
    let known = |system| conversion.tables.code("0202", system, &equipment);
    let system = match (&email, known(SYSTEM)) {
        (Some(_), _) => "email",
        (None, Some(system)) => system,
        // A cell phone is a phone.
        (None, None) => "phone",
    };
    // XTN-2
    let usage = conversion
        .tables
        .code("0201", USE, &xtn.component(2).text());
    let usage = usage.or(known(USE));
    Element::new()
        .with_code("system", system)
        .with("value", Some(value))
        .with("use", usage.map(text))
        .node()
}

/// The number as it was written; else of its parts.
fn number(xtn: Part<'_>) -> Option<String> {
    // XTN-12, XTN-1
    if let Some(whole) = xtn.component(12).value().or(xtn.component(1).value()) {
        return Some(whole.into_owned());
    }
    // XTN-5 to XTN-8
    let [country, area, local, extension] = [5, 6, 7, 8].map(|part| xtn.component(part).text());
    if local.is_empty() {
        return None;
    }
    let mut words = Vec::new();
    if !country.is_empty() {
        words.push(format!("+{}", country.trim_start_matches('+')));
    }
    if !area.is_empty() {
        words.push(format!("({area})"));
    }
    words.push(local.into_owned());
    if !extension.is_empty() {
        words.push(format!("ext. {extension}"));
    }
    Some(words.join(" "))
}
