//! A message as it is kept: what was sent, what came of it, and what it wrote.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::hl7v2::ack::Problem;
use crate::hl7v2::conversion::Warning;

/// The collection of messages.
pub(super) const MESSAGES: &str = "hl7v2-message";

/// The collection of what has still to be applied: an id each.
pub(super) const WAITING: &str = "hl7v2-waiting";

/// The collection of what could not be applied.
pub(super) const FAILED: &str = "hl7v2-failed";

/// The collection of what waits for approval.
pub(super) const HELD: &str = "hl7v2-held";

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Its id here.
    pub id: String,
    /// When it came, in ms since the epoch.
    pub received_ms: i64,
    /// MSH-3, MSH-4 and MSH-10.
    pub sender: [String; 3],
    /// MSH-9: `ADT^A01`.
    pub event: String,
    /// What was sent.
    pub sent: Sent,
    /// What came of it.
    pub state: State,
    /// Counts from 0 how often it was undone: each time it may be applied once more.
    pub round: u32,
    /// What is wrong with it.
    pub problems: Vec<Reason>,
    /// What was lost or guessed.
    pub warnings: Vec<Warning>,
    /// What it wrote.
    pub written: Vec<Effect>,
}

/// The bytes of a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// They are UTF-8.
    Text(String),
    /// They are not; in base64.
    Base64(String),
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is kept, and will be applied.
    Waiting,
    /// It was applied.
    Applied,
    /// It could not be applied.
    Failed,
    /// It waits for approval.
    Held,
    /// Somebody decided that it is not to be applied.
    Rejected,
    /// It was applied and taken back.
    Undone,
}

/// A problem as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Where: `PID-3`.
    pub place: Option<String>,
    /// The code of HL7 table 0357.
    pub code: u16,
    /// For people.
    pub text: String,
}

/// A version that a message wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The resource: `Patient/x`.
    pub resource: String,
    /// The version.
    pub version_id: i64,
}

/// What points at a message in one of the other collections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pointer {
    /// The message.
    pub(super) id: String,
    /// When it came, in ms since the epoch.
    pub(super) received_ms: i64,
    /// Its place among those of the same process.
    pub(super) number: u64,
    /// Until when a process sees to it, in ms since the epoch.
    pub(super) taken_until_ms: i64,
}

impl Sent {
    /// Keeps bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_other) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    /// The bytes; nothing when they are damaged.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Base64(text) => STANDARD.decode(text).unwrap_or_default(),
        }
    }
}

impl From<&Problem> for Reason {
    fn from(problem: &Problem) -> Self {
        Self {
            place: problem.location.as_ref().map(ToString::to_string),
            code: problem.code.0,
            text: problem.text.clone(),
        }
    }
}
