//! What a reference found in a resource leads to.
//!
//! Spec: <https://hl7.org/fhir/R4/references.html>.

use crate::fhir::reference::Reference;
use crate::fhir::resource_type::ResourceType;
use crate::search::param::{DataType, Found};

/// Something that a resource refers to and that may be stored here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A resource of this server.
    Local {
        /// Its type.
        resource_type: ResourceType,
        /// Its logical id.
        id: String,
        /// The version that the reference names.
        version_id: Option<i64>,
    },
    /// A canonical resource by its URL.
    Canonical {
        /// The URL.
        url: String,
        /// The business version behind the bar.
        version: Option<String>,
    },
}

impl Target {
    /// What a value leads to; nothing for contained resources and for those of other servers.
    pub fn of(value: &Found<'_>, base_url: &str) -> Option<Self> {
        match value.data_type {
            DataType::Reference => {
                let text = value.object()?.get_str("reference")?;
                Self::of_reference(text, base_url)
            }
            DataType::Canonical | DataType::Uri => {
                let text = value.text()?;
                let text = text.split_once('#').map_or(text, |(before, _)| before);
                if let Some(local) = Self::of_reference(text, base_url) {
                    return Some(local);
                }
                let (url, version) = match text.split_once('|') {
                    Some((url, version)) => (url, Some(version.to_owned())),
                    None => (text, None),
                };
                (!url.is_empty()).then(|| Self::Canonical {
                    url: url.to_owned(),
                    version,
                })
            }
            _ => None,
        }
    }

    fn of_reference(text: &str, base_url: &str) -> Option<Self> {
        match Reference::parse(text, Some(base_url)) {
            Reference::Local {
                resource_type,
                id,
                version_id,
            } => Some(Self::Local {
                resource_type,
                id: id.to_owned(),
                version_id: version_id.and_then(|text| text.parse().ok()),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;
    use crate::fhir::resource::{Node, Object};
    use crate::search::param::{DataType, Found};

    const BASE: &str = "http://x/fhir";

    fn of_reference(text: &str) -> Option<Target> {
        let mut object = Object::new();
        object.set("reference", Node::from(text));
        let node = Node::Object(object);
        Target::of(&Found::new(&node, DataType::Reference), BASE)
    }

    fn local(id: &str, version_id: Option<i64>) -> Target {
        Target::Local {
            resource_type: "Patient".parse().unwrap(),
            id: id.to_owned(),
            version_id,
        }
    }

    #[test]
    fn only_what_may_be_stored_here_is_a_target() {
        assert_eq!(of_reference("Patient/1"), Some(local("1", None)));
        let versioned = of_reference("http://x/fhir/Patient/1/_history/3");
        assert_eq!(versioned, Some(local("1", Some(3))));
        for other in ["#p", "http://y/Patient/1", "urn:uuid:1", "Patient?name=x"] {
            assert_eq!(of_reference(other), None, "{other}");
        }
    }

    #[test]
    fn canonicals_have_a_version_and_no_fragment() {
        let of = |text: &str| {
            let node = Node::from(text);
            Target::of(&Found::new(&node, DataType::Canonical), BASE)
        };
        let canonical = |version: Option<&str>| Target::Canonical {
            url: "http://q/1".to_owned(),
            version: version.map(str::to_owned),
        };
        assert_eq!(of("http://q/1|2.0#part"), Some(canonical(Some("2.0"))));
        assert_eq!(of("http://q/1"), Some(canonical(None)));
        assert_eq!(of("#inside"), None);
    }
}
