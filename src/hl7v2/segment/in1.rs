//! IN1: an insurance.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, cx, hd, nm, ts, xcn, xon};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, concept, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::Patient;

const CLASS: &str = "http://terminology.hl7.org/CodeSystem/coverage-class";
const RELATIONSHIP: &str = "http://terminology.hl7.org/CodeSystem/subscriber-relationship";

/// Adds a `Coverage`.
pub(in crate::hl7v2) fn coverage(
    conversion: &Conversion<'_>,
    in1: &Reading<'_>,
    patient: &Patient,
) {
    // IN1-2, IN1-36
    let (plan, policy) = (in1.field(2), in1.field(36));
    let insurer = in1.field(3).component(1);
    let parts = [plan.component(1), insurer, policy].map(|part| part.text().into_owned());
    let key = patient.key();
    let identity = Identity::made_of("coverage", &[&key, &parts.join("|")]);
    let period = Element::new()
        // IN1-12, IN1-13
        .with("start", ts::date_time(conversion, in1.field(12)))
        .with("end", ts::date_time(conversion, in1.field(13)));
    // IN1-8, IN1-9
    let group = class("group", in1.field(8), in1.field(9).component(1));
    let of_plan = class("plan", plan.component(1), plan.component(2));
    // IN1-17
    let relationship = match &*in1.field(17).component(1).text() {
        "SEL" | "01" | "18" => Some("self"),
        "SPO" => Some("spouse"),
        "CHD" | "NCH" | "SCH" | "FCH" => Some("child"),
        "PAR" | "MTH" | "FTH" => Some("parent"),
        "" => None,
        _ => Some("other"),
    };
    // IN1-16
    let holder = xcn::words(in1.field(16), 1);
    let holder = Element::new().with("display", holder.map(text));
    let element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with_code("status", "active")
        // IN1-15
        .with(
            "type",
            cwe::concept(conversion, in1.field(15), Some("0086")),
        )
        .with("policyHolder", holder.node())
        // IN1-49, else IN1-36
        .with_text(
            "subscriberId",
            in1.field(49).component(1).value().or(policy.value()),
        )
        .with("beneficiary", Some(patient.reference.clone()))
        .with(
            "relationship",
            relationship.map(|code| concept(RELATIONSHIP, code)),
        )
        .with("period", period.node())
        .with_all("payor", [payor(conversion, in1)])
        .with_all("class", group)
        .with_all("class", of_plan)
        // IN1-22
        .with("order", nm::positive(in1.field(22)));
    in1.pass(&[1]);
    conversion.add("Coverage", in1, How::Update(vec![identity]), element);
}

/// Who pays, which every coverage has to say.
fn payor(conversion: &Conversion<'_>, in1: &Reading<'_>) -> Node {
    // IN1-4, IN1-3
    let name = in1.field(4).component(1);
    let Some(identity) = cx::identity(conversion, in1.field(3)) else {
        let named = xon::organization(conversion, in1, in1.field(4));
        return named.unwrap_or_else(|| {
            Node::Object(
                Element::new()
                    .with_code("display", "unknown insurer")
                    .into_object(),
            )
        });
    };
    let identity = Identity {
        system: hd::system_of_insurer(&identity.system),
        value: identity.value,
    };
    let element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with_text(
            "name",
            name.value().or(Some(identity.value.as_str().into())),
        );
    let to = conversion.add(
        "Organization",
        in1,
        How::CreateUnless(vec![identity]),
        element,
    );
    let payor = Element::new()
        .with("reference", to.get("reference").cloned())
        .with_text("display", name.value());
    Node::Object(payor.into_object())
}

fn class(kind: &str, value: Part<'_>, name: Part<'_>) -> Option<Node> {
    let value = value.value()?;
    Element::new()
        .with("type", Some(concept(CLASS, kind)))
        .with_text("value", Some(value))
        .with_text("name", name.value())
        .node()
}
