//! One message: read into segments and fields that know where they stand.
//!
//! Segments end in CR; LF and CRLF are taken as well and told of. A line that is no segment goes on
//! with the field before it: senders forget to escape line breaks. What segments mean is not here.
//! Spec: HL7 v2.5.1 section 2.6.

use crate::hl7v2::location::Location;
use crate::hl7v2::part::{Delimiters, Part};

/// Segments of one message.
pub const SEGMENTS_MAX: usize = 50_000;

/// Fields of one message.
pub const FIELDS_MAX: usize = 1_000_000;

/// A message, read.
#[derive(Debug, Clone)]
pub struct Message {
    text: String,
    delimiters: Delimiters,
    lines: Vec<Line>,
    warnings: Vec<&'static str>,
}

/// A segment: where its fields are in the text; the first one is its name.
#[derive(Debug, Clone, Default)]
struct Line {
    fields: Vec<(usize, usize)>,
}

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It does not begin with a head.
    #[error("a message begins with an MSH segment")]
    NoHead,
    /// MSH-1 and MSH-2 do not say what it is divided by.
    #[error("MSH-1 and MSH-2 must be four or more different characters that are no letters")]
    Delimiters,
    /// It is too large.
    #[error("a message has at most {SEGMENTS_MAX} segments and {FIELDS_MAX} fields")]
    TooLarge,
}

/// A segment of a message.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    message: &'a Message,
    index: usize,
}

impl Message {
    /// Reads a message.
    pub fn parse(text: impl Into<String>) -> Result<Self, MessageError> {
        Self::parse_headed(text.into(), &["MSH"])
    }

    /// Reads what begins with one of these segments, as files do with FHS or BHS.
    pub(super) fn parse_headed(text: String, heads: &[&str]) -> Result<Self, MessageError> {
        let mut warnings = Vec::new();
        let start = text
            .find(|c: char| !c.is_whitespace() && c != '\u{feff}' && c != '\u{b}')
            .unwrap_or(text.len());
        let body = text.get(start..).unwrap_or_default();
        let head = body.get(..3).unwrap_or_default();
        if !heads.contains(&head) {
            return Err(MessageError::NoHead);
        }
        let delimiters = delimiters(body)?;
        if body.contains('\n') {
            warnings.push("segments end in CR; this message has LF as well");
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut fields = 0;
        let mut at = start;
        for line in body.split(['\r', '\n']) {
            let begin = at;
            at += line.len() + 1;
            if line
                .trim_matches(|c: char| c.is_whitespace() || c.is_control())
                .is_empty()
            {
                continue;
            }
            match lines.last_mut() {
                Some(last) if !is_segment(line, delimiters) => {
                    warnings.push("a line that is no segment was read as part of the one before");
                    last.go_on(line, begin, delimiters, &mut fields);
                }
                _ => lines.push(Line::read(line, begin, delimiters, &mut fields)),
            }
            if lines.len() > SEGMENTS_MAX || fields > FIELDS_MAX {
                return Err(MessageError::TooLarge);
            }
        }
        warnings.dedup();
        Ok(Self {
            text,
            delimiters,
            lines,
            warnings,
        })
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is divided by.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// What was tolerated.
    pub fn warnings(&self) -> &[&'static str] {
        &self.warnings
    }

    /// Its segments.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment<'_>> {
        (0..self.lines.len()).map(|index| Segment {
            message: self,
            index,
        })
    }

    /// The first segment of a name.
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// A field of the first segment, which is the head.
    pub fn head(&self, number: usize) -> Part<'_> {
        let head = Segment {
            message: self,
            index: 0,
        };
        head.field(number)
    }

    /// The place that a piece of this message stands at.
    pub fn location(&self, at: usize) -> Option<Location> {
        let begins = |line: &Line| line.fields.first().map_or(0, |(begin, _)| *begin);
        let index = self.lines.partition_point(|line| begins(line) <= at);
        let index = index.checked_sub(1)?;
        let line = self.lines.get(index)?;
        let field = line.fields.partition_point(|(begin, _)| *begin <= at);
        let field = field.checked_sub(1)?;
        let (begin, _) = line.fields.get(field)?;
        let segment = Segment {
            message: self,
            index,
        };
        let before = self.text.get(*begin..at).unwrap_or_default();
        let (repetitions, in_repetition) = behind(before, self.delimiters.repetition);
        let (components, in_component) = behind(in_repetition, self.delimiters.component);
        let (subcomponents, _) = behind(in_component, self.delimiters.subcomponent);
        Some(Location {
            segment: segment.name().to_owned(),
            ordinal: segment.ordinal(),
            field,
            repetition: repetitions + 1,
            component: components + 1,
            subcomponent: subcomponents + 1,
        })
    }
}

