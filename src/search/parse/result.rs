//! The parameters about the result: how many matches, in which form, counted how.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#return>.

use crate::conformance::registry::Registry;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Issue;
use crate::search::include::Include;
use crate::search::parse::refusal::{malformed, unsupported};
use crate::search::query::{
    ContainedType, Containment, Criterion, Query, ResultOptions, Summary, Total,
};
use crate::search::sort::{SortKey, is_sortable};

/// Keys that a result may be sorted by.
const SORT_KEYS_MAX: usize = 8;

/// `_include` and `_revinclude` that a query may have.
const INCLUDES_MAX: usize = 32;

/// Reads `_include` or `_revinclude`; false when it is neither.
pub(super) fn read_include(
    result: &mut ResultOptions,
    (name, modifier): (&str, Option<&str>),
    value: &str,
    registry: &Registry,
) -> Result<bool, Issue> {
    let is_reverse = match name {
        "_include" => false,
        "_revinclude" => true,
        _ => return Ok(false),
    };
    let is_iterated = match modifier {
        None => false,
        // The name that drafts of R4 had for it.
        Some("iterate" | "recurse") => true,
        Some(_) => return Err(unsupported(name, "may have the modifier iterate only")),
    };
    if result.includes.len() == INCLUDES_MAX {
        return Err(malformed(name, "is given too often"));
    }
    let include = Include::parse(value, is_reverse, is_iterated, registry)
        .map_err(|reason| malformed(name, &reason))?;
    result.includes.push(include);
    Ok(true)
}

/// Reads `_sort`.
pub(super) fn read_sort(
    result: &mut ResultOptions,
    value: &str,
    resource_type: ResourceType,
    registry: &Registry,
) -> Result<(), Issue> {
    let name = "_sort";
    if !result.sort.is_empty() {
        return Err(malformed(name, "may be given only once"));
    }
    let mut keys = Vec::new();
    for text in value.split(',') {
        let code = text.strip_prefix('-').unwrap_or(text);
        let parameter = registry.search_parameter(resource_type, code);
        let parameter = parameter.filter(|one| one.expression.is_some() && is_sortable(one.kind));
        let Some(parameter) = parameter else {
            let reason = format!(
                "is a list of search parameters of {resource_type} that have an order, each with \
                 '-' in front to have the largest first"
            );
            return Err(malformed(name, &reason));
        };
        keys.push(SortKey {
            code: parameter.code.clone(),
            is_descending: code.len() < text.len(),
        });
    }
    if keys.len() > SORT_KEYS_MAX {
        return Err(malformed(name, "has too many parameters"));
    }
    result.sort = keys;
    Ok(())
}

/// Reads a parameter about the result; false when it is none.
pub(super) fn read(result: &mut ResultOptions, name: &str, value: &str) -> Result<bool, Issue> {
    match name {
        // What they ask for is settled before the query is read.
        "_format" | "_pretty" => {}
        "_count" => {
            let count = value.parse().map_err(|_not_a_number| {
                malformed(name, "needs a whole number that is not negative")
            })?;
            set_once(&mut result.count, count, name)?;
        }
        "_summary" => {
            let summary = match value {
                "true" => Summary::True,
                "text" => Summary::Text,
                "data" => Summary::Data,
                "count" => Summary::Count,
                "false" => Summary::False,
                _ => return Err(malformed(name, "is true, text, data, count or false")),
            };
            set_once(&mut result.summary, summary, name)?;
        }
        // The second is not of FHIR: a widespread client counts by it.
        "_total" | "_totalMethod" => {
            let total = match (name, value) {
                (_, "none") => Total::None,
                (_, "estimate") => Total::Estimate,
                ("_total", "accurate") | ("_totalMethod", "count") => Total::Accurate,
                ("_total", _) => return Err(malformed(name, "is none, estimate or accurate")),
                _ => return Err(malformed(name, "is none, estimate or count")),
            };
            set_once(&mut result.total, total, name)?;
        }
        "_elements" => {
            let elements = value.split(',').map(str::trim);
            let is_name = |text: &str| {
                !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
            };
            if !elements.clone().all(is_name) {
                return Err(malformed(name, "is a list of element names"));
            }
            result.elements.extend(elements.map(Into::into));
        }
        "_explain" => {
            result.is_explained = match value {
                "true" => true,
                "false" => false,
                _ => return Err(malformed(name, "is true or false")),
            };
        }
        "_contained" => {
            let containment = match value {
                "false" => Containment::Outside,
                "true" => Containment::Inside,
                "both" => Containment::Both,
                _ => return Err(malformed(name, "is false, true or both")),
            };
            set_once(&mut result.containment, containment, name)?;
        }
        "_containedType" => {
            let shown = match value {
                "container" => ContainedType::Container,
                "contained" => ContainedType::Contained,
                _ => return Err(malformed(name, "is container or contained")),
            };
            set_once(&mut result.contained_type, shown, name)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What cannot be asked of contained resources.
pub(super) fn check_contained(query: &Query) -> Result<(), Issue> {
    let result = &query.result;
    if !result.is_inside() {
        return Ok(());
    }
    let refused = if !result.sort.is_empty() {
        "cannot stand beside _sort: contained resources come in the order of their containers"
    } else if result.shows_contained() && !result.includes.is_empty() {
        "cannot show contained resources beside _include or _revinclude: ask for containers"
    } else if query.criteria.iter().any(Criterion::is_on_referrers) {
        "cannot stand beside _has or _list: nothing outside refers to a contained resource"
    } else {
        return Ok(());
    };
    Err(unsupported("_contained", refused))
}

fn set_once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), Issue> {
    if place.is_some() {
        return Err(malformed(name, "may be given only once"));
    }
    *place = Some(value);
    Ok(())
}
