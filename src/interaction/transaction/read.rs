//! The reads of a transaction: carried out last, and tried first.
//!
//! A transaction fails as a whole, so a read that must fail has to be found before anything is
//! written. What the transaction itself writes cannot be tried yet and will be there.
//! Spec: <https://hl7.org/fhir/R4/http.html#trules>.

use std::collections::HashMap;

use crate::access::Grant;
use crate::interaction::Context;
use crate::interaction::bundle::{EntryAnswer, EntryRequest, Room, Verb};
use crate::interaction::fetch::{FetchRequest, fetch, instance_of};
use crate::interaction::read::gone;
use crate::interaction::transaction::identity::{Identities, Resolved};
use crate::interaction::transaction::mismatch;
use crate::outcome::Outcome;
use crate::store::Address;

/// What a transaction does to a resource that one of its reads is about.
enum Fate<'a> {
    Written,
    Deleted(&'a crate::access::records::Stored),
}

/// Refuses a transaction one of whose reads fails.
pub(super) async fn check(
    ctx: &Context,
    grant: &Grant,
    entries: &[EntryRequest],
    identities: &Identities,
) -> Result<(), Outcome> {
    let has_reads = entries
        .iter()
        .any(|entry| matches!(entry.verb, Verb::Get { .. }));
    let has_writes = identities
        .resolved
        .iter()
        .any(|resolved| !matches!(resolved, Resolved::Get));
    // With nothing to write, the reads themselves can still refuse it all.
    if !has_reads || !has_writes {
        return Ok(());
    }
    let fates = fates(identities);
    let mut room = Room::new(ctx);
    for entry in entries {
        let Verb::Get { url, .. } = &entry.verb else {
            continue;
        };
        let fate = instance_of(url).and_then(|address| fates.get(&address));
        let answer = match fate {
            Some(Fate::Written) => continue,
            Some(Fate::Deleted(stored)) => Err(gone(stored)),
            None => get(ctx, grant, entry).await,
        };
        answer
            .and_then(|answer| room.take(&answer))
            .map_err(|outcome| placed(outcome, entry))?;
    }
    Ok(())
}

fn fates(identities: &Identities) -> HashMap<Address, Fate<'_>> {
    let mut fates = HashMap::new();
    for resolved in &identities.resolved {
        if let Resolved::Delete(found) = resolved {
            for stored in found {
                fates.insert(stored.version.address.clone(), Fate::Deleted(stored));
            }
        } else if let Some(address) = identities.address(resolved) {
            fates.insert(address.clone(), Fate::Written);
        }
    }
    fates
}

/// The reads of a transaction, after its commit.
pub(super) struct Reads {
    room: Room,
    may_refuse: bool,
}

impl Reads {
    /// Reads that refuse the whole when nothing was written.
    pub(super) fn new(ctx: &Context, nothing_was_written: bool) -> Self {
        Self {
            room: Room::new(ctx),
            may_refuse: nothing_was_written,
        }
    }

    /// Carries a read out. After a commit a failure is an answer: somebody else was faster.
    pub(super) async fn next(
        &mut self,
        ctx: &Context,
        grant: &Grant,
        entry: &EntryRequest,
    ) -> Result<EntryAnswer, Outcome> {
        let answer = match get(ctx, grant, entry).await {
            Ok(answer) => self.room.take(&answer).map(|()| answer),
            Err(outcome) => Err(outcome),
        };
        match answer {
            Err(outcome) if self.may_refuse => Err(placed(outcome, entry)),
            answer => Ok(answer.unwrap_or_else(EntryAnswer::Failed)),
        }
    }
}

async fn get(ctx: &Context, grant: &Grant, entry: &EntryRequest) -> Result<EntryAnswer, Outcome> {
    let Verb::Get {
        url,
        if_none_match,
        if_modified_since,
    } = &entry.verb
    else {
        return Err(mismatch());
    };
    let request = FetchRequest {
        url: url.clone(),
        if_none_match: if_none_match.clone(),
        if_modified_since: *if_modified_since,
    };
    fetch(ctx, grant, request).await
}

fn placed(outcome: Outcome, entry: &EntryRequest) -> Outcome {
    outcome.at(format!("Bundle.entry[{}].request.url", entry.index))
}
