//! Entity tags of versions, as `If-Match` and `If-None-Match` list them.
//!
//! A version's tag is its number, weak: `W/"3"`. `"3"` and a bare `3`, which some clients send, are
//! read as well. Spec: <https://hl7.org/fhir/R4/http.html#concurrency>, RFC 9110 section 8.8.3.

/// What a reader has already (`If-None-Match`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Whatever there is (`*`).
    Any,
    /// These versions; tags that are none of ours match nothing.
    Versions(Vec<i64>),
}

impl Known {
    /// Reads a list of tags.
    pub fn read(list: &str) -> Self {
        if list.trim() == "*" {
            Self::Any
        } else {
            Self::Versions(list.split(',').filter_map(version).collect())
        }
    }

    /// Whether the reader has this version.
    pub fn has(&self, version_id: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version_id),
        }
    }
}

/// Reads a list of tags of which every one must be a version's.
pub fn versions(list: &str) -> Option<Vec<i64>> {
    list.split(',').map(version).collect()
}

fn version(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let number = match tag.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => tag,
    };
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Known, versions};

    #[test]
    fn entity_tags_are_versions() {
        assert_eq!(versions("W/\"3\""), Some(vec![3]));
        assert_eq!(versions("\"3\", W/\"4\", 5"), Some(vec![3, 4, 5]));
        for bad in ["W/\"x\"", "", "W/\"3", "3\"", "3,"] {
            assert_eq!(versions(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_reader_has_what_its_tags_say() {
        assert!(Known::read(" * ").has(7));
        let some = Known::read("\"abc\", \"x,2\", W/\"3\"");
        assert!(some.has(3));
        assert!(!some.has(2));
        assert_eq!(Known::read("\"abc\""), Known::Versions(Vec::new()));
    }
}
