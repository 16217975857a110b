//! FHIRPath over the whole of R4: search parameters, invariants, official examples.
//!
//! Spec: <https://hl7.org/fhir/R4/fhirpath.html>, <https://hl7.org/fhir/R4/searchparameter.html>.

use std::collections::BTreeMap;

use vesta::conformance::registry::Registry;
use vesta::fhir::json::{Limits, parse};
use vesta::fhir::resource::{Node, Object};
use vesta::fhir::shape::{Shapes, TypeId};
use vesta::fhirpath::ast::Expr;
use vesta::fhirpath::evaluate::item::{Element, Item, System};
use vesta::fhirpath::evaluate::{Environment, evaluate, holds};
use vesta::fhirpath::parser;
use vesta::fhirpath::program::Program;

use crate::support::packs::for_each_file;

const LIMITS: Limits = Limits { depth_max: 64 };

/// A published search parameter.
struct Parameter {
    id: String,
    bases: Vec<String>,
    expression: String,
    components: Vec<String>,
}

fn parameters() -> Vec<Parameter> {
    let mut found = Vec::new();
    for_each_file("fhir-r4-definitions", "json", |path, bytes| {
        if !path.ends_with("search-parameters.json") {
            return;
        }
        let bundle: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        for entry in bundle["entry"].as_array().unwrap() {
            let parameter = &entry["resource"];
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let texts = |value: &serde_json::Value| -> Vec<String> {
                value
                    .as_array()
                    .map_or(Vec::new(), |all| all.iter().map(text).collect())
            };
            let components = parameter["component"].as_array();
            if let Some(expression) = parameter["expression"].as_str() {
                found.push(Parameter {
                    id: text(&parameter["id"]),
                    bases: texts(&parameter["base"]),
                    expression: expression.to_owned(),
                    components: components.map_or(Vec::new(), |all| {
                        all.iter().map(|one| text(&one["expression"])).collect()
                    }),
                });
            }
        }
    });
    found
}

fn for_each_example(mut each: impl FnMut(&str, &Object)) {
    for_each_file("fhir-r4-examples", "json", |path, bytes| {
        if let Ok(Node::Object(object)) = parse(bytes, LIMITS) {
            each(path, &object);
        }
    });
}

#[test]
fn every_published_search_parameter_compiles_and_can_have_values() {
    let registry = Registry::load().unwrap();
    let shapes = registry.shapes();
    for parameter in parameters() {
        for base in &parameter.bases {
            let root = shapes.type_id(base).unwrap();
            let program = Program::compile(&parameter.expression, root, shapes)
                .unwrap_or_else(|error| panic!("{} for {base}: {error}", parameter.id));
            let types = program.value_types();
            assert!(!types.is_empty(), "{} for {base}", parameter.id);
            for component in &parameter.components {
                let relative = Program::compile_relative(component, &types, root, shapes)
                    .unwrap_or_else(|error| panic!("{}, {component}: {error}", parameter.id));
                assert!(
                    !relative.value_types().is_empty(),
                    "{}, {component}",
                    parameter.id
                );
            }
        }
    }
}

/// Two ways to the same values: compiled steps, and the evaluator item by item.
#[test]
fn programs_find_what_the_evaluator_finds() {
    let registry = Registry::load().unwrap();
    let shapes = registry.shapes();
    let mut by_type: BTreeMap<TypeId, Vec<(String, Program, Expr)>> = BTreeMap::new();
    for parameter in parameters() {
        for base in &parameter.bases {
            let root = shapes.type_id(base).unwrap();
            let program = Program::compile(&parameter.expression, root, shapes).unwrap();
            let expr = parser::parse(&parameter.expression).unwrap();
            let ways = by_type.entry(root).or_default();
            ways.push((parameter.id.clone(), program, expr));
        }
    }
    for_each_example(|path, object| {
        // Decimals of equal value in it are one item of a union, and several values of a program.
        if path.ends_with("Observation-decimal.json") {
            return;
        }
        let Some(root) = stated_type(object, shapes) else {
            return;
        };
        for (id, program, expr) in by_type.get(&root).map_or(&[][..], Vec::as_slice) {
            let mut compiled = Vec::new();
            program.run(object, shapes, &mut |value| {
                compiled.push((Some(value.type_id), value.node.clone()));
            });
            let environment = Environment::new(shapes, object, root);
            let items = evaluate(expr, environment.resource, &environment).unwrap();
            let evaluated: Vec<_> = items.iter().filter_map(as_value).collect();
            let is_in = |(type_id, node): &(Option<TypeId>, Node), others: &[_]| {
                others
                    .iter()
                    .any(|(other_type, other): &(Option<TypeId>, Node)| {
                        node == other
                            && (type_id.is_none() || other_type.is_none() || type_id == other_type)
                    })
            };
            assert!(
                compiled.iter().all(|value| is_in(value, &evaluated))
                    && evaluated.iter().all(|value| is_in(value, &compiled)),
                "{id} in {path}: {compiled:?} and {evaluated:?}"
            );
        }
    });
}

