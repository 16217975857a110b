//! OBR: what was asked to be examined, and the report of it.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, ts, xcn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::orc::{self, Numbers};
use crate::hl7v2::segment::pid::Patient;
use crate::hl7v2::segment::{nte, obx};
use crate::hl7v2::structure::order::{Noted, Order};

const REPORT_STATUS: &str = "http://hl7.org/fhir/diagnostic-report-status";
const SECTION: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";
const PRIORITY: &str = "http://hl7.org/fhir/request-priority";

/// Who and where an order is for.
#[derive(Clone, Copy)]
pub(in crate::hl7v2) struct Scene<'s> {
    pub(in crate::hl7v2) patient: &'s Patient,
    pub(in crate::hl7v2) visit: Option<&'s Node>,
}

/// Adds a `DiagnosticReport` with its observations.
pub(in crate::hl7v2) fn report(
    conversion: &Conversion<'_>,
    order: &Order<'_, '_>,
    obr: &Noted<'_, '_>,
    (scene, specimens): (Scene<'_>, &[Node]),
) {
    let numbers = Numbers::of(conversion, order);
    let segment = obr.segment;
    let code = segment.field(4);
    let key = numbers.key(conversion);
    let asked = code
        .component(1)
        .value()
        .or(code.component(2).value())
        .unwrap_or_default();
    let identity = Identity::made_of("report", &[&scene.patient.key(), &key, &asked]);
    let done = times(conversion, segment);
    let (results, documents) = findings(conversion, order, (scene, &key, specimens), &done);
    let mut identifiers = numbers.identifiers.clone();
    identifiers.push(identity.identifier());
    let section = segment
        .field(24)
        .value()
        .map(|code| concept(SECTION, &code));
    let issued = ts::instant(conversion, segment.field(22));
    let element = Element::new()
        .with_all("identifier", identifiers)
        .with_all("basedOn", placed(conversion, segment, (&numbers, scene)))
        .with_code("status", report_status(conversion, segment))
        .with_all("category", section)
        .with("code", Some(code_of(conversion, segment)))
        .with("subject", Some(scene.patient.reference.clone()))
        .with("encounter", scene.visit.cloned())
        .with(done.0, done.1)
        .with("issued", issued)
        .with_all("resultsInterpreter", interpreter(segment))
        .with_all("specimen", specimens.iter().cloned())
        .with_all("result", results)
        .with_all("presentedForm", documents);
    let noted: Vec<Node> = obr
        .notes
        .iter()
        .filter_map(|nte| nte::annotation(conversion, nte))
        .collect();
    let words: Vec<&str> = noted
        .iter()
        .filter_map(|note| note.get("text").and_then(Node::as_str))
        .collect();
    let conclusion = (!words.is_empty()).then(|| text(words.join("\n")));
    let element = element.with("conclusion", conclusion);
    segment.pass(&[1]);
    conversion.add(
        "DiagnosticReport",
        segment,
        How::Update(vec![identity]),
        element,
    );
}

/// The observations of a report, and the documents that it is.
fn findings(
    conversion: &Conversion<'_>,
    order: &Order<'_, '_>,
    (scene, key, specimens): (Scene<'_>, &str, &[Node]),
    done: &(&'static str, Option<Node>),
) -> (Vec<Node>, Vec<Node>) {
    let (mut results, mut documents) = (Vec::new(), Vec::new());
    for (index, observation) in order.observations.iter().enumerate() {
        let of_order = obx::OfOrder {
            scene,
            key,
            index,
            specimens,
            when: done.clone(),
        };
        match obx::observation(conversion, observation, &of_order) {
            obx::Came::Observation(reference) => results.push(reference),
            obx::Came::Document(attachment) => documents.push(attachment),
            obx::Came::Nothing => {}
        }
    }
    (results, documents)
}

/// OBR-32: NDL-1 is CNN, a person in subcomponents.
fn interpreter(obr: &Reading<'_>) -> Option<Node> {
    let person = obr.field(32).component(1);
    let name = [3, 2]
        .map(|number| person.subcomponent(number).text())
        .join(" ");
    let name = Some(name.trim()).filter(|name| !name.is_empty());
    Element::new().with("display", name.map(text)).node()
}

/// The request that a report answers, when whoever asked gave it a number.
fn placed(
    conversion: &Conversion<'_>,
    obr: &Reading<'_>,
    (numbers, scene): (&Numbers, Scene<'_>),
) -> Option<Node> {
    let placer = numbers.placer.as_ref()?;
    let identity = Identity::made_of("order", &[&placer.system, &placer.value]);
    let mut identifiers = numbers.identifiers.clone();
    identifiers.push(identity.identifier());
    // OBR-16
    let requester = obr
        .each(16)
        .find_map(|xcn| xcn::practitioner(conversion, obr, xcn));
    let element = Element::new()
        .with_all("identifier", identifiers)
        .with_code("status", "completed")
        .with_code("intent", "order")
        .with("code", Some(code_of(conversion, obr)))
        .with("subject", Some(scene.patient.reference.clone()))
        .with("requester", requester);
    let how = How::CreateUnless(vec![identity]);
    Some(conversion.add("ServiceRequest", obr, how, element))
}

/// Adds a `ServiceRequest`.
pub(in crate::hl7v2) fn service_request(
    conversion: &Conversion<'_>,
    order: &Order<'_, '_>,
    obr: &Noted<'_, '_>,
    (scene, specimens): (Scene<'_>, &[Node]),
) {
    let numbers = Numbers::of(conversion, order);
    let segment = obr.segment;
    let known_by = numbers.placer.as_ref().or(numbers.filler.as_ref());
    let asked = segment.field(4).component(1).text();
    let identity = match known_by {
        Some(one) => Identity::made_of("order", &[&one.system, &one.value]),
        None => Identity::made_of("order", &[&numbers.key(conversion), &asked]),
    };
    let mut identifiers = numbers.identifiers.clone();
    identifiers.push(identity.identifier());
    let urgent = match &*segment.field(5).component(1).text() {
        "S" => Some("stat"),
        "A" => Some("asap"),
        "R" => Some("routine"),
        _ => None,
    };
    // OBR-27 is where the priority stood before TQ1.
    let earlier = conversion
        .tables
        .code("0485", PRIORITY, &segment.field(27).component(6).text());
    let priority = orc::priority(conversion, order.timing);
    let priority = priority.or_else(|| urgent.or(earlier).map(text));
    let start = order
        .timing
        .and_then(|tq1| ts::date_time(conversion, tq1.field(7)));
    let start = start
        .or_else(|| ts::date_time(conversion, segment.field(27).component(4)))
        .or_else(|| ts::date_time(conversion, segment.field(6)));
    let reasons = segment
        .each(31)
        .filter_map(|cwe| cwe::concept(conversion, cwe, None));
    let notes = obr
        .notes
        .iter()
        .filter_map(|nte| nte::annotation(conversion, nte));
    // OBR-13
    let clinical = segment
        .field(13)
        .value()
        .map(|words| Node::Object(Element::new().with("text", Some(text(words))).into_object()));
    let mut element = Element::new()
        .with_all("identifier", identifiers)
        .with_code("status", orc::request_status(conversion, order.orc))
        .with_code("intent", "order")
        .with("priority", priority)
        .with("code", Some(code_of(conversion, segment)))
        .with("subject", Some(scene.patient.reference.clone()))
        .with("encounter", scene.visit.cloned())
        .with("occurrenceDateTime", start)
        .with_all("reasonCode", reasons)
        .with_all("specimen", specimens.iter().cloned())
        .with_all("note", clinical)
        .with_all("note", notes);
    // OBR-16
    let requester = segment
        .each(16)
        .find_map(|xcn| xcn::practitioner(conversion, segment, xcn));
    element.set("requester", requester);
    if let Some(orc) = order.orc {
        orc::add_to_request(conversion, orc, (&mut element, "requisition"));
    }
    segment.pass(&[1]);
    conversion.add(
        "ServiceRequest",
        segment,
        How::Update(vec![identity]),
        element,
    );
}

/// OBR-4, which must say something.
fn code_of(conversion: &Conversion<'_>, obr: &Reading<'_>) -> Node {
    cwe::concept(conversion, obr.field(4), None).unwrap_or_else(|| {
        conversion.warn(obr.field(4), "does not say what was asked for");
        Node::Object(Element::new().with_code("text", "not stated").into_object())
    })
}

/// OBR-7 and OBR-8 as the effective time.
fn times(conversion: &Conversion<'_>, obr: &Reading<'_>) -> (&'static str, Option<Node>) {
    let [start, end] = [7, 8].map(|number| ts::date_time(conversion, obr.field(number)));
    match end {
        Some(end) if start.as_ref() != Some(&end) => {
            let period = Element::new().with("start", start).with("end", Some(end));
            ("effectivePeriod", period.node())
        }
        _ => ("effectiveDateTime", start),
    }
}

fn report_status(conversion: &Conversion<'_>, obr: &Reading<'_>) -> &'static str {
    // OBR-25
    let field = obr.field(25);
    if field.is_empty() {
        return "unknown";
    }
    match &*field.text() {
        "A" => "partial",
        "R" => "preliminary",
        "M" => "appended",
        _ => conversion
            .code("0123", REPORT_STATUS, field)
            .unwrap_or("unknown"),
    }
}
