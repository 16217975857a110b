//! A message comes in: read, kept, answered.
//!
//! In original mode one answer tells what came of it, or that it is kept, as the settings say. In
//! enhanced mode (MSH-15, MSH-16) it is told first that it is kept, then what came of it.
//! Spec: HL7 v2.5.1 section 2.9.

use std::sync::Arc;

use encoding_rs::Encoding;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::access::documents::{Before, DocumentError, Kept};
use crate::config::hl7v2::Acknowledge;
use crate::hl7v2::ack::{Answer, Problem, Stage, Verdict, code, is_wanted};
use crate::hl7v2::charset;
use crate::hl7v2::message::Message;
use crate::ingest::Ingest;
use crate::ingest::record::{HELD, MESSAGES, Pointer, Reason, Record, Sent, State, WAITING};

/// How long a process sees to a message before another one may, in ms.
pub(super) const TAKEN_MS: i64 = 120_000;

/// Characters of a part of the head that are kept beside the message.
const HEAD_CHARS_MAX: usize = 100;

/// A message that was taken, or refused.
pub struct Taken {
    /// The answer to be given now.
    pub now: Option<Vec<u8>>,
    /// The answer to be given when it has been applied.
    pub later: Option<Pending>,
    /// What it came to so far.
    pub verdict: Verdict,
}

/// An answer that is still to come.
pub struct Pending {
    heard: Heard,
    outcome: watch::Receiver<Option<Arc<Record>>>,
    is_wanted_when: String,
}

/// A message that was read, and how to answer it.
struct Heard {
    message: Arc<Message>,
    encoding: &'static Encoding,
    control_id: String,
    now_ms: i64,
}

impl Heard {
    fn answer(&self, stage: Stage, verdict: Verdict, problems: &[Problem]) -> Vec<u8> {
        let answer = Answer {
            message: Some(&self.message),
            stage,
            verdict,
            problems,
            control_id: &self.control_id,
            now_ms: self.now_ms,
        };
        self.encoding.encode(&answer.write()).0.into_owned()
    }

    /// What the head asks for: MSH-15 and MSH-16, when either is there.
    fn conditions(&self) -> Option<(String, String)> {
        let [accept, application] = [15, 16].map(|number| self.message.head(number).text());
        let is_enhanced = !accept.is_empty() || !application.is_empty();
        is_enhanced.then(|| (accept.into_owned(), application.into_owned()))
    }
}

impl Pending {
    /// Waits until the message has been seen to; `None` when no answer is wanted.
    pub async fn answer(mut self) -> (Verdict, Option<Vec<u8>>) {
        let seen = self.outcome.wait_for(Option::is_some).await;
        let record = seen.ok().and_then(|record| record.clone());
        let (verdict, problems) = match record.as_deref() {
            Some(record) => result_of(record),
            None => (Verdict::Error, vec![not_yet()]),
        };
        let answer = is_wanted(&self.is_wanted_when, verdict)
            .then(|| self.heard.answer(Stage::Application, verdict, &problems));
        (verdict, answer)
    }
}

