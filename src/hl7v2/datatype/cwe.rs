//! CWE, CE, CNE, CF, IS and ID: coded values.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::hd::part_of_uri;
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;

/// A `CodeableConcept`; codes without a system are of an HL7 table where one is named.
pub(in crate::hl7v2) fn concept(
    conversion: &Conversion<'_>,
    cwe: Part<'_>,
    table: Option<&str>,
) -> Option<Node> {
    let first = coding(
        conversion,
        [1, 2, 3, 7].map(|number| cwe.component(number)),
        table,
    );
    // CWE-4 to CWE-6 say the same in another system.
    let second = coding(
        conversion,
        [4, 5, 6, 8].map(|number| cwe.component(number)),
        None,
    );
    let third = coding(
        conversion,
        [10, 11, 12, 13].map(|number| cwe.component(number)),
        None,
    );
    // CWE-9 is how it was worded.
    let worded = cwe.component(9).value().or_else(|| {
        let display = cwe.component(2).value();
        display.or_else(|| cwe.component(5).value())
    });
    Element::new()
        .with_all("coding", first)
        .with_all("coding", second)
        .with_all("coding", third)
        .with_text("text", worded)
        .node()
}

/// A `CodeableConcept` that has a code of FHIR in front where a table has one.
pub(in crate::hl7v2) fn mapped(
    conversion: &Conversion<'_>,
    cwe: Part<'_>,
    (table, systems): (&str, &[&str]),
) -> Option<Node> {
    let code = cwe.component(1).text();
    let found = systems
        .iter()
        .find_map(|system| Some((system, conversion.tables.code(table, system, &code)?)));
    let whole = concept(conversion, cwe, Some(table))?;
    let Some((system, code)) = found else {
        return Some(whole);
    };
    let own = whole.get("coding").map(Node::items).unwrap_or_default();
    Element::new()
        .with_all("coding", [crate::hl7v2::element::coding(system, code)])
        .with_all("coding", own.iter().cloned())
        .with("text", whole.get("text").cloned())
        .node()
}

/// A `Coding` of code, text, name of the system and version; none without a code.
fn coding(
    conversion: &Conversion<'_>,
    [code, display, system, version]: [Part<'_>; 4],
    table: Option<&str>,
) -> Option<Node> {
    // A code of FHIR has no blanks but single ones inside.
    let words = code.value()?;
    let words: Vec<&str> = words.split_whitespace().collect();
    let system = system_of(conversion, system, table);
    Element::new()
        .with("system", system.map(text))
        .with_text("version", version.value())
        .with_code("code", &words.join(" "))
        .with_text("display", display.value())
        .node()
}

/// The system that a name of table 0396 stands for.
pub(in crate::hl7v2) fn system_of(
    conversion: &Conversion<'_>,
    name: Part<'_>,
    table: Option<&str>,
) -> Option<String> {
    let Some(name) = name.value() else {
        return table.map(of_table);
    };
    if let Some(system) = conversion.feed.code_system(&name) {
        return Some(system.to_owned());
    }
    if let Some(system) = conversion.tables.system(&name) {
        return Some(system.to_owned());
    }
    let number = name
        .strip_prefix("HL7")
        .map(|rest| rest.trim_start_matches(['-', ' ']));
    if let Some(number) = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        && (3..=4).contains(&number.len())
    {
        return Some(of_table(&format!("{number:0>4}")));
    }
    if name.starts_with("urn:") || name.starts_with("http://") || name.starts_with("https://") {
        return Some(part_of_uri(&name));
    }
    let is_local = name == "L" || name.starts_with("99");
    let facility = conversion.message.head(4).component(1).text();
    Some(if is_local && !facility.is_empty() {
        format!(
            "urn:vesta:codes:{}:{}",
            part_of_uri(&facility),
            part_of_uri(&name)
        )
    } else {
        format!("urn:vesta:codes:{}", part_of_uri(&name))
    })
}

fn of_table(number: &str) -> String {
    format!("http://terminology.hl7.org/CodeSystem/v2-{number}")
}
