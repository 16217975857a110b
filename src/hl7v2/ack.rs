//! Acknowledgements: MSH, MSA and an ERR segment for each problem.
//!
//! Answers have the delimiters and the version of the message; up to v2.4 an ERR names the place in
//! ERR-1, from v2.5 on in ERR-2. Nothing of what the message says about anybody is repeated.
//! Spec: HL7 v2.5.1 sections 2.9 and 2.15.5.

use std::fmt::Write;

use crate::fhir::instant::Instant;
use crate::hl7v2::escape;
use crate::hl7v2::location::Location;
use crate::hl7v2::message::Message;
use crate::hl7v2::part::Delimiters;

/// Problems that one answer lists.
const PROBLEMS_MAX: usize = 20;

/// Characters of a control id that are repeated.
const CONTROL_ID_CHARS_MAX: usize = 199;

/// What a message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is accepted.
    Accept,
    /// Something is wrong with what it says.
    Error,
    /// It is not taken, whatever it says.
    Reject,
}

/// Which acknowledgement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// That the message was kept safe.
    Commit,
    /// What came of it.
    Application,
}

/// A code of HL7 table 0357 with its text.
pub type Code = (u16, &'static str);

/// Codes of HL7 table 0357.
pub mod code {
    use super::Code;

    /// The message is out of order.
    pub const SEQUENCE: Code = (100, "Segment sequence error");
    /// A field is missing.
    pub const REQUIRED: Code = (101, "Required field missing");
    /// A value has the wrong form.
    pub const DATA_TYPE: Code = (102, "Data type error");
    /// A code is not in its table.
    pub const NOT_IN_TABLE: Code = (103, "Table value not found");
    /// This kind of message is not taken.
    pub const MESSAGE_TYPE: Code = (200, "Unsupported message type");
    /// This event is not taken.
    pub const EVENT: Code = (201, "Unsupported event code");
    /// The id is not known.
    pub const UNKNOWN_KEY: Code = (204, "Unknown key identifier");
    /// Somebody else changed the same all the time.
    pub const LOCKED: Code = (206, "Application record locked");
    /// The server failed.
    pub const INTERNAL: Code = (207, "Application internal error");

    /// The code with a number.
    pub fn of_number(number: u16) -> Code {
        let all = [
            SEQUENCE,
            REQUIRED,
            DATA_TYPE,
            NOT_IN_TABLE,
            MESSAGE_TYPE,
            EVENT,
            UNKNOWN_KEY,
            LOCKED,
        ];
        all.into_iter()
            .find(|code| code.0 == number)
            .unwrap_or(INTERNAL)
    }
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` for all of it.
    pub location: Option<Location>,
    /// What kind of problem, of HL7 table 0357.
    pub code: Code,
    /// Whether the message was accepted in spite of it.
    pub is_warning: bool,
    /// For people; says nothing of a patient.
    pub text: String,
}

impl Problem {
    /// A problem with all of a message.
    pub fn of_message(code: Code, text: impl Into<String>) -> Self {
        Self {
            location: None,
            code,
            is_warning: false,
            text: text.into(),
        }
    }

    /// A problem with a field.
    pub fn of_field(segment: &str, field: usize, code: Code, text: impl Into<String>) -> Self {
        Self {
            location: Some(Location::of_field(segment, field)),
            ..Self::of_message(code, text)
        }
    }
}

/// An answer to be written.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// What is answered; `None` when it could not be read.
    pub message: Option<&'a Message>,
    /// Which acknowledgement it is.
    pub stage: Stage,
    /// What the message came to.
    pub verdict: Verdict,
    /// What is wrong.
    pub problems: &'a [Problem],
    /// The id of the answer.
    pub control_id: &'a str,
    /// The time, in ms since the epoch.
    pub now_ms: i64,
}

/// Whether MSH-15 or MSH-16 asks for an answer to this verdict.
pub fn is_wanted(condition: &str, verdict: Verdict) -> bool {
    match condition {
        "NE" => false,
        "ER" => verdict != Verdict::Accept,
        "SU" => verdict == Verdict::Accept,
        _ => true,
    }
}

impl Answer<'_> {
    /// The code of MSA-1.
    pub fn code(&self) -> &'static str {
        match (self.stage, self.verdict) {
            (Stage::Commit, Verdict::Accept) => "CA",
            (Stage::Commit, Verdict::Error) => "CE",
            (Stage::Commit, Verdict::Reject) => "CR",
            (Stage::Application, Verdict::Accept) => "AA",
            (Stage::Application, Verdict::Error) => "AE",
            (Stage::Application, Verdict::Reject) => "AR",
        }
    }

    /// Writes the answer.
    pub fn write(&self) -> String {
        let delimiters = self.message.map(Message::delimiters).unwrap_or_default();
        let Delimiters {
            field,
            component,
            repetition,
            escape: escaping,
            subcomponent,
        } = delimiters;
        let of_head = |number| {
            self.message
                .map_or("", |message| message.head(number).raw())
        };
        let or = |text: &'static str, other| if text.is_empty() { other } else { text };
        let mut event = self
            .message
            .map(|message| message.head(9).component(2).raw().to_owned())
            .unwrap_or_default();
        event.truncate(8);
        let version = self.version();
        let mut kind = format!("ACK{component}{event}{component}ACK");
        if event.is_empty() {
            "ACK".clone_into(&mut kind);
        }
        let head = [
            format!("MSH{field}{component}{repetition}{escaping}{subcomponent}"),
            of_head(5).to_owned(),
            of_head(6).to_owned(),
            of_head(3).to_owned(),
            of_head(4).to_owned(),
            time(self.now_ms),
            String::new(),
            kind,
            self.control_id.to_owned(),
            self.message
                .map_or("P", |message| message.head(11).raw())
                .to_owned(),
            or("", version).to_owned(),
        ];
        let mut out = head.join(&field.to_string());
        let charset = of_head(18);
        if !charset.is_empty() {
            out.extend(std::iter::repeat_n(field, 6));
            out.push_str(charset);
        }
        out.push('\r');
        let control_id: String = of_head(10).chars().take(CONTROL_ID_CHARS_MAX).collect();
        // Writing to a String does not fail.
        write!(out, "MSA{field}{}{field}{control_id}", self.code()).unwrap_or_default();
        out.push('\r');
        let is_old = ["2.1", "2.2", "2.3", "2.4"]
            .iter()
            .any(|old| version.starts_with(old));
        for problem in self.problems.iter().take(PROBLEMS_MAX) {
            out.push_str(&if is_old {
                old_error(problem, delimiters)
            } else {
                error(problem, delimiters)
            });
            out.push('\r');
        }
        out
    }

    fn version(&self) -> &str {
        let version = self
            .message
            .map_or("", |message| message.head(12).component(1).raw());
        if version.is_empty() { "2.5.1" } else { version }
    }
}

/// ERR up to v2.4: all in ERR-1.
fn old_error(problem: &Problem, delimiters: Delimiters) -> String {
    let Delimiters {
        field,
        component,
        subcomponent,
        ..
    } = delimiters;
    let (code, text) = problem.code;
    let place = match &problem.location {
        Some(at) => format!(
            "{}{component}{}{component}{}",
            at.segment, at.ordinal, at.field
        ),
        None => format!("{component}{component}"),
    };
    format!("ERR{field}{place}{component}{code}{subcomponent}{text}{subcomponent}HL70357")
}

/// ERR from v2.5 on.
fn error(problem: &Problem, delimiters: Delimiters) -> String {
    let Delimiters {
        field, component, ..
    } = delimiters;
    let (code, text) = problem.code;
    let place = problem.location.as_ref().map_or_else(String::new, |at| {
        let mut place = format!("{}{component}{}", at.segment, at.ordinal);
        if at.field > 0 {
            write!(place, "{component}{}{component}{}", at.field, at.repetition)
                .unwrap_or_default();
        }
        if at.component > 1 || at.subcomponent > 1 {
            write!(place, "{component}{}", at.component).unwrap_or_default();
        }
        if at.subcomponent > 1 {
            write!(place, "{component}{}", at.subcomponent).unwrap_or_default();
        }
        place
    });
    let severity = if problem.is_warning { 'W' } else { 'E' };
    let told = escape::write(&problem.text, delimiters);
    let gap: String = std::iter::repeat_n(field, 4).collect();
    format!(
        "ERR{field}{field}{place}{field}{code}{component}{text}{component}HL70357{field}{severity}\
         {gap}{told}"
    )
}

/// An instant as HL7 v2 writes it, in UTC.
fn time(now_ms: i64) -> String {
    let text = Instant::from_millis(now_ms).to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    format!("{digits}+0000")
}

#[cfg(test)]
mod tests {
    use super::{Answer, Problem, Stage, Verdict, code, is_wanted};
    use crate::hl7v2::message::Message;

    fn answer(text: &str, verdict: Verdict, problems: &[Problem]) -> String {
        let message = Message::parse(text).unwrap();
        Answer {
            message: Some(&message),
            stage: Stage::Application,
            verdict,
            problems,
            control_id: "ack-1",
            now_ms: 1_795_305_600_000,
        }
        .write()
    }

    #[test]
    fn who_sent_it_is_answered() {
        let text = "MSH|^~\\&|APP|FAC|US|HERE|2026||ADT^A01|42|P|2.5.1||||||UNICODE UTF-8\r";
        assert_eq!(
            answer(text, Verdict::Accept, &[]),
            "MSH|^~\\&|US|HERE|APP|FAC|20261122000000+0000||ACK^A01^ACK|ack-1|P|2.5.1\
             ||||||UNICODE UTF-8\rMSA|AA|42\r"
        );
    }

    #[test]
    fn a_problem_is_named_with_its_place() {
        let mut problem = Problem::of_field("PID", 3, code::REQUIRED, "Send | an identifier.");
        if let Some(place) = &mut problem.location {
            place.component = 4;
        }
        let problems = [problem];
        let text = "MSH|^~\\&|A|B|C|D|2026||ADT^A01|42|P|2.5\r";
        let written = answer(text, Verdict::Error, &problems);
        let expected =
            "ERR||PID^1^3^1^4|101^Required field missing^HL70357|E||||Send \\F\\ an identifier.\r";
        assert!(written.ends_with(expected), "{written}");
        let old = answer(&text.replace("2.5", "2.3"), Verdict::Error, &problems);
        assert!(
            old.ends_with("ERR|PID^1^3^101&Required field missing&HL70357\r"),
            "{old}"
        );
    }

    #[test]
    fn what_could_not_be_read_is_answered_too() {
        let written = Answer {
            message: None,
            stage: Stage::Application,
            verdict: Verdict::Reject,
            problems: &[Problem::of_message(code::SEQUENCE, "No MSH.")],
            control_id: "1",
            now_ms: 0,
        }
        .write();
        assert!(Message::parse(written.clone()).is_ok());
        assert!(written.contains("MSA|AR|\rERR|||100^"), "{written}");
    }

    #[test]
    fn conditions_are_kept() {
        for (condition, accept, error) in [
            ("AL", true, true),
            ("", true, true),
            ("NE", false, false),
            ("ER", false, true),
            ("SU", true, false),
        ] {
            assert_eq!(is_wanted(condition, Verdict::Accept), accept, "{condition}");
            assert_eq!(is_wanted(condition, Verdict::Reject), error, "{condition}");
        }
    }
}
