//! PD1: who looks after the patient.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{xcn, xon};
use crate::hl7v2::reading::Reading;

/// Adds to a patient.
pub(in crate::hl7v2) fn patient(conversion: &Conversion<'_>, pd1: &Reading<'_>, patient: &Node) {
    // PD1-4, PD1-3
    let doctors = pd1
        .each(4)
        .filter_map(|xcn| xcn::practitioner(conversion, pd1, xcn));
    let practices = pd1
        .each(3)
        .filter_map(|xon| xon::organization(conversion, pd1, xon));
    let all: Vec<Node> = doctors.chain(practices).collect();
    conversion.change(patient, |element| element.add("generalPractitioner", all));
}
