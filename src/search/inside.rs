//! Conditions on what a resource contains, as chains ask them.
//!
//! A reference `#id` leads to a resource inside of the same container; a contained resource sees
//! its siblings. The ids of contained resources are names within their container only.
//! Spec: <https://hl7.org/fhir/R4/references.html#contained>.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::search::index::Indexer;
use crate::search::param::DataType;
use crate::search::query::Criterion;

/// The member that holds contained resources.
const CONTAINED: &str = "contained";

/// A resource that is held against a query.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The resource.
    pub resource: &'a Resource,
    /// What contains it, when something does.
    pub container: Option<&'a Resource>,
    /// When it, or what contains it, was last updated, in ms since the epoch.
    pub last_updated_ms: i64,
}

/// A reference leads to a contained resource of a type that meets a criterion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// The reference parameter.
    pub code: CompactString,
    /// The type of the contained resource.
    pub target: ResourceType,
    /// What it has to meet.
    pub criterion: Box<Criterion>,
}

/// A contained resource is referred to by something in its container, or by the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// The type of what refers to it.
    pub source: ResourceType,
    /// The reference parameter by which it does.
    pub code: CompactString,
    /// What it has to meet.
    pub criterion: Box<Criterion>,
}

/// The resources that a container has in it.
pub fn contained(container: &Resource) -> impl Iterator<Item = Resource> {
    let all = container.object().items(CONTAINED).iter();
    all.filter_map(|node| Resource::from_object(node.as_object()?.clone()).ok())
}

impl Inside {
    /// Whether a resource refers to one in its container that meets the criterion.
    pub fn matches(&self, seen: &Seen<'_>, indexer: &Indexer) -> bool {
        let container = seen.container.unwrap_or(seen.resource);
        let ids = seen.fragments(&self.code, indexer);
        !ids.is_empty()
            && contained(container).any(|inner| {
                inner.resource_type() == self.target
                    && inner.id().is_some_and(|id| ids.iter().any(|one| one == id))
                    && self.criterion.matches(&seen.beside(&inner), indexer)
            })
    }
}

impl Referred {
    /// Whether something in the container, or itself, refers to a resource and meets the criterion.
    pub fn matches(&self, seen: &Seen<'_>, indexer: &Indexer) -> bool {
        let (Some(container), Some(id)) = (seen.container, seen.resource.id()) else {
            return false;
        };
        let refers = |source: &Seen<'_>| {
            source.resource.resource_type() == self.source
                && source
                    .fragments(&self.code, indexer)
                    .iter()
                    .any(|one| one == id)
                && self.criterion.matches(source, indexer)
        };
        let itself = Seen {
            resource: container,
            container: None,
            ..*seen
        };
        refers(&itself) || contained(container).any(|inner| refers(&seen.beside(&inner)))
    }
}

impl<'a> Seen<'a> {
    /// A resource that is contained beside this one, or in it.
    fn beside<'b>(&self, inner: &'b Resource) -> Seen<'b>
    where
        'a: 'b,
    {
        Seen {
            resource: inner,
            container: Some(self.container.unwrap_or(self.resource)),
            last_updated_ms: self.last_updated_ms,
        }
    }

    /// The ids of contained resources that it refers to by a parameter.
    fn fragments(&self, code: &str, indexer: &Indexer) -> Vec<String> {
        let registry = indexer.registry();
        let resource_type = self.resource.resource_type();
        let Some(parameter) = registry.search_parameter(resource_type, code) else {
            return Vec::new();
        };
        let mut ids = Vec::new();
        let whole = self.with_siblings();
        indexer.each_value(parameter, &whole, &mut |value| {
            let text = match value.data_type {
                DataType::Reference => value.object().and_then(|one| one.get_str("reference")),
                DataType::Canonical | DataType::Uri => value.text(),
                _ => None,
            };
            ids.extend(
                text.and_then(|text| text.strip_prefix('#'))
                    .map(str::to_owned),
            );
        });
        ids
    }

    /// As if it had in it what it can refer to: the types of targets are looked up there.
    fn with_siblings(&self) -> Cow<'a, Resource> {
        let Some(container) = self.container else {
            return Cow::Borrowed(self.resource);
        };
        let mut whole = self.resource.clone();
        let siblings: Vec<Node> = container.object().items(CONTAINED).to_vec();
        let object: &mut Object = whole.object_mut();
        object.set(CONTAINED, Node::Array(siblings));
        Cow::Owned(whole)
    }
}
