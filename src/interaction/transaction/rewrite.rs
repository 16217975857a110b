//! Links between the entries of a Bundle, rewritten to where the resources will be.
//!
//! Everywhere a link can stand: `Reference.reference`, elements of type uri, url and canonical, and
//! `href` and `src` in narratives. An identifier that looks like one is no link; nor is an oid or a
//! uuid, which could not hold what it becomes.
//! Spec: <https://hl7.org/fhir/R4/http.html#trules>.

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::{Shapes, TypeId, TypeKind};
use crate::interaction::transaction::link::View;

/// Rewrites every link that is a key of `links`.
pub(super) fn links(resource: &mut Resource, shapes: &Shapes, links: &View<'_>) {
    if !links.is_empty() {
        let rewriter = Rewriter { shapes, links };
        rewriter.resource(resource.object_mut());
    }
}

/// Rewrites every link in what a JSON Patch brings into a resource of this type.
pub(super) fn links_of_json_patch(
    operations: &mut Node,
    resource_type: ResourceType,
    shapes: &Shapes,
    links: &View<'_>,
) {
    let Some(root) = shapes.resource(resource_type).filter(|_| !links.is_empty()) else {
        return;
    };
    let rewriter = Rewriter { shapes, links };
    let Node::Array(operations) = operations else {
        return;
    };
    for operation in operations {
        let Node::Object(operation) = operation else {
            continue;
        };
        let path = operation.get_str("path").unwrap_or_default().to_owned();
        if let Some(value) = operation.get_mut("value") {
            rewriter.at_pointer(value, root, &path);
        }
    }
}

/// The conditional references (`Type?criteria`) of a resource; those that begin with this server's
/// base as well.
pub(in crate::interaction) fn conditional_references<'a>(
    resource: &'a Resource,
    base_url: &str,
) -> Vec<&'a str> {
    let mut found = Vec::new();
    let is_wanted = |text: &str| is_conditional(text, base_url);
    collect(resource.object(), &is_wanted, &mut found);
    found
}

/// The first reference to another entry that was not rewritten: there is no such entry. Documents
/// and other Bundles inside have entries of their own.
pub(super) fn unresolved(resource: &Resource) -> Option<&str> {
    if resource.resource_type().name() == "Bundle" {
        return None;
    }
    let mut found = Vec::new();
    let is_urn = |text: &str| text.starts_with("urn:uuid:") || text.starts_with("urn:oid:");
    collect(resource.object(), &is_urn, &mut found);
    found.first().copied()
}

/// The conditional references in what a JSON Patch brings in.
pub(super) fn conditional_references_of_json_patch<'a>(
    operations: &'a Node,
    base_url: &str,
) -> Vec<&'a str> {
    let mut found = Vec::new();
    let is_wanted = |text: &str| is_conditional(text, base_url);
    for operation in operations.items() {
        let is_reference = operation
            .get("path")
            .and_then(Node::as_str)
            .is_some_and(|path| path.ends_with("/reference"));
        match operation.get("value") {
            Some(Node::String(text)) if is_reference && is_wanted(text) => {
                found.push(text.as_str());
            }
            Some(value) => collect_items(value, &is_wanted, &mut found),
            None => {}
        }
    }
    found
}

fn collect<'a>(object: &'a Object, is_wanted: &impl Fn(&str) -> bool, found: &mut Vec<&'a str>) {
    for (name, value) in object.iter() {
        match value {
            Node::String(text) if name == "reference" && is_wanted(text) => found.push(text),
            _ => collect_items(value, is_wanted, found),
        }
    }
}

fn collect_items<'a>(value: &'a Node, is_wanted: &impl Fn(&str) -> bool, found: &mut Vec<&'a str>) {
    for item in value.items() {
        if let Node::Object(child) = item {
            collect(child, is_wanted, found);
        }
    }
}

fn is_conditional(text: &str, base_url: &str) -> bool {
    relative(text, base_url)
        .split_once('?')
        .is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic()))
}

/// A reference without this server's base in front.
pub(super) fn relative<'a>(text: &'a str, base_url: &str) -> &'a str {
    text.strip_prefix(base_url)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(text)
}

struct Rewriter<'a> {
    shapes: &'a Shapes,
    links: &'a View<'a>,
}

