//! The forms of conditions on values.

use crate::search::canonical::texts;
use crate::search::decimal::Decimal;
use crate::search::param::Condition;
use crate::search::param::date::DateCondition;
use crate::search::param::number::NumberCondition;
use crate::search::param::quantity::{QuantityCondition, UnitCondition};
use crate::search::param::reference::ReferenceCondition;
use crate::search::param::string::StringCondition;
use crate::search::param::token::TokenCondition;
use crate::search::param::token::case::LetterCase;
use crate::search::param::uri::UriCondition;
use crate::search::param::vocabulary::Asked;

pub(super) fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Date(one) => date(one),
        Condition::Number(one) => number(one),
        Condition::Quantity(one) => quantity(one),
        Condition::Reference(one) => reference(one),
        Condition::Logical(one) => format!("identifier:{}", token(one)),
        Condition::String(one) => match one {
            StringCondition::Begins(text) => quoted(text),
            StringCondition::Exact(text) => format!("exact:{}", quoted(text)),
            StringCondition::Contains(text) => format!("contains:{}", quoted(text)),
        },
        Condition::Token(one) => token(one),
        Condition::Uri(one) => match one {
            UriCondition::Same(uri) => quoted(uri),
            UriCondition::Above(uri) => format!("above:{}", quoted(uri)),
            UriCondition::Below(uri) => format!("below:{}", quoted(uri)),
        },
        Condition::Vocabulary(one) => asked(&one.asked),
        Condition::Near(one) => one.form(),
        Condition::Composite(one) => {
            let parts: Vec<_> = one.parts.iter().map(self::condition).collect();
            parts.join("$")
        }
    }
}

/// A text that ends where it says.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn date(date: &DateCondition) -> String {
    let searched = &date.searched;
    let prefix = date.prefix.code();
    format!("{prefix}[{},{})", searched.low_ms, searched.high_ms)
}

fn number(condition: &NumberCondition) -> String {
    let number = &condition.number;
    let bounds = [&number.exact, &number.low, &number.high];
    let bounds = bounds.map(Decimal::form);
    format!("{}{}", condition.prefix.code(), bounds.join("/"))
}

fn quantity(condition: &QuantityCondition) -> String {
    let unit = match &condition.unit {
        UnitCondition::Any => String::new(),
        UnitCondition::Coded { system, code, .. } => {
            format!("|{}|{}", quoted(system), quoted(code))
        }
        UnitCondition::Named(name) => format!("||{}", quoted(name)),
    };
    format!("{}{unit}", number(&condition.number))
}

fn reference(condition: &ReferenceCondition) -> String {
    let kind = if condition.are_canonical {
        "canonical:"
    } else {
        ""
    };
    let version = condition.version_id.as_deref().map(quoted);
    let version = version.map_or_else(String::new, |version| format!("@{version}"));
    format!("{kind}({}){version}", texts(&condition.targets))
}

fn token(condition: &TokenCondition) -> String {
    match condition {
        TokenCondition::Code { code, case } => format!("{}{}", letters(*case), quoted(code)),
        TokenCondition::CodeInSystem { system, code, case } => {
            format!("{}{}|{}", letters(*case), quoted(system), quoted(code))
        }
        TokenCondition::System {
            system,
            bound_codes,
        } => format!("{}|({})", quoted(system), texts(bound_codes)),
        TokenCondition::Text(text) => format!("text:{}", quoted(text)),
        TokenCondition::OfType {
            system,
            code,
            value,
        } => format!(
            "of-type:{}|{}|{}",
            quoted(system),
            quoted(code),
            quoted(value)
        ),
    }
}

fn letters(case: LetterCase) -> &'static str {
    match case {
        LetterCase::Exact => "",
        LetterCase::Folded => "folded:",
        LetterCase::Mixed => "mixed:",
    }
}

fn asked(asked: &Asked) -> String {
    match asked {
        Asked::In(url) => format!("in:{}", quoted(url)),
        Asked::Above { system, code } => format!("above:{}|{}", quoted(system), quoted(code)),
        Asked::Below { system, code } => format!("below:{}|{}", quoted(system), quoted(code)),
    }
}
