//! Escapes in texts: read and written.
//!
//! What is not known (`\Zxx\`, other character sets) stays as it is, so that nothing is lost.
//! Spec: HL7 v2.5.1 section 2.7.

use std::borrow::Cow;

use crate::hl7v2::part::Delimiters;

/// Blank lines that one `\.sp\` may make.
const LINES_MAX: usize = 16;

/// A text without its escapes, and without characters that no text of FHIR may have.
pub(super) fn read(raw: &str, delimiters: Delimiters) -> Cow<'_, str> {
    let is_plain = !raw.contains(delimiters.escape) && !raw.chars().any(is_forbidden);
    if is_plain {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once(delimiters.escape) {
        text.push_str(before);
        let Some((escape, behind)) = after.split_once(delimiters.escape) else {
            text.push(delimiters.escape);
            rest = after;
            break;
        };
        if expand(escape, delimiters, &mut text) {
            rest = behind;
        } else {
            // No escape: the character stands for itself, and the next one may begin an escape.
            text.push(delimiters.escape);
            rest = after;
        }
    }
    text.push_str(rest);
    text.retain(|c| !is_forbidden(c));
    let trimmed = text.trim();
    if trimmed.len() == text.len() {
        return Cow::Owned(text);
    }
    Cow::Owned(trimmed.to_owned())
}

/// A text as it may stand in a field.
pub(super) fn write(text: &str, delimiters: Delimiters) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let letter = match c {
            _ if c == delimiters.escape => 'E',
            _ if c == delimiters.field => 'F',
            _ if c == delimiters.component => 'S',
            _ if c == delimiters.subcomponent => 'T',
            _ if c == delimiters.repetition => 'R',
            '\r' | '\n' => ' ',
            _ if is_forbidden(c) => continue,
            _ => {
                out.push(c);
                continue;
            }
        };
        if letter == ' ' {
            out.push(' ');
        } else {
            out.extend([delimiters.escape, letter, delimiters.escape]);
        }
    }
    out
}

/// Writes what an escape stands for; `false` when it is none that is known.
fn expand(escape: &str, delimiters: Delimiters, text: &mut String) -> bool {
    match escape {
        "F" => text.push(delimiters.field),
        "S" => text.push(delimiters.component),
        "T" => text.push(delimiters.subcomponent),
        "R" => text.push(delimiters.repetition),
        "E" => text.push(delimiters.escape),
        // Highlighting and how lines are filled have no place in plain text.
        "H" | "N" | ".fi" | ".nf" => {}
        ".br" | ".ce" => text.push('\n'),
        _ => return expand_longer(escape, text),
    }
    true
}

fn expand_longer(escape: &str, text: &mut String) -> bool {
    if let Some(digits) = escape.strip_prefix('X') {
        return hexadecimal(digits).is_some_and(|bytes| {
            match String::from_utf8(bytes) {
                Ok(decoded) => text.push_str(&decoded),
                Err(other) => text.extend(other.as_bytes().iter().map(|byte| char::from(*byte))),
            }
            true
        });
    }
    if let Some(count) = escape.strip_prefix(".sp") {
        let count = count.trim_start_matches('+');
        let lines = if count.is_empty() {
            Ok(1)
        } else {
            count.parse::<usize>()
        };
        return lines.is_ok_and(|lines| {
            text.extend(std::iter::repeat_n('\n', lines.min(LINES_MAX)));
            true
        });
    }
    // Indents.
    let indent = escape.strip_prefix(".in").or(escape.strip_prefix(".ti"));
    indent.is_some_and(|count| count.trim_start_matches(['+', '-']).parse::<u32>().is_ok())
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let is_whole = !digits.is_empty() && digits.len().is_multiple_of(2) && digits.is_ascii();
    if !is_whole {
        return None;
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{read, write};
    use crate::hl7v2::part::Delimiters;

    fn text(raw: &str) -> String {
        read(raw, Delimiters::default()).into_owned()
    }

    #[test]
    fn escapes_are_what_the_standard_says() {
        for (raw, expected) in [
            (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
            (r"one\.br\two", "one\ntwo"),
            (r"\H\loud\N\ and quiet", "loud and quiet"),
            (r"caf\XC3A9\", "café"),
            (r"caf\XE9\", "café"),
            (r"a\X0D0A\b", "a\r\nb"),
            (r"a\.sp2\b", "a\n\nb"),
            (r"\.in+4\in", "in"),
        ] {
            assert_eq!(text(raw), expected, "{raw}");
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        for raw in [
            r"\Zfoo\",
            r"C:\Users\F",
            r"50\",
            r"\\",
            r"\X0\",
            r"\M242124\",
        ] {
            assert!(!text(raw).is_empty(), "{raw}");
            assert!(text(raw).contains('\\'), "{raw}");
        }
        assert_eq!(text(r"path\to\F\x"), r"path\to|x");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(original in "[ -~äß]{0,40}") {
            let delimiters = Delimiters::default();
            let written = write(&original, delimiters);
            prop_assert_eq!(read(&written, delimiters).trim().to_owned(), original.trim());
        }

        #[test]
        fn anything_can_be_read(raw in "\\PC{0,60}") {
            prop_assert!(read(&raw, Delimiters::default()).len() <= raw.len() * 4 + 64);
        }
    }
}
