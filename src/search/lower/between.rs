//! Two bounds on one date: a range that is walked as one.
//!
//! `date=ge2020&date=lt2021` is two conditions, either of which may find most of a type. Where the
//! parameter has one value at most, what meets both overlaps the time between them.

use crate::search::index::Indexer;
use crate::search::key::ParameterNumber;
use crate::search::lower::{Breadth, Conjunct};
use crate::search::param::Condition;
use crate::search::param::date::{DateCondition, Interval};
use crate::search::prefix::Prefix;
use crate::search::query::{Criterion, Query};

/// Lets the first of two bounds drive by both; `conjuncts` are those of the query's criteria.
pub(super) fn close(conjuncts: &mut [Conjunct], query: &Query, indexer: &Indexer) {
    for (place, criterion) in query.criteria.iter().enumerate() {
        let Some((code, low)) = bound(criterion, &[Prefix::Ge, Prefix::Gt, Prefix::Sa]) else {
            continue;
        };
        let mut others = query.criteria.iter().enumerate();
        let high = others.find_map(|(at, other)| {
            let (of, high) = bound(other, &[Prefix::Le, Prefix::Lt, Prefix::Eb])?;
            (of == code).then_some((at, high))
        });
        let registry = indexer.registry();
        let parameter = registry.search_parameter(query.resource_type, code);
        let single = parameter.filter(|one| {
            let program = one.expression.as_ref();
            program.is_some_and(|program| program.is_single(registry.shapes()))
        });
        let (Some((at, high)), Some(parameter)) = (high, single) else {
            continue;
        };
        let overlap = DateCondition {
            prefix: Prefix::Ap,
            searched: Interval {
                low_ms: low.searched.low_ms,
                high_ms: high.searched.high_ms,
            },
        };
        if let Some(conjunct) = conjuncts.get_mut(place) {
            conjunct.driver = Some(overlap.lower(ParameterNumber(parameter.number)));
            conjunct.breadth = Breadth::Wide;
        }
        if let Some(conjunct) = conjuncts.get_mut(at) {
            conjunct.breadth = Breadth::Untold;
        }
    }
}

/// The parameter and the only value of a criterion on a date with one of these prefixes.
fn bound<'c>(criterion: &'c Criterion, prefixes: &[Prefix]) -> Option<(&'c str, DateCondition)> {
    let Criterion::Parameter { code, any_of } = criterion else {
        return None;
    };
    match any_of.as_slice() {
        [Condition::Date(date)] if prefixes.contains(&date.prefix) => Some((code, *date)),
        _ => None,
    }
}
