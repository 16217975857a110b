//! The operators.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#operations>.

use std::borrow::Cow;
use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::fhirpath::ast::{Expr, Operator};
use crate::fhirpath::evaluate::collection::union;
use crate::fhirpath::evaluate::equality::{
    all_equal, all_equivalent, compare_quantities, is_among,
};
use crate::fhirpath::evaluate::item::{Item, Scalar, System};
use crate::fhirpath::evaluate::work::Work;
use crate::fhirpath::evaluate::{Answer, EvaluateError, Evaluator, Frame, single, truth};
use crate::fhirpath::temporal::shift::unit_called;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn binary(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        if matches!(
            operator,
            Operator::And | Operator::Or | Operator::Xor | Operator::Implies
        ) {
            let answer = self.logic(operator, left, right, frame)?;
            return Ok(answer.map(Item::boolean).into_iter().collect());
        }
        let left = self.eval(left, frame)?;
        let right = self.eval(right, frame)?;
        let work = &self.work;
        match operator {
            Operator::Union => union(left, right, work),
            Operator::In => membership(&left, &right, work),
            Operator::Contains => membership(&right, &left, work),
            Operator::Equivalent => {
                all_equivalent(&left, &right, work).map(|same| vec![Item::boolean(same)])
            }
            Operator::NotEquivalent => {
                all_equivalent(&left, &right, work).map(|same| vec![Item::boolean(!same)])
            }
            Operator::Concatenate => concatenated(&left, &right, work),
            _ if left.is_empty() || right.is_empty() => Ok(Vec::new()),
            Operator::Equal | Operator::NotEqual => {
                let answer = all_equal(&left, &right, work)?;
                let answer = answer.map(|same| same == (operator == Operator::Equal));
                Ok(answer.map(Item::boolean).into_iter().collect())
            }
            _ => on_scalars(operator, &left, &right, work),
        }
    }

    /// Truth with three values; what the left side decides, the right side is not asked.
    fn logic(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        frame: Frame<'_, 'a>,
    ) -> Result<Option<bool>, EvaluateError> {
        let left = truth(&self.eval(left, frame)?)?;
        match (operator, left) {
            (Operator::And, Some(false)) => return Ok(Some(false)),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => {
                return Ok(Some(true));
            }
            _ => {}
        }
        let right = truth(&self.eval(right, frame)?)?;
        Ok(match (operator, left, right) {
            (Operator::And, _, Some(false)) => Some(false),
            (Operator::Or | Operator::Implies, _, Some(true)) => Some(true),
            (Operator::Xor, Some(left), Some(right)) => Some(left != right),
            (Operator::And | Operator::Or | Operator::Implies, Some(_), Some(right)) => Some(right),
            _ => None,
        })
    }
}

/// `-items`
pub(super) fn negated<'a>(items: &[Item<'a>], work: &Work<'_>) -> Answer<'a> {
    let Some(item) = single(items)? else {
        return Ok(Vec::new());
    };
    let negative = match item.scalar(work.shapes) {
        Some(Scalar::Integer(integer)) => integer.checked_neg().map(System::Integer),
        Some(Scalar::Decimal(decimal)) => Some(System::Decimal(-decimal)),
        Some(Scalar::Quantity {
            value,
            unit,
            is_calendar,
        }) => Some(quantity(-value, &unit, is_calendar)),
        _ => return Err(EvaluateError::WrongType("a number")),
    };
    Ok(negative.map(Item::System).into_iter().collect())
}

fn membership<'a>(item: &[Item<'a>], items: &[Item<'a>], work: &Work<'_>) -> Answer<'a> {
    match single(item)? {
        Some(item) => is_among(item, items, work).map(|is_in| vec![Item::boolean(is_in)]),
        None => Ok(Vec::new()),
    }
}

/// `left & right`: what is empty counts as an empty text.
fn concatenated<'a>(left: &[Item<'a>], right: &[Item<'a>], work: &Work<'_>) -> Answer<'a> {
    let text = |items| -> Result<&str, EvaluateError> {
        match single(items)? {
            None => Ok(""),
            Some(item) => item
                .text(work.shapes)
                .ok_or(EvaluateError::WrongType("a text")),
        }
    };
    let (left, right) = (text(left)?, text(right)?);
    work.charge_text(left.len() + right.len())?;
    Ok(vec![Item::string(format!("{left}{right}"))])
}

