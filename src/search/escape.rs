//! Separators and escapes inside search values: `,` `|` `$`, and a backslash before each of them.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#escaping>.

use std::borrow::Cow;

/// Splits at every `separator` without a backslash before it; the parts keep their escapes.
pub fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((part, behind)) = split_once(rest, separator) {
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts
}

/// Splits at the first `separator` without a backslash before it; the parts keep their escapes.
pub fn split_once(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == separator && !is_escaped {
            let (part, behind) = text.split_at_checked(at)?;
            return Some((part, behind.strip_prefix(separator)?));
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    None
}

/// Takes the escapes out. A backslash before any other character stands for itself.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(&next) if letter == '\\' && matches!(next, ',' | '|' | '$' | '\\') => {
                plain.push(next);
                letters.next();
            }
            _ => plain.push(letter),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{split, split_once, unescape};

    #[test]
    fn separators_split_unless_escaped() {
        assert_eq!(split("a,b", ','), ["a", "b"]);
        assert_eq!(split("a\\,b,c\\\\,d", ','), ["a\\,b", "c\\\\", "d"]);
        assert_eq!(split("", ','), [""]);
        assert_eq!(split_once("a\\|b|c|d", '|'), Some(("a\\|b", "c|d")));
        assert_eq!(unescape("a\\,b\\|c\\$d\\\\e\\f"), "a,b|c$d\\e\\f");
    }

    proptest! {
        #[test]
        fn escaped_parts_come_back(parts in prop::collection::vec(".{0,8}", 1..5)) {
            let escape = |part: &String| {
                part.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|")
            };
            let joined = parts.iter().map(escape).collect::<Vec<_>>().join(",");
            let back: Vec<_> = split(&joined, ',').into_iter().map(unescape).collect();
            prop_assert_eq!(back, parts);
        }
    }
}
