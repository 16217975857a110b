//! The formats of the primitive data types, to the letter of the specification.
//!
//! Hand-written scanners over bytes: they run for every value of every write. The markup of
//! `xhtml` is looked into by [`super::narrative`], bindings by [`super::binding`].
//! Spec: <https://hl7.org/fhir/R4/datatypes.html#primitive>.

use crate::fhir::id;
use crate::fhir::primitive::{JsonKind, Primitive};
use crate::fhir::resource::Node;

/// Why a value is not one of its primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another JSON type than the primitive is written in.
    JsonType,
    /// An empty string.
    Empty,
    /// Not in the format of the type.
    Format,
    /// A character that FHIR does not allow in text.
    Character,
    /// More characters than the limit.
    TooLong,
    /// Nothing but white space: allowed and useless.
    Blank,
}

/// Checks a scalar against a primitive type. `string_chars_max` bounds texts that people read
/// (`string`, `markdown`) and what is shorter still by nature.
pub(super) fn check(
    primitive: Primitive,
    node: &Node,
    string_chars_max: usize,
) -> Result<(), Fault> {
    match (primitive.json_kind(), node) {
        (JsonKind::Boolean, Node::Bool(_)) => Ok(()),
        (JsonKind::Number, Node::Number(text)) => {
            format(is_number(primitive, text.as_str().as_bytes()))
        }
        (JsonKind::String, Node::String(text)) => text_format(primitive, text, string_chars_max),
        _ => Err(Fault::JsonType),
    }
}

/// What a value of the type looks like, to stand behind "must be".
pub(super) const fn expected(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Base64Binary => "base64: groups of four of A-Z a-z 0-9 + /, = at the end only",
        Primitive::Boolean => "true or false",
        Primitive::Canonical => "a canonical URL without white space, e.g. http://example.org/x|1",
        Primitive::Code => "a code: no white space but single spaces inside",
        Primitive::Date => "a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD",
        Primitive::DateTime => {
            "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with seconds and a time zone \
             (Z or +hh:mm)"
        }
        Primitive::Decimal => "a number such as 1.50",
        Primitive::Id => "1 to 64 letters (A-Z a-z), digits, hyphens and full stops",
        Primitive::Instant => "YYYY-MM-DDThh:mm:ss with seconds and a time zone (Z or +hh:mm)",
        Primitive::Integer => "a whole number from -2147483648 to 2147483647",
        Primitive::Oid => "an OID such as urn:oid:1.2.3",
        Primitive::PositiveInt => "a whole number from 1 to 2147483647",
        Primitive::Markdown | Primitive::String => {
            "text without control characters but tab and line ends"
        }
        Primitive::Time => "a time of the day: hh:mm:ss, without a time zone",
        Primitive::UnsignedInt => "a whole number from 0 to 2147483647",
        Primitive::Uri => "a URI without white space",
        Primitive::Url => "a URL without white space",
        Primitive::Uuid => {
            "a UUID in lower case such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
        }
        Primitive::Xhtml => "an XHTML div",
    }
}

fn format(holds: bool) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::Format) }
}

fn text_format(primitive: Primitive, text: &str, string_chars_max: usize) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    match primitive {
        Primitive::Base64Binary => return format(is_base64(bytes)),
        Primitive::Xhtml => return characters(bytes),
        _ => {}
    }
    if bytes.len() > string_chars_max && text.chars().count() > string_chars_max {
        return Err(Fault::TooLong);
    }
    match primitive {
        Primitive::String | Primitive::Markdown => {
            characters(bytes)?;
            let is_blank = bytes.iter().all(u8::is_ascii_whitespace);
            if is_blank { Err(Fault::Blank) } else { Ok(()) }
        }
        Primitive::Code => format(is_code(text)),
        Primitive::Uri | Primitive::Url | Primitive::Canonical => format(has_no_space(text)),
        Primitive::Id => format(id::is_valid(text)),
        Primitive::Oid => format(is_oid(bytes)),
        Primitive::Uuid => format(is_uuid(bytes)),
        Primitive::Date => format(Scan(bytes).whole_date()),
        Primitive::DateTime => format(Scan(bytes).whole_date_time()),
        Primitive::Instant => format(Scan(bytes).whole_instant()),
        Primitive::Time => format(Scan(bytes).whole_time()),
        _ => Err(Fault::JsonType),
    }
}

