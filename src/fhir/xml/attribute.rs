//! Attributes of a tag, names, and the text of values with its references.
//!
//! Strict where quick-xml is not: what is accepted here can be copied into another document and
//! leave that well-formed. Spec: <https://www.w3.org/TR/xml/#sec-starttags>.

use compact_str::CompactString;

/// An attribute as it stands in the tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    /// The name with its prefix.
    pub(super) name: &'a str,
    /// What stands between the quotes.
    pub(super) raw: &'a str,
}

/// The attributes of a tag, or why the tag is malformed.
#[derive(Debug, Clone)]
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    /// The attributes in what follows the name of a tag.
    pub(super) fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    fn read(&mut self) -> Result<Option<Attribute<'a>>, &'static str> {
        let rest = trim_start(self.rest);
        if rest.is_empty() {
            return Ok(None);
        }
        if rest.len() == self.rest.len() {
            return Err("White space must stand before an attribute.");
        }
        let name_end = rest
            .find(|c: char| c == '=' || is_space(c))
            .unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(name_end).unwrap_or((rest, ""));
        if !is_name(name) {
            return Err("This is not the name of an attribute.");
        }
        let quoted = trim_start(behind)
            .strip_prefix('=')
            .map(trim_start)
            .ok_or("An attribute must have a value, as in name=\"value\".")?;
        let (raw, rest) = ['"', '\'']
            .into_iter()
            .find_map(|quote| quoted.strip_prefix(quote)?.split_once(quote))
            .ok_or("The value of an attribute must stand in quotes.")?;
        if raw.contains('<') {
            return Err("The character < must be written as &lt; in an attribute.");
        }
        self.rest = rest;
        Ok(Some(Attribute { name, raw }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.rest = "";
        }
        read.transpose()
    }
}

/// The value of an attribute: references replaced, white space written as such made spaces.
pub(super) fn value(raw: &str) -> Result<CompactString, &'static str> {
    const SPECIAL: [char; 4] = ['&', '\t', '\n', '\r'];
    let mut text = CompactString::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, special)) = rest.find(SPECIAL).and_then(|at| rest.split_at_checked(at)) {
        text.push_str(plain);
        if let Some(behind) = special.strip_prefix('&') {
            let (name, behind) = behind.split_once(';').ok_or(UNCLOSED_REFERENCE)?;
            text.push(reference(name)?);
            rest = behind;
        } else {
            text.push(' ');
            rest = special
                .strip_prefix("\r\n")
                .or_else(|| special.strip_prefix(SPECIAL))
                .unwrap_or_default();
        }
    }
    text.push_str(rest);
    Ok(text)
}

const UNCLOSED_REFERENCE: &str = "The character & must be written as &amp;.";

/// The character that `&name;` stands for.
pub(super) fn reference(name: &str) -> Result<char, &'static str> {
    let code = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => match name.strip_prefix('#') {
            Some(number) => char_code(number),
            None => {
                return Err("Entities are not allowed, apart from lt, gt, amp, quot and apos.");
            }
        },
    };
    code.and_then(char::from_u32)
        .filter(|&c| is_legal(c))
        .ok_or("This reference does not stand for a character of XML.")
}

fn char_code(number: &str) -> Option<u32> {
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // from_str_radix takes a sign, XML does not.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// Whether XML 1.0 knows the character.
pub(super) fn is_legal(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Where the first character stands that XML 1.0 does not know.
pub(super) fn find_illegal(text: &str) -> Option<usize> {
    // Bytes are looked at first: the only such characters that are not ASCII begin with EF BF.
    let suspicious = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0xef;
    let from = text.bytes().position(suspicious)?;
    let (_, rest) = text.split_at_checked(from)?;
    rest.find(|c| !is_legal(c)).map(|at| from + at)
}

/// Whether the text can be the name of an element or attribute, with at most one prefix.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii())
            && part.bytes().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.') || !b.is_ascii()
            })
    };
    match text.split_once(':') {
        Some((prefix, local)) => is_part(prefix) && is_part(local),
        None => is_part(text),
    }
}

/// Whether the character is white space for XML.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::{Attributes, find_illegal, is_name, value};

    fn read(tag: &str) -> Result<Vec<(&str, &str)>, &'static str> {
        Attributes::new(tag)
            .map(|attribute| attribute.map(|a| (a.name, a.raw)))
            .collect()
    }

    #[test]
    fn attributes_are_read_in_both_quotes_and_with_white_space() {
        assert_eq!(
            read(" a='1\"'\n b = \"2'\" ").unwrap(),
            [("a", "1\""), ("b", "2'")]
        );
        assert_eq!(read("  ").unwrap(), []);
    }

    #[test]
    fn malformed_tags_are_refused() {
        for bad in [
            " a",
            " a=",
            " a=1",
            " a='1",
            " a='<'",
            " a='1'b='2'",
            " 1='1'",
            " a:b:c='1'",
            " ='1'",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn references_and_white_space_become_characters() {
        assert_eq!(value("a&lt;&#10;&#x1F600;\r\n\t.").unwrap(), "a<\n😀  .");
        for bad in [
            "&", "&amp", "&nbsp;", "&#0;", "&#x1;", "&#xD800;", "&#+1;", "&#;", "&#xFFFE;", "&#a;",
        ] {
            assert!(value(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn characters_outside_xml_are_found() {
        assert_eq!(find_illegal("a\tb\u{feff}c\r\n"), None);
        assert_eq!(find_illegal("ab\u{1}"), Some(2));
        assert_eq!(find_illegal("\u{feff}\u{ffff}"), Some(3));
    }

    #[test]
    fn names_are_told_from_what_is_none() {
        assert!(is_name("h:div") && is_name("_a-b.c") && is_name("é"));
        assert!(
            !is_name("") && !is_name(":a") && !is_name("a:") && !is_name("a/") && !is_name("1")
        );
    }
}
