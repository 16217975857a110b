//! Queries that ask for the same in other words have one form.
//!
//! Made of what was understood, so that the order of parameters and values, their encoding, repeats
//! and what a prefix or a type says by default make no difference. Two queries with one form find
//! the same; two that find the same may have two forms.

use std::fmt::Debug;

use crate::search::query::{Criterion, Query};

/// The form of a query; what it says about its result aside.
pub fn form(query: &Query) -> String {
    format!("{}?{}", query.resource_type, all(&query.criteria, " and "))
}

fn all(criteria: &[Criterion], between: &str) -> String {
    sorted(criteria.iter().map(criterion).collect()).join(between)
}

fn criterion(criterion: &Criterion) -> String {
    match criterion {
        Criterion::Parameter { code, any_of } => format!("{code}={}", any(any_of)),
        Criterion::Ids(ids) => format!("_id={}", any(ids)),
        Criterion::LastUpdated(any_of) => format!("_lastUpdated={}", any(any_of)),
        Criterion::Not(inner) => format!("not ({})", self::criterion(inner)),
        Criterion::All(parts) => format!("({})", all(parts, " and ")),
        Criterion::Any(parts) => format!("({})", all(parts, " or ")),
        other => format!("{other:?}"),
    }
}

fn any(values: &[impl Debug]) -> String {
    sorted(values.iter().map(|one| format!("{one:?}")).collect()).join(",")
}

fn sorted(mut parts: Vec<String>) -> Vec<String> {
    parts.sort_unstable();
    parts.dedup();
    parts
}
