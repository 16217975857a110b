//! NTE: a note.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{ts, xcn};
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;

/// An `Annotation`.
pub(in crate::hl7v2) fn annotation(conversion: &Conversion<'_>, nte: &Reading<'_>) -> Option<Node> {
    // NTE-3; what belongs to one note may stand in several repetitions.
    let lines: Vec<_> = nte.each(3).filter_map(Part::value).collect();
    nte.pass(&[1, 2]);
    if lines.is_empty() {
        return None;
    }
    // NTE-5, NTE-6
    let author = xcn::display(nte.field(5));
    Element::new()
        .with("authorString", author.map(text))
        .with("time", ts::date_time(conversion, nte.field(6)))
        .with_code("text", &lines.join("\n"))
        .node()
}
