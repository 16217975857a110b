//! A message is applied: converted, carried out as a transaction, and noted.
//!
//! The transaction sets a mark that belongs to the message, so that it happens once. What the store
//! cannot take now is tried again, and everybody behind it in its lanes waits; what is wrong with
//! the message itself puts it aside.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::access::documents::{Before, DocumentError, Kept};
use crate::access::{Intent, Session, check};
use crate::hl7v2::ack::{Problem, code};
use crate::hl7v2::conversion::{Converted, convert, patients};
use crate::hl7v2::message::Message;
use crate::ingest::Ingest;
use crate::ingest::lanes::Place;
use crate::ingest::overlay;
use crate::ingest::record::{Effect, FAILED, HELD, MESSAGES, Reason, Record, State, WAITING};
use crate::interaction::bundle::{EntryAnswer, EntryRequest, read_bundle};
use crate::interaction::stage::Written;
use crate::interaction::transaction::{TransactionRequest, transaction};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::batch::Reservation;

/// How often what cannot be written now is tried again before it is left for later.
const ATTEMPTS_MAX: u32 = 8;

/// How often a message is laid over what is stored anew because somebody changed it meanwhile.
const OVERTAKEN_MAX: u32 = 10;

/// The first wait between attempts, and the longest one.
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A day, in ms.
const DAY_MS: i64 = 86_400_000;

/// What applying came to, short of success.
enum Setback {
    /// Something is wrong with the message.
    Wrong(Vec<Problem>),
    /// It cannot be done now.
    NotNow(Outcome),
}

impl From<Outcome> for Setback {
    fn from(outcome: Outcome) -> Self {
        match outcome.kind {
            Kind::Unavailable | Kind::Timeout | Kind::Conflict | Kind::Throttled => {
                Self::NotNow(outcome)
            }
            Kind::Internal => {
                let source = outcome.source.as_deref().unwrap_or("none given");
                tracing::error!(source, "an HL7 v2 message could not be applied");
                let text = "The server failed on this message.";
                Self::Wrong(vec![Problem::of_message(code::INTERNAL, text)])
            }
            _ => Self::Wrong(outcome.issues.iter().map(problem_of_issue).collect()),
        }
    }
}

impl From<DocumentError> for Setback {
    fn from(error: DocumentError) -> Self {
        Self::NotNow(error.into())
    }
}

fn problem_of_issue(issue: &crate::outcome::Issue) -> Problem {
    let place = issue.expression.join(", ");
    let text = if place.is_empty() {
        issue.diagnostics.clone()
    } else {
        format!("{} ({place})", issue.diagnostics)
    };
    Problem::of_message(code::DATA_TYPE, text)
}

impl Ingest {
    /// Sees to a message that is kept; what comes of it is in the channel. One that is seen to
    /// already is only listened to.
    pub(super) fn begin(
        self: &Arc<Self>,
        record: Record,
        message: &Arc<Message>,
        room: Option<OwnedSemaphorePermit>,
    ) -> watch::Receiver<Option<Arc<Record>>> {
        let mut under_way = self.under_way();
        if let Some(known) = under_way.get(&record.id) {
            return known.clone();
        }
        let (tell, told) = watch::channel(None);
        under_way.insert(record.id.clone(), told.clone());
        // Within the lock, so that places are taken in the order that messages come in.
        let names = patients(message, self.feeds.of(message), &self.tables);
        let place = self.lanes.enter(names);
        drop(under_way);
        let (this, message) = (Arc::clone(self), Arc::clone(message));
        tokio::spawn(async move {
            let id = record.id.clone();
            let record = this.see_through(record, &message, place).await;
            this.under_way().remove(&id);
            drop(room);
            tell.send_replace(Some(Arc::new(record)));
        });
        told
    }