/// How often a delimiter stands in a text, and what is behind the last one.
fn behind(text: &str, delimiter: char) -> (usize, &str) {
    let count = text.matches(delimiter).count();
    (count, text.rsplit(delimiter).next().unwrap_or_default())
}

impl<'a> Segment<'a> {
    /// Its name: `PID`.
    pub fn name(self) -> &'a str {
        self.raw(0)
    }

    /// Its place among all segments, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// Its place among the segments of its name, from 1.
    pub fn ordinal(self) -> usize {
        let same = self.message.segments().take(self.index);
        same.filter(|segment| segment.name() == self.name()).count() + 1
    }

    /// The field with a number, counted from 1.
    pub fn field(self, number: usize) -> Part<'a> {
        let line = self.message.lines.get(self.index);
        let fields = line.map(|line| line.fields.as_slice()).unwrap_or_default();
        let (begin, end) = fields.get(number).copied().unwrap_or((0, 0));
        let raw = self.message.text.get(begin..end).unwrap_or_default();
        Part::new(raw, begin, self.message.delimiters)
    }

    /// How many fields it has.
    pub fn field_count(self) -> usize {
        let line = self.message.lines.get(self.index);
        line.map_or(0, |line| line.fields.len().saturating_sub(1))
    }

    fn raw(self, number: usize) -> &'a str {
        self.field(number).raw()
    }
}

impl Line {
    fn read(line: &str, begin: usize, delimiters: Delimiters, count: &mut usize) -> Self {
        let mut fields = Vec::new();
        let mut at = begin;
        let is_head = matches!(line.get(..3), Some("MSH" | "FHS" | "BHS"));
        let mut rest = line;
        if is_head {
            // The delimiters are the first two fields, and are not divided by themselves.
            fields.extend([(begin, begin + 3), (begin + 3, begin + 4)]);
            at += 4;
            rest = line.get(4..).unwrap_or_default();
        }
        for field in rest.split(delimiters.field) {
            fields.push((at, at + field.len()));
            at += field.len() + 1;
        }
        *count += fields.len();
        Self { fields }
    }

    fn go_on(&mut self, line: &str, begin: usize, delimiters: Delimiters, count: &mut usize) {
        let mut at = begin;
        for (index, field) in line.split(delimiters.field).enumerate() {
            let span = (at, at + field.len());
            at += field.len() + 1;
            match self.fields.last_mut() {
                Some(last) if index == 0 => last.1 = span.1,
                _ => self.fields.push(span),
            }
            *count += 1;
        }
    }
}

/// Whether a line begins as a segment does.
fn is_segment(line: &str, delimiters: Delimiters) -> bool {
    let name = line.get(..3).unwrap_or_default();
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let behind = line.get(3..).unwrap_or_default().trim_end();
    is_name && name.len() == 3 && (behind.is_empty() || behind.starts_with(delimiters.field))
}

