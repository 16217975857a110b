//! Compartments: whose data a resource belongs to, by the parameters that say so.
//!
//! Spec: <https://hl7.org/fhir/R4/compartmentdefinition.html>.

use std::str::FromStr;

use compact_str::CompactString;

use crate::conformance::registry::RegistryError;
use crate::conformance::table::{Table, items};
use crate::fhir::resource_type::ResourceType;

/// Stands for a parameter where a resource is in the compartment that it is itself about.
pub const ITSELF: &str = "{def}";

/// What a compartment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompartmentKind {
    /// A patient.
    Patient,
    /// An encounter.
    Encounter,
    /// A person related to a patient.
    RelatedPerson,
    /// A practitioner.
    Practitioner,
    /// A device.
    Device,
}

/// The text is not the code of an R4 compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an R4 compartment")]
pub struct UnknownCompartment;

impl CompartmentKind {
    /// All compartments of R4.
    pub const ALL: [Self; 5] = [
        Self::Patient,
        Self::Encounter,
        Self::RelatedPerson,
        Self::Practitioner,
        Self::Device,
    ];

    /// Its code, which is also the type of the resource that it is about.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::Encounter => "Encounter",
            Self::RelatedPerson => "RelatedPerson",
            Self::Practitioner => "Practitioner",
            Self::Device => "Device",
        }
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|&kind| kind == self).unwrap_or(0)
    }
}

impl FromStr for CompartmentKind {
    type Err = UnknownCompartment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or(UnknownCompartment)
    }
}

/// The parameters that put resources into compartments.
#[derive(Debug)]
pub(super) struct Compartments(Vec<Vec<Vec<CompactString>>>);

impl Compartments {
    /// The parameters by which resources of a type get into a compartment.
    pub(super) fn parameters(
        &self,
        kind: CompartmentKind,
        resource_type: ResourceType,
    ) -> &[CompactString] {
        self.0
            .get(kind.place())
            .and_then(|types| types.get(usize::from(resource_type.number())))
            .map_or(&[], Vec::as_slice)
    }
}

/// Reads `r4-compartments.tsv`.
pub(super) fn read(table: Table) -> Result<Compartments, RegistryError> {
    let empty: Vec<_> = ResourceType::all().map(|_| Vec::new()).collect();
    let mut compartments = Compartments(vec![empty; CompartmentKind::ALL.len()]);
    let mut kind = None;
    for line in table.lines() {
        let [name, parameters] = line.columns();
        if line.depth == 0 {
            let named = name.parse::<CompartmentKind>();
            kind = Some(named.map_err(|error| line.error(&error.to_string()))?);
            continue;
        }
        let kind = kind.ok_or_else(|| line.error("a type before any compartment"))?;
        let resource_type: ResourceType = name
            .parse()
            .map_err(|_unknown| line.error("a resource type that does not exist"))?;
        let place = compartments
            .0
            .get_mut(kind.place())
            .and_then(|types| types.get_mut(usize::from(resource_type.number())))
            .ok_or_else(|| line.error("a resource type without a place"))?;
        place.extend(items(parameters).map(CompactString::from));
    }
    Ok(compartments)
}

#[cfg(test)]
mod tests {
    use super::{CompartmentKind, ITSELF};
    use crate::conformance::registry::Registry;
    use crate::conformance::search_parameter::ParameterKind;
    use crate::fhir::resource_type::ResourceType;

    #[test]
    fn parameters_put_resources_into_compartments() {
        let registry = Registry::load().unwrap();
        let of = |kind, name: &str| registry.compartment(kind, name.parse().unwrap());
        let patient = CompartmentKind::Patient;
        assert_eq!(of(patient, "Observation"), ["subject", "performer"]);
        assert_eq!(of(patient, "Patient"), [ITSELF, "link"]);
        assert_eq!(of(patient, "Group"), ["member"]);
        assert!(of(patient, "Practitioner").is_empty());
        assert!(of(patient, "Parameters").is_empty());
        let encounter = CompartmentKind::Encounter;
        assert_eq!(of(encounter, "Observation"), ["encounter"]);
        for kind in CompartmentKind::ALL {
            assert_eq!(of(kind, kind.name()).first().unwrap(), ITSELF);
            assert_eq!(kind.name().parse(), Ok(kind));
        }
    }

    #[test]
    fn every_parameter_of_a_compartment_is_a_reference_parameter() {
        let registry = Registry::load().unwrap();
        for kind in CompartmentKind::ALL {
            for resource_type in ResourceType::all() {
                let codes = registry.compartment(kind, resource_type).iter();
                for code in codes.filter(|code| code.as_str() != ITSELF) {
                    let found = registry.search_parameter(resource_type, code);
                    let found = found.map(|parameter| parameter.kind);
                    let expected = Some(ParameterKind::Reference);
                    assert_eq!(found, expected, "{kind:?} {resource_type} {code}");
                }
            }
        }
    }
}
