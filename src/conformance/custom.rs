//! Search parameters that come as `SearchParameter` resources: read, checked, compiled.
//!
//! What is refused is refused with what would be right. Numbers are not given here.
//! Spec: <https://hl7.org/fhir/R4/searchparameter.html>.

use compact_str::CompactString;

use crate::conformance::registry::Registry;
use crate::conformance::search_parameter::{Component, ParameterKind, SearchParameter};
use crate::fhir::resource::{Node, Object};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::program::Program;
use crate::outcome::Issue;

/// The number of a parameter that has none yet.
pub const UNNUMBERED: u16 = 0;

/// The first number of parameters that come at run time; those of R4 are below.
pub const FIRST_NUMBER: u16 = 0x1000;

/// Types that are no `DomainResource`.
const NOT_DOMAIN: [&str; 3] = ["Binary", "Bundle", "Parameters"];

/// What a `SearchParameter` resource asks of the server.
#[derive(Debug, Clone)]
pub enum Definition {
    /// Nothing: it is not active.
    Inactive,
    /// Nothing: it is one of R4's, which the server has already.
    Known,
    /// A parameter to index by.
    Custom(Custom),
}

/// A search parameter that is not one of R4's.
#[derive(Debug, Clone)]
pub struct Custom {
    /// Its canonical URL.
    pub url: CompactString,
    /// Its name in searches.
    pub code: CompactString,
    /// What it is for each resource type, not numbered yet.
    pub applications: Vec<(ResourceType, SearchParameter)>,
    /// Everything that index entries depend on: what keeps it needs no new index entries.
    pub essence: String,
}

/// Reads a `SearchParameter` that is valid by its structure. `registry` has what R4 defines.
pub fn read(resource: &Object, registry: &Registry) -> Result<Definition, Vec<Issue>> {
    if resource.get_str("status") != Some("active") {
        return Ok(Definition::Inactive);
    }
    let url = resource.get_str("url").unwrap_or_default();
    let code = resource.get_str("code").unwrap_or_default();
    let type_name = resource.get_str("type").unwrap_or_default();
    let kind = ParameterKind::from_name(type_name)
        .ok_or_else(|| refused("type", "is not a type of search parameters"))?;
    let resource_types = resource_types(resource)?;
    if let Some(known) = registry.defined_by_r4(url) {
        return if known.code == code && known.kind == kind {
            Ok(Definition::Known)
        } else {
            let text = format!(
                "is that of R4's parameter {} of type {}: choose a URL of your own",
                known.code,
                known.kind.name()
            );
            Err(refused("url", &text))
        };
    }
    check_code(code)?;
    let clash = resource_types.iter().copied();
    check_clashes((url, code), clash, registry)?;
    if kind == ParameterKind::Special {
        let text = "is special, which means by a program of the server: choose another type";
        return Err(refused("type", text));
    }
    let Some(expression) = resource
        .get_str("expression")
        .filter(|text| !text.is_empty())
    else {
        let text = "is missing: without a FHIRPath expression there is nothing to index";
        return Err(refused("expression", text));
    };
    let blank = blank(resource, (url, code, kind));
    let mut applications = Vec::with_capacity(resource_types.len());
    for resource_type in resource_types {
        let parameter = compile(resource, &blank, (resource_type, expression), registry)?;
        applications.push((resource_type, parameter));
    }
    Ok(Definition::Custom(Custom {
        url: url.into(),
        code: code.into(),
        applications,
        essence: essence(resource),
    }))
}

impl Custom {
    /// Refuses it when its name is that of another parameter in force.
    pub fn check_clashes(&self, in_force: &Registry) -> Result<(), Vec<Issue>> {
        let types = self.applications.iter();
        let types = types.map(|(resource_type, _)| *resource_type);
        check_clashes((&self.url, &self.code), types, in_force)
    }
}

fn refused(element: &str, text: &str) -> Vec<Issue> {
    let issue = Issue::error("invalid", format!("SearchParameter.{element} {text}."));
    vec![issue.at(format!("SearchParameter.{element}"))]
}

