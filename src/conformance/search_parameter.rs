//! Search parameters as they apply to one resource type, with their expressions compiled for it.
//!
//! The table has a line per parameter, below it its components, then a line per resource type.
//! Spec: <https://hl7.org/fhir/R4/searchparameter.html>.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::conformance::registry::RegistryError;
use crate::conformance::table::{Line, Table, items};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::program::Program;

/// A search parameter of one resource type.
#[derive(Debug, Clone)]
pub struct SearchParameter {
    /// What the keys of its values begin with: a number of its own for every resource type.
    pub number: u16,
    /// Its name in searches: `birthdate`.
    pub code: CompactString,
    /// Its canonical URL.
    pub url: CompactString,
    /// How its values are compared.
    pub kind: ParameterKind,
    /// What it finds in a resource; none for those that are computed, such as `_text`.
    pub expression: Option<Program>,
    /// What a reference may point to; empty means any type.
    pub targets: Vec<ResourceType>,
    /// The parts of a composite.
    pub components: Vec<Component>,
    /// The prefixes that its definition lists: `ge`, `ap`.
    pub comparators: Vec<CompactString>,
    /// The modifiers that its definition lists; R4 lists none, and leaves them to the kind.
    pub modifiers: Vec<CompactString>,
    /// Whether several values parted by commas are allowed.
    pub is_multiple_or: bool,
    /// Whether it may be repeated.
    pub is_multiple_and: bool,
    /// Whether every resource is indexed by it: not yet, for a while after it came at run time.
    pub is_complete: bool,
}

/// A part of a composite search parameter.
#[derive(Debug, Clone)]
pub struct Component {
    /// The code of the parameter that the part is like.
    pub code: CompactString,
    /// The canonical URL of that parameter.
    pub definition: CompactString,
    /// How its values are compared.
    pub kind: ParameterKind,
    /// What it finds, starting at the elements that the composite's own expression finds.
    pub expression: Program,
}

/// How the values of a parameter are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// Numbers, with the precision that their digits imply.
    Number,
    /// Dates, as the intervals that they stand for.
    Date,
    /// Text, by its beginning.
    String,
    /// Codes with their systems.
    Token,
    /// References to resources.
    Reference,
    /// Values that belong together.
    Composite,
    /// Numbers with units.
    Quantity,
    /// URIs, whole.
    Uri,
    /// What no other kind covers.
    Special,
}

impl ParameterKind {
    /// The kind by its name in `SearchParameter.type`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "number" => Self::Number,
            "date" => Self::Date,
            "string" => Self::String,
            "token" => Self::Token,
            "reference" => Self::Reference,
            "composite" => Self::Composite,
            "quantity" => Self::Quantity,
            "uri" => Self::Uri,
            "special" => Self::Special,
            _ => return None,
        })
    }

    /// Its name in `SearchParameter.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }
}

/// The search parameters of all resource types: by the number of the type, then sorted by code.
pub(super) type Parameters = Vec<Vec<SearchParameter>>;

/// Reads `r4-search-parameters.tsv`.
pub(super) fn read(table: Table, shapes: &Shapes) -> Result<Parameters, RegistryError> {
    let mut reader = Reader {
        shapes,
        kinds: kinds(table)?,
        current: None,
        parameters: ResourceType::all().map(|_| Vec::new()).collect(),
    };
    for line in table.lines() {
        match line.depth {
            0 => reader.read_parameter(line)?,
            1 => reader.read_application(line)?,
            _ => reader.read_component(line)?,
        }
    }
    for list in &mut reader.parameters {
        list.sort_unstable_by(|one, other| one.code.cmp(&other.code));
    }
    Ok(reader.parameters)
}

type Kinds = HashMap<&'static str, (&'static str, ParameterKind), foldhash::fast::RandomState>;

/// Code and kind of every parameter by URL, for components, which may stand above what they name.
fn kinds(table: Table) -> Result<Kinds, RegistryError> {
    let mut kinds = Kinds::default();
    for line in table.lines().filter(|line| line.depth == 0) {
        let [url, code, kind] = line.columns();
        let kind = ParameterKind::from_name(kind)
            .ok_or_else(|| line.error("a kind of parameter that does not exist"))?;
        kinds.insert(url, (code, kind));
    }
    Ok(kinds)
}

struct Reader<'a> {
    shapes: &'a Shapes,
    kinds: Kinds,
    current: Option<Current>,
    parameters: Parameters,
}

