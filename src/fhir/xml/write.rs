//! The writer: members of the tree become elements in the order of the definitions.
//!
//! What it writes, the reader turns into the same tree; what has no definition, or another JSON
//! form than its definition says, is refused. Spec: <https://hl7.org/fhir/R4/xml.html>.

use compact_str::CompactString;

use crate::fhir::primitive::Primitive;
use crate::fhir::resource::{Node, Object};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::{Found, Shapes, TypeId, TypeKind};
use crate::fhir::xml::{FHIR_NAMESPACE, XmlError, attribute, fail, inside, narrative, scalar};

/// How deep elements may nest; every tree that was read is far below it.
const DEPTH_MAX: usize = 256;

/// Writes a resource as a document.
pub(super) fn resource(
    object: &Object,
    shapes: &Shapes,
    is_pretty: bool,
) -> Result<Vec<u8>, XmlError> {
    let mut writer = Writer {
        out: Vec::with_capacity(2048),
        shapes,
        element_type: shapes.type_id("Element"),
        is_pretty,
        depth: 0,
    };
    writer
        .out
        .extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    if is_pretty {
        writer.out.push(b'\n');
    }
    let name = object.get_str("resourceType").unwrap_or_default();
    writer
        .resource(object)
        .map_err(|error| inside(error, name, None))?;
    Ok(writer.out)
}

const NO_RESOURCE: &str = "resourceType must be the name of an R4 resource type, e.g. Patient.";
const NOT_OBJECT: &str = "An object must stand here.";

struct Writer<'s> {
    out: Vec<u8>,
    shapes: &'s Shapes,
    element_type: Option<TypeId>,
    is_pretty: bool,
    depth: usize,
}

/// A member with its definition and what stands beside it as `_name`.
struct Entry<'n, 's> {
    name: &'n str,
    found: Found<'s>,
    value: Option<&'n Node>,
    side: Option<&'n Node>,
}

/// One value of an element.
#[derive(Clone, Copy)]
struct Single<'n> {
    name: &'n str,
    value_type: TypeId,
    value: Option<&'n Node>,
    side: Option<&'n Node>,
}

impl<'s> Writer<'s> {
    fn resource(&mut self, object: &Object) -> Result<(), XmlError> {
        let name = object.get_str("resourceType").unwrap_or_default();
        let resource_type: Option<ResourceType> = name.parse().ok();
        let Some(type_id) = resource_type.and_then(|known| self.shapes.resource(known)) else {
            return Err(refuse(NO_RESOURCE));
        };
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        if self.depth == 0 {
            self.out.extend_from_slice(b" xmlns=\"");
            self.out.extend_from_slice(FHIR_NAMESPACE.as_bytes());
            self.out.push(b'"');
        }
        self.members(name, type_id, object)
    }