/// Whether all characters are ones that FHIR, and XML, can hold.
fn characters(bytes: &[u8]) -> Result<(), Fault> {
    let suspicious = |&byte: &u8| {
        (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == NONCHARACTER_LEAD
    };
    if !bytes.iter().any(suspicious) {
        return Ok(());
    }
    let forbidden = |c: char| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let holds = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(forbidden));
    if holds { Ok(()) } else { Err(Fault::Character) }
}

/// The first byte of U+FFFE and U+FFFF (and of much else) in UTF-8.
const NONCHARACTER_LEAD: u8 = 0xef;

fn has_no_space(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().all(|byte| byte > b' ' && byte != 0x7f)
    } else {
        !text.contains(|c: char| c.is_whitespace() || c.is_control())
    }
}

fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_are_solid = bytes.first() != Some(&b' ') && bytes.last() != Some(&b' ');
    let spaces_are_single = !bytes.windows(2).any(|pair| pair == b"  ");
    let nothing_else = if text.is_ascii() {
        bytes.iter().all(|&byte| byte >= b' ' && byte != 0x7f)
    } else {
        !text.contains(|c: char| c != ' ' && (c.is_whitespace() || c.is_control()))
    };
    ends_are_solid && spaces_are_single && nothing_else
}

fn is_base64(bytes: &[u8]) -> bool {
    let (mut digits, mut padding) = (0_usize, 0_usize);
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            b'=' if padding < 2 => padding += 1,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => return false,
        }
    }
    digits > 0 && (digits + padding).is_multiple_of(4) && digits % 4 != 1
}

fn is_oid(bytes: &[u8]) -> bool {
    let Some(arcs) = bytes.strip_prefix(b"urn:oid:") else {
        return false;
    };
    let mut parts = arcs.split(|&byte| byte == b'.');
    let root_is_known = matches!(parts.next(), Some(b"0" | b"1" | b"2"));
    let mut count = 0_usize;
    let arcs_are_plain = parts.all(|arc| {
        count += 1;
        let leads_with_zero = arc.first() == Some(&b'0');
        !arc.is_empty()
            && arc.iter().all(u8::is_ascii_digit)
            && (arc.len() == 1 || !leads_with_zero)
    });
    root_is_known && arcs_are_plain && count > 0
}

fn is_uuid(bytes: &[u8]) -> bool {
    let Some(uuid) = bytes.strip_prefix(b"urn:uuid:") else {
        return false;
    };
    uuid.len() == 36
        && uuid.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn is_number(primitive: Primitive, bytes: &[u8]) -> bool {
    match primitive {
        Primitive::Decimal => is_decimal(bytes),
        Primitive::Integer => whole_number(bytes).is_some(),
        Primitive::UnsignedInt => whole_number(bytes).is_some_and(|number| number >= 0),
        Primitive::PositiveInt => whole_number(bytes).is_some_and(|number| number > 0),
        _ => false,
    }
}

/// A whole number without a superfluous zero or sign.
fn whole_number(bytes: &[u8]) -> Option<i32> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let is_plain = digits.iter().all(u8::is_ascii_digit)
        && (digits.first() != Some(&b'0') || bytes.len() == 1);
    if !is_plain {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn is_decimal(bytes: &[u8]) -> bool {
    let mut scan = Scan(bytes);
    scan.eat(b'-');
    let whole = scan.run_of_digits();
    if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
        return false;
    }
    if scan.eat(b'.') && scan.run_of_digits().is_empty() {
        return false;
    }
    if scan.eat(b'e') || scan.eat(b'E') {
        let _has_sign = scan.eat(b'+') || scan.eat(b'-');
        if scan.run_of_digits().is_empty() {
            return false;
        }
    }
    scan.0.is_empty()
}

/// What is left of a text that is read from its front.
struct Scan<'a>(&'a [u8]);

impl<'a> Scan<'a> {
    fn whole_date(mut self) -> bool {
        self.date().is_some() && self.0.is_empty()
    }

