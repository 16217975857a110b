//! OBX: an observation, of any type of value, or a document.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, cx, ed, nm, ts, xcn, xon};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, coding, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::nte;
use crate::hl7v2::segment::obr::Scene;
use crate::hl7v2::structure::order::Noted;

const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
const STATUS: &str = "http://hl7.org/fhir/observation-status";
const UCUM: &str = "http://unitsofmeasure.org";

/// Codes that table 0078 and FHIR's interpretations have in common.
const INTERPRETATIONS: [&str; 27] = [
    "<", ">", "A", "AA", "B", "D", "DET", "H", "HH", "HU", "I", "IND", "L", "LL", "LU", "MS", "N",
    "ND", "NEG", "NR", "POS", "R", "RR", "S", "U", "VS", "W",
];

/// The order that an observation belongs to.
pub(in crate::hl7v2) struct OfOrder<'s> {
    pub(in crate::hl7v2) scene: Scene<'s>,
    pub(in crate::hl7v2) key: &'s str,
    /// The place of the observation in its order.
    pub(in crate::hl7v2) index: usize,
    pub(in crate::hl7v2) specimens: &'s [Node],
    /// When the order was carried out.
    pub(in crate::hl7v2) when: (&'static str, Option<Node>),
}

/// What an OBX came to.
pub(in crate::hl7v2) enum Came {
    Observation(Node),
    /// An `Attachment`.
    Document(Node),
    Nothing,
}

/// Adds an `Observation`, or gives back the document that the OBX is.
pub(in crate::hl7v2) fn observation(
    conversion: &Conversion<'_>,
    noted: &Noted<'_, '_>,
    order: &OfOrder<'_>,
) -> Came {
    let obx = noted.segment;
    let kind = obx.field(2).text();
    obx.pass(&[1]);
    if matches!(&*kind, "ED" | "RP") {
        return document(conversion, obx, &kind);
    }
    let Some(code) = cwe::concept(conversion, obx.field(3), None) else {
        conversion.warn(
            obx.field(3),
            "does not say what was observed: the segment is left out",
        );
        return Came::Nothing;
    };
    let identity = identity(conversion, obx, order);
    // OBX-14, else when the order was carried out
    let when = match ts::date_time(conversion, obx.field(14)) {
        Some(when) => ("effectiveDateTime", Some(when)),
        None => order.when.clone(),
    };
    let mut element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with_code("status", status(conversion, obx))
        .with("code", Some(code))
        .with("subject", Some(order.scene.patient.reference.clone()))
        .with("encounter", order.scene.visit.cloned())
        .with(when.0, when.1)
        .with(
            "issued",
            obx.field(19)
                .has_value()
                .then(|| ts::instant(conversion, obx.field(19)))
                .flatten(),
        )
        .with_all("performer", performers(conversion, obx))
        .with_all(
            "interpretation",
            obx.each(8)
                .filter_map(|part| interpretation(conversion, part)),
        )
        .with_all(
            "note",
            noted
                .notes
                .iter()
                .filter_map(|nte| nte::annotation(conversion, nte)),
        )
        .with("bodySite", cwe::concept(conversion, obx.field(20), None))
        .with("method", cwe::concept(conversion, obx.field(17), None))
        .with("specimen", order.specimens.first().cloned());
    if let Some((name, value)) = value(conversion, obx, &kind) {
        element.set(name, Some(value));
    }
    element.add("referenceRange", range(obx));
    Came::Observation(conversion.add("Observation", obx, How::Update(vec![identity]), element))
}

fn document(conversion: &Conversion<'_>, obx: &Reading<'_>, kind: &str) -> Came {
    let value = obx.field(5);
    let attachment = if kind == "ED" {
        ed::attachment(conversion, value)
    } else {
        ed::pointer(value)
    };
    obx.pass(&[3, 4, 11]);
    let Some(mut attachment) = attachment else {
        return Came::Nothing;
    };
    let title = obx
        .field(3)
        .component(2)
        .value()
        .or(obx.field(3).component(1).value());
    if let (Some(title), Some(object)) = (title, attachment.as_object_mut()) {
        object.set("title", text(title));
    }
    Came::Document(attachment)
}

