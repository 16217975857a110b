//! Modifiers and values of a parameter that is searched by.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#modifiers>.

use crate::conformance::search_parameter::{Component, ParameterKind, SearchParameter};
use crate::fhir::query;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Issue;
use crate::search::escape;
use crate::search::hierarchy::hierarchies;
use crate::search::index::Indexer;
use crate::search::modifier::Modifier;
use crate::search::param::composite::CompositeCondition;
use crate::search::param::token::Systems;
use crate::search::param::{self, Condition, ParseContext, special};
use crate::search::parse::modifier;
use crate::search::parse::refusal::{issue, malformed, unsupported};
use crate::search::query::Criterion;
use crate::search::relation::Relation;

/// Values, parted by commas, that a parameter may have.
pub const OR_VALUES_MAX: usize = 1_000;

/// A parameter as the query names it.
#[derive(Debug)]
pub(super) struct Named<'a> {
    /// The whole name, for messages.
    pub(super) name: &'a str,
    /// What stands behind the colon.
    pub(super) modifier: Option<&'a str>,
    /// The type that is searched.
    pub(super) resource_type: ResourceType,
    /// Whether the query has had the name before.
    pub(super) is_repeated: bool,
}

/// Reads the modifier and the values of a parameter.
pub(super) fn read(
    indexer: &Indexer,
    now_ms: i64,
    named: &Named<'_>,
    parameter: &SearchParameter,
    value: &str,
) -> Result<Criterion, Issue> {
    let name = named.name;
    let modifier = named
        .modifier
        .map(|text| modifier::of(name, text, parameter, indexer.registry()))
        .transpose()?;
    match modifier {
        Some(Modifier::Missing) => modifier::missing(name, parameter, value),
        Some(Modifier::Not | Modifier::NotIn) => {
            let inner = positive(indexer, now_ms, (named, modifier), parameter, value)?;
            Ok(Criterion::Not(Box::new(inner)))
        }
        Some(place @ (Modifier::Above | Modifier::Below))
            if parameter.kind == ParameterKind::Reference =>
        {
            let named = positive(indexer, now_ms, (named, None), parameter, value)?;
            hierarchy(indexer, (name, place), parameter, named)
        }
        _ => positive(indexer, now_ms, (named, modifier), parameter, value),
    }
}

/// Reads the values, one of which has to be met.
fn positive(
    indexer: &Indexer,
    now_ms: i64,
    (named, modifier): (&Named<'_>, Option<Modifier>),
    parameter: &SearchParameter,
    value: &str,
) -> Result<Criterion, Issue> {
    let name = named.name;
    let texts = escape::split(value, ',');
    if texts.len() > OR_VALUES_MAX {
        let reason = format!("has more than {OR_VALUES_MAX} values");
        return Err(issue("too-costly", name, &reason));
    }
    // R4 marks composites as having one value only, and yet lists them among those that may have
    // several: nothing is lost by allowing it.
    let is_composite = parameter.kind == ParameterKind::Composite;
    if texts.len() > 1 && !parameter.is_multiple_or && !is_composite
        || named.is_repeated && !parameter.is_multiple_and
    {
        return Err(malformed(name, "may have one value only"));
    }
    let refuse = |reason: String| malformed(name, &reason);
    let each = |read: &dyn Fn(&str) -> Result<Condition, String>| {
        let read = |text: &&str| read(text).map_err(|reason| hinted(&reason, text));
        let all: Result<Vec<_>, String> = texts.iter().map(read).collect();
        all.map_err(refuse)
    };
    match parameter.code.as_str() {
        special::ID => {
            let ids: Result<Vec<_>, _> = texts.iter().map(|text| special::parse_id(text)).collect();
            Ok(Criterion::Ids(ids.map_err(refuse)?))
        }
        special::LAST_UPDATED => {
            let read = |text: &&str| {
                let read = special::parse_last_updated(text, now_ms);
                read.map_err(|reason| hinted(&reason, text))
            };
            let dates: Result<Vec<_>, _> = texts.iter().map(read).collect();
            Ok(Criterion::LastUpdated(dates.map_err(refuse)?))
        }
        _ if parameter.expression.is_none() => Err(unsupported(name, "is not supported yet")),
        _ if parameter.kind == ParameterKind::Composite => {
            let read =
                |text: &str| composite(indexer, now_ms, named.resource_type, parameter, text);
            Ok(Criterion::Parameter {
                code: parameter.code.clone(),
                any_of: each(&read)?,
            })
        }
        code => {
            let of_type = named.resource_type;
            let (are_stated, bindings, case) = indexer.systems(of_type, code);
            let target = match &modifier {
                Some(Modifier::Type(target)) => Some(target),
                _ => None,
            };
            let context = ParseContext {
                targets: target.map_or(&parameter.targets, std::slice::from_ref),
                modifier,
                systems: Systems {
                    are_stated,
                    bindings: &bindings,
                    case,
                },
                base_url: indexer.base_url(),
                now_ms,
            };
            Ok(Criterion::Parameter {
                code: parameter.code.clone(),
                any_of: each(&|text| param::parse(parameter.kind, text, &context))?,
            })
        }
    }
}

/// Why a value is refused, with a hint where its time zone has lost its `+`.
fn hinted(reason: &str, text: &str) -> String {
    let hint = query::plus_hint(text).unwrap_or_default();
    let stop = if hint.is_empty() { "" } else { "." };
    format!("{reason}{stop}{hint}")
}

/// What lies above or below what references are to.
fn hierarchy(
    indexer: &Indexer,
    (name, place): (&str, Modifier),
    parameter: &SearchParameter,
    named: Criterion,
) -> Result<Criterion, Issue> {
    let Criterion::Parameter { code, any_of } = named else {
        return Err(malformed(name, "is a reference"));
    };
    let hierarchies = hierarchies(indexer.registry(), parameter);
    let mut targets = Vec::new();
    for condition in any_of {
        let Condition::Reference(reference) = condition else {
            return Err(malformed(name, "is a reference"));
        };
        if reference.version_id.is_some() {
            let reason = "names a version, which has nothing above or below it";
            return Err(malformed(name, reason));
        }
        targets.extend(reference.targets);
    }
    Ok(Criterion::Related(Relation::Hierarchy {
        code,
        named: targets,
        hierarchies,
        is_above: place == Modifier::Above,
    }))
}

/// Reads the parts of a composite value, parted by `$`.
fn composite(
    indexer: &Indexer,
    now_ms: i64,
    resource_type: ResourceType,
    parameter: &SearchParameter,
    text: &str,
) -> Result<Condition, String> {
    let texts = escape::split(text, '$');
    let components = &parameter.components;
    if texts.len() != components.len() {
        let codes: Vec<_> = components.iter().map(|one| one.code.as_str()).collect();
        return Err(format!("its value is {} parted by '$'", codes.join(", ")));
    }
    let read = |(place, (component, text)): (usize, (&Component, &&str))| {
        let (are_stated, bindings, case) =
            indexer.component_systems(resource_type, &parameter.code, place);
        let context = ParseContext {
            targets: &[],
            modifier: None,
            systems: Systems {
                are_stated,
                bindings: &bindings,
                case,
            },
            base_url: indexer.base_url(),
            now_ms,
        };
        let condition = param::parse(component.kind, text, &context);
        condition.map_err(|reason| format!("part {}: {reason}", place + 1))
    };
    let parts = components.iter().zip(&texts).enumerate().map(read);
    Ok(Condition::Composite(CompositeCondition {
        parts: parts.collect::<Result<_, String>>()?,
    }))
}