impl Rewriter<'_> {
    fn resource(&self, object: &mut Object) {
        let name = object.get_str("resourceType").unwrap_or_default();
        if let Some(type_id) = self.shapes.type_id(name) {
            self.object(object, type_id);
        }
    }

    fn object(&self, object: &mut Object, type_id: TypeId) {
        for (name, value) in object.iter_mut() {
            if let Some(found) = self.shapes.find(type_id, name) {
                self.value(value, found.value_type);
            } else if name.starts_with('_')
                && let Some(element) = self.shapes.type_id("Element")
            {
                self.value(value, element);
            }
        }
    }

    fn value(&self, value: &mut Node, type_id: TypeId) {
        match value {
            Node::Array(items) => {
                for item in items {
                    self.value(item, type_id);
                }
            }
            Node::String(text) => self.text(text, self.shapes.name(type_id)),
            Node::Object(object) => {
                if self.shapes.kind(type_id) == Some(TypeKind::Resource) {
                    self.resource(object);
                    return;
                }
                if self.shapes.name(type_id) == "Reference"
                    && let Some(Node::String(text)) = object.get_mut("reference")
                {
                    self.replace(text);
                }
                self.object(object, type_id);
            }
            Node::Null | Node::Bool(_) | Node::Number(_) => {}
        }
    }

    /// A value that a JSON Pointer puts into a resource.
    fn at_pointer(&self, value: &mut Node, root: TypeId, pointer: &str) {
        let mut type_id = root;
        for name in pointer.split('/').skip(1) {
            if name == "-" || name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            if self.shapes.name(type_id) == "Reference" && name == "reference" {
                if let Node::String(text) = value {
                    self.replace(text);
                }
                return;
            }
            let next = match self.shapes.find(type_id, name) {
                Some(found) => Some(found.value_type),
                None if name.starts_with('_') => self.shapes.type_id("Element"),
                None => None,
            };
            let Some(next) = next else {
                return;
            };
            type_id = next;
        }
        self.value(value, type_id);
    }

    fn text(&self, text: &mut CompactString, type_name: &str) {
        match type_name {
            "uri" | "url" | "canonical" => self.replace(text),
            "xhtml" => self.narrative(text),
            _ => {}
        }
    }

    fn replace(&self, text: &mut CompactString) {
        if let Some(link) = self.links.find(text) {
            *text = link.into();
        }
    }

    /// Rewrites `href="..."` and `src="..."`.
    fn narrative(&self, text: &mut CompactString) {
        if !text.contains("href") && !text.contains("src") {
            return;
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, quote, value, behind)) = next_link(rest) {
            out.push_str(before);
            out.push(quote);
            out.push_str(self.links.find(value).as_deref().unwrap_or(value));
            out.push(quote);
            rest = behind;
        }
        out.push_str(rest);
        *text = out.into();
    }
}