/// The same order, code and sub-id are the same observation.
fn identity(conversion: &Conversion<'_>, obx: &Reading<'_>, order: &OfOrder<'_>) -> Identity {
    let own = obx.field(21).component(1).text();
    let code = obx.field(3);
    let code = code
        .component(1)
        .value()
        .or(code.component(2).value())
        .or(code.component(4).value())
        .or(code.component(5).value())
        .unwrap_or_default();
    let sub_id = obx.field(4).text();
    // Without a sub-id the place tells apart what has the same code.
    let place = if sub_id.is_empty() {
        order.index.to_string()
    } else {
        sub_id.into_owned()
    };
    let patient = order.scene.patient.key();
    let made =
        |place: &str| Identity::made_of("observation", &[&patient, order.key, &code, place, &own]);
    let identity = made(&place);
    if conversion.has("Observation", &identity) {
        conversion.warn(
            obx.field(4),
            "does not tell this observation from another one",
        );
        return made(&format!("{place} of segment {}", obx.place()));
    }
    identity
}

fn status(conversion: &Conversion<'_>, obx: &Reading<'_>) -> &'static str {
    // OBX-11
    let field = obx.field(11);
    match &*field.text() {
        "" => {
            conversion.warn(field, "is missing: the status is unknown");
            "unknown"
        }
        "I" | "O" => "registered",
        "R" | "S" | "B" | "V" => "preliminary",
        "U" => "final",
        "N" => "cancelled",
        _ => conversion.code("0085", STATUS, field).unwrap_or("unknown"),
    }
}

fn interpretation(conversion: &Conversion<'_>, part: Part<'_>) -> Option<Node> {
    let code = part.component(1).text();
    if INTERPRETATIONS.contains(&&*code) {
        let element = Element::new().with_all("coding", [coding(INTERPRETATION, &code)]);
        return element.node();
    }
    cwe::concept(conversion, part, Some("0078"))
}

fn performers(conversion: &Conversion<'_>, obx: &Reading<'_>) -> Vec<Node> {
    // OBX-16, OBX-23
    let people = obx
        .each(16)
        .filter_map(|xcn| xcn::practitioner(conversion, obx, xcn));
    let places = obx
        .each(23)
        .filter_map(|xon| xon::organization(conversion, obx, xon));
    people.chain(places).collect()
}

/// OBX-5 as OBX-2 says; a value that is not what it says is kept as text.
fn value(
    conversion: &Conversion<'_>,
    obx: &Reading<'_>,
    kind: &str,
) -> Option<(&'static str, Node)> {
    let field = obx.field(5);
    if !field.has_value() {
        obx.pass(&[6]);
        return None;
    }
    let typed = match kind {
        "NM" => quantity(conversion, obx, field).map(|value| ("valueQuantity", value)),
        "SN" => structured(conversion, obx, field),
        "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID" => {
            cwe::concept(conversion, field, None).map(|value| ("valueCodeableConcept", value))
        }
        "TS" | "DTM" | "DT" => {
            ts::date_time(conversion, field).map(|value| ("valueDateTime", value))
        }
        "TM" => time(field).map(|value| ("valueTime", value)),
        "DR" => period(conversion, field).map(|value| ("valuePeriod", value)),
        "NR" => limits(field.component(1), field.component(2)).map(|value| ("valueRange", value)),
        "CX" => cx::identity(conversion, field).map(|one| ("valueString", text(one.value))),
        "XPN" => xcn::words(field, 1).map(|name| ("valueString", text(name))),
        "XCN" => xcn::words(field, 2).map(|name| ("valueString", text(name))),
        _ => None,
    };
    let is_coded = matches!(kind, "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID");
    if typed.is_some() && !is_coded && field.repetitions().nth(1).is_some() {
        conversion.warn(field, "has further repetitions, which are not carried over");
    }
    typed.or_else(|| {
        if matches!(kind, "NM" | "SN" | "TS" | "DTM" | "DT" | "TM") {
            conversion.warn(field, "is not what OBX-2 says, and is kept as text");
        }
        let lines: Vec<_> = field.repetitions().filter_map(Part::value).collect();
        let unit = obx.field(6).component(1).value();
        let mut words = lines.join("\n");
        if let Some(unit) = unit {
            words = format!("{words} {unit}");
        }
        (!words.is_empty()).then(|| ("valueString", text(words)))
    })
}

