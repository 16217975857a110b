//! The reader: elements become members of the tree as the definitions say.
//!
//! Recursion is bounded by the depth limit. The path of a problem is put together while the error
//! travels up. Spec: <https://hl7.org/fhir/R4/xml.html>, <https://hl7.org/fhir/R4/json.html>.

use compact_str::CompactString;

use crate::fhir::primitive::Primitive;
use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::{Found, Shapes, TypeId, TypeKind};
use crate::fhir::xml::attribute::{self, Attribute};
use crate::fhir::xml::markup::{Markup, Namespace, TRUNCATED, Tag, Token, split_name};
use crate::fhir::xml::{XmlError, XmlLimits, inside, narrative, open, scalar};

/// Reads a document that is one resource.
pub(super) fn resource(
    bytes: &[u8],
    shapes: &Shapes,
    limits: XmlLimits,
) -> Result<Resource, XmlError> {
    let mut reader = Reader {
        markup: open(bytes, limits.attributes_max)?,
        shapes,
        element_type: shapes.type_id("Element"),
        depth_left: limits.depth_max,
    };
    let object = reader.document()?;
    Resource::from_object(object).map_err(|_object| reader.markup.fail(NO_RESOURCE))
}

/// Unknown elements of one parent that are left to validation; more are refused at once.
const UNKNOWN_MAX: usize = 32;

const NO_RESOURCE: &str = "The name of an R4 resource type must stand here, e.g. Patient.";
const NOT_FHIR: &str =
    "The namespace is not FHIR's: xmlns=\"http://hl7.org/fhir\" must be declared.";

struct Reader<'a, 's> {
    markup: Markup<'a>,
    shapes: &'s Shapes,
    element_type: Option<TypeId>,
    depth_left: usize,
}

/// A value and what stands beside it, as `birthDate` and `_birthDate`.
#[derive(Default)]
struct Value {
    node: Option<Node>,
    side: Option<Node>,
}

/// The elements of one name, which stand next to each other.
struct Run<'a> {
    name: &'a str,
    position: u16,
    is_array: bool,
    count: usize,
    nodes: Vec<Node>,
    sides: Vec<Node>,
    has_node: bool,
}

impl<'a, 's> Reader<'a, 's> {
    fn document(&mut self) -> Result<Object, XmlError> {
        let Token::Open(tag) = self.markup.next()? else {
            return Err(self.markup.fail("The document has no root element."));
        };
        self.enter(1)?;
        let object = self
            .resource(&tag)
            .map_err(|error| inside(error, tag.local, None))?;
        match self.markup.next()? {
            Token::End => Ok(object),
            Token::Open(_) | Token::Close => Err(self
                .markup
                .fail("There is something behind the end of the document.")),
        }
    }

    /// Reads a resource whose opening tag is `tag`, up to its closing tag.
    fn resource(&mut self, tag: &Tag<'a>) -> Result<Object, XmlError> {
        if tag.namespace != Namespace::Fhir {
            return Err(self.markup.fail(NOT_FHIR));
        }
        let resource_type: Option<ResourceType> = tag.local.parse().ok();
        let type_id = resource_type.and_then(|known| self.shapes.resource(known));
        let Some(type_id) = type_id else {
            return Err(self.markup.fail(NO_RESOURCE));
        };
        if let Some(unknown) = self.meaningful(tag).next() {
            return Err(self.unknown_attribute(unknown));
        }
        let mut object = Object::new();
        object.push("resourceType".into(), Node::from(tag.local));
        self.members(type_id, &mut object)?;
        Ok(object)
    }

    /// Reads child elements into `object`, up to the closing tag.
    fn members(&mut self, type_id: TypeId, object: &mut Object) -> Result<(), XmlError> {
        let mut run: Option<Run<'a>> = None;
        let mut unknown = 0;
        loop {
            let tag = match self.markup.next()? {
                Token::Open(tag) => tag,
                Token::Close => break,
                Token::End => return Err(self.markup.fail(TRUNCATED)),
            };
            if self.is_unknown(type_id, &tag) && unknown < UNKNOWN_MAX {
                unknown += 1;
                self.skip()?;
                if !object.contains(tag.local) {
                    object.push(tag.local.into(), Node::Bool(true));
                }
                continue;
            }
            let found = self.find(type_id, &tag)?;
            let mut current = match run.take() {
                Some(same) if same.name == tag.local => same,
                before => {
                    let next = Run::new(tag.local, found);
                    if let Some(before) = before {
                        self.check_order(&before, &next)?;
                        before.finish(object);
                    }
                    next
                }
            };
            let index = current.is_array.then_some(current.count);
            let value = self
                .element(&tag, found, current.count)
                .map_err(|error| inside(error, tag.local, index))?;
            current.add(value);
            run = Some(current);
        }
        if let Some(run) = run {
            run.finish(object);
        }
        Ok(())
    }

