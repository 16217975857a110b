//! Functions on collections as such: how many, which of them, sets.

use std::collections::HashSet;

use crate::fhirpath::evaluate::equality::is_among;
use crate::fhirpath::evaluate::item::{Item, Scalar};
use crate::fhirpath::evaluate::work::Work;
use crate::fhirpath::evaluate::{Answer, EvaluateError, single, truth};
use crate::fhirpath::function::Function;

pub(super) fn call<'a>(
    input: Vec<Item<'a>>,
    function: Function,
    arguments: &[Vec<Item<'a>>],
    work: &Work<'_>,
) -> Answer<'a> {
    let other = arguments.first().map_or(&[][..], Vec::as_slice);
    match function {
        Function::Empty => truth_of(Ok(input.is_empty())),
        Function::Count => Ok(vec![Item::count(input.len())]),
        Function::Distinct => distinct(input, work),
        Function::IsDistinct => {
            let before = input.len();
            distinct(input, work).map(|left| vec![Item::boolean(left.len() == before)])
        }
        Function::Not => {
            let answer = truth(&input)?;
            Ok(answer
                .map(|truth| Item::boolean(!truth))
                .into_iter()
                .collect())
        }
        Function::AllTrue => truth_of(every(&input, true, work)),
        Function::AllFalse => truth_of(every(&input, false, work)),
        Function::AnyTrue => truth_of(every(&input, false, work).map(|all| !all)),
        Function::AnyFalse => truth_of(every(&input, true, work).map(|all| !all)),
        Function::SubsetOf => truth_of(is_subset(&input, other, work)),
        Function::SupersetOf => truth_of(is_subset(other, &input, work)),
        Function::Single => match input.len() {
            0 | 1 => Ok(input),
            _ => Err(EvaluateError::NotSingle),
        },
        Function::First => Ok(input.into_iter().take(1).collect()),
        Function::Last => Ok(input.into_iter().next_back().into_iter().collect()),
        Function::Tail => Ok(input.into_iter().skip(1).collect()),
        Function::Skip => Ok(input.into_iter().skip(count(other, work)?).collect()),
        Function::Take => Ok(input.into_iter().take(count(other, work)?).collect()),
        Function::Intersect => intersect(input, other, work),
        Function::Exclude => {
            let mut left = Vec::new();
            for item in input {
                if !is_among(&item, other, work)? {
                    left.push(item);
                }
            }
            Ok(left)
        }
        Function::Union => union(input, other.to_vec(), work),
        Function::Combine => {
            let mut both = input;
            both.extend_from_slice(other);
            Ok(both)
        }
        _ => Err(EvaluateError::WrongType("a function that can be evaluated")),
    }
}

/// Both collections without repetition.
pub(super) fn union<'a>(
    mut left: Vec<Item<'a>>,
    right: Vec<Item<'a>>,
    work: &Work<'_>,
) -> Answer<'a> {
    left.extend(right);
    distinct(left, work)
}

fn distinct<'a>(items: Vec<Item<'a>>, work: &Work<'_>) -> Answer<'a> {
    if items.len() < 2 {
        return Ok(items);
    }
    work.charge(items.len())?;
    if let Some(is_first) = first_texts(&items, work) {
        let kept = items.into_iter().zip(is_first).filter(|(_, first)| *first);
        return Ok(kept.map(|(item, _)| item).collect());
    }
    let mut left: Vec<Item<'a>> = Vec::with_capacity(items.len());
    for item in items {
        if !is_among(&item, &left, work)? {
            left.push(item);
        }
    }
    Ok(left)
}

/// For items that are all text: whether each is the first of its kind.
fn first_texts(items: &[Item<'_>], work: &Work<'_>) -> Option<Vec<bool>> {
    let mut seen = HashSet::with_capacity(items.len());
    let is_first = |item: &Item<'_>| match item.scalar(work.shapes) {
        Some(Scalar::Text(text)) => Some(seen.insert(text.to_owned())),
        _ => None,
    };
    items.iter().map(is_first).collect()
}

fn intersect<'a>(input: Vec<Item<'a>>, other: &[Item<'a>], work: &Work<'_>) -> Answer<'a> {
    let mut both: Vec<Item<'a>> = Vec::new();
    for item in input {
        if is_among(&item, other, work)? && !is_among(&item, &both, work)? {
            both.push(item);
        }
    }
    Ok(both)
}

fn is_subset(
    part: &[Item<'_>],
    whole: &[Item<'_>],
    work: &Work<'_>,
) -> Result<bool, EvaluateError> {
    for item in part {
        if !is_among(item, whole, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether every item is the boolean `wanted`.
fn every(items: &[Item<'_>], wanted: bool, work: &Work<'_>) -> Result<bool, EvaluateError> {
    for item in items {
        match item.scalar(work.shapes) {
            Some(Scalar::Boolean(truth)) if truth == wanted => {}
            Some(Scalar::Boolean(_)) => return Ok(false),
            _ => return Err(EvaluateError::WrongType("booleans")),
        }
    }
    Ok(true)
}

fn truth_of<'a>(answer: Result<bool, EvaluateError>) -> Answer<'a> {
    answer.map(|truth| vec![Item::boolean(truth)])
}

/// A count of items; a negative one is none.
fn count(items: &[Item<'_>], work: &Work<'_>) -> Result<usize, EvaluateError> {
    match single(items)?.and_then(|item| item.scalar(work.shapes)) {
        Some(Scalar::Integer(count)) => Ok(usize::try_from(count).unwrap_or(0)),
        _ => Err(EvaluateError::WrongType("an integer")),
    }
}