fn quantity(conversion: &Conversion<'_>, obx: &Reading<'_>, number: Part<'_>) -> Option<Node> {
    let value = nm::decimal(number.component(1))?;
    Some(with_unit(
        conversion,
        obx,
        Element::new().with("value", Some(value)),
    ))
}

/// A quantity with the unit of OBX-6.
fn with_unit(conversion: &Conversion<'_>, obx: &Reading<'_>, quantity: Element) -> Node {
    let unit = obx.field(6);
    let code = unit.component(1).value();
    let system = cwe::system_of(conversion, unit.component(3), None);
    let is_ucum = system.as_deref() == Some(UCUM);
    let quantity = quantity.with_text("unit", unit.component(2).value().or(code.clone()));
    let quantity = match (is_ucum, code) {
        (true, Some(code)) if !code.contains(char::is_whitespace) => quantity
            .with_code("system", UCUM)
            .with_text("code", Some(code)),
        _ => quantity,
    };
    Node::Object(quantity.into_object())
}

/// SN: `>^5`, `^1^-^2`, `^1^:^128`.
fn structured(
    conversion: &Conversion<'_>,
    obx: &Reading<'_>,
    sn: Part<'_>,
) -> Option<(&'static str, Node)> {
    let first = nm::decimal(sn.component(2))?;
    let second = nm::decimal(sn.component(4));
    let of = |value: Node| with_unit(conversion, obx, Element::new().with("value", Some(value)));
    match (&*sn.component(3).text(), second) {
        ("-", Some(second)) => {
            let range = Element::new()
                .with("low", Some(of(first)))
                .with("high", Some(of(second)));
            Some(("valueRange", Node::Object(range.into_object())))
        }
        (":" | "/", Some(second)) => {
            let plain = |value: Node| Element::new().with("value", Some(value)).node();
            let ratio = Element::new()
                .with("numerator", plain(first))
                .with("denominator", plain(second));
            Some(("valueRatio", Node::Object(ratio.into_object())))
        }
        ("" | "+", None) => {
            let comparator = match &*sn.component(1).text() {
                "" | "=" => None,
                "<" => Some("<"),
                "<=" => Some("<="),
                ">" => Some(">"),
                ">=" => Some(">="),
                _ => return None,
            };
            let quantity = Element::new()
                .with("value", Some(first))
                .with("comparator", comparator.map(text));
            Some(("valueQuantity", with_unit(conversion, obx, quantity)))
        }
        _ => None,
    }
}

fn time(tm: Part<'_>) -> Option<Node> {
    let digits = tm.text();
    let pair = |from: usize, below: u32| -> Option<String> {
        let text = digits.get(from..from + 2)?;
        let number: u32 = text.parse().ok()?;
        (number < below).then(|| text.to_owned())
    };
    let seconds = pair(4, 60).unwrap_or_else(|| "00".to_owned());
    Some(text(format!("{}:{}:{seconds}", pair(0, 24)?, pair(2, 60)?)))
}

fn period(conversion: &Conversion<'_>, dr: Part<'_>) -> Option<Node> {
    Element::new()
        .with("start", ts::date_time(conversion, dr.component(1)))
        .with("end", ts::date_time(conversion, dr.component(2)))
        .node()
}

fn limits(low: Part<'_>, high: Part<'_>) -> Option<Node> {
    let of = |number| {
        nm::decimal(number).and_then(|value| Element::new().with("value", Some(value)).node())
    };
    Element::new()
        .with("low", of(low))
        .with("high", of(high))
        .node()
}

/// OBX-7: as it was written, and as two numbers where it is plainly two.
fn range(obx: &Reading<'_>) -> Option<Node> {
    let written = obx.field(7).value()?;
    let unit = obx.field(6).component(1).value();
    let of = |number: &str| {
        let value = nm::number(number.trim())?;
        Element::new()
            .with("value", Some(Node::Number(value)))
            .with_text("unit", unit.clone())
            .node()
    };
    let two = written
        .split_once('-')
        .and_then(|(low, high)| Some((of(low)?, of(high)?)));
    let (low, high) = match two {
        Some((low, high)) => (Some(low), Some(high)),
        None => (None, None),
    };
    Element::new()
        .with("low", low)
        .with("high", high)
        .with("text", Some(text(&written)))
        .node()
}
