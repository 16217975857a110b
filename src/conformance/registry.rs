//! All that R4 defines and the server knows, loaded once and shared from then on.
//!
//! Which facts there are is decided by the tables under `profiles/`, which are part of the program.

use std::sync::Arc;

use compact_str::CompactString;

use crate::conformance::compartment::{CompartmentKind, Compartments};
use crate::conformance::search_parameter::{Parameters, SearchParameter};
use crate::conformance::table::Table;
use crate::conformance::{code_set, compartment, custom, search_parameter, structure};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::Shapes;

const CODES: Table = Table {
    file: "profiles/r4-codes.tsv",
    text: include_str!("../../profiles/r4-codes.tsv"),
};
const STRUCTURES: Table = Table {
    file: "profiles/r4-structures.tsv",
    text: include_str!("../../profiles/r4-structures.tsv"),
};
const PARAMETERS: Table = Table {
    file: "profiles/r4-search-parameters.tsv",
    text: include_str!("../../profiles/r4-search-parameters.tsv"),
};
const COMPARTMENTS: Table = Table {
    file: "profiles/r4-compartments.tsv",
    text: include_str!("../../profiles/r4-compartments.tsv"),
};

/// The definitions of R4.
#[derive(Debug)]
pub struct Registry {
    shapes: Arc<Shapes>,
    parameters: Parameters,
    compartments: Arc<Compartments>,
}

/// A table under `profiles/` does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct RegistryError {
    /// The table.
    pub file: &'static str,
    /// The line in it, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Registry {
    /// Loads the tables that are part of the program.
    pub fn load() -> Result<Self, RegistryError> {
        let shapes = structure::read(STRUCTURES, code_set::read(CODES)?)?;
        Ok(Self {
            parameters: search_parameter::read(PARAMETERS, &shapes)?,
            compartments: Arc::new(compartment::read(COMPARTMENTS)?),
            shapes: Arc::new(shapes),
        })
    }

    /// The same definitions with more search parameters, numbered already.
    #[must_use]
    pub fn with_parameters(&self, more: Vec<(ResourceType, SearchParameter)>) -> Self {
        let mut parameters = self.parameters.clone();
        for (resource_type, parameter) in more {
            if let Some(list) = parameters.get_mut(usize::from(resource_type.number())) {
                let place = list.partition_point(|known| known.code < parameter.code);
                list.insert(place, parameter);
            }
        }
        Self {
            shapes: Arc::clone(&self.shapes),
            parameters,
            compartments: Arc::clone(&self.compartments),
        }
    }

    /// The parameter that R4 defines under a canonical URL, as it is for one of its types.
    pub fn defined_by_r4(&self, url: &str) -> Option<&SearchParameter> {
        let mut all = self.parameters.iter().flatten();
        all.find(|known| known.number < custom::FIRST_NUMBER && known.url == url)
    }

    /// Whether there are search parameters that came at run time.
    pub fn has_custom_parameters(&self) -> bool {
        let mut all = self.parameters.iter().flatten();
        all.any(|known| known.number >= custom::FIRST_NUMBER)
    }

    /// The shapes of all resources and data types.
    pub fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// The search parameters that apply to a resource type, those of all types among them, sorted
    /// by code.
    pub fn search_parameters(&self, resource_type: ResourceType) -> &[SearchParameter] {
        self.parameters
            .get(usize::from(resource_type.number()))
            .map_or(&[], Vec::as_slice)
    }

    /// The search parameter of a resource type that is called `code`.
    pub fn search_parameter(
        &self,
        resource_type: ResourceType,
        code: &str,
    ) -> Option<&SearchParameter> {
        let parameters = self.search_parameters(resource_type);
        let place = parameters
            .binary_search_by(|probe| probe.code.as_str().cmp(code))
            .ok()?;
        parameters.get(place)
    }

    /// The codes of the parameters by which resources of a type get into a compartment;
    /// [`compartment::ITSELF`] where a resource is in its own.
    pub fn compartment(
        &self,
        kind: CompartmentKind,
        resource_type: ResourceType,
    ) -> &[CompactString] {
        self.compartments.parameters(kind, resource_type)
    }
}