    /// Writes the rest of an element whose opening tag is begun: attributes, children, closing tag.
    fn members(&mut self, name: &str, type_id: TypeId, object: &Object) -> Result<(), XmlError> {
        let entries = self.entries(type_id, object)?;
        let (attributes, children): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.found.element.is_xml_attribute);
        for entry in attributes {
            let text = match (entry.value, entry.side) {
                (Some(Node::String(text)), None) => Ok(text),
                _ => Err(refuse("Only a string may stand here.")),
            };
            text.and_then(|text| self.attribute(entry.name, text))
                .map_err(|error| inside(error, entry.name, None))?;
        }
        if children.is_empty() {
            self.out.extend_from_slice(b"/>");
            return Ok(());
        }
        self.out.push(b'>');
        self.descend()?;
        for entry in &children {
            self.element(entry)?;
        }
        self.ascend();
        self.close(name);
        Ok(())
    }

    /// The members in the order of the definition.
    fn entries<'n>(
        &self,
        type_id: TypeId,
        object: &'n Object,
    ) -> Result<Vec<Entry<'n, 's>>, XmlError> {
        let is_resource = self.shapes.kind(type_id) == Some(TypeKind::Resource);
        let has_sides = object.iter().any(|(name, _)| name.starts_with('_'));
        let mut entries = Vec::with_capacity(object.len());
        for (member, node) in object.iter() {
            if is_resource && member == "resourceType" {
                continue;
            }
            let name = member.strip_prefix('_').unwrap_or(member);
            let is_side = name.len() != member.len();
            if is_side && object.contains(name) {
                continue;
            }
            let Some(found) = self.shapes.find(type_id, name) else {
                return Err(inside(
                    refuse("This member is not defined here."),
                    member,
                    None,
                ));
            };
            let (value, side) = match (is_side, has_sides) {
                (true, _) => (None, Some(node)),
                (false, true) => (Some(node), object.get(&beside(name))),
                (false, false) => (Some(node), None),
            };
            entries.push(Entry {
                name,
                found,
                value,
                side,
            });
        }
        entries.sort_by_key(|entry| entry.found.position);
        Ok(entries)
    }

    fn element(&mut self, entry: &Entry<'_, 's>) -> Result<(), XmlError> {
        let single = Single {
            name: entry.name,
            value_type: entry.found.value_type,
            value: entry.value,
            side: entry.side,
        };
        if !entry.found.element.is_array() {
            let written = self.single(single);
            return written.map_err(|error| inside(error, entry.name, None));
        }
        let (Ok(values), Ok(sides)) = (array(entry.value), array(entry.side)) else {
            let error = refuse("An array must stand here.");
            return Err(inside(error, entry.name, None));
        };
        for index in 0..values.len().max(sides.len()) {
            let item = Single {
                value: values.get(index),
                side: sides.get(index),
                ..single
            };
            self.single(item)
                .map_err(|error| inside(error, entry.name, Some(index)))?;
        }
        Ok(())
    }

    fn single(&mut self, single: Single<'_>) -> Result<(), XmlError> {
        let kind = self.shapes.kind(single.value_type);
        if kind == Some(TypeKind::Primitive) {
            return self.primitive(single);
        }
        let (Some(Node::Object(object)), None) = (single.value, single.side) else {
            return Err(refuse(NOT_OBJECT));
        };
        if object.is_empty() {
            return Err(refuse(EMPTY));
        }
        self.begin(single.name);
        if kind != Some(TypeKind::Resource) {
            return self.members(single.name, single.value_type, object);
        }
        self.out.push(b'>');
        self.descend()?;
        self.new_line();
        self.resource(object)?;
        self.ascend();
        self.close(single.name);
        Ok(())
    }

    fn primitive(&mut self, single: Single<'_>) -> Result<(), XmlError> {
        let shape = self.shapes.shape(single.value_type);
        let primitive = shape
            .and_then(|shape| shape.primitive)
            .unwrap_or(Primitive::String);
        let text = match single.value {
            None | Some(Node::Null) => None,
            Some(node) => Some(
                scalar::text(primitive, node)
                    .ok_or_else(|| refuse("The JSON type is not that of this element."))?,
            ),
        };
        let side = match single.side {
            None | Some(Node::Null) => None,
            Some(Node::Object(side)) if !side.is_empty() => Some(side),
            Some(_) => return Err(refuse(NOT_OBJECT)),
        };
        if primitive == Primitive::Xhtml {
            return self.narrative(text, side);
        }
        if text.is_none() && side.is_none() {
            return Err(refuse(EMPTY));
        }
        self.begin(single.name);
        if let Some(text) = text {
            self.attribute("value", text)?;
        }
        let Some(side) = side else {
            self.out.extend_from_slice(b"/>");
            return Ok(());
        };
        let type_id = self.element_type.unwrap_or(single.value_type);
        self.members(single.name, type_id, side)
    }

    fn narrative(&mut self, text: Option<&str>, side: Option<&Object>) -> Result<(), XmlError> {
        let (Some(text), None) = (text, side) else {
            return Err(refuse("The narrative is a text and nothing beside it."));
        };
        let div = narrative::complete(text).map_err(|error| refuse(error.reason))?;
        self.new_line();
        self.out.extend_from_slice(div.as_bytes());
        Ok(())
    }

    /// Writes ` name="text"`. White space other than spaces would not survive as it is.
    fn attribute(&mut self, name: &str, text: &str) -> Result<(), XmlError> {
        if attribute::find_illegal(text).is_some() {
            return Err(refuse("A control character cannot be written in XML."));
        }
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        let mut rest = text.as_bytes();
        while let Some((at, escape)) = rest
            .iter()
            .enumerate()
            .find_map(|(at, &byte)| Some((at, escape(byte)?)))
        {
            let (plain, from) = rest.split_at(at);
            self.out.extend_from_slice(plain);
            self.out.extend_from_slice(escape);
            rest = from.get(1..).unwrap_or_default();
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
        Ok(())
    }

    fn begin(&mut self, name: &str) {
        self.new_line();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
    }

    fn close(&mut self, name: &str) {
        self.new_line();
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    fn descend(&mut self) -> Result<(), XmlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(refuse("The resource is nested deeper than XML is written."));
        }
        Ok(())
    }

    fn ascend(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn new_line(&mut self) {
        if self.is_pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + self.depth * 2, b' ');
        }
    }
}

const EMPTY: &str = "An element must have a value or children.";

fn refuse(reason: impl Into<std::borrow::Cow<'static, str>>) -> XmlError {
    fail(0, reason)
}

/// The items of an array, none when it is absent; an error when it is no array.
fn array(node: Option<&Node>) -> Result<&[Node], ()> {
    match node {
        None => Ok(&[]),
        Some(Node::Array(items)) => Ok(items),
        Some(_) => Err(()),
    }
}

fn beside(name: &str) -> CompactString {
    let mut member = CompactString::new("_");
    member.push_str(name);
    member
}

fn escape(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'<' => Some(b"&lt;"),
        b'&' => Some(b"&amp;"),
        b'"' => Some(b"&quot;"),
        b'\t' => Some(b"&#9;"),
        b'\n' => Some(b"&#10;"),
        b'\r' => Some(b"&#13;"),
        _ => None,
    }
}
