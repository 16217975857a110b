//! The table of structures: types with their own elements and invariants; what they inherit
//! stands at their base only.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{Constraint, Definitions, Element, ElementType, Structure, last_segment};
use super::{DistillError, line};

const NOTE: &str = "\
# Resources, data types and their nested elements in R4. Written by `vesta distill`.
# kind, name, base, abstract
#\telement, cardinality, types, flags, reference targets, value set of the required binding
#\t\tkey of an invariant of the type or element above, severity, expression
# A base stands above what it is the base of, and its elements come before those given here.
# Flags: S part of the summary, M modifies the meaning, @ an attribute in XML.
";

/// Says which FHIR type an element of a FHIRPath system type has.
const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const SYSTEM_TYPE: &str = "http://hl7.org/fhirpath/System.";

/// The table, and what it refers to.
pub(super) struct Structures {
    pub(super) text: String,
    /// How many types there are, nested ones included.
    pub(super) types: usize,
    /// The value sets of required bindings.
    pub(super) value_sets: BTreeSet<String>,
}

/// Makes the table.
pub(super) fn table(definitions: &Definitions) -> Result<Structures, DistillError> {
    let mut ordered = Vec::new();
    for structure in definitions.structures.values() {
        let depth = definitions.lineage(&structure.name).count();
        ordered.push((group(structure)?, depth, structure));
    }
    ordered.sort_by_key(|(group, depth, structure)| (*group, *depth, &structure.name));
    let mut writer = Writer {
        definitions,
        elements: BTreeMap::new(),
        out: Structures {
            text: NOTE.to_owned(),
            types: 0,
            value_sets: BTreeSet::new(),
        },
    };
    for (_, _, structure) in ordered {
        writer.write_structure(structure);
    }
    Ok(writer.out)
}

/// Abstract types first, since all others build on them.
fn group(structure: &Structure) -> Result<u8, DistillError> {
    match structure.kind.as_str() {
        _ if structure.r#abstract => Ok(0),
        "primitive-type" => Ok(1),
        "complex-type" => Ok(2),
        "resource" => Ok(3),
        kind => Err(DistillError::Unexpected(format!(
            "{} is a {kind}",
            structure.name
        ))),
    }
}

struct Writer<'a> {
    definitions: &'a Definitions,
    /// Per type the lines of its elements, inherited ones included, to see what is inherited.
    elements: BTreeMap<String, BTreeMap<String, String>>,
    out: Structures,
}

/// A type that is being written.
struct Head<'a> {
    kind: &'a str,
    name: &'a str,
    /// The path of its root in the snapshot: its name, except for `SimpleQuantity`.
    path: &'a str,
    base: &'a str,
    is_abstract: bool,
}

