//! Modifiers: what stands behind the colon of a parameter's name.
//!
//! All of R4's are read; which of them are served is decided in [`crate::search::parse`].
//! Spec: <https://hl7.org/fhir/R4/search.html#modifiers>.

use crate::fhir::resource_type::ResourceType;

/// A modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modifier {
    /// `:missing`
    Missing,
    /// `:exact`
    Exact,
    /// `:contains`
    Contains,
    /// `:not`
    Not,
    /// `:text`
    Text,
    /// `:in`
    In,
    /// `:not-in`
    NotIn,
    /// `:above`
    Above,
    /// `:below`
    Below,
    /// `:of-type`
    OfType,
    /// `:identifier`
    Identifier,
    /// `:iterate`
    Iterate,
    /// `:Patient`
    Type(ResourceType),
}

impl Modifier {
    /// The modifier called `name`, without its colon.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "missing" => Self::Missing,
            "exact" => Self::Exact,
            "contains" => Self::Contains,
            "not" => Self::Not,
            "text" => Self::Text,
            "in" => Self::In,
            "not-in" => Self::NotIn,
            "above" => Self::Above,
            "below" => Self::Below,
            "of-type" => Self::OfType,
            "identifier" => Self::Identifier,
            "iterate" => Self::Iterate,
            other => Self::Type(other.parse().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Modifier;

    #[test]
    fn modifiers_are_words_or_types() {
        assert_eq!(Modifier::parse("not-in"), Some(Modifier::NotIn));
        let patient = "Patient".parse().unwrap();
        assert_eq!(Modifier::parse("Patient"), Some(Modifier::Type(patient)));
        assert_eq!(Modifier::parse("patient"), None);
        assert_eq!(Modifier::parse(""), None);
    }
}
