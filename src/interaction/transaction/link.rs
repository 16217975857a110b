//! What the links of a Bundle's entries mean: names given in it, and what they become.
//!
//! A relative reference means a resource below the root of its own entry's `fullUrl`; without such
//! a root it means this server's. So two entries from two servers never share a `Patient/1`.
//! Spec: <https://hl7.org/fhir/R4/bundle.html#references>.

use std::collections::HashMap;

use crate::fhir::resource_type::ResourceType;

/// The links of a Bundle.
#[derive(Debug, Clone, Default)]
pub(super) struct Links {
    base_url: String,
    /// `fullUrl`s, and where their resources will be.
    named: HashMap<String, String>,
    /// Conditional references as they stand, and what they have found.
    conditional: HashMap<String, String>,
}

/// The links of a Bundle as they are seen from one entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    links: &'a Links,
    root: &'a str,
}

impl Links {
    /// Links to named resources, on the server with this base.
    pub(super) fn new(base_url: &str, named: HashMap<String, String>) -> Self {
        Self {
            base_url: base_url.to_owned(),
            named,
            conditional: HashMap::new(),
        }
    }

    /// What a conditional reference has found.
    pub(super) fn resolve(&mut self, text: &str, target: String) {
        self.conditional.insert(text.to_owned(), target);
    }

    /// Whether nothing has to be rewritten.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.conditional.is_empty()
    }

    /// The links as they are seen from an entry with this `fullUrl`.
    pub(super) fn seen_from<'a>(&'a self, full_url: Option<&'a str>) -> View<'a> {
        View {
            links: self,
            root: full_url.and_then(root_of).unwrap_or(&self.base_url),
        }
    }
}

impl View<'_> {
    /// Whether nothing has to be rewritten.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// What a link becomes; `None` when it names no entry. A fragment, a version of a resource and
    /// a version of a canonical stay behind it.
    pub(super) fn find(&self, text: &str) -> Option<String> {
        if let Some(target) = self.exact(text) {
            return Some(target.to_owned());
        }
        let marks = ["#", "|", "/_history/"];
        let cut = marks.iter().filter_map(|mark| text.find(mark)).min()?;
        let (name, behind) = text.split_at_checked(cut)?;
        self.exact(name).map(|target| format!("{target}{behind}"))
    }

    fn exact(&self, text: &str) -> Option<&str> {
        let links = self.links;
        if let Some(target) = links
            .named
            .get(text)
            .or_else(|| links.conditional.get(text))
        {
            return Some(target);
        }
        let (name, _id) = text.split_once('/')?;
        name.parse::<ResourceType>().ok()?;
        let absolute = format!("{}/{text}", self.root);
        links.named.get(&absolute).map(String::as_str)
    }
}

/// The base in `http://a.org/fhir/Patient/1`.
fn root_of(full_url: &str) -> Option<&str> {
    let is_http = full_url.starts_with("http://") || full_url.starts_with("https://");
    let (front, _id) = full_url.rsplit_once('/').filter(|_| is_http)?;
    let (root, name) = front.rsplit_once('/')?;
    name.parse::<ResourceType>().ok().map(|_type| root)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Links, root_of};

    fn links() -> Links {
        let named = [
            ("http://a.org/fhir/Patient/7", "Patient/a"),
            ("http://b.org/fhir/Patient/7", "Patient/b"),
            ("http://own/fhir/Patient/7", "Patient/own"),
            ("urn:uuid:1", "Patient/u"),
        ];
        let named = named.map(|(name, target)| (name.to_owned(), target.to_owned()));
        Links::new("http://own/fhir", HashMap::from(named))
    }

    #[test]
    fn a_relative_reference_means_its_own_server() {
        let links = links();
        for (full_url, target) in [
            (Some("http://a.org/fhir/Observation/1"), "Patient/a"),
            (Some("http://b.org/fhir/Observation/1"), "Patient/b"),
            (Some("urn:uuid:2"), "Patient/own"),
            (None, "Patient/own"),
        ] {
            let found = links.seen_from(full_url).find("Patient/7");
            assert_eq!(found.as_deref(), Some(target), "{full_url:?}");
        }
        let elsewhere = links.seen_from(Some("http://c.org/fhir/Observation/1"));
        assert_eq!(elsewhere.find("Patient/7"), None);
    }

    #[test]
    fn what_stands_behind_a_link_stays() {
        let links = links();
        let view = links.seen_from(None);
        for (text, target) in [
            ("urn:uuid:1", "Patient/u"),
            ("urn:uuid:1#x", "Patient/u#x"),
            ("urn:uuid:1/_history/1", "Patient/u/_history/1"),
            ("urn:uuid:1|2", "Patient/u|2"),
            ("Patient/7/_history/2", "Patient/own/_history/2"),
        ] {
            assert_eq!(view.find(text).as_deref(), Some(target), "{text}");
        }
        assert_eq!(view.find("urn:uuid:12"), None);
    }

    #[test]
    fn only_a_restful_full_url_has_a_root() {
        assert_eq!(root_of("http://a/b/Patient/1"), Some("http://a/b"));
        assert_eq!(root_of("http://a/b/Thing/1"), None);
        assert_eq!(root_of("urn:uuid:Patient/1"), None);
    }
}
