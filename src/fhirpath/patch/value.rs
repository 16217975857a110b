//! The value an operation brings: a data type, a resource, or an element spelled out in parts.

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{ElementShape, Shapes, TypeId, TypeKind, choice_member};
use crate::fhirpath::patch::edit;

/// An element that can take a value.
pub(super) struct Slot {
    /// The JSON member; of a choice, the one that was asked for or the bare name.
    pub(super) member: CompactString,
    /// The types it takes now.
    types: Vec<TypeId>,
    element: ElementShape,
}

impl Slot {
    /// The element `name` of a type: `value`, `valueQuantity` and `code` are all found.
    pub(super) fn find(holder: TypeId, name: &str, shapes: &Shapes) -> Option<Self> {
        if let Some(found) = shapes.find(holder, name) {
            return Some(Self {
                member: name.into(),
                types: vec![found.value_type],
                element: found.element.clone(),
            });
        }
        let mut elements = shapes.shape(holder)?.elements.iter();
        let choice = elements.find(|element| element.is_choice && element.name == name)?;
        Some(Self {
            member: name.into(),
            types: choice.types.clone(),
            element: choice.clone(),
        })
    }

    pub(super) fn is_array(&self) -> bool {
        self.element.is_array()
    }

    /// Lets any form of the choice in, where it was found by one.
    pub(super) fn widen_to_choice(&mut self) {
        self.types.clone_from(&self.element.types);
    }

    /// Whether `holder` has the element in any form, be it by its extensions only.
    pub(super) fn is_filled(&self, holder: &Object, shapes: &Shapes) -> bool {
        holder.iter().any(|(name, _)| {
            let name = name.strip_prefix('_').unwrap_or(name);
            let mut types = self.element.types.iter();
            types.any(|&type_id| member_for(self, type_id, shapes) == name)
        })
    }
}

/// A value ready to be put in its place.
pub(super) struct NewValue {
    /// The JSON member it stands in.
    pub(super) member: CompactString,
    /// The value; null when there are only extensions.
    pub(super) value: Node,
    /// What stands in `_member`; null when nothing does.
    pub(super) beside: Node,
}

impl NewValue {
    /// Reads the value of a `value` part, or of a part of it, for the element it is to become.
    pub(super) fn read(part: &Object, slot: &Slot, shapes: &Shapes) -> Result<Self, String> {
        if let Some(resource) = part.get("resource") {
            return Self::of_resource(resource, slot, shapes);
        }
        let parts = part.items("part");
        if !parts.is_empty() {
            return Self::of_parts(parts, slot, shapes);
        }
        let stated = part.iter().find_map(|(name, _)| {
            let name = name.strip_prefix('_').unwrap_or(name);
            name.strip_prefix("value")
        });
        let Some(stated) = stated else {
            return Err("the value has neither value[x] nor parts".to_owned());
        };
        let stated_type = type_stated(stated, shapes)
            .ok_or_else(|| format!("value{stated} names no type of R4"))?;
        let type_id = accepted(stated_type, slot, shapes)
            .ok_or_else(|| format!("'{}' does not take a value{stated}", slot.element.name))?;
        let take = |name: String| part.get(&name).cloned().unwrap_or(Node::Null);
        Ok(Self {
            member: member_for(slot, type_id, shapes),
            value: take(format!("value{stated}")),
            beside: take(format!("_value{stated}")),
        })
    }

    /// Value and what stands beside it, as an item of a list.
    pub(super) fn pair(self) -> (Node, Node) {
        (self.value, self.beside)
    }

    fn of_resource(resource: &Node, slot: &Slot, shapes: &Shapes) -> Result<Self, String> {
        let takes_resources = slot
            .types
            .iter()
            .any(|&type_id| shapes.kind(type_id) == Some(TypeKind::Resource));
        if !takes_resources {
            return Err(format!("'{}' does not take a resource", slot.element.name));
        }
        Ok(Self {
            member: slot.member.clone(),
            value: resource.clone(),
            beside: Node::Null,
        })
    }

    fn of_parts(parts: &[Node], slot: &Slot, shapes: &Shapes) -> Result<Self, String> {
        let &[type_id] = slot.types.as_slice() else {
            return Err(format!(
                "'{}' may have several types, so its value cannot be spelled out in parts",
                slot.element.name
            ));
        };
        if !matches!(
            shapes.kind(type_id),
            Some(TypeKind::Backbone | TypeKind::Complex)
        ) {
            return Err(format!("'{}' has no parts", slot.element.name));
        }
        let mut object = Object::new();
        for part in parts.iter().filter_map(Node::as_object) {
            let name = part
                .get_str("name")
                .ok_or_else(|| "a part of the value has no name".to_owned())?;
            let inner = Slot::find(type_id, name, shapes)
                .ok_or_else(|| format!("{} has no element '{name}'", shapes.name(type_id)))?;
            let new = Self::read(part, &inner, shapes)?;
            if !inner.is_array() && inner.is_filled(&object, shapes) {
                return Err(format!("'{name}' does not repeat"));
            }
            edit::add(&mut object, new, inner.is_array());
        }
        Ok(Self {
            member: member_for(slot, type_id, shapes),
            value: Node::Object(object),
            beside: Node::Null,
        })
    }
}

/// The type in the name of a member: `HumanName` or `DateTime`.
fn type_stated(stated: &str, shapes: &Shapes) -> Option<TypeId> {
    let mut letters = stated.chars();
    let first = letters.next()?.to_ascii_lowercase();
    let primitive: CompactString = std::iter::once(first).chain(letters).collect();
    shapes
        .type_id(stated)
        .or_else(|| shapes.type_id(&primitive))
}

/// The type a value becomes in its slot. Clients often send a string for a code or a uri: where
/// the element has one type, primitives of one JSON form are taken for each other.
fn accepted(stated: TypeId, slot: &Slot, shapes: &Shapes) -> Option<TypeId> {
    if slot.types.contains(&stated) {
        return Some(stated);
    }
    let &[only] = slot.types.as_slice() else {
        return None;
    };
    let primitive = |id| shapes.shape(id).and_then(|shape| shape.primitive);
    let fits = match (primitive(stated), primitive(only)) {
        (Some(stated), Some(only)) => stated.json_kind() == only.json_kind(),
        _ => shapes.is_a(stated, only) || shapes.is_a(only, stated),
    };
    fits.then_some(only)
}

fn member_for(slot: &Slot, type_id: TypeId, shapes: &Shapes) -> CompactString {
    if slot.element.is_choice {
        choice_member(&slot.element.name, shapes.name(type_id))
    } else {
        slot.element.name.clone()
    }
}
