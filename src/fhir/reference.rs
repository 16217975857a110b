//! References between resources: what their text can mean.
//!
//! Spec: <https://hl7.org/fhir/R4/references.html>. Whether a target exists is not known here.

use crate::fhir::id;
use crate::fhir::resource_type::ResourceType;

/// What the text of `Reference.reference` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `Patient/1`, with an optional `/_history/2`; also the absolute form of this server.
    Local {
        /// The type of the target.
        resource_type: ResourceType,
        /// The logical id of the target.
        id: &'a str,
        /// The version of the target, when the reference names one.
        version_id: Option<&'a str>,
    },
    /// `#id`: a resource contained in the one that refers to it.
    Contained(&'a str),
    /// `Patient?identifier=...`: to be resolved by a search, in transactions only.
    Conditional {
        /// The type to search.
        resource_type: ResourceType,
        /// The query behind the question mark.
        query: &'a str,
    },
    /// `urn:uuid:...` or `urn:oid:...`: another entry of the same bundle.
    Urn(&'a str),
    /// Any other absolute URL.
    Absolute(&'a str),
    /// None of these.
    Malformed,
}

impl<'a> Reference<'a> {
    /// Reads a reference; `base_url` is this server's FHIR base, whose absolute URLs are local.
    pub fn parse(text: &'a str, base_url: Option<&str>) -> Self {
        if let Some(fragment) = text.strip_prefix('#') {
            return Self::Contained(fragment);
        }
        if text.starts_with("urn:uuid:") || text.starts_with("urn:oid:") {
            return Self::Urn(text);
        }
        if let Some(relative) = base_url.and_then(|base| text.strip_prefix(base))
            && let Some(local) = Self::parse_local(relative.trim_start_matches('/'))
        {
            return local;
        }
        if has_scheme(text) {
            return Self::Absolute(text);
        }
        if let Some((name, query)) = text.split_once('?') {
            return match name.parse() {
                Ok(resource_type) => Self::Conditional {
                    resource_type,
                    query,
                },
                Err(_) => Self::Malformed,
            };
        }
        Self::parse_local(text).unwrap_or(Self::Malformed)
    }

    fn parse_local(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let resource_type = parts.next()?.parse().ok()?;
        let target = parts.next().filter(|part| id::is_valid(part))?;
        let version_id = match parts.next() {
            None => None,
            Some("_history") => Some(parts.next().filter(|part| id::is_valid(part))?),
            Some(_) => return None,
        };
        let complete = parts.next().is_none();
        complete.then_some(Self::Local {
            resource_type,
            id: target,
            version_id,
        })
    }
}

fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::Reference;

    fn local(text: &str) -> Option<(String, Option<String>)> {
        match Reference::parse(text, Some("http://x/fhir")) {
            Reference::Local {
                resource_type,
                id,
                version_id,
            } => Some((
                format!("{resource_type}/{id}"),
                version_id.map(str::to_owned),
            )),
            _ => None,
        }
    }

    #[test]
    fn local_references_are_relative_or_below_the_base() {
        assert_eq!(local("Patient/1"), Some(("Patient/1".into(), None)));
        assert_eq!(
            local("http://x/fhir/Patient/1"),
            Some(("Patient/1".into(), None))
        );
        assert_eq!(
            local("Patient/1/_history/2"),
            Some(("Patient/1".into(), Some("2".into())))
        );
        for other in [
            "http://y/fhir/Patient/1",
            "Nothing/1",
            "Patient/a_b",
            "Patient/1/2",
            "1",
        ] {
            assert_eq!(local(other), None, "{other}");
        }
    }

    #[test]
    fn the_other_forms_are_told_apart() {
        let parse = |text| Reference::parse(text, None);
        assert_eq!(parse("#p"), Reference::Contained("p"));
        assert_eq!(parse("urn:uuid:1"), Reference::Urn("urn:uuid:1"));
        assert_eq!(
            parse("https://y/Patient/1"),
            Reference::Absolute("https://y/Patient/1")
        );
        assert!(matches!(
            parse("Patient?identifier=a|b"),
            Reference::Conditional {
                query: "identifier=a|b",
                ..
            }
        ));
        assert_eq!(parse("Foo?x=1"), Reference::Malformed);
    }
}
