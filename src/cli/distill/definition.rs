//! The parts of FHIR's definitional resources that the tables are made of, read from the package.
//!
//! Everything else in them, all prose above all, is skipped while reading.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::DistillError;

/// The files that hold the definitions; the package has examples and profiles beside them.
const FILES: [&str; 8] = [
    "package/Bundle-types.json",
    "package/Bundle-resources.json",
    "package/Bundle-searchParams.json",
    "package/Bundle-valuesets.json",
    "package/Bundle-v2-valuesets.json",
    "package/Bundle-v3-valuesets.json",
    EXPANSIONS,
    // Of the parameters that R4 defines this one alone is missing in the bundle.
    "package/SearchParameter-filter.json",
];

/// Value sets as HL7 expanded them.
const EXPANSIONS: &str = "package/Bundle-valueset-expansions.json";

/// All definitions of a package that the tables are made of.
#[derive(Default)]
pub(super) struct Definitions {
    /// Types by name.
    pub(super) structures: BTreeMap<String, Structure>,
    /// Value sets by URL.
    pub(super) value_sets: BTreeMap<String, ValueSet>,
    /// Expanded value sets by URL.
    pub(super) expansions: BTreeMap<String, ValueSet>,
    /// Code systems by URL.
    pub(super) code_systems: BTreeMap<String, CodeSystem>,
    /// Search parameters by URL.
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// Compartments by the type that they are about.
    pub(super) compartments: BTreeMap<String, Compartment>,
}

#[derive(Deserialize)]
struct Entry {
    resource: Definition,
}

#[derive(Deserialize)]
#[serde(tag = "resourceType")]
enum Definition {
    #[serde(rename = "StructureDefinition")]
    Structure(Structure),
    ValueSet(ValueSet),
    CodeSystem(CodeSystem),
    #[serde(rename = "SearchParameter")]
    Parameter(Parameter),
    #[serde(rename = "CompartmentDefinition")]
    Compartment(Compartment),
    Bundle {
        entry: Vec<Entry>,
    },
    #[serde(other)]
    Other,
}

/// A StructureDefinition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Structure {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) kind: String,
    pub(super) r#abstract: bool,
    pub(super) base_definition: Option<String>,
    derivation: Option<String>,
    pub(super) snapshot: Snapshot,
}

/// All elements of a structure, inherited ones included.
#[derive(Deserialize)]
pub(super) struct Snapshot {
    pub(super) element: Vec<Element>,
}

/// An element's definition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Element {
    pub(super) path: String,
    pub(super) min: serde_json::Number,
    pub(super) max: String,
    #[serde(default)]
    pub(super) r#type: Vec<ElementType>,
    pub(super) content_reference: Option<String>,
    #[serde(default)]
    pub(super) constraint: Vec<Constraint>,
    pub(super) binding: Option<Binding>,
    #[serde(default)]
    pub(super) is_summary: bool,
    #[serde(default)]
    pub(super) is_modifier: bool,
    #[serde(default)]
    pub(super) representation: Vec<String>,
}

/// A type that an element may have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ElementType {
    pub(super) code: String,
    #[serde(default)]
    pub(super) profile: Vec<String>,
    #[serde(default)]
    pub(super) target_profile: Vec<String>,
    #[serde(default)]
    pub(super) extension: Vec<Extension>,
}

/// An extension whose value is a URL; others are of no interest here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extension {
    pub(super) url: String,
    pub(super) value_url: Option<String>,
}

/// An invariant.
#[derive(Deserialize, Clone, PartialEq, Eq)]
pub(super) struct Constraint {
    pub(super) key: String,
    pub(super) severity: String,
    pub(super) expression: Option<String>,
}

/// A binding to a value set.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Binding {
    pub(super) strength: String,
    pub(super) value_set: Option<String>,
}

/// A ValueSet.
#[derive(Deserialize)]
pub(super) struct ValueSet {
    url: String,
    #[serde(default)]
    pub(super) compose: Compose,
    #[serde(default)]
    pub(super) expansion: Expansion,
}

/// What a value set is made of.
#[derive(Deserialize, Default)]
pub(super) struct Compose {
    #[serde(default)]
    pub(super) include: Vec<Include>,
    #[serde(default)]
    pub(super) exclude: Vec<Include>,
}

/// Codes that a value set takes in or leaves out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Include {
    pub(super) system: Option<String>,
    #[serde(default)]
    pub(super) concept: Vec<Concept>,
    #[serde(default)]
    pub(super) filter: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(super) value_set: Vec<String>,
}

/// The codes of an expanded value set.
#[derive(Deserialize, Default)]
pub(super) struct Expansion {
    #[serde(default)]
    pub(super) contains: Vec<Contained>,
}

/// A code in an expansion.
#[derive(Deserialize)]
pub(super) struct Contained {
    pub(super) system: Option<String>,
    pub(super) code: Option<String>,
}

/// A CodeSystem.
#[derive(Deserialize)]
pub(super) struct CodeSystem {
    url: String,
    pub(super) content: String,
    #[serde(default)]
    pub(super) concept: Vec<Concept>,
}

