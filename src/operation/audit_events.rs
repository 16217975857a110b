//! `AuditEvent`s made from the journal, so that they are found like any other resource.
//!
//! A request is answered when its event is in the journal; its resources follow in the background,
//! and before a search for them is answered. How far that has come is a document, so that any
//! process goes on where another one stopped; ids follow from the journal, so that doing the same
//! twice does nothing. Why not at once: ADR 0151.

mod forget;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};

use crate::access::records::{Change, CommitError};
use crate::access::{Grant, Intent, Session, check};
use crate::audit::journal::Journal;
use crate::audit::ledger::Opened;
use crate::audit::progress::{Progress, Step};
use crate::audit::resource::{self, Made};
use crate::fhir::json;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{Address, Method};

/// Resources in one commit.
const COMMIT_RESOURCES_MAX: usize = 250;

/// Events that a request waits for at most: more than that come from the background first.
const EVENTS_WAITED_MAX: u64 = 20_000;

/// The part of the time that the work in the background takes at most: one in so many.
const SHARE: u32 = 10;

/// Makes `AuditEvent`s.
pub struct AuditEvents {
    ctx: Context,
    journal: Arc<Journal>,
    base_url: String,
    /// One at a time in a process: others wait for what it does.
    turn: Mutex<()>,
}

impl AuditEvents {
    /// Makes `AuditEvent`s of what is in a journal.
    pub fn new(ctx: Context, journal: Arc<Journal>) -> Self {
        Self {
            base_url: ctx.settings.base_url.clone(),
            ctx,
            journal,
            turn: Mutex::new(()),
        }
    }

    /// Makes all that are missing, so that a search finds what happened before it.
    pub async fn catch_up(&self) -> Result<(), Outcome> {
        if !self.journal.is_kept() {
            return Ok(());
        }
        if self.make_some().await? {
            return Ok(());
        }
        let reason = "AuditEvents are being made of many requests just now. Try again shortly.";
        let cause = "more events wait than a request waits for";
        Err(Outcome::new(Kind::Unavailable, reason).caused_by(&cause))
    }

    /// Makes as many as a request waits for; whether these were all.
    async fn make_some(&self) -> Result<bool, Outcome> {
        let _turn = self.turn.lock().await;
        let mut progress = Progress::load(self.journal.ledger()).await?;
        let mut made = 0;
        while made < EVENTS_WAITED_MAX {
            match self.step(&mut progress).await? {
                Some(events) => made += events,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Makes some; how many events they were of, `None` when none are missing.
    async fn step(&self, progress: &mut Progress) -> Result<Option<u64>, Outcome> {
        let ledger = self.journal.ledger();
        let mut step = match progress.next(ledger).await? {
            Step::Done => {
                progress.save(ledger).await?;
                return Ok(None);
            }
            Step::Blocks(step) => step,
        };
        ledger.add_queries(&mut step).await?;
        let grant = check(&Session::operator(), Intent::WriteAudit)?;
        let mut events = 0;
        for opened in &step {
            events += u64::from(opened.header.count);
            self.make(&grant, opened).await?;
            progress.passed(opened.header);
        }
        progress.save(ledger).await?;
        Ok(Some(events))
    }

    /// Makes the resources of a block.
    async fn make(&self, grant: &Grant, opened: &Opened) -> Result<(), Outcome> {
        let mut changes = Vec::new();
        for (at, event) in (0..).zip(&opened.events) {
            let id = opened.header.event_id(at);
            for made in resource::resources(&id, event, &self.base_url) {
                changes.push(change(made)?);
            }
        }
        while !changes.is_empty() {
            let later = changes.split_off(changes.len().min(COMMIT_RESOURCES_MAX));
            let some = std::mem::replace(&mut changes, later);
            match self.ctx.records.commit(grant, some, Vec::new()).await {
                // Another process has made the same of them.
                Ok(_) | Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Failed(outcome)) => return Err(outcome),
            }
        }
        Ok(())
    }
}

fn change(made: Made) -> Result<Change, Outcome> {
    let resource = read(&made.json)?;
    let address = Address {
        resource_type: resource.resource_type(),
        id: made.id,
    };
    Ok(Change {
        address,
        resource: Some(resource),
        method: Method::Put,
        supersedes: None,
    })
}

fn resource_type() -> Result<ResourceType, Outcome> {
    "AuditEvent"
        .parse()
        .map_err(|_unknown| Outcome::internal("there are no AuditEvents in R4"))
}

fn read(text: &str) -> Result<Resource, Outcome> {
    let limits = json::Limits {
        depth_max: usize::MAX,
    };
    json::parse_resource(text.as_bytes(), limits)
        .map_err(|error| Outcome::internal(format!("an AuditEvent cannot be read: {error}")))
}

/// Makes `AuditEvent`s until the server stops, in a small part of its time.
pub async fn run(events: Arc<AuditEvents>, interval: Duration, mut stopped: watch::Receiver<bool>) {
    if !events.journal.is_kept() {
        return;
    }
    loop {
        let wait = match events.work().await {
            Ok(Some(took)) => took * SHARE,
            Ok(None) => interval,
            Err(outcome) => {
                let source = outcome.source.as_deref().unwrap_or("none given");
                tracing::warn!(source, "AuditEvents cannot be made now");
                interval
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.wait_for(|is_stopping| *is_stopping) => return,
        }
    }
}

impl AuditEvents {
    /// One step in the background, and how long it took; `None` when nothing is missing.
    async fn work(&self) -> Result<Option<Duration>, Outcome> {
        let started = Instant::now();
        let _turn = self.turn.lock().await;
        let mut progress = Progress::load(self.journal.ledger()).await?;
        let made = self.step(&mut progress).await?;
        Ok(made.map(|_events| started.elapsed()))
    }
}
