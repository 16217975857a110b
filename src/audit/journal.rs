//! Writes events so that they last: one task takes what waits together and commits it once.
//!
//! [`Journal::record`] comes back when its event is durable. Events that come while a commit is
//! under way form the next block, so the cost of a commit is shared by all of them. A block that
//! could not be written ends its lane: nobody knows whether it is there, so nothing follows it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::audit::checkpoint::{Checkpoint, LaneHead, Signer};
use crate::audit::event::Event;
use crate::audit::lane::{Lane, Line};
use crate::audit::ledger::{JournalError, Ledger, Query, SALT_BYTES};
use crate::seal::hex;

/// Events of one block.
const BLOCK_EVENTS_MAX: usize = 1_000;

/// Bytes of their JSON and queries; a single event may have more.
const BLOCK_BYTES_MAX: usize = 2 << 20;

/// Events that wait to be taken; who comes then waits for a place.
const QUEUE_EVENTS_MAX: usize = 10_000;

/// Lanes whose end a checkpoint still has to state.
const HEADS_MAX: usize = 1_000;

/// How the journal is kept.
#[derive(Debug, Clone, Copy)]
pub struct JournalSettings {
    /// Whether events are written at all.
    pub is_kept: bool,
    /// How long events wait at most for a checkpoint.
    pub checkpoint_interval: Duration,
}

/// Takes events.
pub struct Journal {
    ledger: Arc<Ledger>,
    is_kept: bool,
    queue: mpsc::Sender<Message>,
}

/// Whom to tell when an event is durable.
type Told = oneshot::Sender<Result<(), JournalError>>;

enum Message {
    /// An event, and whom to tell when it is durable.
    Event(Line, Told),
    /// A checkpoint of what there is.
    Checkpoint(oneshot::Sender<Result<Option<Checkpoint>, JournalError>>),
}

impl Journal {
    /// A journal, and the task that writes it; that ends when the journal is dropped. Nothing is
    /// written before the first event.
    pub fn start(ledger: Arc<Ledger>, settings: JournalSettings) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE_EVENTS_MAX);
        let writer = Writer {
            ledger: Arc::clone(&ledger),
            messages,
            interval: settings.checkpoint_interval,
            signer: None,
            lane: None,
            heads: Vec::new(),
            due: None,
        };
        tokio::spawn(writer.run());
        Self {
            ledger,
            is_kept: settings.is_kept,
            queue,
        }
    }

    /// Whether events are written: they always are, except in open mode.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// What is written.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Writes an event down. Whoever does what it says answers only after this came back well.
    pub async fn record(&self, event: Event) -> Result<(), JournalError> {
        if !self.is_kept {
            return Ok(());
        }
        let line = self.line(event)?;
        let (tell, told) = oneshot::channel();
        self.send(Message::Event(line, tell)).await?;
        told.await.map_err(|_gone| ended())?
    }

    /// Makes a checkpoint of what was recorded before; `None` when nothing was since the last one.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, JournalError> {
        let (tell, told) = oneshot::channel();
        self.send(Message::Checkpoint(tell)).await?;
        told.await.map_err(|_gone| ended())?
    }

    async fn send(&self, message: Message) -> Result<(), JournalError> {
        self.queue.send(message).await.map_err(|_closed| ended())
    }

    fn line(&self, mut event: Event) -> Result<Line, JournalError> {
        event.recorded_ms = self.ledger.clock.now_ms();
        let query = event
            .query
            .take()
            .map(|text| self.query(text))
            .transpose()?;
        event.query_hash = query.as_ref().map(Query::hash);
        let json = serde_json::to_vec(&event);
        let json = json.map_err(|error| JournalError::Damaged(error.to_string()))?;
        Ok(Line { json, query })
    }

    fn query(&self, text: String) -> Result<Query, JournalError> {
        let mut salt = [0; SALT_BYTES];
        let filled = self.ledger.random.fill(&mut salt);
        filled.map_err(|error| JournalError::Unavailable(error.to_string()))?;
        Ok(Query {
            at: 0,
            salt: hex::encode(&salt),
            text,
        })
    }
}

/// What the task owns.
struct Writer {
    ledger: Arc<Ledger>,
    messages: mpsc::Receiver<Message>,
    interval: Duration,
    signer: Option<Signer>,
    lane: Option<Lane>,
    /// Lanes that have come further since the last checkpoint.
    heads: Vec<LaneHead>,
    /// When the next checkpoint has to be made.
    due: Option<Instant>,
}

