//! `_name`: the id and the extensions that stand beside a primitive, and the nulls they permit.
//!
//! Spec: <https://hl7.org/fhir/R4/json.html#primitive>.

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Found, TypeKind};
use crate::validation::location::Location;
use crate::validation::shown::shown;
use crate::validation::structure::{Validator, json_name};

/// The items of `_name`, when it is an array.
pub(super) fn companion_of<'a>(object: &'a Object, name: &str) -> Option<&'a [Node]> {
    let is_companion = |other: &str| other.strip_prefix('_') == Some(name);
    match object.iter().find(|(other, _)| is_companion(other)) {
        Some((_, Node::Array(items))) => Some(items),
        _ => None,
    }
}

impl<'a> Validator<'a> {
    /// Checks the member `_name` of an object against its value, the member `name`.
    pub(super) fn companion(
        &mut self,
        object: &'a Object,
        name: &'a str,
        node: &'a Node,
        found: &Found<'a>,
        at: &Location<'_>,
    ) {
        let here = at.member(name);
        if self.shapes.kind(found.value_type) != Some(TypeKind::Primitive) {
            let text = format!("`_{name}` is not allowed: `{name}` is no primitive.");
            self.report.error("structure", &here, text);
            return;
        }
        let value = object.get(name);
        let is_array = matches!(node, Node::Array(_));
        if is_array != found.element.is_array() {
            let text = if is_array {
                format!("`_{name}` must be an object, as `{name}` is no array.")
            } else {
                format!("`_{name}` must be an array, as `{name}` is one.")
            };
            self.report.error("structure", &here, text);
            return;
        }
        if !is_array {
            self.beside_primitive(node, value, &here);
            return;
        }
        let items = node.items();
        if items.is_empty() {
            let text = format!("`_{name}` is an empty array: leave it out.");
            self.report.error("structure", &here, text);
        }
        let values = value.map_or(&[][..], Node::items);
        if value.is_some() && values.len() != items.len() {
            let text = format!(
                "`_{name}` and `{name}` must be arrays of the same length, with null where one of \
                 them has nothing."
            );
            self.report.error("structure", &here, text);
        }
        for (index, item) in items.iter().enumerate() {
            let here = here.item(index);
            match (item, values.get(index)) {
                (Node::Null, None) => {
                    let text = format!("`_{name}` has null where `{name}` has nothing either.");
                    self.report.error("structure", &here, text);
                }
                (Node::Null, Some(_)) => {}
                (item, value) => self.beside_primitive(item, value, &here),
            }
        }
    }

    /// Checks a null in an array, with what the companion has in its place.
    pub(super) fn check_null(
        &mut self,
        beside: Option<&Node>,
        found: &Found<'_>,
        here: &Location<'_>,
    ) {
        let name = here.name();
        let is_primitive = self.shapes.kind(found.value_type) == Some(TypeKind::Primitive);
        if is_primitive && matches!(beside, Some(Node::Object(_))) {
            return;
        }
        let text = if is_primitive {
            format!("`{name}` has null where `_{name}` has nothing either.")
        } else {
            format!("`{name}` must not have null among its items.")
        };
        self.report.error("structure", here, text);
    }

    fn beside_primitive(&mut self, node: &'a Node, value: Option<&Node>, here: &Location<'_>) {
        let name = here.name();
        let Node::Object(object) = node else {
            let text = format!("`_{name}` must hold objects, not {}.", json_name(node));
            self.report.error("structure", here, text);
            return;
        };
        if let Some((other, _)) = object
            .iter()
            .find(|(member, _)| !matches!(*member, "id" | "extension"))
        {
            let shown = shown(other);
            let text = format!("`_{name}` may hold `id` and `extension` only; it has {shown}.");
            self.report.error("structure", here, text);
            return;
        }
        let has_value = value.is_some_and(|value| *value != Node::Null);
        if !object.contains("extension") && (!has_value || object.is_empty()) {
            let text = format!("`{name}` must have a value or an extension (ele-1).");
            self.report.error("invariant", here, text);
            return;
        }
        if let Some(element) = self.shapes.type_id("Element") {
            if let Some(id) = object.get_str("id") {
                self.check_element_id(id, here);
            }
            self.members(object, element, here);
        }
    }
}
