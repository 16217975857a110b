//! What was kept and not applied when a process ended is seen to by this one, or by another.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::access::documents::{Before, DocumentError, Kept};
use crate::hl7v2::charset;
use crate::hl7v2::message::Message;
use crate::ingest::Ingest;
use crate::ingest::record::{MESSAGES, Pointer, Record, State, WAITING};

/// How often a process looks for messages that nobody sees to.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

impl Ingest {
    /// Looks for messages that nobody sees to until the server stops, then waits for those under
    /// way.
    pub async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stopped.changed() => break,
            }
            if let Err(error) = self.resume(false).await {
                tracing::warn!(%error, "waiting HL7 v2 messages cannot be looked for now");
            }
        }
        let under_way: Vec<_> = self.under_way().values().cloned().collect();
        for mut one in under_way {
            if one.wait_for(Option::is_some).await.is_err() {
                tracing::warn!("an HL7 v2 message was left under way");
            }
        }
    }

    /// Sees to every message that is kept and that nobody else sees to, in the order they came.
    /// Who has the store alone sees to all of them.
    pub async fn resume(self: &Arc<Self>, is_alone: bool) -> Result<(), DocumentError> {
        let mut waiting: Vec<Kept<Pointer>> = self.documents.list(WAITING).await?;
        let now_ms = self.documents.now_ms();
        let mine: HashSet<String> = self.under_way().keys().cloned().collect();
        waiting.retain(|kept| {
            let pointer = &kept.content;
            !mine.contains(&pointer.id) && (is_alone || pointer.taken_until_ms < now_ms)
        });
        waiting.sort_by_key(|kept| (kept.content.received_ms, kept.content.number));
        for kept in waiting {
            self.resume_one(kept).await?;
        }
        Ok(())
    }

    async fn resume_one(self: &Arc<Self>, kept: Kept<Pointer>) -> Result<(), DocumentError> {
        let id = kept.content.id.clone();
        let record: Option<Kept<Record>> = self.documents.get(MESSAGES, &id).await?;
        let Some(record) = record.map(|record| record.content) else {
            return self.documents.delete(WAITING, &id).await;
        };
        let mut pointer = self.pointer(&record);
        pointer.number = kept.content.number;
        let before = Before::Revision(kept.revision);
        match self
            .documents
            .put((WAITING, &id), &pointer, before, None)
            .await
        {
            Ok(()) => {}
            // Another process was faster, or it is applied by now.
            Err(DocumentError::Changed) => return Ok(()),
            Err(error) => return Err(error),
        }
        if record.state != State::Waiting {
            return self.try_note(&record).await;
        }
        // It was read before it was kept.
        if let Some(message) = self.read_again(&record) {
            drop(self.begin(record, &Arc::new(message), None));
        }
        Ok(())
    }

    /// The message of a record; `None` when the settings no longer let it be read.
    pub(super) fn read_again(&self, record: &Record) -> Option<Message> {
        let [application, facility, _] = &record.sender;
        let usual = self
            .feeds
            .named(application, facility)
            .character_set
            .clone();
        let decoded = charset::decode(&record.sent.bytes(), usual.as_deref()).ok()?;
        Message::parse(decoded.text).ok()
    }
}