    /// Whether validation will name this element as unknown, together with what else is wrong. It
    /// must not be able to pass for something that JSON has and XML has not.
    fn is_unknown(&self, type_id: TypeId, tag: &Tag<'a>) -> bool {
        tag.namespace == Namespace::Fhir
            && tag.local != "resourceType"
            && tag.local.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && self.shapes.find(type_id, tag.local).is_none()
    }

    /// Reads over what is in an element, up to its closing tag.
    fn skip(&mut self) -> Result<(), XmlError> {
        let mut open = 1_usize;
        while open > 0 {
            match self.markup.next()? {
                Token::Open(_) => open += 1,
                Token::Close => open -= 1,
                Token::End => return Err(self.markup.fail(TRUNCATED)),
            }
        }
        Ok(())
    }

    /// The definition of the element that `tag` opens.
    fn find(&self, type_id: TypeId, tag: &Tag<'a>) -> Result<Found<'s>, XmlError> {
        if !matches!(tag.namespace, Namespace::Fhir | Namespace::Xhtml) {
            return Err(inside(self.markup.fail(NOT_FHIR), tag.local, None));
        }
        let found = self.shapes.find(type_id, tag.local);
        let Some(found) = found.filter(|found| !found.element.is_xml_attribute) else {
            let reason = "This element is not defined here.";
            return Err(inside(self.markup.fail(reason), tag.local, None));
        };
        let is_narrative = self.primitive_of(found.value_type) == Primitive::Xhtml;
        match (is_narrative, tag.namespace) {
            (true, Namespace::Xhtml) | (false, Namespace::Fhir) => Ok(found),
            (true, _) => {
                let reason = "The narrative must be in the XHTML namespace: \
                              xmlns=\"http://www.w3.org/1999/xhtml\" must be declared.";
                Err(inside(self.markup.fail(reason), tag.local, None))
            }
            (false, _) => Err(inside(self.markup.fail(NOT_FHIR), tag.local, None)),
        }
    }

    fn check_order(&self, before: &Run<'a>, next: &Run<'a>) -> Result<(), XmlError> {
        if next.position > before.position {
            return Ok(());
        }
        let reason = if next.position == before.position {
            format!(
                "Only one of {} and {} may stand here.",
                before.name, next.name
            )
        } else {
            format!("{} must stand before {}.", next.name, before.name)
        };
        Err(inside(self.markup.fail(reason), next.name, None))
    }

    /// Reads one element, the `index`th of its name, up to its closing tag.
    fn element(
        &mut self,
        tag: &Tag<'a>,
        found: Found<'_>,
        index: usize,
    ) -> Result<Value, XmlError> {
        let is_array = found.element.is_array();
        if index > 0 && !is_array {
            return Err(self.markup.fail("This element may stand here only once."));
        }
        let value_type = found.value_type;
        let kind = self.shapes.kind(value_type);
        let levels = usize::from(is_array) + usize::from(kind != Some(TypeKind::Primitive));
        self.enter(levels)?;
        let value = match kind {
            Some(TypeKind::Primitive) => match self.primitive_of(value_type) {
                Primitive::Xhtml => {
                    Value::of(Node::String(narrative::read(&mut self.markup, tag)?))
                }
                primitive => self.primitive(tag, value_type, primitive)?,
            },
            Some(TypeKind::Resource) => self.nested_resource(tag)?,
            Some(TypeKind::Complex | TypeKind::Backbone) | None => self.complex(tag, value_type)?,
        };
        self.depth_left += levels;
        Ok(value)
    }

    fn enter(&mut self, levels: usize) -> Result<(), XmlError> {
        match self.depth_left.checked_sub(levels) {
            Some(left) => {
                self.depth_left = left;
                Ok(())
            }
            None => Err(self
                .markup
                .fail("The document is nested deeper than this server reads.")),
        }
    }

    fn complex(&mut self, tag: &Tag<'a>, type_id: TypeId) -> Result<Value, XmlError> {
        let mut object = Object::new();
        let mut known: Vec<(u16, &'a str, Node)> = Vec::new();
        for attribute in self.meaningful(tag) {
            let found = self.shapes.find(type_id, attribute.name);
            let Some(found) = found.filter(|found| found.element.is_xml_attribute) else {
                return Err(self.unknown_attribute(attribute));
            };
            let text = self.text(attribute)?;
            known.push((found.position, attribute.name, Node::String(text)));
        }
        known.sort_by_key(|(position, _, _)| *position);
        for (_, name, node) in known {
            object.push(name.into(), node);
        }
        self.members(type_id, &mut object)?;
        if object.is_empty() {
            return Err(self.markup.fail(EMPTY));
        }
        Ok(Value::of(Node::Object(object)))
    }

    fn primitive(
        &mut self,
        tag: &Tag<'a>,
        type_id: TypeId,
        primitive: Primitive,
    ) -> Result<Value, XmlError> {
        let mut value = Value::default();
        let mut side = Object::new();
        for attribute in self.meaningful(tag) {
            let text = self.text(attribute)?;
            match attribute.name {
                "value" => value.node = Some(scalar::node(primitive, text)),
                "id" => side.push("id".into(), Node::String(text)),
                _ => return Err(self.unknown_attribute(attribute)),
            }
        }
        let depth_left = self.depth_left;
        self.depth_left = depth_left.saturating_sub(1);
        self.members(self.element_type.unwrap_or(type_id), &mut side)?;
        self.depth_left = depth_left;
        if !side.is_empty() {
            // Only now is it known that there is an object beside the value.
            self.enter(1)?;
            self.depth_left = depth_left;
            value.side = Some(Node::Object(side));
        } else if value.node.is_none() {
            return Err(self.markup.fail(EMPTY));
        }
        Ok(value)
    }

    fn primitive_of(&self, type_id: TypeId) -> Primitive {
        let shape = self.shapes.shape(type_id);
        shape
            .and_then(|shape| shape.primitive)
            .unwrap_or(Primitive::String)
    }

    /// Reads an element that holds a resource, as `contained`.
    fn nested_resource(&mut self, tag: &Tag<'a>) -> Result<Value, XmlError> {
        if let Some(unknown) = self.meaningful(tag).next() {
            return Err(self.unknown_attribute(unknown));
        }
        let Token::Open(inner) = self.markup.next()? else {
            return Err(self.markup.fail("A resource must stand in this element."));
        };
        let object = self.resource(&inner)?;
        match self.markup.next()? {
            Token::Close => Ok(Value::of(Node::Object(object))),
            Token::Open(_) => Err(self
                .markup
                .fail("Only one resource may stand in this element.")),
            Token::End => Err(self.markup.fail(TRUNCATED)),
        }
    }

    /// The attributes of a tag without those that are only for tools.
    fn meaningful<'t>(&'t self, tag: &'t Tag<'a>) -> impl Iterator<Item = Attribute<'a>> {
        tag.attributes.iter().copied().filter(|attribute| {
            let (prefix, local) = split_name(attribute.name);
            let is_location = local == "schemaLocation" || local == "noNamespaceSchemaLocation";
            let is_xsi = || {
                let bound = self.markup.bound(prefix);
                bound.is_ok_and(|bound| bound.namespace == Namespace::Xsi)
            };
            prefix.is_empty() || !is_location || !is_xsi()
        })
    }

