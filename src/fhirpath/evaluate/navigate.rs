//! From elements to the elements below them.
//!
//! Primitives and what stands beside them (`birthDate`, `_birthDate`) come out as one element.

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Shapes, TypeId, TypeKind};
use crate::fhirpath::evaluate::item::{Element, Item, Place, System};

/// Adds the elements called `name` below an item; a choice is found under any of its forms.
pub(super) fn member<'a>(item: &Item<'a>, name: &str, shapes: &Shapes, found: &mut Vec<Item<'a>>) {
    let element = match item {
        Item::Element(element) => element,
        Item::System(system) => {
            found.extend(system_member(system, name).map(Item::System));
            return;
        }
    };
    if shapes.kind(element.type_id) == Some(TypeKind::Primitive) {
        beside_primitive(element, name, shapes, found);
        return;
    }
    let Some(object) = element.as_object() else {
        return;
    };
    if let Some(known) = shapes.find(element.type_id, name) {
        pairs(object, name, known.value_type, shapes, found);
        return;
    }
    for (written, _) in object.iter() {
        let form = written.strip_prefix('_').unwrap_or(written);
        // The form beside its value is found with the value.
        if !form.starts_with(name) || (form != written && object.contains(form)) {
            continue;
        }
        let known = shapes.find(element.type_id, form);
        if let Some(known) = known.filter(|f| f.element.is_choice && f.element.name == name) {
            pairs(object, form, known.value_type, shapes, found);
        }
    }
}

/// Adds all elements below an item.
pub(super) fn children<'a>(item: &Item<'a>, shapes: &Shapes, found: &mut Vec<Item<'a>>) {
    let Item::Element(element) = item else {
        return;
    };
    if shapes.kind(element.type_id) == Some(TypeKind::Primitive) {
        for name in ["id", "extension"] {
            beside_primitive(element, name, shapes, found);
        }
        return;
    }
    let Some(object) = element.as_object() else {
        return;
    };
    for (written, _) in object.iter() {
        let name = written.strip_prefix('_').unwrap_or(written);
        if name != written && object.contains(name) {
            continue;
        }
        if let Some(known) = shapes.find(element.type_id, name) {
            pairs(object, name, known.value_type, shapes, found);
        }
    }
}

fn system_member(system: &System, name: &str) -> Option<System> {
    match (system, name) {
        (System::Type { namespace, .. }, "namespace") => Some(System::String((*namespace).into())),
        (System::Type { name, .. }, "name") => Some(System::String(name.clone())),
        (System::Quantity { value, .. }, "value") => Some(System::Decimal(*value)),
        (System::Quantity { unit, .. }, "unit" | "code") => Some(System::String(unit.clone())),
        _ => None,
    }
}

fn beside_primitive<'a>(
    element: &Element<'a>,
    name: &str,
    shapes: &Shapes,
    found: &mut Vec<Item<'a>>,
) {
    if name == "value" {
        let value = Item::Element(*element);
        found.extend(value.scalar(shapes).map(|v| Item::System(v.to_system())));
        return;
    }
    let known = shapes.find(element.type_id, name);
    let Some(known) = known.or_else(|| shapes.find(shapes.type_id("Element")?, name)) else {
        return;
    };
    if let Some(object) = element.beside {
        pairs(object, name, known.value_type, shapes, found);
    }
}

/// Adds the values of a member together with what stands beside each.
fn pairs<'a>(
    object: &'a Object,
    name: &str,
    type_id: TypeId,
    shapes: &Shapes,
    found: &mut Vec<Item<'a>>,
) {
    let values = object.items(name);
    let besides = beside_items(object, name, type_id, shapes);
    for place in 0..values.len().max(besides.len()) {
        let value = values.get(place).filter(|node| **node != Node::Null);
        let beside = besides.get(place).and_then(Node::as_object);
        let place = match value {
            Some(node) => Place::Node(node),
            None if beside.is_some() => Place::Absent,
            None => continue,
        };
        found.push(Item::Element(Element {
            type_id: actual_type(value, type_id, shapes),
            place,
            beside,
        }));
    }
}

fn beside_items<'a>(
    object: &'a Object,
    name: &str,
    type_id: TypeId,
    shapes: &Shapes,
) -> &'a [Node] {
    if shapes.kind(type_id) != Some(TypeKind::Primitive) {
        return &[];
    }
    let beside = object
        .iter()
        .find(|(written, _)| written.strip_prefix('_') == Some(name));
    beside.map_or(&[], |(_, node)| node.items())
}

/// Nested resources have the type they say.
fn actual_type(value: Option<&Node>, type_id: TypeId, shapes: &Shapes) -> TypeId {
    if shapes.kind(type_id) != Some(TypeKind::Resource) {
        return type_id;
    }
    let stated = value.and_then(|node| node.get("resourceType"));
    stated
        .and_then(Node::as_str)
        .and_then(|name| shapes.type_id(name))
        .unwrap_or(type_id)
}