#[cfg(test)]
mod tests {
    use super::Registry;
    use crate::fhir::resource_type::ResourceType;
    use crate::fhir::shape::{ElementShape, Shapes, TypeKind, TypeShape};

    fn registry() -> Registry {
        let started = std::time::Instant::now();
        let registry = Registry::load().unwrap();
        eprintln!("loaded the registry in {:?}", started.elapsed());
        registry
    }

    fn shape<'a>(shapes: &'a Shapes, name: &str) -> &'a TypeShape {
        shapes.shape(shapes.type_id(name).unwrap()).unwrap()
    }

    fn element<'a>(shapes: &'a Shapes, of: &str, name: &str) -> &'a ElementShape {
        let elements = &shape(shapes, of).elements;
        elements
            .iter()
            .find(|element| element.name == name)
            .unwrap()
    }

    fn type_names<'a>(shapes: &'a Shapes, of: &str, name: &str) -> Vec<&'a str> {
        let types = &element(shapes, of, name).types;
        types.iter().map(|&id| shapes.name(id)).collect()
    }

    fn names(shape: &TypeShape) -> Vec<&str> {
        shape.elements.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn every_type_of_r4_is_there() {
        let registry = registry();
        let count = |kinds: &[TypeKind]| {
            let types = registry.shapes().types().iter();
            types.filter(|shape| kinds.contains(&shape.kind)).count()
        };
        assert_eq!(count(&[TypeKind::Resource]), 148);
        assert_eq!(count(&[TypeKind::Primitive, TypeKind::Complex]), 63);
        assert_eq!(count(&[TypeKind::Primitive]), 20);
        for resource_type in ResourceType::all() {
            let id = registry.shapes().resource(resource_type).unwrap();
            let shape = registry.shapes().shape(id).unwrap();
            assert!(!shape.is_abstract && shape.kind == TypeKind::Resource);
        }
        for shape in registry.shapes().types() {
            let is_primitive = shape.kind == TypeKind::Primitive;
            assert_eq!(shape.primitive.is_some(), is_primitive, "{}", shape.name);
            assert!(shape.elements.len() <= 128, "{}", shape.name);
        }
    }

    #[test]
    fn elements_stand_in_the_order_of_xml_with_the_inherited_ones_first() {
        let registry = registry();
        let patient = names(shape(registry.shapes(), "Patient"));
        let inherited = [
            "id",
            "meta",
            "implicitRules",
            "language",
            "text",
            "contained",
            "extension",
            "modifierExtension",
            "identifier",
            "active",
            "name",
        ];
        assert_eq!(patient[..11], inherited);
        assert_eq!(patient.last(), Some(&"link"));
        let contact = names(shape(registry.shapes(), "Patient.contact"));
        assert_eq!(
            contact[..4],
            ["id", "extension", "modifierExtension", "relationship"]
        );
        let repeat = names(shape(registry.shapes(), "Timing.repeat"));
        assert_eq!(repeat[..3], ["id", "extension", "bounds"]);
        assert_eq!(names(shape(registry.shapes(), "code")), ["id", "extension"]);
    }

    #[test]
    fn choices_know_their_types() {
        let registry = registry();
        let shapes = registry.shapes();
        let value = type_names(shapes, "Observation", "value");
        let expected = [
            "Quantity",
            "CodeableConcept",
            "string",
            "boolean",
            "integer",
            "Range",
            "Ratio",
            "SampledData",
            "time",
            "dateTime",
            "Period",
        ];
        assert_eq!(value, expected);
        let observation = shapes.type_id("Observation").unwrap();
        let found = shapes.find(observation, "valueDateTime").unwrap();
        assert_eq!(shapes.name(found.value_type), "dateTime");
        assert!(element(shapes, "Observation", "value").is_choice);
        assert_eq!(type_names(shapes, "Extension", "value").len(), 50);
    }

    #[test]
    fn content_references_name_the_type_that_they_share() {
        let registry = registry();
        let shapes = registry.shapes();
        assert_eq!(type_names(shapes, "Bundle.entry", "link"), ["Bundle.link"]);
        let range = type_names(shapes, "Observation.component", "referenceRange");
        assert_eq!(range, ["Observation.referenceRange"]);
        let item = type_names(shapes, "Questionnaire.item", "item");
        assert_eq!(item, ["Questionnaire.item"]);
    }

    #[test]
    fn system_types_come_out_as_fhir_types() {
        let registry = registry();
        let shapes = registry.shapes();
        assert_eq!(type_names(shapes, "Patient", "id"), ["id"]);
        assert_eq!(type_names(shapes, "Patient.contact", "id"), ["string"]);
        assert_eq!(type_names(shapes, "Extension", "url"), ["uri"]);
        assert_eq!(type_names(shapes, "Narrative", "div"), ["xhtml"]);
        assert_eq!(type_names(shapes, "Bundle.entry", "resource"), ["Resource"]);
        assert_eq!(
            type_names(shapes, "DomainResource", "contained"),
            ["Resource"]
        );
        assert!(element(shapes, "Extension", "url").is_xml_attribute);
        assert!(element(shapes, "Patient.contact", "id").is_xml_attribute);
        assert!(!element(shapes, "Patient", "id").is_xml_attribute);
    }

    #[test]
    fn required_bindings_have_their_codes() {
        let registry = registry();
        let shapes = registry.shapes();
        let codes = |of, name| {
            let place = element(shapes, of, name).required_codes.unwrap();
            shapes.code_set(place).unwrap()
        };
        let gender = codes("Patient", "gender");
        assert_eq!(
            gender.value_set,
            "http://hl7.org/fhir/ValueSet/administrative-gender"
        );
        assert_eq!(gender.systems.len(), 1);
        assert_eq!(
            gender.systems[0].codes,
            ["female", "male", "other", "unknown"]
        );
        let status = codes("Observation", "status");
        assert!(status.contains(None, "entered-in-error"));
        assert!(!status.contains(None, "active"));
        assert!(codes("Timing.repeat", "when").contains(None, "ACM"));
        assert!(codes("Timing.repeat", "when").contains(None, "MORN.early"));
        assert!(codes("Composition", "confidentiality").contains(None, "N"));
        assert!(codes("Money", "currency").contains(None, "EUR"));
        assert!(codes("Bundle.entry.request", "method").contains(None, "PATCH"));
        assert!(!codes("Attachment", "contentType").is_enumerable());
        assert!(
            element(shapes, "Patient", "maritalStatus")
                .required_codes
                .is_none()
        );
    }

    #[test]
    fn codes_are_sorted_so_that_they_are_found() {
        let registry = registry();
        let mut sets = 0_u16;
        while let Some(set) = registry.shapes().code_set(sets) {
            for system in &set.systems {
                assert!(system.codes.is_sorted(), "{}", set.value_set);
            }
            sets += 1;
        }
        assert_eq!(sets, 224);
    }

    #[test]
    fn flags_targets_and_invariants_are_kept() {
        let registry = registry();
        let shapes = registry.shapes();
        let keys = |places: &[u16]| -> Vec<String> {
            let found = places.iter().map(|&place| shapes.invariant(place).unwrap());
            found.map(|rule| rule.key.to_string()).collect()
        };
        let active = element(shapes, "Patient", "active");
        assert!(active.is_summary && active.is_modifier);
        let subject = element(shapes, "Observation", "subject");
        assert_eq!(subject.targets, ["Patient", "Group", "Device", "Location"]);
        assert!(element(shapes, "Observation", "focus").targets.is_empty());
        assert!(element(shapes, "Observation", "focus").is_array());
        assert_eq!(
            keys(&shape(shapes, "Patient.contact").invariants),
            ["ele-1", "pat-1"]
        );
        let observation = keys(&shape(shapes, "Observation").invariants);
        assert_eq!(observation[5..], ["obs-6", "obs-7"]);
        let low = element(shapes, "Observation.referenceRange", "low");
        assert_eq!(keys(&low.invariants), ["sqty-1"]);
        assert_eq!(
            type_names(shapes, "Observation.referenceRange", "low"),
            ["Quantity"]
        );
    }
}
