//! Types whose resources lie below each other, as a ward lies in a clinic.
//!
//! The definitions mark them by a parameter on the part-of reference to the same type; no type is
//! named here. Spec: <https://hl7.org/fhir/R4/search.html#recursive>.

use compact_str::CompactString;

use crate::conformance::registry::Registry;
use crate::conformance::search_parameter::{ParameterKind, SearchParameter};
use crate::fhir::resource_type::ResourceType;

/// The codes that R4 gives to the parameter on what something is a part of.
const PART_OF: [&str; 2] = ["partof", "part-of"];

/// The parameter that leads from a resource of a type to the one of the type that it is part of.
pub fn parent_parameter(
    registry: &Registry,
    resource_type: ResourceType,
) -> Option<&SearchParameter> {
    let all = PART_OF.iter();
    let mut known = all.filter_map(|code| registry.search_parameter(resource_type, code));
    known.find(|one| {
        one.kind == ParameterKind::Reference
            && one.expression.is_some()
            && one.targets.contains(&resource_type)
    })
}

/// The types that a parameter may refer to and that have a hierarchy, with what leads upwards.
pub fn hierarchies(
    registry: &Registry,
    parameter: &SearchParameter,
) -> Vec<(ResourceType, CompactString)> {
    if parameter.kind != ParameterKind::Reference {
        return Vec::new();
    }
    let with_parent = |resource_type: ResourceType| {
        let parent = parent_parameter(registry, resource_type)?;
        Some((resource_type, parent.code.clone()))
    };
    if parameter.targets.is_empty() {
        return ResourceType::all().filter_map(with_parent).collect();
    }
    let targets = parameter.targets.iter().copied();
    targets.filter_map(with_parent).collect()
}

#[cfg(test)]
mod tests {
    use super::hierarchies;
    use crate::conformance::registry::Registry;

    #[test]
    fn hierarchies_come_from_the_definitions() {
        let registry = Registry::load().unwrap();
        let of = |resource_type: &str, code: &str| {
            let resource_type = resource_type.parse().unwrap();
            let parameter = registry.search_parameter(resource_type, code).unwrap();
            let known = hierarchies(&registry, parameter).into_iter();
            known
                .map(|(one, parent)| format!("{one}.{parent}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("Procedure", "location"), ["Location.partof"]);
        assert_eq!(of("Patient", "organization"), ["Organization.partof"]);
        assert_eq!(of("Observation", "encounter"), ["Encounter.part-of"]);
        assert!(of("Observation", "patient").is_empty());
        assert!(of("Observation", "code").is_empty());
        // It is part of other things, never of its like.
        assert!(!of("Observation", "part-of").contains(&"Observation.part-of".to_owned()));
    }
}
