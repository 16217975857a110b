//! PV1: the visit.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, cx, pl, ts, xcn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, coding, concept, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::Patient;

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PATIENT_CLASS: &str = "http://terminology.hl7.org/CodeSystem/v2-0004";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// Fields of doctors, each with the part they have in the visit.
const PARTICIPANTS: [(usize, &str); 5] = [
    (7, "ATND"),
    (8, "REF"),
    (9, "CON"),
    (17, "ADM"),
    (52, "PART"),
];

/// Adds the visit, and gives back what refers to it; `None` when the message tells of none.
pub(in crate::hl7v2) fn encounter(
    conversion: &Conversion<'_>,
    pv1: &Reading<'_>,
    (patient, is_about_visit): (&Patient, bool),
) -> Option<Node> {
    let class = pv1.field(2).component(1);
    let number = cx::identity(conversion, pv1.field(19));
    // "N" says that there is no visit.
    if &*class.text() == "N" && number.is_none() {
        return None;
    }
    let identity = number.unwrap_or_else(|| unnumbered(conversion, pv1, patient));
    let mut element = Element::new()
        .with_all("identifier", identifiers(conversion, pv1, &identity))
        .with_code("status", status(conversion, pv1))
        .with("class", Some(class_of(class)))
        // PV1-4
        .with_all("type", cwe::concept(conversion, pv1.field(4), Some("0007")))
        // PV1-10
        .with(
            "serviceType",
            cwe::concept(conversion, pv1.field(10), Some("0069")),
        )
        .with("subject", Some(patient.reference.clone()))
        .with_all("participant", participants(conversion, pv1));
    // PV1-44, PV1-45
    let period = Element::new()
        .with("start", ts::date_time(conversion, pv1.field(44)))
        .with("end", ts::date_time(conversion, pv1.field(45)));
    element.set("period", period.node());
    element.set("hospitalization", hospitalization(conversion, pv1));
    element.add("location", locations(conversion, pv1));
    // Set id.
    pv1.pass(&[1]);
    let how = if is_about_visit {
        How::Update(vec![identity])
    } else {
        How::CreateUnless(vec![identity])
    };
    let cleared = if pv1.field(45).is_null() {
        vec!["period"]
    } else {
        Vec::new()
    };
    Some(conversion.add_cleared("Encounter", pv1, (how, element), cleared))
}

/// What a visit without a number is known by: when the patient came, else this message alone.
fn unnumbered(conversion: &Conversion<'_>, pv1: &Reading<'_>, patient: &Patient) -> Identity {
    let alternate = pv1.field(50).repetitions().next();
    if let Some(identity) = alternate.and_then(|cx| cx::identity(conversion, cx)) {
        return identity;
    }
    conversion.warn(
        pv1.field(19),
        "is missing: later messages find this visit by patient and PV1-44 only",
    );
    let came = pv1.field(44).component(1).text();
    let message = conversion.message.head(10).text();
    let told_apart = if came.is_empty() { message } else { came };
    Identity::made_of("visit", &[&patient.key(), &told_apart])
}

fn identifiers(conversion: &Conversion<'_>, pv1: &Reading<'_>, identity: &Identity) -> Vec<Node> {
    let kind = "http://terminology.hl7.org/CodeSystem/v2-0203";
    // PV1-19
    let visit = cx::identifier(conversion, pv1.field(19)).map(|mut identifier| {
        if let Some(object) = identifier.as_object_mut()
            && !object.contains("type")
        {
            object.insert(0, "type", concept(kind, "VN"));
        }
        identifier
    });
    // PV1-50
    let others = pv1.each(50).filter_map(|cx| cx::identifier(conversion, cx));
    let mut all: Vec<Node> = visit.into_iter().chain(others).collect();
    if all.is_empty() {
        all.push(identity.identifier());
    }
    all
}

/// The status: what the event says, else what the times say.
fn status(conversion: &Conversion<'_>, pv1: &Reading<'_>) -> &'static str {
    let event = conversion.message.head(9).component(2).text();
    let has_ended = pv1.field(45).has_value();
    match &*event {
        "A11" | "A23" | "A27" | "A38" => "cancelled",
        "A03" => "finished",
        "A05" | "A14" => "planned",
        "A13" => "in-progress",
        _ if has_ended => "finished",
        _ => match &*pv1.field(2).component(1).text() {
            "P" => "planned",
            "U" | "" => "unknown",
            _ => "in-progress",
        },
    }
}

/// The class: of FHIR's codes, or as it stands in table 0004.
fn class_of(class: Part<'_>) -> Node {
    match &*class.text() {
        "E" => coding(ACT_CODE, "EMER"),
        "I" | "B" => coding(ACT_CODE, "IMP"),
        "O" | "R" | "C" => coding(ACT_CODE, "AMB"),
        "P" => coding(ACT_CODE, "PRENC"),
        "" | "U" | "N" => coding("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK"),
        other => coding(
            PATIENT_CLASS,
            &other.split_whitespace().collect::<Vec<_>>().join(" "),
        ),
    }
}

fn participants(conversion: &Conversion<'_>, pv1: &Reading<'_>) -> Vec<Node> {
    let mut all = Vec::new();
    for (number, role) in PARTICIPANTS {
        for xcn in pv1.each(number) {
            let individual = xcn::practitioner(conversion, pv1, xcn);
            let Some(individual) = individual else {
                continue;
            };
            let participant = Element::new()
                .with_all("type", [concept(PARTICIPATION, role)])
                .with("individual", Some(individual));
            all.extend(participant.node());
        }
    }
    all
}

fn hospitalization(conversion: &Conversion<'_>, pv1: &Reading<'_>) -> Option<Node> {
    // PV1-37: DLD-1 is where to, with the name in CWE-2.
    let left_for = pv1.field(37).component(1);
    let named = left_for
        .subcomponent(2)
        .value()
        .or(left_for.subcomponent(1).value());
    let destination = Element::new().with_text("display", named).node();
    Element::new()
        .with(
            "preAdmissionIdentifier",
            cx::identifier(conversion, pv1.field(5)),
        )
        .with(
            "admitSource",
            cwe::concept(conversion, pv1.field(14), Some("0023")),
        )
        .with(
            "reAdmission",
            cwe::concept(conversion, pv1.field(13), Some("0092")),
        )
        .with_all(
            "dietPreference",
            cwe::concept(conversion, pv1.field(38), Some("0114")),
        )
        .with_all(
            "specialCourtesy",
            cwe::concept(conversion, pv1.field(16), Some("0099")),
        )
        .with_all(
            "specialArrangement",
            pv1.each(15)
                .filter_map(|part| cwe::concept(conversion, part, Some("0009"))),
        )
        .with("destination", destination)
        .with(
            "dischargeDisposition",
            cwe::concept(conversion, pv1.field(36), Some("0112")),
        )
        .node()
}

fn locations(conversion: &Conversion<'_>, pv1: &Reading<'_>) -> Vec<Node> {
    let is_planned = &*pv1.field(2).component(1).text() == "P";
    let now = if is_planned { "planned" } else { "active" };
    // PV1-3, PV1-6, PV1-11, PV1-42
    let fields = [(3, now), (6, "completed"), (11, "active"), (42, "reserved")];
    let mut all = Vec::new();
    for (number, status) in fields {
        let Some(location) = pl::location(conversion, pv1, pv1.field(number)) else {
            continue;
        };
        let place = Element::new()
            .with("location", Some(location))
            .with("status", Some(text(status)));
        all.extend(place.node());
    }
    all
}
