//! MRG: the patient who turned out to be another one.
//!
//! Both stay and point at each other; whatever refers to either is not touched, so that a merge can
//! be undone. Spec: <https://hl7.org/fhir/R4/patient.html#linking>.

use crate::fhir::resource::Node;
use crate::hl7v2::ack::{Problem, code};
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cx, xpn};
use crate::hl7v2::draft::How;
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::{self, Patient};

/// Links the patient of MRG to the one who stays.
pub(in crate::hl7v2) fn merge(
    conversion: &Conversion<'_>,
    mrg: &Reading<'_>,
    stays: &Patient,
) -> Result<(), Problem> {
    // MRG-1
    let goes = pid::keys(conversion, mrg.field(1));
    let Some(goes) = goes.into_iter().next() else {
        let text = "A merge needs an identifier of the patient who is replaced.";
        return Err(Problem::of_field("MRG", 1, code::REQUIRED, text));
    };
    if stays.identities.contains(&goes) {
        let text = "A patient cannot be merged with themselves.";
        return Err(Problem::of_field("MRG", 1, code::DATA_TYPE, text));
    }
    let identifiers = mrg.each(1).filter_map(|cx| cx::identifier(conversion, cx));
    let element = Element::new()
        .with_all("identifier", identifiers)
        .with("active", Some(Node::Bool(false)))
        // MRG-7
        .with_all(
            "name",
            mrg.each(7).filter_map(|xpn| xpn::name(conversion, xpn)),
        )
        .with_all("link", [link(&stays.reference, "replaced-by")]);
    let other = conversion.add("Patient", mrg, How::Update(vec![goes]), element);
    conversion.change(&stays.reference, |patient| {
        patient.add("link", [link(&other, "replaces")]);
    });
    Ok(())
}

fn link(other: &Node, kind: &str) -> Node {
    let link = Element::new()
        .with("other", Some(other.clone()))
        .with("type", Some(text(kind)));
    Node::Object(link.into_object())
}
