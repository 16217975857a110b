//! A resource that a message comes to, and how it finds its like in the store.

use crate::fhir::query;
use crate::fhir::resource::{Node, Object};
use crate::hl7v2::element::{Element, text};

/// What a resource is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) system: String,
    pub(super) value: String,
}

/// What is done with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// It updates what has one of these identities, or is created.
    Update(Vec<Identity>),
    /// It is created unless something has one of these identities.
    CreateUnless(Vec<Identity>),
    /// It is created.
    Create,
}

/// A resource being put together.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) resource_type: &'static str,
    pub(super) full_url: String,
    /// The segment that it comes from: `PID`, `OBX(2)`.
    pub(super) source: String,
    pub(super) how: How,
    pub(super) element: Element,
    /// Members that the message says are to be forgotten.
    pub(super) cleared: Vec<&'static str>,
}

impl Identity {
    /// What something without an identifier is known by: the same parts make the same identity.
    pub(super) fn made_of(kind: &str, parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part.as_bytes());
            hasher.update(b"\0");
        }
        let digest = hasher.finalize().to_hex();
        Self {
            system: format!("urn:vesta:hl7v2:{kind}"),
            value: digest.chars().take(32).collect(),
        }
    }

    /// As an `Identifier`.
    pub(super) fn identifier(&self) -> Node {
        let identifier = Element::new()
            .with_code("system", &self.system)
            .with_code("value", &self.value);
        Node::Object(identifier.into_object())
    }

    /// As the value of a search parameter.
    fn token(&self) -> String {
        let escaped = |text: &str| {
            let text = text.replace('\\', "\\\\").replace('|', "\\|");
            text.replace(',', "\\,").replace('$', "\\$")
        };
        format!("{}|{}", escaped(&self.system), escaped(&self.value))
    }
}

/// Search criteria for what has one of these identities.
fn criteria(identities: &[Identity]) -> String {
    let tokens: Vec<String> = identities.iter().map(Identity::token).collect();
    query::encode(&[("identifier".to_owned(), tokens.join(","))])
}

impl Draft {
    /// The entry of a transaction.
    pub(super) fn entry(self) -> Node {
        let mut request = Element::new();
        let name = self.resource_type;
        let (method, url) = match &self.how {
            How::Update(known) => ("PUT", format!("{name}?{}", criteria(known))),
            How::CreateUnless(_) | How::Create => ("POST", name.to_owned()),
        };
        request.set("method", Some(text(method)));
        request.set("url", Some(text(url)));
        if let How::CreateUnless(known) = &self.how {
            request.set("ifNoneExist", Some(text(criteria(known))));
        }
        let mut resource = Object::new();
        resource.set("resourceType", text(name));
        for (name, value) in self.element.into_object() {
            resource.push(name, value);
        }
        let entry = Element::new()
            .with_code("fullUrl", &self.full_url)
            .with("resource", Some(Node::Object(resource)))
            .with("request", request.node());
        Node::Object(entry.into_object())
    }
}
