//! ED and RP: a document inside a message, or where it is, as an Attachment.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::hd::part_of_uri;
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;

/// An `Attachment` of an ED.
pub(in crate::hl7v2) fn attachment(conversion: &Conversion<'_>, ed: Part<'_>) -> Option<Node> {
    // ED-4, ED-5
    let data = ed.component(5).value()?;
    let data = if ed.component(4).text().eq_ignore_ascii_case("Base64") {
        let packed: String = data.chars().filter(|c| !c.is_whitespace()).collect();
        if STANDARD.decode(&packed).is_err() {
            conversion.warn(ed.component(5), "is not the base64 that it says it is");
            return None;
        }
        packed
    } else {
        STANDARD.encode(data.as_bytes())
    };
    Element::new()
        .with(
            "contentType",
            mime(ed.component(2), ed.component(3)).map(text),
        )
        .with_code("data", &data)
        .node()
}

/// An `Attachment` of an RP.
pub(in crate::hl7v2) fn pointer(rp: Part<'_>) -> Option<Node> {
    // RP-1, RP-3, RP-4
    let url = rp.component(1).value()?;
    Element::new()
        .with(
            "contentType",
            mime(rp.component(3), rp.component(4)).map(text),
        )
        .with_code("url", &part_of_uri(&url))
        .node()
}

/// A mime type of type and subtype, which often stand in one of them.
fn mime(kind: Part<'_>, subtype: Part<'_>) -> Option<String> {
    let (kind, subtype) = (kind.text(), subtype.text());
    if let Some(whole) = [&kind, &subtype]
        .into_iter()
        .find(|text| text.contains('/'))
    {
        return Some(whole.to_ascii_lowercase());
    }
    let known = |word: &str| match word.to_ascii_uppercase().as_str() {
        "PDF" => Some("application/pdf"),
        "JPEG" | "JPG" => Some("image/jpeg"),
        "PNG" => Some("image/png"),
        "TIFF" | "TIF" => Some("image/tiff"),
        "GIF" => Some("image/gif"),
        "RTF" => Some("application/rtf"),
        "HTML" => Some("text/html"),
        "XML" | "X-HL7-CDA-LEVEL-ONE" => Some("text/xml"),
        "DICOM" => Some("application/dicom"),
        "TEXT" | "TX" | "PLAIN" => Some("text/plain"),
        _ => None,
    };
    if let Some(mime) = known(&subtype).or_else(|| known(&kind)) {
        return Some(mime.to_owned());
    }
    let is_mime = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-.+".contains(&b))
    };
    let registered = ["application", "audio", "image", "text", "video"];
    let kind = kind.to_ascii_lowercase();
    let is_registered = registered.contains(&kind.as_str()) && is_mime(&subtype);
    is_registered.then(|| format!("{kind}/{}", subtype.to_ascii_lowercase()))
}