/// The parameter whose lines are being read.
struct Current {
    /// All but what differs by resource type.
    parameter: SearchParameter,
    components: Vec<(&'static str, Line)>,
}

impl Reader<'_> {
    fn read_parameter(&mut self, line: Line) -> Result<(), RegistryError> {
        let [url, _, _, targets, comparators, modifiers, refused] = line.columns();
        let (code, kind) = self.known(line, url)?;
        let targets = match targets {
            "*" => Vec::new(),
            listed => items(listed)
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map_err(|_unknown| line.error("a target that is not a resource type"))?,
        };
        self.current = Some(Current {
            parameter: SearchParameter {
                number: 0,
                code: code.into(),
                url: url.into(),
                kind,
                expression: None,
                targets,
                components: Vec::new(),
                comparators: items(comparators).map(Into::into).collect(),
                modifiers: items(modifiers).map(Into::into).collect(),
                is_multiple_or: items(refused).all(|what| what != "or"),
                is_multiple_and: items(refused).all(|what| what != "and"),
                is_complete: true,
            },
            components: Vec::new(),
        });
        Ok(())
    }

    fn read_component(&mut self, line: Line) -> Result<(), RegistryError> {
        let [definition] = line.columns();
        let current = self.current.as_mut();
        let current = current.ok_or_else(|| line.error("a component before any parameter"))?;
        current.components.push((definition, line));
        Ok(())
    }

    fn read_application(&mut self, line: Line) -> Result<(), RegistryError> {
        let [name, number, expression] = line.columns();
        let resource_type: ResourceType = name
            .parse()
            .map_err(|_unknown| line.error("a resource type that does not exist"))?;
        let root = self.shapes.resource(resource_type);
        let root = root.ok_or_else(|| line.error("a resource type without a shape"))?;
        let current = self.current.as_ref();
        let current = current.ok_or_else(|| line.error("a type before any parameter"))?;
        let mut parameter = current.parameter.clone();
        parameter.number = number
            .parse()
            .map_err(|_not_a_number| line.error("a parameter without a number"))?;
        if !expression.is_empty() {
            let program = Program::compile(expression, root, self.shapes)
                .map_err(|error| line.error(&error.to_string()))?;
            let contexts = program.value_types();
            for (definition, line) in &current.components {
                let component = self.component(*line, definition, &contexts, root)?;
                parameter.components.push(component);
            }
            parameter.expression = Some(program);
        }
        let list = self
            .parameters
            .get_mut(usize::from(resource_type.number()))
            .ok_or_else(|| line.error("a resource type without a place"))?;
        list.push(parameter);
        Ok(())
    }

    fn component(
        &self,
        line: Line,
        definition: &'static str,
        contexts: &[TypeId],
        root: TypeId,
    ) -> Result<Component, RegistryError> {
        let (code, kind) = self.known(line, definition)?;
        let [_, expression] = line.columns();
        Ok(Component {
            code: code.into(),
            definition: definition.into(),
            kind,
            expression: Program::compile_relative(expression, contexts, root, self.shapes)
                .map_err(|error| line.error(&error.to_string()))?,
        })
    }

