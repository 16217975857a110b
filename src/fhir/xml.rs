//! XML in and out of the resource tree, driven by the definitions.
//!
//! The JSON form of the tree is the truth: what is read from XML is what the same resource says in
//! JSON, and what cannot be said in XML is refused, not dropped. A value that is malformed for its
//! type (`<active value="yes"/>`) arrives as a string, so that validation names it with the rest.
//! Spec: <https://hl7.org/fhir/R4/xml.html>, <https://www.w3.org/TR/xml/>, XML namespaces.

mod attribute;
mod markup;
mod narrative;
mod read;
mod scalar;
mod write;

use std::borrow::Cow;
use std::fmt;

use crate::fhir::resource::{Object, Resource};
use crate::fhir::shape::Shapes;
use crate::fhir::xml::markup::Markup;

/// The namespace of FHIR's elements.
pub const FHIR_NAMESPACE: &str = "http://hl7.org/fhir";

/// The namespace of the narrative.
pub const XHTML_NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

/// Bounds on what is read.
#[derive(Debug, Clone, Copy)]
pub struct XmlLimits {
    /// How deep the tree may nest, counted in arrays and objects of its JSON form, so that a
    /// resource read from XML can be read again from JSON under the same limit. Elements of the
    /// narrative are counted on their own.
    pub depth_max: usize,
    /// How many attributes one tag may have, namespace declarations included.
    pub attributes_max: usize,
}

/// Where and why a document cannot be read or a tree cannot be written. Never shows content other
/// than names of elements and attributes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct XmlError {
    /// What is wrong and what would be right.
    pub reason: Cow<'static, str>,
    /// The path to it, as `Patient.name[0].family`; empty outside the root element.
    pub path: String,
    /// Line, from 1; 0 when a tree was written.
    pub line: usize,
    /// Column in bytes, from 1; 0 when a tree was written.
    pub column: usize,
    offset: usize,
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match (self.line, self.path.as_str()) {
            (0, "") => Ok(()),
            (0, path) => write!(f, " (at {path})"),
            (line, "") => write!(f, " (line {line}, column {})", self.column),
            (line, path) => write!(f, " (line {line}, column {}, at {path})", self.column),
        }
    }
}

/// Reads one resource.
///
/// The order of elements is part of the format and is checked. Comments and processing instructions
/// outside the narrative are skipped, `xsi:schemaLocation` too.
pub fn parse_resource(
    bytes: &[u8],
    shapes: &Shapes,
    limits: XmlLimits,
) -> Result<Resource, XmlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    read::resource(bytes, shapes, limits).map_err(|error| located(bytes, error))
}

/// Writes a resource on one line, elements in the order of the definition.
pub fn to_vec(resource: &Object, shapes: &Shapes) -> Result<Vec<u8>, XmlError> {
    write::resource(resource, shapes, false)
}

/// Writes a resource with one element a line, two spaces a level.
pub fn to_vec_pretty(resource: &Object, shapes: &Shapes) -> Result<Vec<u8>, XmlError> {
    write::resource(resource, shapes, true)
}

/// Whether `div` is what `Narrative.div` must be: one well-formed XHTML `div` element, without
/// references to entities other than XML's own five. Which tags and attributes it uses is not
/// looked at.
pub fn check_narrative(div: &str) -> Result<(), XmlError> {
    match narrative::complete(div) {
        Ok(_complete) => Ok(()),
        Err(error) => Err(located(div.as_bytes(), error)),
    }
}

fn fail(offset: usize, reason: impl Into<Cow<'static, str>>) -> XmlError {
    XmlError {
        reason: reason.into(),
        path: String::new(),
        line: 0,
        column: 0,
        offset,
    }
}

/// Names shown in an error are cut: a name is the client's text and may be of any length.
const NAME_CHARS_MAX: usize = 64;

/// The same error, in the element `name`, which is item `index` when it repeats.
fn inside(mut error: XmlError, name: &str, index: Option<usize>) -> XmlError {
    let mut path: String = name.chars().take(NAME_CHARS_MAX).collect();
    if let Some(index) = index {
        path = format!("{path}[{index}]");
    }
    if !error.path.is_empty() {
        path.push('.');
        path.push_str(&error.path);
    }
    error.path = path;
    error
}

fn located(bytes: &[u8], mut error: XmlError) -> XmlError {
    let before = bytes
        .get(..error.offset.min(bytes.len()))
        .unwrap_or_default();
    error.line = 1 + before.iter().filter(|&&b| b == b'\n').count();
    let line_start = before.iter().rposition(|&b| b == b'\n');
    error.column = 1 + before.len() - line_start.map_or(0, |at| at + 1);
    error
}

/// Opens a text that is one document: valid UTF-8, and no character that XML 1.0 does not know.
fn open(bytes: &[u8], attributes_max: usize) -> Result<Markup<'_>, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        fail(
            error.valid_up_to(),
            "The body is not valid UTF-8, the only encoding that is read.",
        )
    })?;
    if let Some(at) = attribute::find_illegal(text) {
        return Err(fail(at, "A control character is not allowed in XML."));
    }
    Ok(Markup::new(text, attributes_max))
}
