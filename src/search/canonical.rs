//! Queries that ask for the same in other words have one form.
//!
//! Made of what was understood, so that the order of parameters and values, their encoding, repeats
//! and what a prefix or a type says by default make no difference. Two queries with one form find
//! the same; two that find the same may have two forms. Reservations are named by it, so processes
//! of two builds have to agree: a form is written out here and never left to a derived one.

mod condition;

use crate::search::canonical::condition::{condition, quoted};
use crate::search::query::{Criterion, Query};
use crate::search::relation::Relation;
use crate::search::words::expression::Expression;

/// The form of a query; what it says about its result aside.
pub fn form(query: &Query) -> String {
    format!("{}?{}", query.resource_type, all(&query.criteria, " and "))
}

fn all(criteria: &[Criterion], between: &str) -> String {
    sorted(criteria.iter().map(criterion)).join(between)
}

fn criterion(criterion: &Criterion) -> String {
    match criterion {
        Criterion::Parameter { code, any_of } => {
            format!("{code}={}", sorted(any_of.iter().map(condition)).join(","))
        }
        Criterion::Missing { code, is_missing } => format!("{code}:missing={is_missing}"),
        Criterion::Ids(ids) => format!("_id={}", texts(ids)),
        Criterion::LastUpdated(any_of) => {
            let dates = any_of.iter().map(condition::date);
            format!("_lastUpdated={}", sorted(dates).join(","))
        }
        Criterion::Words(words) => {
            let name = if words.is_narrative {
                "_text"
            } else {
                "_content"
            };
            format!("{name}={}", expression(&words.expression))
        }
        Criterion::Not(inner) => format!("not ({})", self::criterion(inner)),
        Criterion::All(parts) => format!("({})", all(parts, " and ")),
        Criterion::Any(parts) => format!("({})", all(parts, " or ")),
        Criterion::Related(relation) => related(relation),
        Criterion::Inside(inside) => {
            let inner = self::criterion(&inside.criterion);
            format!("{}#{}.({inner})", inside.code, inside.target)
        }
        Criterion::Referred(referred) => {
            let inner = self::criterion(&referred.criterion);
            format!("_has:{}:{}#({inner})", referred.source, referred.code)
        }
    }
}

fn related(relation: &Relation) -> String {
    match relation {
        Relation::Chain { code, targets } => {
            let of = |(target, inner): &(_, _)| format!("{target}.({})", criterion(inner));
            format!("{code}.({})", sorted(targets.iter().map(of)).join(" or "))
        }
        Relation::Has {
            source,
            code,
            criterion,
        } => format!("_has:{source}:{code}({})", self::criterion(criterion)),
        Relation::Hierarchy {
            code,
            named,
            hierarchies,
            is_above,
        } => {
            let way = if *is_above { "above" } else { "below" };
            let upwards = hierarchies.iter().map(|(of, by)| format!("{of}.{by}"));
            let upwards = sorted(upwards).join(",");
            format!("{code}:{way}[{upwards}]={}", texts(named))
        }
        Relation::Lists(ids) => format!("_list={}", texts(ids)),
    }
}

fn expression(words: &Expression) -> String {
    let joined = |parts: &[Expression], between: &str| {
        let parts = sorted(parts.iter().map(expression));
        format!("({})", parts.join(between))
    };
    match words {
        Expression::Phrase(phrase) => quoted(&phrase.join(" ")),
        Expression::All(parts) => joined(parts, " and "),
        Expression::Any(parts) => joined(parts, " or "),
        Expression::Not(inner) => format!("not ({})", expression(inner)),
    }
}

fn texts(values: &[String]) -> String {
    sorted(values.iter().map(|one| quoted(one))).join(",")
}

fn sorted(parts: impl Iterator<Item = String>) -> Vec<String> {
    let mut parts: Vec<_> = parts.collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}
