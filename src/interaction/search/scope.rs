//! Where a search looks: one type, all types, or a compartment; and the query for each type.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#search>,
//! <https://hl7.org/fhir/R4/search.html#Introduction>.

use compact_str::CompactString;

use crate::conformance::compartment::{CompartmentKind, ITSELF};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::search::{Strictness, pairs, parse_pairs};
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};
use crate::search::param::Condition;
use crate::search::param::reference::ReferenceCondition;
use crate::search::plan::Predicate;
use crate::search::query::{Criterion, Query, ResultOptions};

/// The parameter that names the types of a search over several.
const TYPE: &str = "_type";

/// Where a search looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchScope {
    /// The one type; `None` for all.
    pub resource_type: Option<ResourceType>,
    /// The compartment, by kind and id.
    pub compartment: Option<(CompartmentKind, String)>,
}

/// A query, understood for each of the types it is about.
pub(super) struct Understood {
    /// One for each type.
    pub(super) queries: Vec<Query>,
    /// How the result is wanted.
    pub(super) result: ResultOptions,
    /// The parameters that count, for the `self` link.
    pub(super) parameters: Vec<(String, String)>,
    /// What was ignored.
    pub(super) warnings: Vec<Issue>,
}

impl SearchScope {
    /// All resources of a type.
    pub const fn of_type(resource_type: ResourceType) -> Self {
        Self {
            resource_type: Some(resource_type),
            compartment: None,
        }
    }

    /// Everything.
    pub const fn system() -> Self {
        Self {
            resource_type: None,
            compartment: None,
        }
    }

    /// What a compartment has of a type, or of all for `*`.
    pub fn of_compartment(owner: ResourceType, id: String, what: &str) -> Result<Self, Outcome> {
        let nothing = || Outcome::new(Kind::NotFound, "There is nothing at this URL.");
        let kind = owner.name().parse::<CompartmentKind>();
        let kind = kind.map_err(|_unknown| nothing())?;
        let resource_type = match what {
            "*" => None,
            name => Some(name.parse().map_err(|_unknown| nothing())?),
        };
        Ok(Self {
            resource_type,
            compartment: Some((kind, id)),
        })
    }

    /// The path below the base.
    pub fn path(&self) -> String {
        let name = self.resource_type.map(ResourceType::name);
        match &self.compartment {
            Some((kind, id)) => format!("{}/{id}/{}", kind.name(), name.unwrap_or("*")),
            None => name.unwrap_or_default().to_owned(),
        }
    }

    /// The compartment as a condition that the stores know.
    pub(super) fn compartment_predicate(&self, ctx: &Context) -> Option<Predicate> {
        match &self.compartment {
            Some((CompartmentKind::Patient, id)) => {
                let owner = ctx.records.indexer().compartment(id);
                Some(Predicate::Compartment(owner))
            }
            _ => None,
        }
    }

    /// The compartment as a criterion on a type; `None` where the stores know it by themselves.
    fn criterion(&self, ctx: &Context, resource_type: ResourceType) -> Option<Criterion> {
        let (kind, id) = self.compartment.as_ref()?;
        if *kind == CompartmentKind::Patient {
            return None;
        }
        let codes = ctx.registry.compartment(*kind, resource_type);
        let mut ways: Vec<_> = codes.iter().map(|code| way_in(*kind, id, code)).collect();
        match (ways.pop(), ways.is_empty()) {
            (Some(only), true) => Some(only),
            (last, _) => Some(Criterion::Any(ways.into_iter().chain(last).collect())),
        }
    }

    /// A query for each type, without any criteria but the compartment's.
    pub(super) fn queries(&self, ctx: &Context) -> Vec<Query> {
        let types = self.types(ctx, None).into_iter();
        let query = |one| Query::of(one, self.criterion(ctx, one).into_iter().collect());
        types.map(query).collect()
    }

    /// The types that the compartment can have, of those that are asked for.
    fn types(&self, ctx: &Context, named: Option<Vec<ResourceType>>) -> Vec<ResourceType> {
        let asked = match (self.resource_type, named) {
            (Some(only), _) => vec![only],
            (None, Some(named)) => named,
            (None, None) => ResourceType::all().collect(),
        };
        let is_in = |one: &ResourceType| match &self.compartment {
            Some((kind, _)) => !ctx.registry.compartment(*kind, *one).is_empty(),
            None => true,
        };
        asked.into_iter().filter(is_in).collect()
    }
}

/// One way into a compartment: a reference to what it is about, or being it.
fn way_in(kind: CompartmentKind, id: &str, code: &CompactString) -> Criterion {
    if code == ITSELF {
        return Criterion::Ids(vec![id.to_owned()]);
    }
    let reference = ReferenceCondition {
        targets: vec![format!("{}/{id}", kind.name())],
        version_id: None,
        are_canonical: false,
    };
    Criterion::Parameter {
        code: code.clone(),
        any_of: vec![Condition::Reference(reference)],
    }
}

/// Reads a query for every type that it is about.
pub(super) fn read(
    ctx: &Context,
    scope: &SearchScope,
    text: &str,
    strictness: Strictness,
) -> Result<Understood, Outcome> {
    let mut pairs = pairs(text)?;
    let mut named = None;
    let mut parameters = Vec::new();
    if scope.resource_type.is_none() {
        named = take_types(&mut pairs, &mut parameters)?;
    }
    let types = scope.types(ctx, named);
    if types.is_empty() {
        let reason = "None of these types is in this compartment.";
        return Err(Outcome::new(Kind::Invalid, reason));
    }
    let mut understood = Understood {
        queries: Vec::with_capacity(types.len()),
        result: ResultOptions::default(),
        parameters,
        warnings: Vec::new(),
    };
    for (place, resource_type) in types.into_iter().enumerate() {
        let mut query = parse_pairs(ctx, resource_type, &pairs, strictness)?;
        query.criteria.extend(scope.criterion(ctx, resource_type));
        for warning in std::mem::take(&mut query.warnings) {
            if !understood.warnings.contains(&warning) {
                understood.warnings.push(warning);
            }
        }
        let parameters = std::mem::take(&mut query.understood);
        if place == 0 {
            understood.result = query.result.clone();
            understood.parameters.extend(parameters);
        }
        understood.queries.push(query);
    }
    if understood.result.is_inside() && scope.compartment.is_some() {
        let reason = "_contained is not for compartments: what is contained is in none itself.";
        return Err(Outcome::new(Kind::Unsupported, reason).at("http._contained"));
    }
    Ok(understood)
}

/// Takes `_type` out of the parameters; the types are parted by commas.
fn take_types(
    pairs: &mut Vec<(String, String)>,
    taken: &mut Vec<(String, String)>,
) -> Result<Option<Vec<ResourceType>>, Outcome> {
    let mut types: Option<Vec<ResourceType>> = None;
    for (_, value) in pairs.iter().filter(|(name, _)| name == TYPE) {
        let read: Result<Vec<ResourceType>, _> = value.split(',').map(str::parse).collect();
        let mut read = read.map_err(|_unknown| {
            let reason = "_type is a list of resource types, as in _type=Patient,Observation.";
            Outcome::new(Kind::Malformed, reason).at("http._type")
        })?;
        if let Some(before) = &types {
            read.retain(|one| before.contains(one));
        }
        read.sort_unstable();
        read.dedup();
        types = Some(read);
    }
    taken.extend(pairs.iter().filter(|(name, _)| name == TYPE).cloned());
    pairs.retain(|(name, _)| name != TYPE);
    Ok(types)
}
