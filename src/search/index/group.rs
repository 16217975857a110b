//! The elements of a resource that a composite parameter is about, with the values of each part.

use crate::conformance::search_parameter::{Component, SearchParameter};
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::search::index::traits::{Known, Traits};
use crate::search::index::{Indexer, KnownSystems};
use crate::search::param::composite::Group;

impl Indexer {
    /// Gives each element that has a value for every part of a composite parameter.
    pub fn each_group<'a>(
        &'a self,
        parameter: &SearchParameter,
        resource: &'a Resource,
        each: &mut dyn FnMut(&Group<'a>),
    ) {
        if let Some(traits) = self.traits(resource.resource_type(), &parameter.code) {
            self.each_group_of(parameter, traits, resource, each);
        }
    }

    pub(super) fn each_group_of<'a>(
        &'a self,
        parameter: &SearchParameter,
        traits: &Traits,
        resource: &'a Resource,
        each: &mut dyn FnMut(&Group<'a>),
    ) {
        let Some(program) = &parameter.expression else {
            return;
        };
        let shapes = self.registry.shapes();
        program.contexts(resource.object(), shapes, &mut |context| {
            let mut group: Group<'a> = Vec::with_capacity(parameter.components.len());
            for (component, traits) in parameter.components.iter().zip(&traits.components) {
                let mut values = Vec::new();
                let expression = &component.expression;
                expression.run_relative(context, resource.object(), shapes, &mut |value| {
                    values.push(self.found(value, traits));
                });
                if values.is_empty() {
                    return;
                }
                group.push(values);
            }
            each(&group);
        });
    }

    /// What is known of the systems of the tokens of a part of a composite parameter.
    pub fn component_systems(
        &self,
        resource_type: ResourceType,
        code: &str,
        place: usize,
    ) -> KnownSystems<'_> {
        let traits = self.traits(resource_type, code);
        self.systems_of(traits.and_then(|traits| traits.components.get(place)))
    }
}

impl Traits {
    /// What is known of a part of a composite parameter.
    pub(super) fn of_component(component: &Component, indexed: &Known<'_>) -> Self {
        let code_sets = indexed.code_sets(component.kind, &component.expression);
        Self {
            states_systems: indexed.states_systems(&component.expression),
            case: indexed.case(&component.expression, &code_sets),
            code_sets,
            ..Self::default()
        }
    }
}