fn on_scalars<'a>(
    operator: Operator,
    left: &[Item<'a>],
    right: &[Item<'a>],
    work: &Work<'_>,
) -> Answer<'a> {
    let scalar = |items| -> Result<Option<Scalar<'_>>, EvaluateError> {
        Ok(single(items)?.and_then(|item: &Item<'_>| item.scalar(work.shapes)))
    };
    // An element that has extensions only has nothing to calculate with.
    let (Some(left), Some(right)) = (scalar(left)?, scalar(right)?) else {
        return Ok(Vec::new());
    };
    let result = match operator {
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            compare(&left, &right)?.map(|ordering| {
                System::Boolean(match operator {
                    Operator::Less => ordering == Ordering::Less,
                    Operator::LessOrEqual => ordering != Ordering::Greater,
                    Operator::Greater => ordering == Ordering::Greater,
                    _ => ordering != Ordering::Less,
                })
            })
        }
        _ => calculate(operator, &left, &right, work)?,
    };
    Ok(result.map(Item::System).into_iter().collect())
}

fn compare(left: &Scalar<'_>, right: &Scalar<'_>) -> Result<Option<Ordering>, EvaluateError> {
    if let (Some(left), Some(right)) = (left.number(), right.number()) {
        return Ok(Some(left.cmp(&right)));
    }
    match (left, right) {
        (Scalar::Text(left), Scalar::Text(right)) => Ok(Some(left.cmp(right))),
        (Scalar::Temporal(left), Scalar::Temporal(right)) => Ok(left.compare(right)),
        _ => match (as_quantity(left), as_quantity(right)) {
            (Some(left), Some(right)) => Ok(compare_quantities(left, right)),
            _ => Err(EvaluateError::WrongType("two values that can be compared")),
        },
    }
}

/// A quantity, or a number as one without a unit.
fn as_quantity<'v>(scalar: &'v Scalar<'_>) -> Option<(Decimal, &'v str, bool)> {
    match scalar {
        Scalar::Quantity {
            value,
            unit,
            is_calendar,
        } => Some((*value, unit, *is_calendar)),
        other => other.number().map(|number| (number, "1", false)),
    }
}

/// Arithmetic; what overflows, or divides by nothing, is empty.
fn calculate(
    operator: Operator,
    left: &Scalar<'_>,
    right: &Scalar<'_>,
    work: &Work<'_>,
) -> Result<Option<System>, EvaluateError> {
    if let (Scalar::Integer(left), Scalar::Integer(right)) = (left, right)
        && operator != Operator::Divide
    {
        return Ok(integers(operator, *left, *right).map(System::Integer));
    }
    if let (Some(left), Some(right)) = (left.number(), right.number()) {
        return Ok(decimals(operator, left, right));
    }
    match (left, right) {
        (Scalar::Text(left), Scalar::Text(right)) if operator == Operator::Add => {
            work.charge_text(left.len() + right.len())?;
            Ok(Some(System::String(format!("{left}{right}").into())))
        }
        (Scalar::Temporal(temporal), Scalar::Quantity { value, unit, .. })
            if matches!(operator, Operator::Add | Operator::Subtract) =>
        {
            let unit = unit_called(unit).ok_or(EvaluateError::WrongType("a duration"))?;
            let is_added = operator == Operator::Add;
            let amount = if is_added { *value } else { -*value };
            Ok(temporal.plus(amount, unit).map(System::Temporal))
        }
        _ => match (as_quantity(left), as_quantity(right)) {
            (Some(left), Some(right)) => Ok(quantities(operator, left, right)),
            _ => Err(EvaluateError::WrongType(
                "two values that it can calculate with",
            )),
        },
    }
}

fn integers(operator: Operator, left: i64, right: i64) -> Option<i64> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Div => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        _ => None,
    }
}

fn decimals(operator: Operator, left: Decimal, right: Decimal) -> Option<System> {
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        Operator::Div => {
            let whole = left.checked_div(right)?.trunc().to_i64();
            return whole.map(System::Integer);
        }
        _ => None,
    };
    // A quotient has as many digits as fit, and no more than it needs.
    value.map(|value| match operator {
        Operator::Divide => System::Decimal(value.normalize()),
        _ => System::Decimal(value),
    })
}

fn quantities(
    operator: Operator,
    left: (Decimal, &str, bool),
    right: (Decimal, &str, bool),
) -> Option<System> {
    let is_same = left.1 == right.1 && left.2 == right.2;
    let value = match operator {
        Operator::Add if is_same => left.0.checked_add(right.0),
        Operator::Subtract if is_same => left.0.checked_sub(right.0),
        Operator::Divide if is_same => {
            let ratio = left.0.checked_div(right.0)?;
            return Some(quantity(ratio, "1", false));
        }
        Operator::Multiply if right.1 == "1" => left.0.checked_mul(right.0),
        Operator::Divide if right.1 == "1" => left.0.checked_div(right.0),
        Operator::Multiply if left.1 == "1" => {
            let product = left.0.checked_mul(right.0)?;
            return Some(quantity(product, right.1, right.2));
        }
        _ => None,
    };
    value.map(|value| quantity(value, left.1, left.2))
}

fn quantity(value: Decimal, unit: &str, is_calendar: bool) -> System {
    Scalar::Quantity {
        value,
        unit: Cow::Borrowed(unit),
        is_calendar,
    }
    .to_system()
}
