//! Where in a resource an element stands, found again by its identity in memory.
//!
//! Expressions hand out borrowed elements without keeping their way; whoever needs the way (to
//! change something, to name it) searches for it here.

use std::fmt;

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Shapes, TypeId, TypeKind};

/// A step from an element to one that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The JSON member.
    pub name: CompactString,
    /// The place in it, where it is an array.
    pub index: Option<usize>,
}

/// The way from a resource to an element in it; empty for the resource itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location(pub Vec<Segment>);

impl Location {
    /// The way to `node`, when it is a part of `root` itself and not a copy of one.
    pub fn of_node(root: &Object, node: &Node) -> Option<Self> {
        let mut way = Vec::new();
        find(root, &mut way, &|known| std::ptr::eq(known, node)).then_some(Self(way))
    }

    /// The way to `object`, when it is `root` or a part of it and not a copy.
    pub fn of_object(root: &Object, object: &Object) -> Option<Self> {
        if std::ptr::eq(root, object) {
            return Some(Self::default());
        }
        let mut way = Vec::new();
        let is_wanted = |known: &Node| {
            known
                .as_object()
                .is_some_and(|known| std::ptr::eq(known, object))
        };
        find(root, &mut way, &is_wanted).then_some(Self(way))
    }

    /// The object at its end.
    pub fn object_in<'a>(&self, root: &'a Object) -> Option<&'a Object> {
        self.0.iter().try_fold(root, |object, segment| {
            let node = object.get(&segment.name)?;
            node.items().get(segment.index.unwrap_or(0))?.as_object()
        })
    }

    /// The object at its end, to change.
    pub fn object_in_mut<'a>(&self, root: &'a mut Object) -> Option<&'a mut Object> {
        let mut object = root;
        for segment in &self.0 {
            let node = object.get_mut(&segment.name)?;
            object = match (node, segment.index) {
                (Node::Array(items), Some(index)) => items.get_mut(index)?.as_object_mut()?,
                (node, None) => node.as_object_mut()?,
                (_, Some(_)) => return None,
            };
        }
        Some(object)
    }

    /// The way to what holds the element, and the last step to it.
    pub fn split_last(mut self) -> Option<(Self, Segment)> {
        let last = self.0.pop()?;
        Some((self, last))
    }

    /// The type at its end, for a resource of the type `root_type`.
    pub fn type_in(&self, root: &Object, root_type: TypeId, shapes: &Shapes) -> Option<TypeId> {
        let (mut object, mut type_id) = (root, root_type);
        for segment in &self.0 {
            let found = shapes.find(type_id, &segment.name)?;
            let node = object.get(&segment.name)?;
            object = node.items().get(segment.index.unwrap_or(0))?.as_object()?;
            type_id = found.value_type;
            if shapes.kind(type_id) == Some(TypeKind::Resource) {
                type_id = shapes.type_id(object.get_str("resourceType")?)?;
            }
        }
        Some(type_id)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Segment { name, index }) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            f.write_str(name)?;
            if let Some(index) = index {
                write!(f, "[{index}]")?;
            }
        }
        Ok(())
    }
}

fn find(object: &Object, way: &mut Vec<Segment>, is_wanted: &dyn Fn(&Node) -> bool) -> bool {
    for (name, node) in object.iter() {
        let is_array = matches!(node, Node::Array(_));
        for (index, item) in node.items().iter().enumerate() {
            way.push(Segment {
                name: name.into(),
                index: is_array.then_some(index),
            });
            let is_in = |inner: &Object, way: &mut _| find(inner, way, is_wanted);
            if is_wanted(item) || item.as_object().is_some_and(|inner| is_in(inner, way)) {
                return true;
            }
            way.pop();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::Location;
    use crate::fhirpath::fixture::{object, shapes};

    #[test]
    fn an_element_is_found_by_identity_and_not_by_value() {
        let patient =
            object(r#"{"resourceType":"Patient","name":[{"given":["A"]},{"given":["A","A"]}]}"#);
        let second = patient.items("name")[1].get("given").unwrap().items();
        let location = Location::of_node(&patient, &second[1]).unwrap();
        assert_eq!(location.to_string(), "name[1].given[1]");
        assert_eq!(Location::of_node(&patient, &second[1].clone()), None);
        let (parent, last) = location.split_last().unwrap();
        assert_eq!(last.name, "given");
        let name = patient.items("name")[1].as_object().unwrap();
        assert_eq!(Location::of_object(&patient, name), Some(parent));
        assert_eq!(
            Location::of_object(&patient, &patient),
            Some(Location::default())
        );
    }

    #[test]
    fn the_type_of_a_place_is_known_across_nested_resources() {
        let shapes = shapes();
        let bundle = object(
            r#"{"resourceType":"Bundle","entry":[{"resource":
            {"resourceType":"Patient","name":[{"family":"A"}]}}]}"#,
        );
        let name = bundle.items("entry")[0]
            .get("resource")
            .unwrap()
            .get("name")
            .unwrap();
        let location = Location::of_node(&bundle, &name.items()[0]).unwrap();
        let type_id = location.type_in(&bundle, shapes.type_id("Bundle").unwrap(), &shapes);
        assert_eq!(shapes.name(type_id.unwrap()), "HumanName");
    }
}
