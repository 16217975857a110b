//! DG1: a diagnosis.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, ei, nm, ts, xcn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::Patient;

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const ROLE: [&str; 1] = ["http://terminology.hl7.org/CodeSystem/diagnosis-role"];

/// Adds a `Condition`, and names it in the visit.
pub(in crate::hl7v2) fn condition(
    conversion: &Conversion<'_>,
    dg1: &Reading<'_>,
    (patient, visit): (&Patient, Option<&Node>),
) {
    // DG1-3, DG1-4
    let (coded, described) = (dg1.field(3), dg1.field(4));
    let code = cwe::concept(conversion, coded, None);
    let code = match (code, described.value()) {
        (None, None) => return,
        (Some(mut code), Some(words)) => {
            if let Some(object) = code.as_object_mut().filter(|code| !code.contains("text")) {
                object.set("text", text(words));
            }
            Some(code)
        }
        (None, words) => Element::new().with_text("text", words).node(),
        (code, None) => code,
    };
    // DG1-20
    let own = ei::identity(conversion, dg1.field(20));
    let known_by = coded
        .component(1)
        .value()
        .or(described.value())
        .unwrap_or_default();
    let stays = conversion.visit_key().unwrap_or_default();
    let made = || Identity::made_of("diagnosis", &[&patient.key(), &stays, &known_by]);
    let identity = own.unwrap_or_else(made);
    // DG1-6
    let kind = dg1.field(6);
    let verification = match &*kind.component(1).text() {
        "F" => Some("confirmed"),
        "W" | "A" => Some("provisional"),
        _ => None,
    };
    let element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with("clinicalStatus", Some(concept(CLINICAL, "active")))
        .with(
            "verificationStatus",
            verification.map(|code| concept(VERIFICATION, code)),
        )
        .with_all("category", [concept(CATEGORY, "encounter-diagnosis")])
        .with("code", code)
        .with("subject", Some(patient.reference.clone()))
        .with("encounter", visit.cloned())
        // DG1-5, DG1-19, DG1-16
        .with("onsetDateTime", ts::date_time(conversion, dg1.field(5)))
        .with("recordedDate", ts::date_time(conversion, dg1.field(19)))
        .with(
            "asserter",
            xcn::practitioner(conversion, dg1, dg1.field(16)),
        );
    // Set id, and which classification DG1-3 is of, which CWE-3 says as well.
    dg1.pass(&[1, 2]);
    let condition = conversion.add("Condition", dg1, How::Update(vec![identity]), element);
    if let Some(visit) = visit {
        let diagnosis = Element::new()
            .with("condition", Some(condition))
            .with("use", cwe::mapped(conversion, kind, ("0052", &ROLE)))
            // DG1-15
            .with("rank", nm::positive(dg1.field(15)));
        conversion.change(visit, |element| element.add("diagnosis", diagnosis.node()));
    }
}
