//! Elements of FHIR being put together: nothing empty ever gets into one.

use std::borrow::Cow;

use crate::fhir::resource::{Node, Object};

/// An element with members.
#[derive(Debug, Clone, Default)]
pub(super) struct Element(Object);

/// A string.
pub(super) fn text(value: impl AsRef<str>) -> Node {
    Node::from(value.as_ref())
}

impl Element {
    /// Without members.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Sets a member, when there is a value.
    pub(super) fn set(&mut self, name: &str, value: Option<Node>) {
        if let Some(value) = value {
            self.0.set(name, value);
        }
    }

    /// Sets a member to a text, when there is one.
    pub(super) fn set_text(&mut self, name: &str, value: Option<Cow<'_, str>>) {
        self.set(name, value.map(text));
    }

    /// Adds items to the array of a member.
    pub(super) fn add(&mut self, name: &str, items: impl IntoIterator<Item = Node>) {
        for item in items {
            if let Some(Node::Array(there)) = self.0.get_mut(name) {
                if !there.contains(&item) {
                    there.push(item);
                }
            } else {
                self.0.set(name, Node::Array(vec![item]));
            }
        }
    }

    /// With a member, when there is a value.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: Option<Node>) -> Self {
        self.set(name, value);
        self
    }

    /// With a text, when there is one.
    #[must_use]
    pub(super) fn with_text(mut self, name: &str, value: Option<Cow<'_, str>>) -> Self {
        self.set_text(name, value);
        self
    }

    /// With a member that is a text of ours.
    #[must_use]
    pub(super) fn with_code(mut self, name: &str, code: &str) -> Self {
        self.set(name, Some(text(code)));
        self
    }

    /// With items in the array of a member.
    #[must_use]
    pub(super) fn with_all(mut self, name: &str, items: impl IntoIterator<Item = Node>) -> Self {
        self.add(name, items);
        self
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The element, when it has members.
    pub(super) fn node(self) -> Option<Node> {
        (!self.0.is_empty()).then_some(Node::Object(self.0))
    }

    /// Its members.
    pub(super) fn into_object(self) -> Object {
        self.0
    }
}

/// `{ system, code, display }`.
pub(super) fn coding(system: &str, code: &str) -> Node {
    let coding = Element::new()
        .with_code("system", system)
        .with_code("code", code);
    Node::Object(coding.into_object())
}

/// A `CodeableConcept` of one coding.
pub(super) fn concept(system: &str, code: &str) -> Node {
    let concept = Element::new().with_all("coding", [coding(system, code)]);
    Node::Object(concept.into_object())
}

/// A reference.
pub(super) fn reference(to: &str) -> Node {
    Node::Object(Element::new().with_code("reference", to).into_object())
}
