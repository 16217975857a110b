//! What is known of search parameters before any resource is seen.

use compact_str::CompactString;

use crate::conformance::compartment::CompartmentKind;
use crate::conformance::registry::Registry;
use crate::conformance::search_parameter::{ParameterKind, SearchParameter};
use crate::fhir::resource_type::ResourceType;
use crate::fhirpath::program::Program;
use crate::search::index::MAIN_DATES;
use crate::search::param::token::case::LetterCase;
use crate::search::param::{DataType, special, token};

/// What is known of a parameter of a type before any resource is seen.
#[derive(Debug, Default)]
pub(super) struct Traits {
    pub(super) is_indexed: bool,
    pub(super) is_in_patient_compartment: bool,
    /// Its place among [`MAIN_DATES`].
    pub(super) date_rank: Option<usize>,
    /// Whether its tokens may state their system.
    pub(super) states_systems: bool,
    /// The members of the resource that its values are in; `None` where they may be in any.
    pub(super) members: Option<Vec<CompactString>>,
    /// The required bindings of its codes.
    pub(super) code_sets: Vec<u16>,
    /// Whether case counts in its tokens.
    pub(super) case: LetterCase,
    /// Of the parts of a composite.
    pub(super) components: Vec<Traits>,
    /// The kinds of the parts of a composite.
    pub(super) kinds: Vec<ParameterKind>,
}

/// What traits are found out from.
pub(super) struct Known<'a> {
    pub(super) registry: &'a Registry,
    pub(super) data_types: &'a [DataType],
}

impl Known<'_> {
    pub(super) fn states_systems(&self, program: &Program) -> bool {
        program.value_types().iter().any(|id| {
            let data_type = self.data_types.get(usize::from(id.0));
            data_type.is_none_or(|one| token::states_system(*one))
        })
    }

    pub(super) fn case(&self, program: &Program, code_sets: &[u16]) -> LetterCase {
        let ids = program.value_types();
        let types = ids.iter().map(|id| {
            let data_type = self.data_types.get(usize::from(id.0)).copied();
            data_type.unwrap_or(DataType::Other)
        });
        LetterCase::of(types, !code_sets.is_empty())
    }

    pub(super) fn code_sets(&self, kind: ParameterKind, program: &Program) -> Vec<u16> {
        if kind == ParameterKind::Token {
            program.code_sets(self.registry.shapes())
        } else {
            Vec::new()
        }
    }
}

impl Traits {
    pub(super) fn of(
        parameter: &SearchParameter,
        resource_type: ResourceType,
        registry: &Registry,
        data_types: &[DataType],
    ) -> Self {
        let Some(program) = &parameter.expression else {
            return Self::default();
        };
        let is_special = [special::ID, special::LAST_UPDATED].contains(&parameter.code.as_str());
        let known = Known {
            registry,
            data_types,
        };
        let components = parameter.components.iter();
        let code_sets = known.code_sets(parameter.kind, program);
        let is_indexed = !is_special;
        let patient = registry.compartment(CompartmentKind::Patient, resource_type);
        let rank = || MAIN_DATES.iter().position(|code| *code == parameter.code);
        Self {
            is_indexed,
            is_in_patient_compartment: patient.contains(&parameter.code),
            date_rank: (parameter.kind == ParameterKind::Date).then(rank).flatten(),
            states_systems: known.states_systems(program),
            case: known.case(program, &code_sets),
            members: members(program, parameter),
            code_sets,
            kinds: components.clone().map(|one| one.kind).collect(),
            components: components
                .map(|one| Self::of_component(one, &known))
                .collect(),
        }
    }
}

/// The members that a parameter and its parts look at.
fn members(program: &Program, parameter: &SearchParameter) -> Option<Vec<CompactString>> {
    let mut members = program.members()?;
    for component in &parameter.components {
        members.extend(component.expression.members()?);
    }
    Some(members)
}