    fn whole_date_time(mut self) -> bool {
        match self.date() {
            None => false,
            Some(_) if self.0.is_empty() => true,
            Some(has_day) => has_day && self.clock_and_zone(),
        }
    }

    fn whole_instant(mut self) -> bool {
        self.date() == Some(true) && self.clock_and_zone()
    }

    fn whole_time(mut self) -> bool {
        self.clock() && self.0.is_empty()
    }

    /// Reads a date; whether it goes down to the day.
    fn date(&mut self) -> Option<bool> {
        let year = self.number(4).filter(|&year| year > 0)?;
        if !self.eat(b'-') {
            return Some(false);
        }
        let month = self.number(2).filter(|month| (1..=12).contains(month))?;
        if !self.eat(b'-') {
            return Some(false);
        }
        let day = self.number(2)?;
        (1..=days_in_month(year, month))
            .contains(&day)
            .then_some(true)
    }

    fn clock_and_zone(&mut self) -> bool {
        self.eat(b'T') && self.clock() && self.zone() && self.0.is_empty()
    }

    fn clock(&mut self) -> bool {
        let hour_and_minute = self.number_up_to(23) && self.eat(b':') && self.number_up_to(59);
        // A leap second is written as 60.
        if !(hour_and_minute && self.eat(b':') && self.number_up_to(60)) {
            return false;
        }
        !self.eat(b'.') || !self.run_of_digits().is_empty()
    }

    fn zone(&mut self) -> bool {
        if self.eat(b'Z') {
            return true;
        }
        if !(self.eat(b'+') || self.eat(b'-')) {
            return false;
        }
        let Some(hours) = self.number(2) else {
            return false;
        };
        let minutes_max = match hours {
            0..=13 => 59,
            14 => 0,
            _ => return false,
        };
        self.eat(b':') && self.number_up_to(minutes_max)
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn number_up_to(&mut self, max: u32) -> bool {
        self.number(2).is_some_and(|number| number <= max)
    }

    /// Reads a number of exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let mut number = 0;
        for &byte in head {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u32::from(byte - b'0');
        }
        self.0 = rest;
        Some(number)
    }