/// The delimiters of a head: those that are left out are what they always are.
fn delimiters(head: &str) -> Result<Delimiters, MessageError> {
    let line = head.split(['\r', '\n']).next().unwrap_or_default();
    let mut characters = line.chars().skip(3);
    let field = characters.next().ok_or(MessageError::Delimiters)?;
    let mut others = characters.take_while(|c| *c != field);
    let usual = Delimiters::default();
    let read = Delimiters {
        field,
        component: others.next().unwrap_or(usual.component),
        repetition: others.next().unwrap_or(usual.repetition),
        escape: others.next().unwrap_or(usual.escape),
        subcomponent: others.next().unwrap_or(usual.subcomponent),
    };
    let all = [
        read.field,
        read.component,
        read.repetition,
        read.escape,
        read.subcomponent,
    ];
    let is_usable = all.iter().all(char::is_ascii_punctuation);
    let mut different = all;
    different.sort_unstable();
    let has_twice = different.windows(2).any(|pair| pair.first() == pair.last());
    // Behind the fifth only the truncation character of v2.7 may stand.
    if !is_usable || has_twice || others.nth(1).is_some() {
        return Err(MessageError::Delimiters);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Message, MessageError};

    const A01: &str = "MSH|^~\\&|APP|FAC|||20260101||ADT^A01|1|P|2.5\r\
        PID|1||7^^^HOSP^MR~8^^^&1.2.3&ISO||Doe^Jane\rPV1|1|I\r";

    fn parse(text: &str) -> Message {
        Message::parse(text).unwrap()
    }

    #[test]
    fn fields_repetitions_and_components_are_found() {
        let message = parse(A01);
        assert_eq!(message.head(1).raw(), "|");
        assert_eq!(message.head(2).raw(), "^~\\&");
        assert_eq!(message.head(9).component(2).raw(), "A01");
        let pid = message.segment("PID").unwrap();
        let ids: Vec<_> = pid.field(3).repetitions().collect();
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[1].component(4).subcomponent(2).raw(), "1.2.3");
        assert!(pid.field(99).is_empty());
        assert!(message.warnings().is_empty());
    }

    #[test]
    fn a_piece_knows_its_place() {
        let message = parse(A01);
        let pid = message.segment("PID").unwrap();
        let second = pid.field(3).repetitions().nth(1).unwrap();
        let place = message
            .location(second.component(4).subcomponent(2).at())
            .unwrap();
        assert_eq!(place.to_string(), "PID-3[2].4.2");
        let place = message.location(pid.field(5).component(2).at()).unwrap();
        assert_eq!(place.to_string(), "PID-5.2");
    }

    #[test]
    fn line_feeds_are_taken_and_told_of() {
        for end in ["\n", "\r\n"] {
            let message = parse(&A01.replace('\r', end));
            assert_eq!(message.segments().count(), 3);
            assert_eq!(message.warnings().len(), 1);
        }
    }

    #[test]
    fn a_line_that_is_no_segment_belongs_to_the_one_before() {
        let message = parse("MSH|^~\\&|A\rOBX|1|TX|c||first\nsecond|u\rNTE|1\r");
        let obx = message.segment("OBX").unwrap();
        assert_eq!(obx.field(5).text(), "first\nsecond");
        assert_eq!(obx.field(6).raw(), "u");
        assert_eq!(message.warnings().len(), 2);
    }

    #[test]
    fn delimiters_are_those_of_the_message() {
        let message = parse("MSH#*!%$#A*B#\rPID###1!2*3$4\r");
        let pid = message.segment("PID").unwrap();
        assert_eq!(message.head(3).component(2).raw(), "B");
        assert_eq!(pid.field(3).repetitions().count(), 2);
        let second = pid.field(3).repetitions().nth(1).unwrap();
        assert_eq!(second.component(2).subcomponent(2).raw(), "4");
        assert_eq!(parse("MSH|^~\\&#|A\r").head(3).raw(), "A");
        assert_eq!(parse("MSH|^|A\r").head(3).raw(), "A");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (text, error) in [
            ("", MessageError::NoHead),
            ("PID|1", MessageError::NoHead),
            ("MS", MessageError::NoHead),
            ("MSH", MessageError::Delimiters),
            ("MSH|^^\\&|", MessageError::Delimiters),
            ("MSHabcde", MessageError::Delimiters),
            ("MSH|^~\\&#!?|", MessageError::Delimiters),
        ] {
            assert_eq!(Message::parse(text).unwrap_err(), error, "{text:?}");
        }
        let many = format!("MSH|^~\\&|{}", "|".repeat(super::FIELDS_MAX));
        assert_eq!(Message::parse(many).unwrap_err(), MessageError::TooLarge);
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(
            text in "(MSH\\|\\^~\\\\&)?[A-Z0-9|^~\\\\&\r\n\"äx ]{0,200}",
        ) {
            if let Ok(message) = Message::parse(text.clone()) {
                for segment in message.segments() {
                    for number in 1..=segment.field_count() {
                        let field = segment.field(number);
                        let end = field.at() + field.raw().len();
                        prop_assert_eq!(text.get(field.at()..end), Some(field.raw()));
                        let place = message.location(field.at()).unwrap();
                        prop_assert_eq!(place.segment.as_str(), segment.name());
                    }
                }
            }
        }

        #[test]
        fn fields_come_back_as_they_were_written(
            values in prop::collection::vec("[a-zA-Z0-9 ]{0,8}", 1..20),
        ) {
            let text = format!("MSH|^~\\&|A\rZZZ|{}\r", values.join("|"));
            let message = Message::parse(text).unwrap();
            let segment = message.segment("ZZZ").unwrap();
            prop_assert_eq!(segment.field_count(), values.len());
            for (index, value) in values.iter().enumerate() {
                prop_assert_eq!(segment.field(index + 1).raw(), value.as_str());
            }
        }
    }
}
