//! `=` and `~` between items and between collections.
//!
//! Units are compared by name; only those of time are converted.
//! Spec: <http://hl7.org/fhirpath/N1/#equality>.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::fhir::resource::{Node, Object};
use crate::fhirpath::evaluate::EvaluateError;
use crate::fhirpath::evaluate::item::{Item, Scalar, decimal};
use crate::fhirpath::evaluate::work::Work;
use crate::fhirpath::temporal::shift::{Unit, unit_called};

/// Whether two items are equal; `None` when dates are not written exactly enough to say, or units
/// differ.
pub(super) fn equal(
    left: &Item<'_>,
    right: &Item<'_>,
    work: &Work<'_>,
) -> Result<Option<bool>, EvaluateError> {
    work.charge(1)?;
    if let (Item::Element(left), Item::Element(right)) = (left, right)
        && left.is_same(right)
    {
        return Ok(Some(true));
    }
    if let (Some(left), Some(right)) = (left.scalar(work.shapes), right.scalar(work.shapes)) {
        return Ok(scalars_equal(&left, &right));
    }
    match (left, right) {
        (Item::Element(left), Item::Element(right)) => {
            match (left.as_object(), right.as_object()) {
                (Some(left), Some(right)) => objects_equal(left, right, work).map(Some),
                _ => Ok(Some(false)),
            }
        }
        (Item::System(left), Item::System(right)) => Ok(Some(left == right)),
        _ => Ok(Some(false)),
    }
}

/// Whether two collections are equal, item by item in order; both have items.
pub(super) fn all_equal(
    left: &[Item<'_>],
    right: &[Item<'_>],
    work: &Work<'_>,
) -> Result<Option<bool>, EvaluateError> {
    if left.len() != right.len() {
        return Ok(Some(false));
    }
    for (left, right) in left.iter().zip(right) {
        match equal(left, right, work)? {
            Some(true) => {}
            other => return Ok(other),
        }
    }
    Ok(Some(true))
}

/// Whether two items mean the same.
pub(super) fn equivalent(
    left: &Item<'_>,
    right: &Item<'_>,
    work: &Work<'_>,
) -> Result<bool, EvaluateError> {
    work.charge(1)?;
    if let (Some(left), Some(right)) = (left.scalar(work.shapes), right.scalar(work.shapes)) {
        return Ok(scalars_equivalent(&left, &right));
    }
    equal(left, right, work).map(|answer| answer == Some(true))
}

/// Whether two collections mean the same, in any order.
pub(super) fn all_equivalent(
    left: &[Item<'_>],
    right: &[Item<'_>],
    work: &Work<'_>,
) -> Result<bool, EvaluateError> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut rest: Vec<&Item<'_>> = right.iter().collect();
    for item in left {
        let mut partner = None;
        for (place, other) in rest.iter().enumerate() {
            if equivalent(item, other, work)? {
                partner = Some(place);
                break;
            }
        }
        match partner {
            Some(place) => rest.swap_remove(place),
            None => return Ok(false),
        };
    }
    Ok(true)
}

/// Whether an item equals one of several.
pub(super) fn is_among(
    item: &Item<'_>,
    items: &[Item<'_>],
    work: &Work<'_>,
) -> Result<bool, EvaluateError> {
    for other in items {
        if equal(item, other, work)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which of two quantities is greater. Lengths of time compare with each other, but years and
/// months of the calendar only among themselves; other units only with the same unit.
pub(super) fn compare_quantities(
    left: (Decimal, &str, bool),
    right: (Decimal, &str, bool),
) -> Option<Ordering> {
    let ((left, left_unit), (right, right_unit)) = (measured(left)?, measured(right)?);
    (left_unit == right_unit).then(|| left.cmp(&right))
}

/// A quantity in the smallest unit that it can be expressed in.
fn measured((value, unit, is_calendar): (Decimal, &str, bool)) -> Option<(Decimal, Measure<'_>)> {
    let (size, measure) = match unit_called(unit) {
        Some(Unit::Millis(size)) => (size, Measure::Millis),
        Some(Unit::Months(size)) if is_calendar => (size, Measure::Months),
        _ => (1, Measure::Other(unit)),
    };
    Some((value.checked_mul(Decimal::from(size))?, measure))
}

#[derive(PartialEq, Eq)]
enum Measure<'v> {
    Millis,
    Months,
    Other(&'v str),
}

fn scalars_equal(left: &Scalar<'_>, right: &Scalar<'_>) -> Option<bool> {
    if let (Some(left), Some(right)) = (left.number(), right.number()) {
        return Some(left == right);
    }
    match (left, right) {
        (Scalar::Temporal(left), Scalar::Temporal(right)) if left.is_time() != right.is_time() => {
            Some(false)
        }
        (Scalar::Temporal(left), Scalar::Temporal(right)) => left
            .compare(right)
            .map(|ordering| ordering == Ordering::Equal),
        (
            Scalar::Quantity {
                value: left,
                unit: left_unit,
                is_calendar: left_calendar,
            },
            Scalar::Quantity {
                value: right,
                unit: right_unit,
                is_calendar: right_calendar,
            },
        ) => compare_quantities(
            (*left, left_unit, *left_calendar),
            (*right, right_unit, *right_calendar),
        )
        .map(|ordering| ordering == Ordering::Equal),
        (Scalar::Boolean(left), Scalar::Boolean(right)) => Some(left == right),
        (Scalar::Text(left), Scalar::Text(right)) => Some(left == right),
        // A date that is compared with a text is meant as it is written.
        (Scalar::Temporal(temporal), Scalar::Text(text))
        | (Scalar::Text(text), Scalar::Temporal(temporal)) => Some(temporal.to_string() == *text),
        _ => Some(false),
    }
}

fn scalars_equivalent(left: &Scalar<'_>, right: &Scalar<'_>) -> bool {
    if let (Some(left), Some(right)) = (left.number(), right.number()) {
        let scale = left.normalize().scale().min(right.normalize().scale());
        return left.round_dp(scale) == right.round_dp(scale);
    }
    match (left, right) {
        (Scalar::Text(left), Scalar::Text(right)) => folded(left).eq(folded(right)),
        _ => scalars_equal(left, right) == Some(true),
    }
}

/// Lower case, with each run of white space as one space.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.split_whitespace()
        .flat_map(|word| std::iter::once(' ').chain(word.chars().flat_map(char::to_lowercase)))
}

fn objects_equal(left: &Object, right: &Object, work: &Work<'_>) -> Result<bool, EvaluateError> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (name, node) in left.iter() {
        let Some(other) = right.get(name) else {
            return Ok(false);
        };
        if !nodes_equal(node, other, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn nodes_equal(left: &Node, right: &Node, work: &Work<'_>) -> Result<bool, EvaluateError> {
    work.charge(1)?;
    match (left, right) {
        (Node::Object(left), Node::Object(right)) => objects_equal(left, right, work),
        (Node::Array(left), Node::Array(right)) => {
            for (left, right) in left.iter().zip(right) {
                if !nodes_equal(left, right, work)? {
                    return Ok(false);
                }
            }
            Ok(left.len() == right.len())
        }
        (Node::Number(left), Node::Number(right)) => {
            Ok(left == right || decimal(left).is_some_and(|left| Some(left) == decimal(right)))
        }
        (left, right) => Ok(left == right),
    }
}