/// The next quoted value of `href` or `src`: what is before, its quote, the value, what is behind.
fn next_link(text: &str) -> Option<(&str, char, &str, &str)> {
    text.match_indices('=').find_map(|(at, _)| {
        let (name, behind) = text.split_at_checked(at)?;
        let name = name.trim_end();
        if !name.ends_with("href") && !name.ends_with("src") {
            return None;
        }
        let behind = behind.get(1..)?.trim_start();
        let quote = behind.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let from = behind.get(1..)?;
        let before = text.get(..text.len() - behind.len())?;
        let (value, behind) = from.split_once(quote)?;
        Some((before, quote, value, behind))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{
        conditional_references, conditional_references_of_json_patch, links, links_of_json_patch,
    };
    use crate::conformance::registry::Registry;
    use crate::fhir::json;
    use crate::fhir::resource::Resource;
    use crate::interaction::transaction::link::Links;

    fn known() -> Links {
        let known = HashMap::from([("urn:uuid:1".to_owned(), "Patient/a".to_owned())]);
        Links::new("http://own/fhir", known)
    }

    fn resource(text: &str) -> Resource {
        json::parse_resource(text.as_bytes(), json::Limits { depth_max: 64 }).unwrap()
    }

    fn rewritten(text: &str) -> String {
        let registry = Registry::load().unwrap();
        let known = known();
        let mut resource = resource(text);
        links(&mut resource, registry.shapes(), &known.seen_from(None));
        let mut out = Vec::new();
        json::write_object(&mut out, resource.object());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn links_are_rewritten_wherever_they_stand() {
        let out = rewritten(
            r#"{"resourceType":"Observation","text":{"status":"generated","div":"<div><a href=\"urn:uuid:1\">x</a><img src='urn:uuid:1'/></div>"},"contained":[{"resourceType":"Group","id":"g","member":[{"entity":{"reference":"urn:uuid:1"}}]}],"subject":{"reference":"urn:uuid:1"},"extension":[{"url":"http://x","valueUri":"urn:uuid:1"}],"_status":{"extension":[{"url":"http://x","valueReference":{"reference":"urn:uuid:1"}}]}}"#,
        );
        assert!(!out.contains("urn:uuid:1"), "{out}");
        assert_eq!(out.matches("Patient/a").count(), 6, "{out}");
    }

    #[test]
    fn links_behind_an_unquoted_attribute_are_rewritten() {
        let out = rewritten(
            r#"{"resourceType":"Basic","text":{"status":"generated","div":"<div>href= src=x href='open <img src = 'urn:uuid:1'/><a href=\"urn:uuid:1\">x</a></div>"}}"#,
        );
        assert_eq!(out.matches("Patient/a").count(), 1, "{out}");
        assert!(out.contains("<a href=\\\"Patient/a"), "{out}");
        let out = rewritten(
            r#"{"resourceType":"Basic","text":{"status":"generated","div":"<div>href=x src=y<img src = 'urn:uuid:1'/><a href=\"urn:uuid:1\">x</a></div>"}}"#,
        );
        assert_eq!(out.matches("Patient/a").count(), 2, "{out}");
    }

    #[test]
    fn a_json_patch_is_rewritten_by_the_types_of_its_paths() {
        let registry = Registry::load().unwrap();
        let known = known();
        let text = r#"[{"op":"add","path":"/subject","value":{"reference":"urn:uuid:1"}},
            {"op":"replace","path":"/performer/0/actor/reference","value":"urn:uuid:1"},
            {"op":"add","path":"/performer/-","value":{"reference":"urn:uuid:1"}},
            {"op":"add","path":"/instantiatesUri","value":"urn:uuid:1"},
            {"op":"add","path":"/_status","value":{"extension":[{"url":"http://x","valueUri":"urn:uuid:1"}]}},
            {"op":"add","path":"/note/0/text","value":"urn:uuid:1"},
            {"op":"add","path":"/identifier","value":[{"value":"urn:uuid:1"}]}]"#;
        let mut operations = json::parse(text.as_bytes(), json::Limits { depth_max: 64 }).unwrap();
        let resource_type = "Procedure".parse().unwrap();
        links_of_json_patch(
            &mut operations,
            resource_type,
            registry.shapes(),
            &known.seen_from(None),
        );
        let out = format!("{operations:?}");
        assert_eq!(out.matches("Patient/a").count(), 4, "{out}");
        assert_eq!(out.matches("urn:uuid:1").count(), 3, "{out}");
    }

    #[test]
    fn conditional_references_of_a_json_patch_are_found() {
        let text = r#"[{"op":"add","path":"/subject","value":{"reference":"Patient?identifier=1"}},
            {"op":"add","path":"/subject/reference","value":"Patient?identifier=2"},
            {"op":"add","path":"/status","value":"Patient?identifier=3"}]"#;
        let operations = json::parse(text.as_bytes(), json::Limits { depth_max: 64 }).unwrap();
        assert_eq!(
            conditional_references_of_json_patch(&operations, "http://own/fhir"),
            ["Patient?identifier=1", "Patient?identifier=2"]
        );
    }

    #[test]
    fn what_only_looks_like_a_link_stays() {
        let text = r#"{"resourceType":"Patient","identifier":[{"value":"urn:uuid:1"}]}"#;
        assert_eq!(rewritten(text), text);
    }

    #[test]
    fn conditional_references_are_found() {
        let encounter = resource(
            r#"{"resourceType":"Encounter","subject":{"reference":"Patient?identifier=x|1"},"participant":[{"individual":{"reference":"Practitioner/1"}}]}"#,
        );
        assert_eq!(
            conditional_references(&encounter, "http://own/fhir"),
            ["Patient?identifier=x|1"]
        );
    }
}
