//! Taking back what a message wrote.
//!
//! What it created is deleted, what it changed gets the content it had before. What somebody
//! changed since is left as it is and reported. All of it happens in one transaction.

use crate::access::{Grant, Intent, Session, check};
use crate::fhir::resource_type::ResourceType;
use crate::ingest::Ingest;
use crate::ingest::record::{Effect, Record, State};
use crate::interaction::bundle::{EntryRequest, Verb};
use crate::interaction::transaction::{TransactionRequest, transaction};
use crate::interaction::update::{Precondition, Target};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::Address;

impl Ingest {
    /// Takes back what a message wrote; the resources that were left because somebody changed
    /// them since.
    pub(super) async fn undo(&self, record: &mut Record) -> Result<Vec<String>, Outcome> {
        if record.written.is_empty() {
            let text = "What this message wrote is not known: the server ended while it was \
                        applied. Its Provenance names the resources.";
            return Err(Outcome::new(Kind::PreconditionFailed, text));
        }
        let ctx = &self.ctx;
        let grant = check(&Session::operator(), Intent::Bundle)?;
        let (mut entries, mut left) = (Vec::new(), Vec::new());
        for effect in &record.written {
            match self.undoing(&grant, effect).await? {
                Some(verb) => entries.push(EntryRequest {
                    index: entries.len(),
                    full_url: None,
                    verb,
                }),
                None => left.push(effect.resource.clone()),
            }
        }
        let mark = format!("hl7v2 undo {} {}", record.id, record.round);
        let mark = ctx.records.reserve_for_good(&mark).await?;
        if mark.revision == 0 {
            let request = TransactionRequest {
                entries: entries.clone(),
                again: &|| Ok(entries.clone()),
                marks: vec![mark],
            };
            transaction(ctx, &grant, request).await?;
        }
        record.state = State::Undone;
        record.round = record.round.saturating_add(1);
        record.written.clear();
        self.try_note(record).await?;
        Ok(left)
    }

    /// What takes a version back; `None` when it is no longer the current one.
    async fn undoing(&self, grant: &Grant, effect: &Effect) -> Result<Option<Verb>, Outcome> {
        let address = address_of(&effect.resource)?;
        let resource_type = address.resource_type;
        let records = &self.ctx.records;
        let reading = grant.within(Intent::Read(resource_type))?;
        let current = records.get(&reading, &address).await?;
        let is_ours =
            current.is_some_and(|current| current.version.version_id == effect.version_id);
        if !is_ours {
            return Ok(None);
        }
        let condition = Precondition {
            if_match: vec![effect.version_id],
            ..Precondition::default()
        };
        let target = Target::Id(address.id.clone());
        let before = effect.version_id.saturating_sub(1);
        let before = records.get_version(&reading, &address, before).await?;
        let Some(before) = before.filter(|before| !before.json.is_empty()) else {
            return Ok(Some(Verb::Delete {
                resource_type,
                target,
                condition,
            }));
        };
        Ok(Some(Verb::Put {
            resource: before.resource()?,
            target,
            condition,
        }))
    }
}

fn address_of(resource: &str) -> Result<Address, Outcome> {
    let unreadable = || Outcome::internal("what a message wrote cannot be read");
    let (name, id) = resource.split_once('/').ok_or_else(unreadable)?;
    let resource_type: ResourceType = name.parse().map_err(|_unknown| unreadable())?;
    Ok(Address {
        resource_type,
        id: id.to_owned(),
    })
}
