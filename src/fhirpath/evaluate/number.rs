//! Functions on numbers; what has no result, such as a root of a negative number, is empty.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#math>.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use crate::fhirpath::evaluate::item::{Item, Scalar, System};
use crate::fhirpath::evaluate::work::Work;
use crate::fhirpath::evaluate::{Answer, EvaluateError, single};
use crate::fhirpath::function::Function;

/// How many steps a function costs that approximates its result.
const SERIES_STEPS: usize = 200;

/// How many digits of a logarithm to a base are certain.
const LOG_DIGITS: u32 = 18;

/// Calls a function on a number; `None` when it is no such function.
pub(super) fn call<'a>(
    input: &[Item<'a>],
    function: Function,
    arguments: &[Vec<Item<'a>>],
    work: &Work<'_>,
) -> Option<Answer<'a>> {
    match function {
        Function::Abs
        | Function::Ceiling
        | Function::Exp
        | Function::Floor
        | Function::Ln
        | Function::Log
        | Function::Power
        | Function::Round
        | Function::Sqrt
        | Function::Truncate => Some(on_number(input, function, arguments, work)),
        _ => None,
    }
}

fn on_number<'a>(
    input: &[Item<'a>],
    function: Function,
    arguments: &[Vec<Item<'a>>],
    work: &Work<'_>,
) -> Answer<'a> {
    let Some(item) = single(input)? else {
        return Ok(Vec::new());
    };
    let Some(scalar) = item.scalar(work.shapes) else {
        return Ok(Vec::new());
    };
    let argument = match arguments.first() {
        Some(items) => match single(items)?.and_then(|item| item.scalar(work.shapes)) {
            Some(scalar) => Some(scalar),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let result = match (&scalar, function) {
        (
            Scalar::Quantity {
                value,
                unit,
                is_calendar,
            },
            Function::Abs,
        ) => Some(System::Quantity {
            value: value.abs(),
            unit: unit.as_ref().into(),
            is_calendar: *is_calendar,
        }),
        (Scalar::Integer(integer), Function::Abs) => integer.checked_abs().map(System::Integer),
        (Scalar::Integer(base), Function::Power) => {
            work.charge(SERIES_STEPS)?;
            integer_power(*base, argument.as_ref())
        }
        _ => {
            work.charge(SERIES_STEPS)?;
            let number = scalar
                .number()
                .ok_or(EvaluateError::WrongType("a number"))?;
            let argument = match argument {
                Some(scalar) => Some(
                    scalar
                        .number()
                        .ok_or(EvaluateError::WrongType("a number"))?,
                ),
                None => None,
            };
            on_decimal(number, function, argument)
        }
    };
    Ok(result.map(Item::System).into_iter().collect())
}

fn on_decimal(number: Decimal, function: Function, argument: Option<Decimal>) -> Option<System> {
    let integer = |decimal: Decimal| decimal.to_i64().map(System::Integer);
    let value = match function {
        Function::Ceiling => return integer(number.ceil()),
        Function::Floor => return integer(number.floor()),
        Function::Truncate => return integer(number.trunc()),
        Function::Abs => Some(number.abs()),
        Function::Exp => number.checked_exp(),
        Function::Ln => number.checked_ln(),
        Function::Log => {
            let base = argument?.checked_ln().filter(|ln| !ln.is_zero())?;
            let ratio = number.checked_ln()?.checked_div(base)?;
            // The series leave an error in the last digits.
            Some(ratio.round_dp(LOG_DIGITS).normalize())
        }
        Function::Power => power(number, argument?),
        Function::Sqrt => number.sqrt(),
        Function::Round => {
            let digits = argument.map_or(Some(0), |digits| digits.to_u32())?;
            let away = RoundingStrategy::MidpointAwayFromZero;
            Some(number.round_dp_with_strategy(digits.min(Decimal::MAX_SCALE), away))
        }
        _ => None,
    };
    value.map(System::Decimal)
}

fn integer_power(base: i64, exponent: Option<&Scalar<'_>>) -> Option<System> {
    match exponent? {
        Scalar::Integer(exponent) => match u32::try_from(*exponent) {
            Ok(exponent) => base.checked_pow(exponent).map(System::Integer),
            Err(_) => power(Decimal::from(base), Decimal::from(*exponent)).map(System::Decimal),
        },
        Scalar::Decimal(exponent) => power(Decimal::from(base), *exponent).map(System::Decimal),
        _ => None,
    }
}

/// A root of a negative number does not exist.
fn power(base: Decimal, exponent: Decimal) -> Option<Decimal> {
    if base.is_sign_negative() && !exponent.is_integer() {
        return None;
    }
    base.checked_powd(exponent).map(|power| power.normalize())
}
