//! Contained resources: their ids, what their meta must not say, and that each is referred to.
//!
//! Spec: <https://hl7.org/fhir/R4/references.html#contained>, dom-2 to dom-5 of
//! <https://hl7.org/fhir/R4/domainresource.html>.

use std::collections::HashMap;

use crate::fhir::resource::{Node, Object};
use crate::validation::location::Location;
use crate::validation::structure::Validator;

/// From this many contained resources on, ids are looked up in a map instead of one by one.
const LINEAR_MAX: usize = 16;

/// The contained resources of the resource that is being checked, and which of them are used.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    contained: &'a [Node],
    /// The first place of each id; empty while the resources are few.
    by_id: HashMap<&'a str, usize, foldhash::fast::RandomState>,
    is_used: Vec<bool>,
    inside: Option<usize>,
}

impl<'a> Scope<'a> {
    /// The scope of a resource that is not contained itself.
    pub(super) fn of(resource: &'a Object) -> Self {
        let contained = resource.items("contained");
        let mut by_id = HashMap::default();
        if contained.len() > LINEAR_MAX {
            for (index, node) in contained.iter().enumerate() {
                if let Some(id) = id_of(node) {
                    by_id.entry(id).or_insert(index);
                }
            }
        }
        Self {
            contained,
            by_id,
            is_used: vec![false; contained.len()],
            inside: None,
        }
    }

    /// The contained resource with this id, which is referred to by it.
    pub(super) fn refer(&mut self, id: &str) -> Option<&'a Object> {
        let index = self.position(id)?;
        self.note(index);
        self.contained.get(index)?.as_object()
    }

    /// Notes that the contained resource being checked refers to its container; whether it does
    /// stand in one.
    pub(super) fn refer_to_container(&mut self) -> bool {
        if let Some(index) = self.inside {
            self.note(index);
        }
        self.inside.is_some()
    }

    /// Notes a `uri`, `url` or `canonical` that may refer to a contained resource.
    pub(super) fn note_uri(&mut self, uri: &str) {
        if self.contained.is_empty() {
            return;
        }
        match uri.strip_prefix('#') {
            Some("") => {
                self.refer_to_container();
            }
            Some(id) => {
                self.refer(id);
            }
            None => {}
        }
    }

    fn position(&self, id: &str) -> Option<usize> {
        if self.contained.len() > LINEAR_MAX {
            return self.by_id.get(id).copied();
        }
        self.contained
            .iter()
            .position(|node| id_of(node) == Some(id))
    }

    fn note(&mut self, index: usize) {
        if let Some(is_used) = self.is_used.get_mut(index) {
            *is_used = true;
        }
    }
}

impl<'a> Validator<'a> {
    /// Checks a resource that stands in `contained`.
    pub(super) fn contained_resource(&mut self, object: &'a Object, here: &Location<'_>) {
        if self.scope.inside.is_some() {
            let text =
                "A contained resource must not contain others (dom-2): put them side by side.";
            self.report.error("invariant", here, text.to_owned());
            return;
        }
        let Some(type_id) = self.resource_type(object, here) else {
            return;
        };
        self.check_contained_id(object, here);
        self.check_contained_meta(object, here);
        self.scope.inside = here.index();
        self.members(object, type_id, here);
        self.scope.inside = None;
    }

    /// Checks that every contained resource is referred to, or refers to its container.
    pub(super) fn check_contained_are_used(&mut self, at: &Location<'_>) {
        if self.scope.is_used.iter().all(|&is_used| is_used) {
            return;
        }
        for (index, node) in self.scope.contained.iter().enumerate() {
            let is_used = self.scope.is_used.get(index) == Some(&true);
            // Without an id of its own it is refused already.
            let has_own_id = id_of(node).and_then(|id| self.scope.position(id)) == Some(index);
            if !is_used && has_own_id {
                let text = "A contained resource must be referred to as #id from within its \
                    container, or refer to the container as # (dom-3).";
                let here = at.member("contained").item(index);
                self.report.error("invariant", &here, text.to_owned());
            }
        }
    }

    fn check_contained_id(&mut self, object: &Object, here: &Location<'_>) {
        let Some(id) = object.get("id") else {
            let text = "A contained resource must have an `id`.";
            self.report
                .error("required", &here.member("id"), text.to_owned());
            return;
        };
        let first = id.as_str().and_then(|id| self.scope.position(id));
        if first.is_some() && first != here.index() {
            let text = "Two contained resources have the same `id`.";
            self.report
                .error("invariant", &here.member("id"), text.to_owned());
        }
    }

    fn check_contained_meta(&mut self, object: &Object, here: &Location<'_>) {
        let Some(Node::Object(meta)) = object.get("meta") else {
            return;
        };
        let here = here.member("meta");
        for (name, rule) in [
            ("versionId", "dom-4"),
            ("lastUpdated", "dom-4"),
            ("security", "dom-5"),
        ] {
            if meta.contains(name) {
                let text = format!("`{name}` must not stand in a contained resource ({rule}).");
                self.report.error("invariant", &here.member(name), text);
            }
        }
    }
}

fn id_of(contained: &Node) -> Option<&str> {
    contained.as_object()?.get_str("id")
}
