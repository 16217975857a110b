//! Random resources of every type, made from the definitions.
//!
//! A tape of numbers makes every decision, so that proptest can shrink it; where it ends, the
//! smallest choice is made.

use vesta::fhir::primitive::{JsonKind, Primitive};
use vesta::fhir::resource::{Node, Object};
use vesta::fhir::resource_type::ResourceType;
use vesta::fhir::shape::{ElementShape, Shapes, TypeId, TypeKind, choice_member};

/// How deep data types nest before only leaves are made.
const DEPTH_MAX: usize = 6;

/// What a text can be made of: all that XML treats in a special way.
const PIECES: [&str; 16] = [
    "a", " ", "\n", "\t", "\r", "\r\n", "<", ">", "&", "\"", "'", "]]>", "é", "😀", "&amp;",
    "\u{a0}",
];

const NUMBERS: [&str; 8] = [
    "0",
    "1",
    "-1",
    "1.50",
    "-0.0",
    "1E-10",
    "2e+3",
    "98765432109876543210.10",
];

const NARRATIVES: [&str; 4] = [
    "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><!-- a -->\n <b class='c'>&lt;</b>\t<br/></div>",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>",
    "<h:div xmlns:h=\"http://www.w3.org/1999/xhtml\"><h:p>&#233;</h:p></h:div>",
];

/// A maker of trees.
pub(super) struct Maker<'a> {
    shapes: &'a Shapes,
    tape: std::slice::Iter<'a, u8>,
}

impl<'a> Maker<'a> {
    /// A maker that decides by `tape`.
    pub(super) fn new(shapes: &'a Shapes, tape: &'a [u8]) -> Self {
        Self {
            shapes,
            tape: tape.iter(),
        }
    }

    /// A resource, its members in the order of the definition, XML's attributes first.
    pub(super) fn resource(&mut self, depth: usize) -> Object {
        let types = ResourceType::all().count();
        let index = self.choose(types);
        let resource_type = ResourceType::all().nth(index).unwrap();
        let type_id = self.shapes.resource(resource_type).unwrap();
        let mut object = Object::new();
        object.push("resourceType".into(), Node::from(resource_type.name()));
        self.members(type_id, depth, &mut object);
        object
    }

    fn members(&mut self, type_id: TypeId, depth: usize, object: &mut Object) {
        let elements = &self.shapes.shape(type_id).unwrap().elements;
        let (attributes, children): (Vec<_>, Vec<_>) = elements
            .iter()
            .partition(|element| element.is_xml_attribute);
        for element in attributes.into_iter().chain(children) {
            if self.choose(4) == 1 {
                self.element(element, depth, object);
            }
        }
    }

    fn element(&mut self, element: &ElementShape, depth: usize, object: &mut Object) {
        let value_type = element.types[self.choose(element.types.len())];
        let is_leaf = self.shapes.kind(value_type) == Some(TypeKind::Primitive);
        if depth >= DEPTH_MAX && !is_leaf {
            return;
        }
        let name = if element.is_choice {
            choice_member(&element.name, self.shapes.name(value_type))
        } else {
            element.name.clone()
        };
        let count = if element.is_array() {
            1 + self.choose(3)
        } else {
            1
        };
        let takes_side = is_leaf && !element.is_xml_attribute;
        let (mut nodes, mut sides) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let side = if takes_side {
                self.side(value_type, depth)
            } else {
                Node::Null
            };
            let has_node = side == Node::Null || self.choose(2) == 1;
            nodes.push(if has_node {
                self.value(value_type, depth)
            } else {
                Node::Null
            });
            sides.push(side);
        }
        put(element, name.as_str(), nodes, object);
        put(element, &format!("_{name}"), sides, object);
    }

    fn value(&mut self, type_id: TypeId, depth: usize) -> Node {
        let shape = self.shapes.shape(type_id).unwrap();
        match (shape.kind, shape.primitive) {
            (_, Some(primitive)) => self.scalar(primitive),
            (TypeKind::Resource, _) => Node::Object(self.resource(depth + 1)),
            _ => {
                let mut object = Object::new();
                self.members(type_id, depth + 1, &mut object);
                if object.is_empty() {
                    object.push("id".into(), Node::from("i"));
                }
                Node::Object(object)
            }
        }
    }

    fn side(&mut self, type_id: TypeId, depth: usize) -> Node {
        let is_narrative = self.shapes.name(type_id) == "xhtml";
        if is_narrative || self.choose(8) != 1 {
            return Node::Null;
        }
        self.value(self.shapes.type_id("Element").unwrap(), depth)
    }

    fn scalar(&mut self, primitive: Primitive) -> Node {
        match primitive.json_kind() {
            JsonKind::Boolean => Node::Bool(self.choose(2) == 1),
            JsonKind::Number => Node::Number(NUMBERS[self.choose(NUMBERS.len())].into()),
            JsonKind::String if primitive == Primitive::Xhtml => {
                Node::from(NARRATIVES[self.choose(NARRATIVES.len())])
            }
            JsonKind::String => {
                let length = 1 + self.choose(5);
                let pieces: String = (0..length)
                    .map(|_| PIECES[self.choose(PIECES.len())])
                    .collect();
                Node::String(pieces.into())
            }
        }
    }

    fn choose(&mut self, options: usize) -> usize {
        usize::from(self.tape.next().copied().unwrap_or(0)) % options
    }
}

fn put(element: &ElementShape, name: &str, mut nodes: Vec<Node>, object: &mut Object) {
    if nodes.iter().all(|node| *node == Node::Null) {
        return;
    }
    let node = if element.is_array() {
        Node::Array(nodes)
    } else {
        nodes.remove(0)
    };
    object.push(name.into(), node);
}
