//! PR1: a procedure.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, ei, ts, xcn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::Element;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::Patient;

/// Adds a `Procedure`.
pub(in crate::hl7v2) fn procedure(
    conversion: &Conversion<'_>,
    pr1: &Reading<'_>,
    (patient, visit): (&Patient, Option<&Node>),
) {
    // PR1-3, PR1-4
    let code = cwe::concept(conversion, pr1.field(3), None).or_else(|| {
        Element::new()
            .with_text("text", pr1.field(4).value())
            .node()
    });
    let Some(code) = code else {
        return;
    };
    // PR1-5, PR1-19
    let when = pr1.field(5);
    let own = ei::identity(conversion, pr1.field(19));
    let done = pr1.field(3).component(1).text();
    let made = || Identity::made_of("procedure", &[&patient.key(), &done, &when.text()]);
    let identity = own.unwrap_or_else(made);
    // PR1-11 and PR1-12; PR1-8 is who gave the anaesthetic.
    let performers = [11, 12, 8].into_iter().flat_map(|number| pr1.each(number));
    let performers = performers.filter_map(|xcn| {
        let actor = xcn::practitioner(conversion, pr1, xcn)?;
        Element::new().with("actor", Some(actor)).node()
    });
    let element = Element::new()
        .with_all("identifier", [identity.identifier()])
        .with_code("status", "completed")
        .with(
            "category",
            cwe::concept(conversion, pr1.field(6), Some("0230")),
        )
        .with("code", Some(code))
        .with("subject", Some(patient.reference.clone()))
        .with("encounter", visit.cloned())
        .with("performedDateTime", ts::date_time(conversion, when))
        .with_all("performer", performers)
        // PR1-15
        .with_all("reasonCode", cwe::concept(conversion, pr1.field(15), None));
    pr1.pass(&[1, 2]);
    conversion.add("Procedure", pr1, How::Update(vec![identity]), element);
}
