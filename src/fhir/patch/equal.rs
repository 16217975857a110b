//! Equality as the `test` operation wants it: numbers by their value, members in any order.
//!
//! Spec: RFC 6902, section 4.6.

use crate::fhir::resource::Node;

/// Whether the two are the same value.
pub(super) fn nodes(left: &Node, right: &Node) -> bool {
    match (left, right) {
        (Node::Number(left), Node::Number(right)) => numbers(left, right),
        (Node::Array(left), Node::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| nodes(l, r))
        }
        (Node::Object(left), Node::Object(right)) => {
            let same = |(name, value)| right.get(name).is_some_and(|other| nodes(value, other));
            left.len() == right.len() && left.iter().all(same)
        }
        _ => left == right,
    }
}

fn numbers(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    match (Scientific::parse(left), Scientific::parse(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// A number as digits without zeros at either end, times a power of ten; exact at any length.
#[derive(PartialEq, Eq)]
struct Scientific {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Scientific {
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0_i64),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let trimmed = all.trim_end_matches('0');
        let cut = i64::try_from(all.len() - trimmed.len()).ok()?;
        let digits = trimmed.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        let scale = i64::try_from(fraction.len()).ok()?;
        Some(Self {
            is_negative,
            digits: digits.to_owned(),
            exponent: exponent.checked_sub(scale)?.checked_add(cut)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_are_equal_by_value() {
        for (left, right) in [
            ("1.50", "1.5"),
            ("100", "1e2"),
            ("1E+2", "1e02"),
            ("0.0", "-0"),
            ("0e5", "0"),
            ("0.001", "1e-3"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ] {
            assert!(numbers(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("1.50", "1.51"),
            ("1", "-1"),
            ("10", "1"),
            ("12345678901234567890123", "12345678901234567890124"),
        ] {
            assert!(!numbers(left, right), "{left} {right}");
        }
    }
}