    /// Waits for its turn and applies it, again and again where that may help.
    async fn see_through(&self, mut record: Record, message: &Message, place: Place) -> Record {
        place.turn().await;
        let _one_of_few = self.at_once.acquire().await;
        let mut wait = WAIT_MIN;
        for attempt in 1..=ATTEMPTS_MAX {
            match self.apply(&mut record, message).await {
                Ok(()) => {
                    // It is applied, and the mark says so: who is behind may go on.
                    drop(place);
                    self.note(&record).await;
                    return record;
                }
                Err(Setback::Wrong(problems)) => {
                    record.state = State::Failed;
                    record.problems = problems.iter().map(Reason::from).collect();
                    self.note(&record).await;
                    return record;
                }
                Err(Setback::NotNow(outcome)) => {
                    let cause = outcome.source.unwrap_or_default();
                    tracing::warn!(%cause, attempt, "an HL7 v2 message cannot be applied now");
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
        record.state = State::Waiting;
        record
    }

    async fn apply(&self, record: &mut Record, message: &Message) -> Result<(), Setback> {
        let ctx = &self.ctx;
        let mark = format!("hl7v2 {} {}", record.id, record.round);
        let mark = ctx.records.reserve_for_good(&mark).await?;
        if mark.revision > 0 {
            // What it wrote was noted by whoever applied it, unless a process ended in between.
            let noted: Option<Kept<Record>> = self.documents.get(MESSAGES, &record.id).await?;
            if let Some(noted) = noted.filter(|noted| noted.content.state == State::Applied) {
                *record = noted.content;
            }
            record.state = State::Applied;
            return Ok(());
        }
        let converted = self.converted(record, message)?;
        record.warnings.clone_from(&converted.warnings);
        let bundle = read_bundle(ctx, converted.bundle)?;
        let entries: Vec<EntryRequest> = bundle.entries.into_iter().collect::<Result<_, _>>()?;
        let answers = self.carry_out(&entries, &converted.cleared, mark).await?;
        record.written = answers.iter().filter_map(effect).collect();
        record.problems.clear();
        record.state = State::Applied;
        Ok(())
    }

    /// Lays the entries over what is stored and commits them. What somebody changes meanwhile is
    /// read again.
    async fn carry_out(
        &self,
        entries: &[EntryRequest],
        cleared: &[Vec<&'static str>],
        mark: Reservation,
    ) -> Result<Vec<EntryAnswer>, Outcome> {
        let grant = check(&Session::operator(), Intent::Bundle)?;
        let mut overtaken = 0;
        loop {
            let mut entries = entries.to_vec();
            let depends = overlay::lay(&self.ctx, &grant, &mut entries, cleared).await?;
            let request = TransactionRequest {
                entries: entries.clone(),
                again: &|| Ok(entries.clone()),
                marks: vec![mark.clone()],
            };
            match transaction(&self.ctx, &grant, request).await {
                Err(outcome)
                    if depends
                        && outcome.kind == Kind::PreconditionFailed
                        && overtaken < OVERTAKEN_MAX =>
                {
                    overtaken += 1;
                }
                done => return done,
            }
        }
    }

    /// What a message comes to as FHIR.
    fn converted(&self, record: &Record, message: &Message) -> Result<Converted, Setback> {
        let feed = self.feeds.of(message);
        let converted = convert(message, feed, &self.tables, record.received_ms);
        converted.map_err(|problem| Setback::Wrong(vec![problem]))
    }

    /// Notes what came of a message. When that fails, it is seen to again later, finds its mark,
    /// and is noted then.
    pub(super) async fn note(&self, record: &Record) {
        if let Err(error) = self.try_note(record).await {
            tracing::warn!(%error, "what came of an HL7 v2 message could not be noted");
        }
    }

    /// As [`Self::note`], for whoever has to know whether it was noted.
    pub(super) async fn try_note(&self, record: &Record) -> Result<(), DocumentError> {
        let documents = &self.documents;
        let kept_ms = i64::from(self.config.kept_days).saturating_mul(DAY_MS);
        let expires_ms = match record.state {
            State::Waiting | State::Failed | State::Held => None,
            State::Applied | State::Rejected | State::Undone => {
                Some(documents.now_ms().saturating_add(kept_ms))
            }
        };
        let id = record.id.as_str();
        let mut puts =
            vec![documents.to_put((MESSAGES, id), record, Before::Anything, expires_ms)?];
        let belongs = match record.state {
            State::Waiting => Some(WAITING),
            State::Failed => Some(FAILED),
            State::Held => Some(HELD),
            State::Applied | State::Rejected | State::Undone => None,
        };
        for collection in [WAITING, FAILED, HELD] {
            puts.push(if belongs == Some(collection) {
                let pointer = self.pointer(record);
                documents.to_put((collection, id), &pointer, Before::Anything, None)?
            } else {
                documents.to_delete((collection, id))
            });
        }
        documents.write_all(puts).await
    }
}

/// What an entry wrote; nothing when all was as it should be.
fn effect(answer: &EntryAnswer) -> Option<Effect> {
    let EntryAnswer::Written(Written::Created(stored) | Written::Updated(stored)) = answer else {
        return None;
    };
    let address = &stored.version.address;
    Some(Effect {
        resource: format!("{}/{}", address.resource_type, address.id),
        version_id: stored.version.version_id,
    })
}
