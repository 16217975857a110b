//! What administrators see of messages and decide about them: list, show, approve, reject, replay,
//! undo.
//!
//! Undoing takes back what a message wrote and nobody changed since; what was changed is reported
//! and left.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::documents::{DocumentError, Kept};
use crate::access::{Intent, Session, check};
use crate::fhir::json;
use crate::hl7v2::conversion::{convert, described_patient};
use crate::hl7v2::message::Message;
use crate::ingest::record::{FAILED, HELD, MESSAGES, Pointer, Reason, Record, State, WAITING};
use crate::ingest::{Ingest, matching};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// Messages that one list shows.
const LISTED_MAX: usize = 500;

/// What can be decided about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// One that is held is applied.
    Approve,
    /// One that is held or failed is never applied.
    Reject,
    /// One that failed, was rejected or undone is applied again.
    Replay,
    /// What one wrote is taken back.
    Undo,
}

impl From<DocumentError> for Outcome {
    fn from(error: DocumentError) -> Self {
        let text = "Messages cannot be read or written now. Try again shortly.";
        Self::new(Kind::Unavailable, text).caused_by(&error)
    }
}

impl Ingest {
    /// The messages that wait, failed or are held, the oldest first.
    pub async fn list(&self, state: State) -> Result<Vec<Value>, Outcome> {
        let collection = match state {
            State::Waiting => WAITING,
            State::Failed => FAILED,
            State::Held => HELD,
            State::Applied | State::Rejected | State::Undone => {
                let text = "state must be waiting, failed or held.";
                return Err(Outcome::new(Kind::Malformed, text));
            }
        };
        let mut pointers: Vec<Kept<Pointer>> = self.documents.list(collection).await?;
        pointers.sort_by_key(|kept| (kept.content.received_ms, kept.content.number));
        let mut listed = Vec::new();
        for pointer in pointers.iter().take(LISTED_MAX) {
            let record = self.record(&pointer.content.id).await?;
            listed.extend(record.map(|kept| summary(&kept.content)));
        }
        Ok(listed)
    }

    /// All of a message.
    pub async fn show(&self, id: &str) -> Result<Value, Outcome> {
        let record = self.known(id).await?.content;
        let mut shown = summary(&record);
        if let Some(members) = shown.as_object_mut() {
            members.insert("sent".to_owned(), json!(record.sent));
            members.insert("written".to_owned(), json!(record.written));
            if matches!(record.state, State::Held | State::Failed) {
                members.insert("preview".to_owned(), self.preview(&record).await?);
            }
        }
        Ok(shown)
    }

    /// What a message would come to now, and who its patient may be.
    async fn preview(&self, record: &Record) -> Result<Value, Outcome> {
        let message = self.read_again(record).ok_or_else(unreadable)?;
        let feed = self.feeds.of(&message);
        let converted = convert(&message, feed, &self.tables, record.received_ms);
        let grant = check(&Session::operator(), Intent::Bundle)?;
        let proposals = match described_patient(&message, feed, &self.tables) {
            Some(patient) => matching::propose(&self.ctx, &grant, &patient).await?,
            None => Vec::new(),
        };
        Ok(match converted {
            Ok(converted) => {
                let mut bundle = Vec::new();
                json::write_object(&mut bundle, converted.bundle.object());
                let bundle: Option<Value> = serde_json::from_slice(&bundle).ok();
                let warnings = converted.warnings;
                json!({ "bundle": bundle, "warnings": warnings, "proposals": proposals })
            }
            Err(problem) => json!({
                "problems": [Reason::from(&problem)],
                "proposals": proposals,
            }),
        })
    }

    /// Carries out a decision; what the message came to.
    pub async fn decide(self: &Arc<Self>, id: &str, decision: Decision) -> Result<Value, Outcome> {
        let mut record = self.known(id).await?.content;
        let is_possible = match decision {
            Decision::Approve => record.state == State::Held,
            Decision::Reject => matches!(record.state, State::Held | State::Failed),
            Decision::Replay => matches!(
                record.state,
                State::Failed | State::Rejected | State::Undone
            ),
            Decision::Undo => record.state == State::Applied,
        };
        if !is_possible {
            let text = format!(
                "The message is {}: this cannot be done with it.",
                name(record.state)
            );
            return Err(Outcome::new(Kind::PreconditionFailed, text));
        }
        if decision == Decision::Reject {
            record.state = State::Rejected;
            self.try_note(&record).await?;
            return Ok(summary(&record));
        }
        if decision == Decision::Undo {
            let left = self.undo(&mut record).await?;
            let mut shown = summary(&record);
            if let Some(members) = shown.as_object_mut() {
                members.insert("left".to_owned(), json!(left));
            }
            return Ok(shown);
        }
        let message = self.read_again(&record).ok_or_else(unreadable)?;
        record.state = State::Waiting;
        self.try_note(&record).await?;
        let record = self.applied(record, message).await?;
        Ok(summary(&record))
    }

    async fn applied(
        self: &Arc<Self>,
        record: Record,
        message: Message,
    ) -> Result<Arc<Record>, Outcome> {
        let mut outcome = self.begin(record, &Arc::new(message), None);
        let seen = outcome.wait_for(Option::is_some).await;
        let record = seen.ok().and_then(|record| record.clone());
        record.ok_or_else(|| Outcome::internal("a message was left under way"))
    }

    async fn record(&self, id: &str) -> Result<Option<Kept<Record>>, Outcome> {
        Ok(self.documents.get(MESSAGES, id).await?)
    }

    async fn known(&self, id: &str) -> Result<Kept<Record>, Outcome> {
        let text = "There is no message with this id, or it is kept no longer.";
        let found = self.record(id).await?;
        found.ok_or_else(|| Outcome::new(Kind::NotFound, text))
    }
}

/// What a list shows of a message: nothing of a patient.
fn summary(record: &Record) -> Value {
    let [application, facility, control_id] = &record.sender;
    json!({
        "id": record.id,
        "received": crate::fhir::instant::Instant::from_millis(record.received_ms).to_string(),
        "sending_application": application,
        "sending_facility": facility,
        "control_id": control_id,
        "event": record.event,
        "state": record.state,
        "problems": record.problems,
        "warnings": record.warnings,
        "resources": record.written.len(),
    })
}

fn name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Applied => "applied",
        State::Failed => "failed",
        State::Held => "held",
        State::Rejected => "rejected",
        State::Undone => "undone",
    }
}

fn unreadable() -> Outcome {
    let text = "The message cannot be read with the character set that the feed has now.";
    Outcome::new(Kind::Unprocessable, text)
}
