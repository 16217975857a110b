//! HD: who assigned an identifier, as the system that FHIR calls it by.
//!
//! The feed's settings come first, then universal ids, then a URN made of the namespace.

use std::fmt::Write;

use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::part::Part;

/// The system of an authority that stands in a component, as in CX-4.
pub(in crate::hl7v2) fn system_in_component(
    conversion: &Conversion<'_>,
    hd: Part<'_>,
) -> Option<String> {
    let parts = [1, 2, 3].map(|number| hd.subcomponent(number));
    system(conversion, parts)
}

/// The system of an authority by namespace, universal id and its type.
pub(in crate::hl7v2) fn system(
    conversion: &Conversion<'_>,
    [namespace, universal, kind]: [Part<'_>; 3],
) -> Option<String> {
    let feed = conversion.feed;
    let (namespace, universal) = (namespace.text(), universal.text());
    let named = [&namespace, &universal];
    let mut known = named.into_iter().filter(|name| !name.is_empty());
    if let Some(system) = known.find_map(|name| feed.authority(name)) {
        return Some(system.to_owned());
    }
    if !universal.is_empty() {
        match &*kind.text().to_ascii_uppercase() {
            "ISO" => return Some(format!("urn:oid:{}", part_of_uri(&universal))),
            "UUID" | "GUID" => {
                return Some(format!(
                    "urn:uuid:{}",
                    part_of_uri(&universal.to_ascii_lowercase())
                ));
            }
            "URI" | "URL" => return Some(part_of_uri(&universal)),
            _ if is_oid(&universal) => return Some(format!("urn:oid:{universal}")),
            _ if namespace.is_empty() => return Some(of_name(&universal)),
            _ => {}
        }
    }
    (!namespace.is_empty()).then(|| of_name(&namespace))
}

/// The system of identifiers that name no authority: they are the sending facility's own.
pub(in crate::hl7v2) fn system_of_sender(conversion: &Conversion<'_>) -> String {
    let facility = conversion.message.head(4);
    let parts = [1, 2, 3].map(|number| facility.component(number));
    system(conversion, parts)
        .or_else(|| {
            let application = conversion.message.head(3);
            system(
                conversion,
                [1, 2, 3].map(|number| application.component(number)),
            )
        })
        .unwrap_or_else(|| of_name("unknown"))
}

/// The system of numbers of insurers, which are not patients' of the same authority.
pub(in crate::hl7v2) fn system_of_insurer(system: &str) -> String {
    match system.strip_prefix("urn:vesta:authority:") {
        Some(name) => format!("urn:vesta:insurers:{name}"),
        None => system.to_owned(),
    }
}

/// A URN for an authority that has a name only.
fn of_name(name: &str) -> String {
    format!("urn:vesta:authority:{}", part_of_uri(name))
}

/// A text as it may stand in a URI.
pub(in crate::hl7v2) fn part_of_uri(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    out
}

fn is_oid(text: &str) -> bool {
    text.starts_with(['0', '1', '2'])
        && text.contains('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}
