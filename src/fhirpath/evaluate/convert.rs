//! Conversions between FHIRPath's own types; what does not convert is empty.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#conversion>.

use rust_decimal::Decimal;

use crate::fhir::resource::Node;
use crate::fhirpath::evaluate::item::{Item, Scalar, System};
use crate::fhirpath::evaluate::work::Work;
use crate::fhirpath::evaluate::{Answer, single};
use crate::fhirpath::function::Function;
use crate::fhirpath::parser::calendar_unit;
use crate::fhirpath::temporal::{Temporal, TemporalKind};

/// Calls a conversion, or asks whether it succeeds; `None` when it is no such function.
pub(super) fn call<'a>(
    input: &[Item<'a>],
    function: Function,
    arguments: &[Vec<Item<'a>>],
    work: &Work<'_>,
) -> Option<Answer<'a>> {
    let (target, is_question) = match function {
        Function::ToBoolean => (Target::Boolean, false),
        Function::ConvertsToBoolean => (Target::Boolean, true),
        Function::ToInteger => (Target::Integer, false),
        Function::ConvertsToInteger => (Target::Integer, true),
        Function::ToDecimal => (Target::Decimal, false),
        Function::ConvertsToDecimal => (Target::Decimal, true),
        Function::ToDate => (Target::Date, false),
        Function::ConvertsToDate => (Target::Date, true),
        Function::ToDateTime => (Target::DateTime, false),
        Function::ConvertsToDateTime => (Target::DateTime, true),
        Function::ToTime => (Target::Time, false),
        Function::ConvertsToTime => (Target::Time, true),
        Function::ToQuantity => (Target::Quantity, false),
        Function::ConvertsToQuantity => (Target::Quantity, true),
        Function::ToString => (Target::String, false),
        Function::ConvertsToString => (Target::String, true),
        _ => return None,
    };
    let answer = single(input).map(|item| {
        let Some(item) = item else {
            return Vec::new();
        };
        let converted = converted(item, target, work).filter(|value| has_unit(value, arguments));
        if is_question {
            return vec![Item::boolean(converted.is_some())];
        }
        converted.map(Item::System).into_iter().collect()
    });
    Some(answer)
}

#[derive(Clone, Copy)]
enum Target {
    Boolean,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
    String,
}

fn converted(item: &Item<'_>, target: Target, work: &Work<'_>) -> Option<System> {
    // The text of a number is the one that was written.
    if let (Target::String, Item::Element(element)) = (target, item)
        && let Some(Node::Number(text) | Node::String(text)) = element.as_node()
    {
        return Some(System::String(text.clone()));
    }
    let scalar = item.scalar(work.shapes)?;
    match target {
        Target::Boolean => to_boolean(&scalar).map(System::Boolean),
        Target::Integer => to_integer(&scalar).map(System::Integer),
        Target::Decimal => to_decimal(&scalar).map(System::Decimal),
        Target::Date | Target::DateTime | Target::Time => {
            to_temporal(&scalar, target).map(System::Temporal)
        }
        Target::Quantity => to_quantity(&scalar),
        Target::String => Some(System::String(to_text(&scalar).into())),
    }
}

fn to_boolean(scalar: &Scalar<'_>) -> Option<bool> {
    match scalar {
        Scalar::Boolean(truth) => Some(*truth),
        Scalar::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        other => {
            let number = other.number()?;
            (number == Decimal::ONE || number == Decimal::ZERO).then(|| number == Decimal::ONE)
        }
    }
}

fn to_integer(scalar: &Scalar<'_>) -> Option<i64> {
    match scalar {
        Scalar::Integer(integer) => Some(*integer),
        Scalar::Boolean(truth) => Some(i64::from(*truth)),
        Scalar::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn to_decimal(scalar: &Scalar<'_>) -> Option<Decimal> {
    match scalar {
        Scalar::Boolean(truth) => Some(Decimal::from(i64::from(*truth))),
        Scalar::Text(text) => decimal_text(text),
        other => other.number(),
    }
}

/// Digits with an optional sign and fraction, nothing else.
fn decimal_text(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    text.parse().ok()
}

fn to_temporal(scalar: &Scalar<'_>, target: Target) -> Option<Temporal> {
    let (parsed, wanted) = match (scalar, target) {
        (Scalar::Text(text), Target::Time) => {
            let clock = text.strip_prefix('T').unwrap_or(text);
            return Temporal::parse_time(clock);
        }
        (Scalar::Text(text), _) => (Temporal::parse_date_time(text)?, target),
        (Scalar::Temporal(temporal), _) => (*temporal, target),
        _ => return None,
    };
    match (parsed.kind, wanted) {
        (TemporalKind::Time, Target::Time) => Some(parsed),
        (TemporalKind::Time, _) | (_, Target::Time) => None,
        (_, Target::Date) => parsed.date(),
        _ => Some(parsed.date_time()),
    }
}

fn to_quantity(scalar: &Scalar<'_>) -> Option<System> {
    let plain = |value| System::Quantity {
        value,
        unit: "1".into(),
        is_calendar: false,
    };
    match scalar {
        Scalar::Quantity { .. } => Some(scalar.to_system()),
        Scalar::Text(text) => {
            let text = text.trim();
            let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'));
            let (number, unit) = text.split_at_checked(end.unwrap_or(text.len()))?;
            let value = decimal_text(number)?;
            let unit = unit.trim();
            if unit.is_empty() {
                return Some(plain(value));
            }
            let code = unit
                .strip_prefix('\'')
                .and_then(|unit| unit.strip_suffix('\''));
            let unit = match code {
                Some(code) => code,
                None => calendar_unit(unit)?,
            };
            Some(System::Quantity {
                value,
                unit: unit.into(),
                is_calendar: code.is_none(),
            })
        }
        other => to_decimal(other).map(plain),
    }
}

/// Whether a quantity has the unit that the argument asks for; units are not converted.
fn has_unit(value: &System, arguments: &[Vec<Item<'_>>]) -> bool {
    match (value, arguments.first().map(Vec::as_slice)) {
        (System::Quantity { unit, .. }, Some([Item::System(System::String(wanted))])) => {
            unit == wanted
        }
        _ => true,
    }
}

fn to_text(scalar: &Scalar<'_>) -> String {
    match scalar {
        Scalar::Boolean(truth) => truth.to_string(),
        Scalar::Text(text) => (*text).to_owned(),
        Scalar::Integer(integer) => integer.to_string(),
        Scalar::Decimal(decimal) => decimal.to_string(),
        Scalar::Temporal(temporal) => temporal.to_string(),
        Scalar::Quantity {
            value,
            unit,
            is_calendar: true,
        } => format!("{value} {unit}"),
        Scalar::Quantity { value, unit, .. } => format!("{value} '{unit}'"),
    }
}