impl Ingest {
    /// Takes a message. When it gives back anything but a refusal, the message is durable.
    pub async fn take(self: &Arc<Self>, bytes: &[u8]) -> Taken {
        let heard = match self.hear(bytes) {
            Ok(heard) => heard,
            Err(refusal) => return refusal,
        };
        let stage = match heard.conditions() {
            Some(_) => Stage::Commit,
            None => Stage::Application,
        };
        let refused = |problem: Problem, verdict| Taken {
            now: Some(heard.answer(stage, verdict, &[problem])),
            later: None,
            verdict,
        };
        if let Err(problem) = check_head(&heard.message) {
            return refused(problem, Verdict::Reject);
        }
        // Whoever sends faster than messages can be applied waits here.
        let Ok(room) = Arc::clone(&self.waiting).acquire_owned().await else {
            return refused(not_yet(), Verdict::Error);
        };
        let record = match self.keep(bytes, &heard.message).await {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, "an HL7 v2 message could not be kept");
                let text = "The message cannot be kept now: send it again later.";
                return refused(Problem::of_message(code::INTERNAL, text), Verdict::Error);
            }
        };
        self.see_to(heard, record, room)
    }

    /// The answer to a message that was too large to be read.
    pub fn refuse_too_large(&self) -> Vec<u8> {
        let text = format!(
            "A message has at most {} bytes.",
            self.config.message_bytes_max
        );
        let refusal = self.refuse_unread(Problem::of_message(code::DATA_TYPE, text));
        refusal.now.unwrap_or_default()
    }

    /// Refuses what could not be read.
    fn refuse_unread(&self, problem: Problem) -> Taken {
        let answer = Answer {
            message: None,
            stage: Stage::Application,
            verdict: Verdict::Reject,
            problems: &[problem],
            control_id: &self.ctx.records.new_id(),
            now_ms: self.documents.now_ms(),
        };
        Taken {
            now: Some(answer.write().into_bytes()),
            later: None,
            verdict: Verdict::Reject,
        }
    }

    fn hear(&self, bytes: &[u8]) -> Result<Heard, Taken> {
        let usual = self.usual_character_set(bytes);
        let decoded = charset::decode(bytes, usual.as_deref()).map_err(|error| {
            let text = error.to_string();
            self.refuse_unread(Problem::of_field("MSH", 18, code::NOT_IN_TABLE, text))
        })?;
        let message = Message::parse(decoded.text).map_err(|error| {
            self.refuse_unread(Problem::of_message(code::SEQUENCE, error.to_string()))
        })?;
        Ok(Heard {
            message: Arc::new(message),
            encoding: decoded.encoding,
            control_id: self.ctx.records.new_id(),
            now_ms: self.documents.now_ms(),
        })
    }

    /// The character set of the sender, which the head tells in any of them.
    fn usual_character_set(&self, bytes: &[u8]) -> Option<String> {
        let head = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
        let head = head.into_iter().find(|line| line.starts_with(b"MSH"))?;
        let head = Message::parse(String::from_utf8_lossy(head)).ok()?;
        self.feeds.of(&head).character_set.clone()
    }

    /// Keeps a message, durably; one that is kept already is given back as it is by now.
    async fn keep(&self, bytes: &[u8], message: &Message) -> Result<Record, DocumentError> {
        let part = |number: usize| -> String {
            let text = message.head(number).component(1).text();
            text.chars().take(HEAD_CHARS_MAX).collect()
        };
        let kind = message.head(9);
        let event = [1, 2].map(|number| kind.component(number).text().into_owned());
        let sender = [part(3), part(4), part(10)];
        let is_held = self.feeds.of(message).is_held;
        let record = Record {
            id: id_of(&sender, bytes),
            received_ms: self.documents.now_ms(),
            sender,
            event: event.join("^").chars().take(HEAD_CHARS_MAX).collect(),
            sent: Sent::of(bytes),
            state: if is_held { State::Held } else { State::Waiting },
            round: 0,
            problems: Vec::new(),
            warnings: Vec::new(),
            written: Vec::new(),
        };
        let pointer = self.pointer(&record);
        let collection = if is_held { HELD } else { WAITING };
        let puts = vec![
            self.documents
                .to_put((MESSAGES, &record.id), &record, Before::Nothing, None)?,
            self.documents
                .to_put((collection, &record.id), &pointer, Before::Anything, None)?,
        ];
        match self.documents.write_all(puts).await {
            Ok(()) => Ok(record),
            Err(DocumentError::Changed) => {
                let known: Option<Kept<Record>> = self.documents.get(MESSAGES, &record.id).await?;
                known
                    .map(|known| known.content)
                    .ok_or(DocumentError::Changed)
            }
            Err(error) => Err(error),
        }
    }

    /// What points at a message that this process sees to.
    pub(super) fn pointer(&self, record: &Record) -> Pointer {
        Pointer {
            id: record.id.clone(),
            received_ms: record.received_ms,
            number: self.next_number(),
            taken_until_ms: self.documents.now_ms().saturating_add(TAKEN_MS),
        }
    }

    fn see_to(self: &Arc<Self>, heard: Heard, record: Record, room: OwnedSemaphorePermit) -> Taken {
        let outcome = match record.state {
            // One that failed and is sent again may have been wrong for a reason that is gone.
            State::Waiting | State::Failed => self.begin(record, &heard.message, Some(room)),
            _ => watch::channel(Some(Arc::new(record))).1,
        };
        let pending = |heard, is_wanted_when| Pending {
            heard,
            outcome,
            is_wanted_when,
        };
        match heard.conditions() {
            Some((accept, application)) => Taken {
                now: is_wanted(&accept, Verdict::Accept)
                    .then(|| heard.answer(Stage::Commit, Verdict::Accept, &[])),
                later: (application != "NE" && !application.is_empty())
                    .then(|| pending(heard, application)),
                verdict: Verdict::Accept,
            },
            None if self.config.acknowledge == Acknowledge::Received => Taken {
                now: Some(heard.answer(Stage::Application, Verdict::Accept, &[])),
                later: None,
                verdict: Verdict::Accept,
            },
            None => Taken {
                now: None,
                later: Some(pending(heard, String::new())),
                verdict: Verdict::Accept,
            },
        }
    }
}

/// Refuses a message without what every message needs.
fn check_head(message: &Message) -> Result<(), Problem> {
    for (number, name) in [(9, "message type"), (10, "message control id")] {
        if message.head(number).component(1).is_empty() {
            let text = format!("A message needs its {name}.");
            return Err(Problem::of_field("MSH", number, code::REQUIRED, text));
        }
    }
    let processing = message.head(11).component(1).text();
    if !matches!(&*processing, "" | "P" | "T" | "D") {
        let text = "MSH-11 must be P, T or D.";
        return Err(Problem::of_field("MSH", 11, code::NOT_IN_TABLE, text));
    }
    Ok(())
}

/// The same sender, control id and content make the same id.
fn id_of(sender: &[String; 3], bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in sender {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.update(bytes);
    hasher.finalize().to_hex().chars().take(32).collect()
}

/// What is answered about a message in its state.
fn result_of(record: &Record) -> (Verdict, Vec<Problem>) {
    let problem = |reason: &Reason| Problem {
        location: reason.place.as_deref().and_then(|place| place.parse().ok()),
        code: code::of_number(reason.code),
        is_warning: false,
        text: reason.text.clone(),
    };
    match record.state {
        State::Applied | State::Held | State::Undone => (Verdict::Accept, Vec::new()),
        State::Failed => (
            Verdict::Error,
            record.problems.iter().map(problem).collect(),
        ),
        State::Rejected => {
            let text = "An administrator rejected this message.";
            (
                Verdict::Error,
                vec![Problem::of_message(code::DATA_TYPE, text)],
            )
        }
        State::Waiting => (Verdict::Error, vec![not_yet()]),
    }
}

fn not_yet() -> Problem {
    let text = "The message is kept and will be applied later; it need not be sent again.";
    Problem::of_message(code::INTERNAL, text)
}
