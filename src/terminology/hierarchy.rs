//! The codes of a code system and how they lie below each other.
//!
//! Nested concepts, and the properties `parent` and `child` where concepts are a flat list.
//! Spec: <https://hl7.org/fhir/R4/codesystem.html#hierarchy>.

use std::collections::{BTreeSet, HashMap};

use crate::fhir::resource::{Node, Resource};

/// Levels of nested concepts that are looked at.
const DEPTH_MAX: usize = 64;

/// A code system, read.
#[derive(Debug, Default)]
pub struct Hierarchy<'a> {
    codes: BTreeSet<&'a str>,
    children: HashMap<&'a str, BTreeSet<&'a str>>,
    parents: HashMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Hierarchy<'a> {
    /// Reads a CodeSystem; `None` when it does not hold all of its codes.
    pub fn read(code_system: &'a Resource) -> Option<Self> {
        let object = code_system.object();
        if object.get_str("content") != Some("complete") {
            return None;
        }
        let mut hierarchy = Self::default();
        hierarchy.concepts(object.items("concept"), None, 0);
        Some(hierarchy)
    }

    fn concepts(&mut self, concepts: &'a [Node], parent: Option<&'a str>, depth: usize) {
        for concept in concepts {
            let Some(code) = concept.get("code").and_then(Node::as_str) else {
                continue;
            };
            self.codes.insert(code);
            if let Some(parent) = parent {
                self.relate(parent, code);
            }
            let properties = concept.get("property").map_or(&[][..], Node::items);
            for property in properties {
                let of = |name| property.get(name).and_then(Node::as_str);
                match (of("code"), of("valueCode")) {
                    (Some("parent"), Some(other)) => self.relate(other, code),
                    (Some("child"), Some(other)) => self.relate(code, other),
                    _ => {}
                }
            }
            if depth < DEPTH_MAX {
                let nested = concept.get("concept").map_or(&[][..], Node::items);
                self.concepts(nested, Some(code), depth + 1);
            }
        }
    }

    fn relate(&mut self, parent: &'a str, child: &'a str) {
        self.children.entry(parent).or_default().insert(child);
        self.parents.entry(child).or_default().insert(parent);
    }

    /// Every code.
    pub fn codes(&self) -> &BTreeSet<&'a str> {
        &self.codes
    }

    /// A code and all below it; nothing when the system does not have it.
    pub fn below(&self, code: &str) -> BTreeSet<String> {
        self.closure(code, &self.children)
    }

    /// A code and all above it; nothing when the system does not have it.
    pub fn above(&self, code: &str) -> BTreeSet<String> {
        self.closure(code, &self.parents)
    }

    fn closure(&self, code: &str, next: &HashMap<&str, BTreeSet<&str>>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = self.codes.get(code).copied().into_iter().collect();
        while let Some(one) = open.pop() {
            if found.insert(one.to_owned()) {
                open.extend(next.get(one).into_iter().flatten().copied());
            }
        }
        found
    }
}
