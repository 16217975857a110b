//! What is to be shown beside the matches: `_include` and `_revinclude`, read.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#include>.

use compact_str::CompactString;

use crate::conformance::registry::Registry;
use crate::conformance::search_parameter::ParameterKind;
use crate::fhir::resource_type::ResourceType;

/// One `_include` or `_revinclude`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// Whether it adds what refers to the matches, rather than what they refer to.
    pub is_reverse: bool,
    /// Whether it applies to included resources too.
    pub is_iterated: bool,
    /// The type that has the reference; `None` for any.
    pub source: Option<ResourceType>,
    /// The reference parameter; `None` for all of the type.
    pub code: Option<CompactString>,
    /// The only type of target that counts.
    pub target: Option<ResourceType>,
}

impl Include {
    /// Reads `*`, `Type:*`, `Type:parameter` or `Type:parameter:Target`; the error says what would
    /// be right. `is_iterated` is told by the modifier of the parameter.
    pub fn parse(
        text: &str,
        is_reverse: bool,
        is_iterated: bool,
        registry: &Registry,
    ) -> Result<Self, String> {
        let mut include = Self {
            is_reverse,
            is_iterated,
            source: None,
            code: None,
            target: None,
        };
        if text == "*" {
            return Ok(include);
        }
        let mut parts = text.split(':');
        let source = parts.next().unwrap_or_default();
        let source: ResourceType = source
            .parse()
            .map_err(|_unknown| "begins with a resource type, as in Observation:subject")?;
        include.source = Some(source);
        let code = parts.next().unwrap_or_default();
        if code != "*" {
            let parameter = registry.search_parameter(source, code);
            let parameter = parameter.filter(|one| one.kind == ParameterKind::Reference);
            let parameter = parameter.ok_or_else(|| {
                format!("names a reference parameter of {source} behind the colon, or *")
            })?;
            include.code = Some(parameter.code.clone());
        }
        if let Some(target) = parts.next().filter(|target| !target.is_empty()) {
            let target = target
                .parse()
                .map_err(|_unknown| "ends with a resource type, the only one that counts")?;
            include.target = Some(target);
        }
        match parts.next() {
            None => Ok(include),
            Some(_) => Err("has at most three parts, as in Observation:subject:Patient".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Include;
    use crate::conformance::registry::Registry;

    #[test]
    fn includes_name_reference_parameters() {
        let registry = Registry::load().unwrap();
        let parse = |text| Include::parse(text, false, false, &registry);
        let full = parse("Observation:subject:Patient").unwrap();
        assert_eq!(full.code.as_deref(), Some("subject"));
        assert_eq!(full.target, Some("Patient".parse().unwrap()));
        assert_eq!(parse("*").unwrap().source, None);
        assert_eq!(parse("Observation:*").unwrap().code, None);
        for wrong in [
            "",
            "Observation",
            "Observation:code",
            "Nothing:subject",
            "Observation:subject:Nobody",
            "Observation:subject:Patient:x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
