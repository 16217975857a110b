//! PID: the patient.

use crate::fhir::resource::Node;
use crate::hl7v2::ack::{Problem, code};
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, cx, nm, ts, xad, xpn, xtn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;

const GENDER: &str = "http://hl7.org/fhir/administrative-gender";
const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const MARITAL_STATUS: [&str; 2] = [
    "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
    "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
];
const RELIGION: [&str; 1] = ["http://terminology.hl7.org/CodeSystem/v3-ReligiousAffiliation"];
const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition";

/// Types of identifiers that tell patients apart, the best one first.
const KEY_TYPES: [&str; 7] = ["MR", "PI", "PT", "MRN", "EPI", "PN", ""];

/// A patient: what is known of them, and what they are known by.
pub(in crate::hl7v2) struct Patient {
    pub(in crate::hl7v2) reference: Node,
    pub(in crate::hl7v2) identities: Vec<Identity>,
}

impl Patient {
    /// What things of this patient that have no identifier are told apart by.
    pub(in crate::hl7v2) fn key(&self) -> String {
        let first = self.identities.first();
        first.map_or_else(String::new, |one| format!("{}|{}", one.system, one.value))
    }
}

/// Adds the patient: updates them where the message is about them, else only mentions them.
pub(in crate::hl7v2) fn patient(
    conversion: &Conversion<'_>,
    pid: &Reading<'_>,
    is_about_patient: bool,
) -> Result<Patient, Problem> {
    let identities = keys(conversion, pid.field(3));
    if identities.is_empty() {
        let text = "A patient needs an identifier that tells them apart, such as a medical record \
                    number.";
        return Err(Problem::of_field("PID", 3, code::REQUIRED, text));
    }
    let element = described(conversion, pid);
    // Set id, and when and by whom the record was changed last.
    pid.pass(&[1, 33, 34]);
    // The best one alone: two that name different patients are for people to sort out.
    let best: Vec<Identity> = identities.iter().take(1).cloned().collect();
    let how = if is_about_patient {
        How::Update(best)
    } else {
        How::CreateUnless(best)
    };
    let cleared = [
        (7, "birthDate"),
        (11, "address"),
        (13, "telecom"),
        (16, "maritalStatus"),
        (29, "deceasedDateTime"),
    ];
    let cleared = cleared
        .into_iter()
        .filter(|(number, _)| pid.field(*number).is_null());
    let cleared = cleared.map(|(_, name)| name).collect();
    Ok(Patient {
        reference: conversion.add_cleared("Patient", pid, (how, element), cleared),
        identities,
    })
}

/// What is said of the patient, whoever they are.
pub(in crate::hl7v2) fn described(conversion: &Conversion<'_>, pid: &Reading<'_>) -> Element {
    let mut element = Element::new();
    identifiers(conversion, pid, &mut element);
    names(conversion, pid, &mut element);
    demographics(conversion, pid, &mut element);
    contacts(conversion, pid, &mut element);
    extensions(conversion, pid, &mut element);
    element
}

