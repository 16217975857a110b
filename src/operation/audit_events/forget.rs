//! After a patient is erased: what was asked for in events about them is taken away.
//!
//! Who saw the record has to be known afterwards; what they searched for may say what was in it.
//! The journal's chain stays whole, and an event says that queries were taken away.

use std::collections::BTreeSet;

use crate::access::records::{CommitError, Stored};
use crate::access::{Intent, Session, check};
use crate::audit::block;
use crate::audit::event::{Act, Agent, Event, Touched};
use crate::fhir::resource::{Node, Resource};
use crate::interaction::search::{self, Strictness, collect};
use crate::operation::audit_events::{AuditEvents, resource_type};
use crate::outcome::Outcome;
use crate::store::Address;

/// Events about one patient that are looked at.
const EVENTS_MAX: usize = 10_000_000;

/// Events that one event says this of.
const NAMED_MAX: usize = 1_000;

impl AuditEvents {
    /// Takes the queries of all events about a patient away.
    pub async fn forget(&self, patient_id: &str) -> Result<(), Outcome> {
        if !self.journal.is_kept() {
            return Ok(());
        }
        while !self.make_some().await? {}
        let events = self.events_about(patient_id).await?;
        let events: Vec<String> = events.into_iter().collect();
        for some in events.chunks(NAMED_MAX) {
            // Written first: a query that is gone without it would look like tampering.
            let mut event = Event::success(Act::Forget).by(Agent::system());
            event.touched.extend(some.iter().map(|id| Touched {
                reference: id.clone(),
                version_id: None,
                patients: Vec::new(),
                is_written: false,
            }));
            self.journal.record(event).await?;
            let ids: BTreeSet<String> = some.iter().cloned().collect();
            self.journal.ledger().forget_queries(&ids).await?;
            for id in some {
                self.strip(id).await?;
            }
        }
        Ok(())
    }

    async fn events_about(&self, patient_id: &str) -> Result<BTreeSet<String>, Outcome> {
        let ctx = &self.ctx;
        let grant = check(&Session::operator(), Intent::Search(Some(resource_type()?)))?;
        let text = format!("patient=Patient/{patient_id}");
        let query = search::parse(ctx, resource_type()?, &text, Strictness::Strict)?;
        let mut events = BTreeSet::new();
        let mut visit = |stored: Stored| {
            let event = block::event_of(&stored.version.address.id);
            events.extend(event.map(|(block, at)| format!("{block}-{at:04}")));
            Ok(())
        };
        collect::each_match(ctx, &grant, (query, EVENTS_MAX), &mut visit).await?;
        Ok(events)
    }

    /// Takes the query out of the resource that holds it.
    async fn strip(&self, id: &str) -> Result<(), Outcome> {
        let reading = check(&Session::operator(), Intent::Read(resource_type()?))?;
        let writing = check(&Session::operator(), Intent::WriteAudit)?;
        let address = Address {
            resource_type: resource_type()?,
            id: id.to_owned(),
        };
        let records = &self.ctx.records;
        let Some(stored) = records.get(&reading, &address).await? else {
            return Ok(());
        };
        let mut resource = stored.resource()?;
        if !remove_queries(&mut resource) {
            return Ok(());
        }
        match records.rewrite(&writing, &stored, resource).await {
            // Nobody but this rewrites it.
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(CommitError::Failed(outcome)) => Err(outcome),
        }
    }
}

/// Whether there were any.
fn remove_queries(resource: &mut Resource) -> bool {
    let object = resource.object_mut();
    let entities = object.items("entity");
    let kept: Vec<Node> = entities
        .iter()
        .filter(|entity| entity.get("query").is_none())
        .cloned()
        .collect();
    let is_changed = kept.len() < entities.len();
    if is_changed && kept.is_empty() {
        object.remove("entity");
    } else if is_changed {
        object.set("entity", Node::Array(kept));
    }
    is_changed
}
