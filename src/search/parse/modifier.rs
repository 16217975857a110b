//! Which modifiers a parameter takes, by its kind and by the types of its values.
//!
//! What they mean is in the file of each kind below [`crate::search::param`].
//! Spec: <https://hl7.org/fhir/R4/search.html#modifiers>.

use crate::conformance::registry::Registry;
use crate::conformance::search_parameter::{ParameterKind, SearchParameter};
use crate::outcome::Issue;
use crate::search::hierarchy::hierarchies;
use crate::search::modifier::Modifier;
use crate::search::param::special;
use crate::search::parse::refusal::{malformed, unsupported};
use crate::search::query::Criterion;

/// The modifier called `text`, when the parameter takes it.
pub(super) fn of(
    name: &str,
    text: &str,
    parameter: &SearchParameter,
    registry: &Registry,
) -> Result<Modifier, Issue> {
    let has_hierarchy = !hierarchies(registry, parameter).is_empty();
    let taken = taken_by(parameter, has_hierarchy);
    match Modifier::parse(text) {
        Some(Modifier::Type(target)) if parameter.kind == ParameterKind::Reference => {
            if parameter.targets.is_empty() || parameter.targets.contains(&target) {
                Ok(Modifier::Type(target))
            } else {
                Err(malformed(name, "names a type that it cannot refer to"))
            }
        }
        Some(Modifier::Type(_)) => Err(malformed(
            name,
            "names a type, which only references may have behind the colon",
        )),
        Some(modifier) if taken.iter().any(|(_, one)| *one == modifier) => Ok(modifier),
        known => {
            let names: Vec<_> = taken.iter().map(|(name, _)| format!(":{name}")).collect();
            let problem = match known {
                Some(_) => "has a modifier that it does not take",
                None => "has a modifier that does not exist",
            };
            let reason = format!("{problem}; it takes {}", names.join(", "));
            Err(unsupported(name, &reason))
        }
    }
}

/// Reads the value of `:missing`.
pub(super) fn missing(
    name: &str,
    parameter: &SearchParameter,
    value: &str,
) -> Result<Criterion, Issue> {
    let is_missing = match value {
        "true" => true,
        "false" => false,
        _ => return Err(malformed(name, "is true or false")),
    };
    Ok(Criterion::Missing {
        code: parameter.code.clone(),
        is_missing,
    })
}

/// The modifiers that a parameter takes, by their names; types of references besides.
fn taken_by(
    parameter: &SearchParameter,
    has_hierarchy: bool,
) -> &'static [(&'static str, Modifier)] {
    match parameter.kind {
        _ if parameter.expression.is_none() => &[],
        ParameterKind::Token if parameter.code == special::ID => {
            &[("missing", Modifier::Missing), ("not", Modifier::Not)]
        }
        ParameterKind::String => &[
            ("missing", Modifier::Missing),
            ("exact", Modifier::Exact),
            ("contains", Modifier::Contains),
        ],
        ParameterKind::Token => &[
            ("missing", Modifier::Missing),
            ("not", Modifier::Not),
            ("text", Modifier::Text),
            ("in", Modifier::In),
            ("not-in", Modifier::NotIn),
            ("above", Modifier::Above),
            ("below", Modifier::Below),
            ("of-type", Modifier::OfType),
        ],
        ParameterKind::Reference if has_hierarchy => &[
            ("missing", Modifier::Missing),
            ("identifier", Modifier::Identifier),
            ("above", Modifier::Above),
            ("below", Modifier::Below),
        ],
        ParameterKind::Reference => &[
            ("missing", Modifier::Missing),
            ("identifier", Modifier::Identifier),
        ],
        ParameterKind::Uri => &[
            ("missing", Modifier::Missing),
            ("above", Modifier::Above),
            ("below", Modifier::Below),
        ],
        ParameterKind::Number
        | ParameterKind::Date
        | ParameterKind::Quantity
        | ParameterKind::Composite
        | ParameterKind::Special => &[("missing", Modifier::Missing)],
    }
}