/// The identifiers that tell patients apart, the best one first.
pub(in crate::hl7v2) fn keys(conversion: &Conversion<'_>, field: Part<'_>) -> Vec<Identity> {
    let rank = |cx: Part<'_>| {
        let kind = cx.component(5).text();
        KEY_TYPES.iter().position(|known| *known == kind)
    };
    let mut ranked: Vec<(usize, Identity)> = field
        .repetitions()
        .filter_map(|cx| Some((rank(cx)?, cx::identity(conversion, cx)?)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut keys: Vec<Identity> = ranked.into_iter().map(|(_, identity)| identity).collect();
    if keys.is_empty() {
        // One of an unusual type is better than none, unless it is of a person, not of a patient.
        let usable = field.repetitions().filter(|cx| {
            !matches!(
                &*cx.component(5).text(),
                "SS" | "DL" | "PPN" | "SB" | "ANON"
            )
        });
        keys = usable
            .filter_map(|cx| cx::identity(conversion, cx))
            .take(1)
            .collect();
    }
    keys
}

fn identifiers(conversion: &Conversion<'_>, pid: &Reading<'_>, patient: &mut Element) {
    // PID-3, then what older versions had: PID-2 and PID-4
    for number in [3, 2, 4] {
        patient.add(
            "identifier",
            pid.each(number)
                .filter_map(|cx| cx::identifier(conversion, cx)),
        );
    }
    // PID-18
    let account = cx::identifier(conversion, pid.field(18)).map(|mut identifier| {
        if let Some(object) = identifier
            .as_object_mut()
            .filter(|one| !one.contains("type"))
        {
            object.insert(0, "type", concept(IDENTIFIER_TYPE, "AN"));
        }
        identifier
    });
    patient.add("identifier", account);
    // PID-19
    let social = pid.field(19).value().map(|number| {
        let identifier = Element::new()
            .with("type", Some(concept(IDENTIFIER_TYPE, "SS")))
            .with_code("system", "http://hl7.org/fhir/sid/us-ssn")
            .with_code("value", &number);
        Node::Object(identifier.into_object())
    });
    patient.add("identifier", social);
    // PID-20
    let license = pid.field(20).component(1).value().map(|number| {
        let identifier = Element::new()
            .with("type", Some(concept(IDENTIFIER_TYPE, "DL")))
            .with_code("value", &number);
        Node::Object(identifier.into_object())
    });
    patient.add("identifier", license);
}

fn names(conversion: &Conversion<'_>, pid: &Reading<'_>, patient: &mut Element) {
    // PID-5, PID-9
    for number in [5, 9] {
        patient.add(
            "name",
            pid.each(number)
                .filter_map(|xpn| xpn::name(conversion, xpn)),
        );
    }
}

fn demographics(conversion: &Conversion<'_>, pid: &Reading<'_>, patient: &mut Element) {
    // PID-7
    patient.set("birthDate", ts::date(conversion, pid.field(7)));
    let born = ts::date_time(conversion, pid.field(7));
    if let Some(time) = born.filter(|born| born.as_str().is_some_and(|born| born.contains('T'))) {
        let extension = extension("patient-birthTime", ("valueDateTime", time));
        patient.set(
            "_birthDate",
            Element::new().with_all("extension", [extension]).node(),
        );
    }
    // PID-8
    patient.set(
        "gender",
        conversion
            .code("0001", GENDER, pid.field(8).component(1))
            .map(text),
    );
    // PID-16
    let status = pid.field(16);
    patient.set(
        "maritalStatus",
        cwe::mapped(conversion, status, ("0002", &MARITAL_STATUS)),
    );
    // PID-15
    let language = cwe::concept(conversion, pid.field(15), None);
    let communication = Element::new().with("language", language);
    patient.add("communication", communication.node());
    // PID-24, PID-25
    let order = nm::positive(pid.field(25));
    match (&*pid.field(24).text(), order) {
        (_, Some(order)) => patient.set("multipleBirthInteger", Some(order)),
        ("Y", None) => patient.set("multipleBirthBoolean", Some(Node::Bool(true))),
        ("N", None) => patient.set("multipleBirthBoolean", Some(Node::Bool(false))),
        _ => {}
    }
    // PID-29, PID-30
    let died = ts::date_time(conversion, pid.field(29));
    match (&*pid.field(30).text(), died) {
        (_, Some(died)) => patient.set("deceasedDateTime", Some(died)),
        ("Y", None) => patient.set("deceasedBoolean", Some(Node::Bool(true))),
        ("N", None) => patient.set("deceasedBoolean", Some(Node::Bool(false))),
        _ => {}
    }
}

fn contacts(conversion: &Conversion<'_>, pid: &Reading<'_>, patient: &mut Element) {
    // PID-11
    patient.add(
        "address",
        pid.each(11).filter_map(|xad| xad::address(conversion, xad)),
    );
    // PID-13, PID-14, PID-40
    for (number, usage) in [(13, Some("home")), (14, Some("work")), (40, None)] {
        let telecom = pid
            .each(number)
            .filter_map(|xtn| xtn::contact_point(conversion, xtn));
        patient.add("telecom", telecom.map(|point| with_use(point, usage)));
    }
}

/// A contact point that says what it is for.
fn with_use(mut point: Node, usage: Option<&str>) -> Node {
    let is_address = point.get("system").and_then(Node::as_str) == Some("email");
    if let (Some(usage), Some(object)) = (usage.filter(|_| !is_address), point.as_object_mut())
        && !object.contains("use")
    {
        object.set("use", text(usage));
    }
    point
}

fn extensions(conversion: &Conversion<'_>, pid: &Reading<'_>, patient: &mut Element) {
    // PID-6
    let maiden = pid.field(6).component(1).subcomponent(1).value();
    let maiden =
        maiden.map(|name| extension("patient-mothersMaidenName", ("valueString", text(name))));
    // PID-17
    let religion = cwe::mapped(conversion, pid.field(17), ("0006", &RELIGION));
    let religion = religion.map(|it| extension("patient-religion", ("valueCodeableConcept", it)));
    // PID-23
    let birthplace = pid.field(23).value().and_then(|place| {
        let address = Element::new().with_code("text", &place).node()?;
        Some(extension("patient-birthPlace", ("valueAddress", address)))
    });
    patient.add(
        "extension",
        maiden.into_iter().chain(religion).chain(birthplace),
    );
    // PID-10, PID-22
    for (number, name) in [(10, "us-core-race"), (22, "us-core-ethnicity")] {
        patient.add("extension", origin(conversion, pid.field(number), name));
    }
    // PID-26
    for part in pid.each(26) {
        let code = cwe::concept(conversion, part, Some("0171"));
        let inner = code.map(|code| {
            let code = Element::new()
                .with_code("url", "code")
                .with("valueCodeableConcept", Some(code));
            Node::Object(code.into_object())
        });
        let citizenship = Element::new()
            .with_all("extension", inner)
            .with_code("url", &format!("{EXTENSION}/patient-citizenship"));
        patient.add("extension", citizenship.node());
    }
}

/// Race or ethnicity, as US Core has it: the words, and the codes where they are CDC's.
fn origin(conversion: &Conversion<'_>, field: Part<'_>, name: &str) -> Option<Node> {
    const CATEGORIES: [&str; 8] = [
        "1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "2135-2", "2186-5", "2131-1",
    ];
    let mut words = Vec::new();
    let mut codings = Vec::new();
    for part in field.repetitions().filter(|part| part.has_value()) {
        words.extend(part.component(2).value().or(part.component(1).value()));
        let concept = cwe::concept(conversion, part, None)?;
        let own = concept.get("coding").map(Node::items).unwrap_or_default();
        codings.extend(
            own.iter()
                .filter(|coding| {
                    let code = coding.get("code").and_then(Node::as_str);
                    code.is_some_and(|code| CATEGORIES.contains(&code))
                })
                .take(1)
                .cloned(),
        );
    }
    if words.is_empty() {
        return None;
    }
    let member = |url: &str, name: &str, value: Node| {
        Node::Object(
            Element::new()
                .with_code("url", url)
                .with(name, Some(value))
                .into_object(),
        )
    };
    let categories = codings.into_iter().map(|mut coding| {
        if let Some(object) = coding.as_object_mut() {
            object.set("system", text("urn:oid:2.16.840.1.113883.6.238"));
        }
        member("ombCategory", "valueCoding", coding)
    });
    Element::new()
        .with_all("extension", categories)
        .with_all(
            "extension",
            [member("text", "valueString", text(words.join(", ")))],
        )
        .with_code(
            "url",
            &format!("http://hl7.org/fhir/us/core/StructureDefinition/{name}"),
        )
        .node()
}

fn extension(name: &str, (member, value): (&str, Node)) -> Node {
    let extension = Element::new()
        .with_code("url", &format!("{EXTENSION}/{name}"))
        .with(member, Some(value));
    Node::Object(extension.into_object())
}