    fn text(&self, attribute: Attribute<'a>) -> Result<CompactString, XmlError> {
        attribute::value(attribute.raw)
            .map_err(|reason| inside(self.markup.fail(reason), attribute.name, None))
    }

    fn unknown_attribute(&self, attribute: Attribute<'a>) -> XmlError {
        let reason = "This attribute is not defined here.";
        inside(self.markup.fail(reason), attribute.name, None)
    }
}

const EMPTY: &str = "An element must have a value or children.";

impl Value {
    fn of(node: Node) -> Self {
        Self {
            node: Some(node),
            side: None,
        }
    }
}

impl<'a> Run<'a> {
    fn new(name: &'a str, found: Found<'_>) -> Self {
        Self {
            name,
            position: found.position,
            is_array: found.element.is_array(),
            count: 0,
            nodes: Vec::new(),
            sides: Vec::new(),
            has_node: false,
        }
    }

    fn add(&mut self, value: Value) {
        self.has_node |= value.node.is_some();
        self.nodes.push(value.node.unwrap_or(Node::Null));
        if let Some(side) = value.side {
            self.sides.resize(self.count, Node::Null);
            self.sides.push(side);
        }
        self.count += 1;
    }

    /// Puts the elements into `object`, as a scalar or an array, what is beside them as `_name`.
    fn finish(mut self, object: &mut Object) {
        let has_side = !self.sides.is_empty();
        if has_side {
            self.sides.resize(self.count, Node::Null);
        }
        if self.has_node
            && let Some(node) = gathered(self.nodes, self.is_array)
        {
            object.push(self.name.into(), node);
        }
        if has_side && let Some(node) = gathered(self.sides, self.is_array) {
            let mut name = CompactString::new("_");
            name.push_str(self.name);
            object.push(name, node);
        }
    }
}

fn gathered(mut nodes: Vec<Node>, is_array: bool) -> Option<Node> {
    if is_array {
        Some(Node::Array(nodes))
    } else {
        nodes.pop()
    }
}