    fn run_of_digits(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !byte.is_ascii_digit());
        let (digits, rest) = self
            .0
            .split_at_checked(end.unwrap_or(self.0.len()))
            .unwrap_or_default();
        self.0 = rest;
        digits
    }
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fault, check};
    use crate::fhir::primitive::{JsonKind, Primitive};
    use crate::fhir::resource::Node;

    const CHARS_MAX: usize = 1024 * 1024;

    fn verdict(primitive: Primitive, text: &str) -> Result<(), Fault> {
        let node = match primitive.json_kind() {
            JsonKind::Number => Node::Number(text.into()),
            _ => Node::String(text.into()),
        };
        check(primitive, &node, CHARS_MAX)
    }

    /// A type with texts that are right and texts in a wrong format.
    type Row = (Primitive, &'static [&'static str], &'static [&'static str]);

    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        (Primitive::Base64Binary,
            &["QQ==", "QUI=", "QUJD", "QUJD\r\nQUJD", " Q Q = = ", "+/+/"],
            &["Q", "QQ", "QQ=", "QQ===", "QQ==QQ==", "Q===", "====", "=QQQ", "QU_D", "QU-D", " ",
              "QUJD\u{b}"]),
        (Primitive::Canonical,
            &["http://a.b/c|1.0#x", "#x", "urn:oid:1.2", "http://ä.de/ö"],
            &[" http://a", "http://a b", "http://a\n", "http://a\u{a0}b", "a\u{7f}"]),
        (Primitive::Code,
            &["a", "a b", "a-b.c/d", "ä", "<", "text/plain; charset=utf-8"],
            &[" ", " a", "a ", "a  b", "a\tb", "a\nb", "a\u{a0}b", "a\u{1}"]),
        (Primitive::Date,
            &["2024", "2024-02", "2024-02-29", "0001-01-01", "9999-12-31", "2000-02-29"],
            &["0000", "24", "2024-", "2024-2", "2024-13", "2024-00", "2024-02-30", "2023-02-29",
              "1900-02-29", "2024-04-31", "2024-01-00", "2024-01-01T", "2024-01-01 ", " 2024",
              "2024-01-01T00:00:00Z", "02024", "+2024", "2024/01/01", "2024-1-1", "20240101"]),
        (Primitive::DateTime,
            &["2024", "2024-02", "2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T23:59:60Z",
              "2024-02-29T10:00:00+14:00", "2024-02-29T10:00:00-13:59",
              "2024-02-29T10:00:00.123456789Z", "2024-02-29T10:00:00.0+00:00"],
            &["2024-02-29T10:00Z", "2024-02-29T10:00:00", "2024-02-29T10:00:00.Z",
              "2024-02-29T24:00:00Z", "2024-02-29T10:60:00Z", "2024-02-29T10:00:61Z",
              "2024-02-29T10:00:00+14:01", "2024-02-29T10:00:00+15:00", "2024-02-29T10:00:00+01",
              "2024-02-29T10:00:00+0100", "2024-02-29T10:00:00z", "2024-02-29t10:00:00Z",
              "2024-02-29 10:00:00Z", "2024-02T10:00:00Z", "2024T10:00:00Z",
              "2024-02-30T10:00:00Z", "2024-02-29T1:00:00Z", "2024-02-29T10:00:00Z "]),
        (Primitive::Decimal,
            &["0", "-0", "1", "-1.50", "0.0", "1e3", "1E-10", "1.0e+3", "123456789012345678901234",
              "100"],
            &["", "01", "+1", ".5", "1.", "1.e3", "1e", "1e+", "--1", "-", "0x1", "NaN", "1 ",
              "00"]),
        (Primitive::Id,
            &["a", "A-1.b", "0123456789012345678901234567890123456789012345678901234567890123"],
            &["a_b", "a b", "ä", "a/b",
              "01234567890123456789012345678901234567890123456789012345678901234"]),
        (Primitive::Instant,
            &["2024-02-29T10:00:00Z", "2024-02-29T10:00:00.5+01:00"],
            &["2024", "2024-02", "2024-02-29", "2024-02-29T10:00Z", "2024-02-29T10:00:00",
              "2023-02-29T10:00:00Z"]),
        (Primitive::Integer,
            &["0", "1", "-1", "2147483647", "-2147483648"],
            &["", "-", "-0", "01", "-01", "+1", "1.0", "1e3", "2147483648", "-2147483649",
              "99999999999999999999"]),
        (Primitive::PositiveInt, &["1", "2147483647"], &["0", "-1", "2147483648", "01", "1.0"]),
        (Primitive::UnsignedInt, &["0", "2147483647"], &["-1", "-0", "2147483648", "00"]),
        (Primitive::Oid,
            &["urn:oid:1.2.3", "urn:oid:0.0", "urn:oid:2.16.840.1.113883"],
            &["1.2.3", "urn:oid:", "urn:oid:1", "urn:oid:1.", "urn:oid:3.1", "urn:oid:1.02",
              "urn:oid:1..2", "urn:oid:1.a", "URN:OID:1.2"]),
        (Primitive::Time,
            &["00:00:00", "23:59:60", "10:00:00.123"],
            &["10:00", "24:00:00", "10:00:00Z", "10:00:00.", "10:60:00", "1:00:00",
              "10:00:00+01:00"]),
        (Primitive::Uri,
            &["http://a.b", "urn:uuid:1", "a", "%20", "http://ä"],
            &[" ", "a b", "a\t", "\u{2028}a"]),
        (Primitive::Url, &["https://a.b/c?d=e&f", "mailto:a@b", "../x"], &["a b", " a"]),
        (Primitive::Uuid,
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &["c757873d-ec9a-4326-a141-556f43239520",
              "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
              "urn:uuid:c757873dec9a4326a141556f43239520",
              "urn:uuid:c757873d-ec9a-4326-a141-556f4323952"]),
    ];

    #[test]
    fn every_format_is_kept_to_the_letter() {
        for (primitive, good, bad) in TABLE {
            for text in *good {
                assert_eq!(verdict(*primitive, text), Ok(()), "{primitive:?} {text:?}");
            }
            for text in *bad {
                let found = verdict(*primitive, text);
                assert_eq!(found, Err(Fault::Format), "{primitive:?} {text:?}");
            }
        }
    }

    #[test]
    fn texts_hold_characters_that_xml_can_hold() {
        for primitive in [Primitive::String, Primitive::Markdown, Primitive::Xhtml] {
            for good in ["a", " a ", "a\tb\r\nc", "ä😀", "\u{feff}a", "\u{7f}\u{85}x"] {
                assert_eq!(verdict(primitive, good), Ok(()), "{primitive:?} {good:?}");
            }
            for bad in ["a\u{0}", "\u{b}", "\u{1f}a", "a\u{fffe}", "\u{ffff}"] {
                assert_eq!(
                    verdict(primitive, bad),
                    Err(Fault::Character),
                    "{primitive:?} {bad:?}"
                );
            }
            assert_eq!(verdict(primitive, ""), Err(Fault::Empty));
        }
        assert_eq!(verdict(Primitive::String, " \n"), Err(Fault::Blank));
        assert_eq!(verdict(Primitive::Markdown, "\t"), Err(Fault::Blank));
    }

    #[test]
    fn an_empty_text_is_never_a_value() {
        for (primitive, _, _) in TABLE {
            if primitive.json_kind() == JsonKind::String {
                assert_eq!(verdict(*primitive, ""), Err(Fault::Empty), "{primitive:?}");
            }
        }
    }

    #[test]
    fn the_limit_counts_characters() {
        let limited = |text: &str| check(Primitive::String, &Node::String(text.into()), 4);
        assert_eq!(limited("abcd"), Ok(()));
        assert_eq!(limited("äöüß"), Ok(()));
        assert_eq!(limited("abcde"), Err(Fault::TooLong));
        assert_eq!(limited("äöüßa"), Err(Fault::TooLong));
        let data = Node::String("QUJDQUJD".into());
        assert_eq!(check(Primitive::Base64Binary, &data, 4), Ok(()));
    }

    #[test]
    fn each_type_has_one_json_type() {
        let nodes = [
            Node::Bool(true),
            Node::Number("1".into()),
            Node::String("1".into()),
        ];
        let kinds = [JsonKind::Boolean, JsonKind::Number, JsonKind::String];
        let others = [Primitive::Boolean, Primitive::String, Primitive::Markdown];
        for primitive in TABLE.iter().map(|row| row.0).chain(others) {
            for (node, kind) in nodes.iter().zip(kinds) {
                let is_type_fault = check(primitive, node, CHARS_MAX) == Err(Fault::JsonType);
                assert_eq!(
                    is_type_fault,
                    primitive.json_kind() != kind,
                    "{primitive:?} {kind:?}"
                );
            }
            for node in [Node::Null, Node::Array(Vec::new())] {
                assert_eq!(check(primitive, &node, CHARS_MAX), Err(Fault::JsonType));
            }
        }
    }

    fn is_leap(year: u32) -> bool {
        time::util::is_leap_year(i32::try_from(year).unwrap())
    }

    proptest! {
        #[test]
        fn days_follow_the_calendar(year in 1_u32..10_000, month in 1_u8..=12, day in 1_u8..=31) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            let calendar_month = time::Month::try_from(month).unwrap();
            let days = time::util::days_in_month(calendar_month, i32::try_from(year).unwrap());
            prop_assert_eq!(verdict(Primitive::Date, &text).is_ok(), day <= days);
            prop_assert_eq!(super::days_in_month(year, 2) == 29, is_leap(year));
        }

        #[test]
        fn integers_are_those_of_32_bits(number in prop_oneof![any::<i64>(), -3_000_000_000..3_000_000_000_i64]) {
            let text = number.to_string();
            let is_small = i32::try_from(number).is_ok();
            prop_assert_eq!(verdict(Primitive::Integer, &text).is_ok(), is_small);
        }

        #[test]
        fn base64_is_what_a_codec_writes(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            prop_assert_eq!(verdict(Primitive::Base64Binary, &text), Ok(()));
        }
    }
}