impl<'a> Writer<'a> {
    fn write_structure(&mut self, structure: &'a Structure) {
        let kind = match structure.kind.as_str() {
            "primitive-type" => "primitive",
            "complex-type" => "complex",
            other => other,
        };
        self.write_type(
            structure,
            &Head {
                kind,
                name: &structure.name,
                path: &structure.r#type,
                base: structure.base().unwrap_or_default(),
                is_abstract: structure.r#abstract,
            },
        );
        for element in &structure.snapshot.element {
            if has_children(structure, &element.path) && element.path != structure.r#type {
                let base = element.r#type.first().map(|of| of.code.as_str());
                self.write_type(
                    structure,
                    &Head {
                        kind: "backbone",
                        name: &element.path,
                        path: &element.path,
                        base: base.unwrap_or_default(),
                        is_abstract: false,
                    },
                );
            }
        }
    }

    fn write_type(&mut self, structure: &'a Structure, head: &Head<'_>) {
        let is_abstract = if head.is_abstract { "abstract" } else { "" };
        let columns = [head.kind, head.name, head.base, is_abstract];
        self.out.text.push_str(&line(0, &columns));
        self.out.types += 1;
        let inherited_rules = self.rules_of(head.base);
        let own = element_at(structure, head.path).map_or(&[][..], |root| &root.constraint);
        let new_rules = own.iter().filter(|rule| !inherited_rules.contains(rule));
        self.out.text.push_str(&rule_lines(new_rules));
        let mut known = self.elements.get(head.base).cloned().unwrap_or_default();
        for element in children(structure, head.path) {
            // The value of a primitive is the JSON scalar itself.
            let name = last_name(&element.path).to_owned();
            if head.kind == "primitive" && name == "value" {
                continue;
            }
            let block = self.element_block(structure, element);
            if known.get(&name) != Some(&block) {
                self.out.text.push_str(&block);
                known.insert(name, block);
            }
        }
        self.elements.insert(head.name.to_owned(), known);
    }

    fn element_block(&mut self, structure: &'a Structure, element: &'a Element) -> String {
        let mut types = Vec::new();
        let mut targets = Vec::new();
        let mut kept: Vec<&Constraint> = Vec::new();
        let mut extra: Vec<&Constraint> = Vec::new();
        if let Some(reference) = &element.content_reference {
            let path = reference.trim_start_matches('#');
            types.push(path);
            if let Some(target) = element_at(structure, path) {
                kept.extend(&target.constraint);
            }
        } else if has_children(structure, &element.path) {
            types.push(&element.path);
            kept.extend(&element.constraint);
        }
        let is_nested = !types.is_empty();
        for of in element.r#type.iter().filter(|_| !is_nested) {
            let name = type_name(element, of);
            types.push(name);
            kept.extend(self.rules_of(name));
            targets.extend(of.target_profile.iter().map(|url| last_segment(url)));
            for profile in &of.profile {
                extra.extend(self.rules_of(last_segment(profile)));
            }
        }
        extra.extend(&element.constraint);
        extra.retain(|rule| !kept.contains(rule));
        if targets.contains(&"Resource") {
            targets.clear();
        }
        let cardinality = format!("{}..{}", element.min, element.max);
        let value_set = self.required_value_set(element);
        let columns = [
            last_name(&element.path),
            cardinality.as_str(),
            &types.join(","),
            &flags(element),
            &targets.join(","),
            value_set,
        ];
        line(1, &columns) + &rule_lines(extra.into_iter())
    }

    fn required_value_set(&mut self, element: &'a Element) -> &'a str {
        let binding = element.binding.as_ref();
        let required = binding.filter(|binding| binding.strength == "required");
        let Some(canonical) = required.and_then(|binding| binding.value_set.as_deref()) else {
            return "";
        };
        let url = canonical.split('|').next().unwrap_or_default();
        self.out.value_sets.insert(url.to_owned());
        url
    }

    /// The invariants of a type as its own definition has them.
    fn rules_of(&self, name: &str) -> Vec<&'a Constraint> {
        let structure = self.definitions.structures.get(name);
        structure
            .and_then(|structure| element_at(structure, &structure.r#type))
            .map(|root| root.constraint.iter().collect())
            .unwrap_or_default()
    }
}

/// A type's rules stand as deep as those of elements, so that depth alone tells lines apart.
fn rule_lines<'a>(rules: impl Iterator<Item = &'a Constraint>) -> String {
    rules
        .map(|rule| {
            let expression = rule.expression.as_deref().unwrap_or_default();
            line(2, &[&rule.key, &rule.severity, expression])
        })
        .collect()
}

fn flags(element: &Element) -> String {
    let is_attribute = element.representation.iter().any(|how| how == "xmlAttr");
    [
        (element.is_summary, 'S'),
        (element.is_modifier, 'M'),
        (is_attribute, '@'),
    ]
    .into_iter()
    .filter_map(|(is_set, letter)| is_set.then_some(letter))
    .collect()
}

fn type_name<'a>(element: &Element, of: &'a ElementType) -> &'a str {
    if !of.code.starts_with(SYSTEM_TYPE) {
        return &of.code;
    }
    // The definition says `string` here, while the text of the specification says `id`.
    if element.representation.is_empty() && last_name(&element.path) == "id" {
        return "id";
    }
    let said = of.extension.iter().find(|it| it.url == FHIR_TYPE);
    // `xhtml.id` does not say it; like every other `id` in an element it is a string.
    said.and_then(|extension| extension.value_url.as_deref())
        .unwrap_or("string")
}

fn element_at<'a>(structure: &'a Structure, path: &str) -> Option<&'a Element> {
    let elements = &structure.snapshot.element;
    elements.iter().find(|element| element.path == path)
}

fn children<'a>(structure: &'a Structure, path: &str) -> impl Iterator<Item = &'a Element> {
    let elements = structure.snapshot.element.iter();
    elements.filter(move |element| {
        element.path.rsplit_once('.').map(|(parent, _)| parent) == Some(path)
    })
}

fn has_children(structure: &Structure, path: &str) -> bool {
    children(structure, path).next().is_some()
}

fn last_name(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}