fn as_value(item: &Item<'_>) -> Option<(Option<TypeId>, Node)> {
    match item {
        Item::Element(element) => Some((Some(element.type_id), element.as_node()?.clone())),
        Item::System(System::Boolean(truth)) => Some((None, Node::Bool(*truth))),
        Item::System(_) => None,
    }
}

/// The examples keep the rules of R4, but for eight of them: four have a narrative that says
/// nothing, and four define a type without a base.
#[test]
fn invariants_hold_on_the_official_examples() {
    let registry = Registry::load().unwrap();
    let shapes = registry.shapes();
    let mut rules = Rules {
        shapes,
        parsed: BTreeMap::new(),
        broken: BTreeMap::new(),
    };
    let mut examples = 0;
    for_each_example(|_, object| {
        if let Some(root) = stated_type(object, shapes) {
            examples += 1;
            let environment = Environment::new(shapes, object, root);
            rules.check(environment.resource, &[], &environment);
        }
    });
    if examples > 0 {
        let broken: Vec<_> = rules.broken.into_iter().collect();
        let expected = [("sdf-4", 4), ("txt-1", 4), ("txt-2", 4)];
        assert_eq!(broken, expected.map(|(key, count)| (key.to_owned(), count)));
    }
}

struct Rules<'s> {
    shapes: &'s Shapes,
    parsed: BTreeMap<u16, Expr>,
    /// How often each rule whose breach is an error is broken.
    broken: BTreeMap<String, usize>,
}

impl Rules<'_> {
    fn check<'a>(&mut self, at: Element<'a>, extra: &[u16], environment: &Environment<'_, 'a>) {
        let shapes = self.shapes;
        let shape = shapes.shape(at.type_id).unwrap();
        for &index in shape.invariants.iter().chain(extra) {
            let invariant = shapes.invariant(index).unwrap();
            let expr = self.parsed.entry(index).or_insert_with(|| {
                parser::parse(&invariant.expression)
                    .unwrap_or_else(|error| panic!("{}: {error}", invariant.key))
            });
            let is_kept = holds(expr, at, environment)
                .unwrap_or_else(|error| panic!("{}: {error}", invariant.key));
            if invariant.is_error && !is_kept {
                *self.broken.entry(invariant.key.to_string()).or_default() += 1;
            }
        }
        let members = at.as_object().into_iter().flat_map(Object::iter);
        for (name, node) in members {
            let Some(found) = shapes.find(at.type_id, name) else {
                continue;
            };
            let items = node.items().iter().filter(|item| **item != Node::Null);
            for item in items {
                let rules = &found.element.invariants;
                let resource = item
                    .as_object()
                    .and_then(|object| stated_type(object, shapes));
                let Some(type_id) = resource else {
                    self.check(Element::node(item, found.value_type), rules, environment);
                    continue;
                };
                let mut inside = *environment;
                inside.resource = Element::node(item, type_id);
                if name != "contained" {
                    inside.root_resource = inside.resource;
                }
                self.check(inside.resource, rules, &inside);
            }
        }
    }
}

fn stated_type(object: &Object, shapes: &Shapes) -> Option<TypeId> {
    shapes.type_id(object.get_str("resourceType")?)
}
