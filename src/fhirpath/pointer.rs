//! The type of resource that a reference points to, as far as the reference itself tells.
//!
//! `where(resolve() is Patient)` is decided by this where nothing can be looked up.

use crate::fhir::resource::{Node, Object};

/// The type of a reference's target: by its text, else by `Reference.type`, and for a contained
/// resource by what `root` contains.
pub(crate) fn target_type<'a>(
    text: Option<&'a str>,
    stated: Option<&'a str>,
    root: &'a Object,
) -> Option<&'a str> {
    if let Some(fragment) = text.and_then(|text| text.strip_prefix('#')) {
        return contained_type(root, fragment);
    }
    text.and_then(type_in_text).or(stated)
}

fn contained_type<'a>(root: &'a Object, id: &str) -> Option<&'a str> {
    let mut contained = root.items("contained").iter().filter_map(Node::as_object);
    contained
        .find(|resource| resource.get_str("id") == Some(id))?
        .get_str("resourceType")
}

/// The type in `Patient/1`, `https://x/fhir/Patient/1/_history/2` or `Patient?identifier=1`.
fn type_in_text(text: &str) -> Option<&str> {
    if let Some((name, _)) = text.split_once('?') {
        return name.rsplit('/').next();
    }
    let mut parts = text.rsplit('/');
    parts.next()?;
    let mut name = parts.next()?;
    if name == "_history" {
        parts.next()?;
        name = parts.next()?;
    }
    name.starts_with(|c: char| c.is_ascii_uppercase())
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::target_type;
    use crate::fhirpath::fixture::object;

    #[test]
    fn the_text_tells_before_the_stated_type() {
        let root = object(
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o"}]}"#,
        );
        let told = |text, stated| target_type(text, stated, &root);
        for text in [
            "Patient/1",
            "https://x/fhir/Patient/1",
            "https://x/fhir/Patient/1/_history/2",
            "Patient?identifier=x|y",
        ] {
            assert_eq!(told(Some(text), Some("Group")), Some("Patient"), "{text}");
        }
        assert_eq!(told(Some("urn:uuid:1"), Some("Group")), Some("Group"));
        assert_eq!(told(None, Some("Group")), Some("Group"));
        assert_eq!(told(Some("#o"), None), Some("Organization"));
        assert_eq!(told(Some("#p"), Some("Group")), None);
        assert_eq!(told(Some("nothing"), None), None);
    }
}