impl Writer {
    async fn run(mut self) {
        let mut taken = Vec::with_capacity(BLOCK_EVENTS_MAX);
        loop {
            if !self.take(&mut taken).await {
                return;
            }
            self.serve(&mut taken).await;
            if self.due.is_some_and(|due| due <= Instant::now())
                && let Err(error) = self.make_checkpoint().await
            {
                tracing::warn!(%error, "a checkpoint of the journal has to wait");
                self.due = Some(Instant::now() + self.interval);
            }
        }
    }

    /// Takes what waits, or waits until a checkpoint is due; whether there may be more.
    async fn take(&mut self, taken: &mut Vec<Message>) -> bool {
        let receiving = self.messages.recv_many(taken, BLOCK_EVENTS_MAX);
        match self.due {
            None => receiving.await > 0,
            Some(due) => match tokio::time::timeout_at(due, receiving).await {
                Ok(received) => received > 0,
                Err(_elapsed) => true,
            },
        }
    }

    /// Writes the events, then makes the checkpoint that somebody asked for.
    async fn serve(&mut self, taken: &mut Vec<Message>) {
        let (mut lines, mut waiting, mut asking) = (Vec::new(), Vec::new(), Vec::new());
        for message in taken.drain(..) {
            match message {
                Message::Event(line, tell) => {
                    lines.push(line);
                    waiting.push(tell);
                }
                Message::Checkpoint(tell) => asking.push(tell),
            }
        }
        while !lines.is_empty() {
            let later = lines.split_off(count_of_block(&lines));
            let block = std::mem::replace(&mut lines, later);
            let told = waiting.split_off(block.len());
            let tell = std::mem::replace(&mut waiting, told);
            let written = self.write(&block).await;
            answer(tell, &written);
        }
        for tell in asking {
            drop(tell.send(self.make_checkpoint().await));
        }
    }

    async fn write(&mut self, lines: &[Line]) -> Result<(), JournalError> {
        let now_ms = self.ledger.clock.now_ms();
        let lane = match self.lane.take().filter(|lane| !lane.is_old(now_ms)) {
            Some(lane) => lane,
            None => Lane::open(&self.ledger)?,
        };
        // A lane whose write fails is left where it is: the next block begins another one.
        let lane = lane.write(&self.ledger, lines).await?;
        self.note_head(&lane);
        self.lane = Some(lane);
        let due = self.due.unwrap_or_else(|| Instant::now() + self.interval);
        self.due = Some(due);
        Ok(())
    }

    fn note_head(&mut self, lane: &Lane) {
        let head = LaneHead {
            lane: lane.id.to_string(),
            sequence: lane.sequence.saturating_sub(1),
            events: lane.event,
            hash: hex::encode(&lane.head),
        };
        self.heads.retain(|known| known.lane != head.lane);
        if self.heads.len() < HEADS_MAX {
            self.heads.push(head);
        } else {
            tracing::error!("too many lanes wait for a checkpoint");
        }
    }

    async fn make_checkpoint(&mut self) -> Result<Option<Checkpoint>, JournalError> {
        if self.heads.is_empty() {
            self.due = None;
            return Ok(None);
        }
        let signer = match self.signer.take() {
            Some(signer) => signer,
            None => Signer::of(&self.ledger).await?,
        };
        let made = signer.make(&self.ledger, self.heads.clone()).await;
        self.signer = Some(signer);
        let made = made?;
        self.heads.clear();
        self.due = None;
        Ok(Some(made))
    }
}

/// How many of some lines go into one block: at least one.
fn count_of_block(lines: &[Line]) -> usize {
    let mut bytes = 0;
    let fits = lines.iter().take_while(|line| {
        bytes += line.json.len() + line.query.as_ref().map_or(0, |query| query.text.len());
        bytes <= BLOCK_BYTES_MAX
    });
    fits.count().max(1)
}

fn answer(waiting: Vec<Told>, written: &Result<(), JournalError>) {
    if let Err(error) = written {
        tracing::error!(%error, "events cannot be written: nothing is answered");
    }
    for tell in waiting {
        let verdict = match written {
            Ok(()) => Ok(()),
            Err(error) => Err(JournalError::Unavailable(error.to_string())),
        };
        // Nobody listens when the client went away; the event stands all the same.
        drop(tell.send(verdict));
    }
}

fn ended() -> JournalError {
    JournalError::Unavailable("the journal is closed".to_owned())
}