fn resource_types(resource: &Object) -> Result<Vec<ResourceType>, Vec<Issue>> {
    let mut found = Vec::new();
    for base in resource.items("base").iter().filter_map(Node::as_str) {
        match base {
            "Resource" => found.extend(ResourceType::all()),
            "DomainResource" => {
                found.extend(ResourceType::all().filter(|one| !NOT_DOMAIN.contains(&one.name())));
            }
            name => match name.parse() {
                Ok(resource_type) => found.push(resource_type),
                Err(_unknown) => {
                    return Err(refused("base", "names a type that R4 does not have"));
                }
            },
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn check_code(code: &str) -> Result<(), Vec<Issue>> {
    let is_name = code
        .chars()
        .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_');
    if code.starts_with('_') {
        return Err(refused(
            "code",
            "begins with an underscore, as only the parameters of FHIR itself do",
        ));
    }
    if !is_name || code.is_empty() {
        return Err(refused(
            "code",
            "must be of the characters A-Z, a-z, 0-9, '-' and '_' to stand in a query",
        ));
    }
    Ok(())
}

fn check_clashes(
    (url, code): (&str, &str),
    resource_types: impl Iterator<Item = ResourceType>,
    registry: &Registry,
) -> Result<(), Vec<Issue>> {
    for resource_type in resource_types {
        let known = registry.search_parameter(resource_type, code);
        if let Some(known) = known.filter(|known| known.url != url) {
            let text = format!(
                "is taken: {resource_type} has a parameter of this name, {}. Choose another code",
                known.url
            );
            return Err(refused("code", &text));
        }
    }
    Ok(())
}

/// All but what differs by resource type.
fn blank(resource: &Object, (url, code, kind): (&str, &str, ParameterKind)) -> SearchParameter {
    let texts = |name| {
        let items = resource.items(name).iter().filter_map(Node::as_str);
        items.map(CompactString::from).collect::<Vec<_>>()
    };
    let targets = resource.items("target").iter().filter_map(Node::as_str);
    let is_allowed = |name| !matches!(resource.get(name), Some(Node::Bool(false)));
    SearchParameter {
        number: UNNUMBERED,
        code: code.into(),
        url: url.into(),
        kind,
        expression: None,
        targets: targets.filter_map(|name| name.parse().ok()).collect(),
        components: Vec::new(),
        comparators: texts("comparator"),
        modifiers: texts("modifier"),
        is_multiple_or: is_allowed("multipleOr"),
        is_multiple_and: is_allowed("multipleAnd"),
        is_complete: false,
    }
}

fn compile(
    resource: &Object,
    blank: &SearchParameter,
    (resource_type, expression): (ResourceType, &str),
    registry: &Registry,
) -> Result<SearchParameter, Vec<Issue>> {
    let shapes = registry.shapes();
    let root = shapes
        .resource(resource_type)
        .ok_or_else(|| refused("base", "names a type without a definition"))?;
    let program = Program::compile(expression, root, shapes).map_err(|error| {
        let text = format!("does not work on {resource_type}: {error}");
        refused("expression", &text)
    })?;
    let found = program.value_types();
    if found.is_empty() && !program.is_open() {
        let text = format!("selects nothing in a {resource_type}");
        return Err(refused("expression", &text));
    }
    let mut parameter = blank.clone();
    if blank.kind == ParameterKind::Composite {
        parameter.components = components(resource, (&found, root, resource_type), registry)?;
    } else if !program.is_open() && !found.iter().any(|id| fits(blank.kind, shapes.name(*id))) {
        let names: Vec<_> = found.iter().map(|id| shapes.name(*id)).collect();
        let text = format!(
            "finds {} in a {resource_type}, which a parameter of type {} cannot compare",
            names.join(", "),
            blank.kind.name()
        );
        return Err(refused("expression", &text));
    }
    parameter.expression = Some(program);
    Ok(parameter)
}

fn components(
    resource: &Object,
    (contexts, root, resource_type): (&[TypeId], TypeId, ResourceType),
    registry: &Registry,
) -> Result<Vec<Component>, Vec<Issue>> {
    let parts = resource.items("component");
    if parts.len() < 2 {
        return Err(refused("component", "must be there twice at least"));
    }
    let mut components = Vec::with_capacity(parts.len());
    for part in parts {
        let definition = part.get("definition").and_then(Node::as_str);
        let definition = definition.unwrap_or_default();
        let known = registry.search_parameters(resource_type).iter();
        let known = { known }.find(|one| one.url == definition);
        let known = known.or_else(|| registry.defined_by_r4(definition));
        let known = known.ok_or_else(|| {
            let text = "must name a search parameter that the server has";
            refused("component.definition", text)
        })?;
        let expression = part.get("expression").and_then(Node::as_str);
        let expression = expression.unwrap_or_default();
        let shapes: &Shapes = registry.shapes();
        let program = Program::compile_relative(expression, contexts, root, shapes);
        components.push(Component {
            code: known.code.clone(),
            definition: definition.into(),
            kind: known.kind,
            expression: program
                .map_err(|error| refused("component.expression", &error.to_string()))?,
        });
    }
    Ok(components)
}

/// Whether values of a type can be compared by a kind of parameter.
fn fits(kind: ParameterKind, type_name: &str) -> bool {
    let types: &[&str] = match kind {
        ParameterKind::Number => &["decimal", "integer", "positiveInt", "unsignedInt", "Range"],
        ParameterKind::Date => &["date", "dateTime", "instant", "Period", "Timing"],
        ParameterKind::String => &["string", "markdown", "id", "code", "HumanName", "Address"],
        ParameterKind::Token => &[
            "boolean",
            "code",
            "string",
            "id",
            "uri",
            "Coding",
            "CodeableConcept",
            "Identifier",
            "ContactPoint",
        ],
        ParameterKind::Reference => &["Reference", "canonical", "uri", "url"],
        ParameterKind::Quantity => &[
            "Quantity",
            "Age",
            "Count",
            "Distance",
            "Duration",
            "Money",
            "Range",
            "SampledData",
        ],
        ParameterKind::Uri => &["uri", "url", "canonical", "oid", "uuid"],
        ParameterKind::Composite | ParameterKind::Special => &[],
    };
    types.contains(&type_name)
}

/// The members that decide what is indexed.
fn essence(resource: &Object) -> String {
    let mut kept = Object::new();
    for name in [
        "url",
        "code",
        "type",
        "base",
        "expression",
        "component",
        "target",
    ] {
        if let Some(value) = resource.get(name) {
            kept.set(name, value.clone());
        }
    }
    String::from_utf8_lossy(&crate::fhir::json::to_vec(&Node::Object(kept))).into_owned()
}
