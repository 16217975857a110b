//! NM and SN: numbers, as exact as they were written.

use compact_str::CompactString;

use crate::fhir::resource::Node;
use crate::hl7v2::part::Part;

/// Characters of a number.
const NUMBER_CHARS_MAX: usize = 40;

/// A `decimal`; `None` when it is no number.
pub(in crate::hl7v2) fn decimal(nm: Part<'_>) -> Option<Node> {
    let value = nm.text();
    number(value.trim()).map(Node::Number)
}

/// A positive whole number.
pub(in crate::hl7v2) fn positive(nm: Part<'_>) -> Option<Node> {
    let number: u32 = nm.text().trim().parse().ok()?;
    let is_fitting = number > 0 && i32::try_from(number).is_ok();
    is_fitting.then(|| Node::Number(number.to_string().into()))
}

/// The text of a number as JSON has it: no plus, no point without digits on both sides.
pub(in crate::hl7v2) fn number(value: &str) -> Option<CompactString> {
    let (sign, digits) = match value.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", value.strip_prefix('+').unwrap_or(value)),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_some = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    if !has_some || value.len() > NUMBER_CHARS_MAX || !is_digits(whole) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match fraction {
        None | Some("") => Some(format!("{sign}{whole}").into()),
        Some(fraction) if is_digits(fraction) => Some(format!("{sign}{whole}.{fraction}").into()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_keep_their_digits() {
        for (text, expected) in [
            ("1.50", "1.50"),
            ("+7", "7"),
            ("-.5", "-0.5"),
            ("007", "7"),
            ("3.", "3"),
        ] {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", ".", "1e3", "<5", "1,5", "1.2.3", "NaN"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