/// A code with the codes below it.
#[derive(Deserialize)]
pub(super) struct Concept {
    pub(super) code: String,
    #[serde(default)]
    property: Vec<Property>,
    #[serde(default, rename = "concept")]
    pub(super) children: Vec<Concept>,
}

/// What a code system says about a code.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    code: String,
    value_boolean: Option<bool>,
}

impl Concept {
    /// Whether it can be used, and does not only hold the codes below it together.
    pub(super) fn is_selectable(&self) -> bool {
        let is_abstract =
            |it: &Property| it.code == "notSelectable" && it.value_boolean == Some(true);
        !self.property.iter().any(is_abstract)
    }
}

/// A `SearchParameter`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameter {
    pub(super) url: String,
    pub(super) code: String,
    pub(super) base: Vec<String>,
    pub(super) r#type: String,
    pub(super) expression: Option<String>,
    #[serde(default)]
    pub(super) target: Vec<String>,
    #[serde(default)]
    pub(super) comparator: Vec<String>,
    #[serde(default)]
    pub(super) modifier: Vec<String>,
    pub(super) multiple_or: Option<bool>,
    pub(super) multiple_and: Option<bool>,
    #[serde(default)]
    pub(super) component: Vec<Component>,
}

/// A part of a composite search parameter.
#[derive(Deserialize)]
pub(super) struct Component {
    pub(super) definition: String,
    pub(super) expression: String,
}

/// A `CompartmentDefinition`.
#[derive(Deserialize)]
pub(super) struct Compartment {
    code: String,
    pub(super) resource: Vec<CompartmentResource>,
}

/// How resources of one type get into a compartment.
#[derive(Deserialize)]
pub(super) struct CompartmentResource {
    pub(super) code: String,
    #[serde(default)]
    pub(super) param: Vec<String>,
}

impl Definitions {
    /// Reads the definitions from a package.
    pub(super) fn read(package: &Path) -> Result<Self, DistillError> {
        let file = File::open(package).map_err(DistillError::Read)?;
        let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
        let mut definitions = Self::default();
        let mut found = 0;
        for entry in archive.entries().map_err(DistillError::Read)? {
            let mut entry = entry.map_err(DistillError::Read)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if FILES.contains(&name.as_str()) {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(DistillError::Read)?;
                definitions.add_file(name, &bytes)?;
                found += 1;
            }
        }
        if found == FILES.len() {
            Ok(definitions)
        } else {
            Err(DistillError::Unexpected(format!(
                "{found} of {} files with definitions are there",
                FILES.len()
            )))
        }
    }

    /// Adds what one file holds.
    fn add_file(&mut self, file: String, json: &[u8]) -> Result<(), DistillError> {
        let are_expansions = file == EXPANSIONS;
        match serde_json::from_slice(json) {
            Ok(definition) => {
                self.add(definition, are_expansions);
                Ok(())
            }
            Err(source) => Err(DistillError::Json { file, source }),
        }
    }

    fn add(&mut self, definition: Definition, are_expansions: bool) {
        match definition {
            Definition::Bundle { entry } => {
                for entry in entry {
                    self.add(entry.resource, are_expansions);
                }
            }
            Definition::Structure(structure) => {
                if structure.is_wanted() {
                    self.structures.insert(structure.name.clone(), structure);
                }
            }
            Definition::ValueSet(set) if are_expansions => {
                self.expansions.insert(set.url.clone(), set);
            }
            Definition::ValueSet(set) => {
                self.value_sets.insert(set.url.clone(), set);
            }
            Definition::CodeSystem(system) => {
                self.code_systems.insert(system.url.clone(), system);
            }
            Definition::Parameter(parameter) => {
                self.parameters.insert(parameter.url.clone(), parameter);
            }
            Definition::Compartment(compartment) => {
                self.compartments
                    .insert(compartment.code.clone(), compartment);
            }
            Definition::Other => {}
        }
    }

    /// The types that resources can have, in the order of their names.
    pub(super) fn concrete_resources(&self) -> Vec<&str> {
        let structures = self.structures.values();
        structures
            .filter(|structure| structure.kind == "resource" && !structure.r#abstract)
            .map(|structure| structure.name.as_str())
            .collect()
    }

    /// A type and all that it specialises, in that order.
    pub(super) fn lineage(&self, name: &str) -> impl Iterator<Item = &str> {
        std::iter::successors(self.structures.get(name), |current| {
            self.structures.get(current.base()?)
        })
        .map(|structure| structure.name.as_str())
    }
}

impl Structure {
    /// Whether it is a resource or data type. Of the constraints only those that R4 counts among
    /// its data types stand in these bundles: `SimpleQuantity` and `MoneyQuantity`.
    fn is_wanted(&self) -> bool {
        let is_constraint = self.derivation.as_deref() == Some("constraint");
        self.kind != "logical" && (!is_constraint || self.kind == "complex-type")
    }

    /// The name of the type that it specialises.
    pub(super) fn base(&self) -> Option<&str> {
        self.base_definition.as_deref().map(last_segment)
    }
}

/// What stands behind the last slash of a URL.
pub(super) fn last_segment(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, last)| last)
}
