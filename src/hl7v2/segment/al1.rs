//! AL1 and IAM: an allergy.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, ei, ts};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::Patient;

const CATEGORY: &str = "http://hl7.org/fhir/allergy-intolerance-category";
const KIND: &str = "http://hl7.org/fhir/allergy-intolerance-type";
const CRITICALITY: &str = "http://hl7.org/fhir/allergy-intolerance-criticality";
const SEVERITY: &str = "http://hl7.org/fhir/reaction-event-severity";
const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
const VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";

/// Adds an `AllergyIntolerance` of an AL1 or IAM, which agree up to their fifth field.
pub(in crate::hl7v2) fn allergy(
    conversion: &Conversion<'_>,
    segment: &Reading<'_>,
    patient: &Patient,
) {
    let is_iam = segment.name() == "IAM";
    // AL1-3
    let what = segment.field(3);
    let Some(code) = cwe::concept(conversion, what, None) else {
        return;
    };
    let own = Some(segment.field(7)).filter(|_| is_iam);
    let own = own.and_then(|ei| ei::identity(conversion, ei));
    let allergen = what.component(1).value().or(what.component(2).value());
    let allergen = allergen.unwrap_or_default();
    let made = || Identity::made_of("allergy", &[&patient.key(), &allergen]);
    let identity = own.unwrap_or_else(made);
    // AL1-2
    let (category, kind) = kind_of(conversion, segment.field(2));
    // AL1-4
    let (criticality, severity) = severity_of(conversion, segment.field(4));
    // IAM-6 says that it was taken back.
    let is_wrong = is_iam && matches!(&*segment.field(6).component(1).text(), "D" | "X");
    // AL1-6, IAM-11
    let since = segment.field(if is_iam { 11 } else { 6 });
    let reactions = segment
        .each(5)
        .filter_map(|part| reaction(conversion, part, severity));
    let mut element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with("type", kind.map(text))
        .with_all("category", category.map(text))
        .with("criticality", criticality.map(text))
        .with("code", Some(code))
        .with("patient", Some(patient.reference.clone()))
        .with("onsetDateTime", ts::date_time(conversion, since))
        .with_all("reaction", reactions);
    if is_wrong {
        element.set(
            "verificationStatus",
            Some(concept(VERIFICATION, "entered-in-error")),
        );
    } else {
        element.set("clinicalStatus", Some(concept(CLINICAL, "active")));
    }
    segment.pass(&[1]);
    conversion.add(
        "AllergyIntolerance",
        segment,
        How::Update(vec![identity]),
        element,
    );
}

/// Category and type, of which FHIR has a code each.
fn kind_of(
    conversion: &Conversion<'_>,
    kind: Part<'_>,
) -> (Option<&'static str>, Option<&'static str>) {
    let code = kind.component(1).text();
    let known = |system| conversion.tables.code("0127", system, &code);
    if kind.has_value() && known(CATEGORY).is_none() && known(KIND).is_none() {
        conversion.warn(
            kind,
            "has a code of table 0127 that allergies of FHIR do not have",
        );
    }
    (known(CATEGORY), known(KIND))
}

fn severity_of(
    conversion: &Conversion<'_>,
    severity: Part<'_>,
) -> (Option<&'static str>, Option<&'static str>) {
    let code = severity.component(1).text();
    let known = |system| conversion.tables.code("0128", system, &code);
    if severity.has_value() && known(CRITICALITY).is_none() && known(SEVERITY).is_none() {
        conversion.warn(
            severity,
            "has a code of table 0128 that allergies of FHIR do not have",
        );
    }
    (known(CRITICALITY), known(SEVERITY))
}

fn reaction(conversion: &Conversion<'_>, part: Part<'_>, severity: Option<&str>) -> Option<Node> {
    // It is a text, or a coded value in newer versions.
    let is_coded = part.component(2).has_value();
    let manifestation = if is_coded {
        cwe::concept(conversion, part, None)
    } else {
        Element::new().with_text("text", part.value()).node()
    };
    Element::new()
        .with_all("manifestation", Some(manifestation?))
        .with("severity", severity.map(text))
        .node()
}