    fn known(&self, line: Line, url: &str) -> Result<(&'static str, ParameterKind), RegistryError> {
        let known = self.kinds.get(url).copied();
        known.ok_or_else(|| line.error("a parameter that is not in the table"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ParameterKind;
    use crate::conformance::registry::Registry;
    use crate::fhir::json::{Limits, parse};
    use crate::fhir::resource::{Node, Object};
    use crate::fhir::resource_type::ResourceType;
    use crate::fhirpath::program::Value;

    fn resource_type(name: &str) -> ResourceType {
        name.parse().unwrap()
    }

    #[test]
    fn every_parameter_has_a_number_of_its_own_for_each_type() {
        let registry = Registry::load().unwrap();
        let mut numbers = HashSet::new();
        let mut urls = HashSet::new();
        for resource_type in ResourceType::all() {
            for parameter in registry.search_parameters(resource_type) {
                assert!(parameter.number > 0);
                assert!(numbers.insert(parameter.number), "{}", parameter.number);
                urls.insert(parameter.url.clone());
                let found = registry.search_parameter(resource_type, &parameter.code);
                assert_eq!(found.unwrap().number, parameter.number);
            }
        }
        assert_eq!(numbers.len(), 3154);
        // The 1,375 of the specification's bundle, and `_filter`.
        assert_eq!(urls.len(), 1376);
    }

    #[test]
    fn numbers_that_stored_keys_begin_with_stay_as_they_are() {
        let registry = Registry::load().unwrap();
        let number = |name, code| {
            let found = registry.search_parameter(resource_type(name), code);
            found.map(|parameter| parameter.number)
        };
        assert_eq!(number("Account", "_content"), Some(1));
        assert_eq!(number("Condition", "onset-info"), Some(641));
        assert_eq!(
            number("Observation", "combo-code-value-quantity"),
            Some(2073)
        );
        assert_eq!(number("VisionPrescription", "status"), Some(3154));
    }

    #[test]
    fn parameters_of_all_resources_apply_to_each_type() {
        let registry = Registry::load().unwrap();
        let all = [
            "_id",
            "_lastUpdated",
            "_tag",
            "_profile",
            "_security",
            "_source",
        ];
        for resource_type in ResourceType::all() {
            for code in all {
                let found = registry.search_parameter(resource_type, code).unwrap();
                assert!(found.expression.is_some(), "{code}");
            }
        }
        let patient = resource_type("Patient");
        assert!(
            registry
                .search_parameter(patient, "_text")
                .unwrap()
                .expression
                .is_none()
        );
        assert!(
            registry
                .search_parameter(resource_type("Bundle"), "_text")
                .is_none()
        );
        assert!(registry.search_parameter(patient, "code").is_none());
    }

    #[test]
    fn what_a_definition_says_is_kept() {
        let registry = Registry::load().unwrap();
        let of = |name, code| {
            registry
                .search_parameter(resource_type(name), code)
                .unwrap()
        };
        let subject = of("Observation", "subject");
        assert_eq!(subject.kind, ParameterKind::Reference);
        let targets: Vec<_> = subject.targets.iter().map(|target| target.name()).collect();
        assert_eq!(targets, ["Group", "Device", "Patient", "Location"]);
        assert!(of("Observation", "focus").targets.is_empty());
        let date = of("Observation", "date");
        assert_eq!(date.kind, ParameterKind::Date);
        assert_eq!(date.comparators.len(), 9);
        assert!(date.is_multiple_or && date.is_multiple_and);
        assert_eq!(of("Location", "near").kind, ParameterKind::Special);
        assert_eq!(
            of("Patient", "gender").url,
            "http://hl7.org/fhir/SearchParameter/individual-gender"
        );
    }

    #[test]
    fn the_codes_that_a_parameter_is_bound_to_are_known() {
        let registry = Registry::load().unwrap();
        let sets = |name, code| -> Vec<String> {
            let found = registry.search_parameter(resource_type(name), code);
            let program = found.unwrap().expression.as_ref().unwrap();
            let sets = program.code_sets(registry.shapes());
            let sets = sets.iter().map(|&set| registry.shapes().code_set(set));
            sets.map(|set| set.unwrap().value_set.to_string()).collect()
        };
        let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
        assert_eq!(sets("Patient", "gender"), [gender]);
        let status = "http://hl7.org/fhir/ValueSet/observation-status";
        assert_eq!(sets("Observation", "status"), [status]);
        let email = "http://hl7.org/fhir/ValueSet/contact-point-system";
        assert!(!sets("Patient", "email").contains(&email.to_owned()));
        assert!(sets("Observation", "code").is_empty());
    }

    #[test]
    fn a_composite_finds_its_parts_side_by_side() {
        let registry = Registry::load().unwrap();
        let name = resource_type("Observation");
        let composite = registry
            .search_parameter(name, "combo-code-value-quantity")
            .unwrap();
        let parts = composite.components.iter();
        let parts: Vec<_> = parts.map(|part| (part.code.as_str(), part.kind)).collect();
        let expected = [
            ("combo-code", ParameterKind::Token),
            ("combo-value-quantity", ParameterKind::Quantity),
        ];
        assert_eq!(parts, expected);
        let resource = object(
            br#"{"resourceType":"Observation","code":{"text":"whole"},"component":[
                {"code":{"text":"part"},"valueQuantity":{"value":1}},
                {"code":{"text":"other"},"valueString":"none"}]}"#,
        );
        let shapes = registry.shapes();
        let mut found = Vec::new();
        composite
            .expression
            .as_ref()
            .unwrap()
            .contexts(&resource, shapes, &mut |context| {
                let mut counts = composite.components.iter().map(|part| {
                    let mut count = 0;
                    let mut each = |_value: Value<'_>| count += 1;
                    part.expression
                        .run_relative(context, &resource, shapes, &mut each);
                    count
                });
                found.push((counts.next(), counts.next()));
            });
        let expected = [(Some(1), Some(0)), (Some(1), Some(1)), (Some(1), Some(0))];
        assert_eq!(found, expected);
    }

    fn object(json: &[u8]) -> Object {
        match parse(json, Limits { depth_max: 8 }).unwrap() {
            Node::Object(object) => object,
            other => panic!("{other:?}"),
        }
    }
}
