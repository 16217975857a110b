//! Parts of resources: `_summary` and `_elements`.
//!
//! What is left out is announced by the tag SUBSETTED, so that nobody writes a part back as if it
//! were whole. Spec: <https://hl7.org/fhir/R4/search.html#summary>.

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Shapes, TypeId};

/// Which part of a resource is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subset {
    /// All of it (`_summary=false`).
    Whole,
    /// The elements that the definition marks as summary (`_summary=true`).
    Summary,
    /// The narrative, id, meta and mandatory elements (`_summary=text`).
    Text,
    /// Everything but the narrative (`_summary=data`).
    Data,
    /// How many matches there are and none of them (`_summary=count`).
    Count,
    /// These elements and the mandatory ones (`_elements`).
    Elements(Vec<CompactString>),
}

impl Subset {
    /// Whether resources are shown as they are.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole | Self::Count)
    }

    /// Reads the two parameters; `_elements` counts when both are there.
    pub fn from_parameters(
        summary: Option<&str>,
        elements: Option<&str>,
    ) -> Result<Self, &'static str> {
        if let Some(elements) = elements {
            let names: Vec<_> = elements
                .split(',')
                .map(str::trim)
                .map(element_name)
                .collect();
            if names.iter().any(CompactString::is_empty) {
                return Err("_elements must be a list of element names, as in _elements=name,id.");
            }
            return Ok(Self::Elements(names));
        }
        Ok(match summary {
            None | Some("false") => Self::Whole,
            Some("true") => Self::Summary,
            Some("text") => Self::Text,
            Some("data") => Self::Data,
            Some("count") => Self::Count,
            Some(_) => return Err("_summary must be true, text, data, count or false."),
        })
    }

    /// Cuts a resource down to this part; a Bundle keeps its frame, its entries are cut.
    pub fn apply(&self, resource: &mut Object, shapes: &Shapes) {
        if matches!(self, Self::Whole | Self::Count) {
            return;
        }
        if resource.get_str("resourceType") == Some("Bundle") {
            self.apply_to_entries(resource, shapes);
        } else {
            self.cut(resource, shapes);
        }
    }

    fn apply_to_entries(&self, bundle: &mut Object, shapes: &Shapes) {
        let Some(Node::Array(entries)) = bundle.get_mut("entry") else {
            return;
        };
        for entry in entries {
            let Some(entry) = entry.as_object_mut() else {
                continue;
            };
            let is_outcome = entry
                .get("search")
                .and_then(|search| search.get("mode"))
                .is_some_and(|mode| mode.as_str() == Some("outcome"));
            if let Some(Node::Object(resource)) = entry.get_mut("resource").filter(|_| !is_outcome)
            {
                self.apply(resource, shapes);
            }
        }
    }

    fn cut(&self, resource: &mut Object, shapes: &Shapes) {
        let name = resource.get_str("resourceType").unwrap_or_default();
        let Some(type_id) = shapes.type_id(name) else {
            return;
        };
        let mut kept = Object::new();
        for (name, value) in std::mem::take(resource) {
            if self.keeps(&name, type_id, shapes) {
                let mut value = value;
                if *self == Self::Summary {
                    cut_children(&mut value, type_id, &name, shapes);
                }
                kept.push(name, value);
            }
        }
        *resource = kept;
        mark_subsetted(resource);
    }

    fn keeps(&self, member: &str, type_id: TypeId, shapes: &Shapes) -> bool {
        let name = member.strip_prefix('_').unwrap_or(member);
        if matches!(name, "resourceType" | "id" | "meta") {
            return true;
        }
        let Some(found) = shapes.find(type_id, name) else {
            return false;
        };
        let is_mandatory = found.element.min > 0;
        match self {
            Self::Whole | Self::Count => true,
            Self::Summary => found.element.is_summary,
            Self::Text => name == "text" || is_mandatory,
            Self::Data => name != "text",
            Self::Elements(names) => is_mandatory || names.contains(&found.element.name),
        }
    }
}

/// `Patient.name`, `name` and `value[x]` all name an element of the resource.
fn element_name(text: &str) -> CompactString {
    let text = text.strip_suffix("[x]").unwrap_or(text);
    let name = match text.split_once('.') {
        Some((first, rest)) if first.starts_with(|c: char| c.is_ascii_uppercase()) => rest,
        Some((first, _)) => first,
        None => text,
    };
    name.split('.').next().unwrap_or_default().into()
}

/// Elements within elements are marked as well: those of backbone elements are cut likewise.
fn cut_children(value: &mut Node, parent: TypeId, member: &str, shapes: &Shapes) {
    use crate::fhir::shape::TypeKind;
    let Some(found) = shapes.find(parent, member) else {
        return;
    };
    if shapes.kind(found.value_type) != Some(TypeKind::Backbone) {
        return;
    }
    let items = match value {
        Node::Array(items) => items.as_mut_slice(),
        other => std::slice::from_mut(other),
    };
    for item in items {
        let Some(object) = item.as_object_mut() else {
            continue;
        };
        let mut kept = Object::new();
        for (name, mut child) in std::mem::take(object) {
            let bare = name.strip_prefix('_').unwrap_or(&name);
            let is_kept = bare == "id"
                || shapes
                    .find(found.value_type, bare)
                    .is_some_and(|f| f.element.is_summary);
            if is_kept {
                cut_children(&mut child, found.value_type, &name, shapes);
                kept.push(name, child);
            }
        }
        *object = kept;
    }
}

fn mark_subsetted(resource: &mut Object) {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    let mut tag = Object::new();
    tag.push("system".into(), Node::from(SYSTEM));
    tag.push("code".into(), Node::from("SUBSETTED"));
    if !resource.contains("meta") {
        let place =
            usize::from(resource.contains("resourceType")) + usize::from(resource.contains("id"));
        resource.insert(place, "meta", Node::Object(Object::new()));
    }
    let Some(meta) = resource.get_mut("meta").and_then(Node::as_object_mut) else {
        return;
    };
    match meta.get_mut("tag") {
        Some(Node::Array(tags)) => tags.push(Node::Object(tag)),
        _ => meta.set("tag", Node::Array(vec![Node::Object(tag)])),
    }
}

#[cfg(test)]
mod tests {
    use super::{Subset, element_name};

    #[test]
    fn the_parameters_are_read_strictly() {
        assert_eq!(
            Subset::from_parameters(Some("true"), None),
            Ok(Subset::Summary)
        );
        assert!(Subset::from_parameters(Some("yes"), None).is_err());
        assert!(Subset::from_parameters(None, Some("id,,name")).is_err());
    }

    #[test]
    fn element_names_may_carry_their_type() {
        assert_eq!(element_name("Patient.name"), "name");
        assert_eq!(element_name("value[x]"), "value");
        assert_eq!(element_name("name.family"), "name");
    }
}
