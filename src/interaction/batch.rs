//! batch: independent requests in one Bundle, each with its own outcome.
//!
//! Several are worked on at once, so that their commits can share a disk write; no order between
//! entries is promised, as the spec has it.
//! Spec: <https://hl7.org/fhir/R4/http.html#brules>.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream;

use crate::access::Grant;
use crate::interaction::Context;
use crate::interaction::bundle::{EntryAnswer, EntryRequest, Room, Verb};
use crate::interaction::create::{CreateRequest, create};
use crate::interaction::delete::{DeleteRequest, delete};
use crate::interaction::fetch::{FetchRequest, fetch};
use crate::interaction::patch::{PatchRequest, patch, patch_of_document};
use crate::interaction::stage::Written;
use crate::interaction::update::{UpdateRequest, update};
use crate::outcome::Outcome;

/// Entries worked on at once.
const ENTRIES_AT_ONCE_MAX: usize = 16;

/// A batch.
#[derive(Debug, Clone)]
pub struct BatchRequest {
    /// The entries, unreadable ones included.
    pub entries: Vec<Result<EntryRequest, Outcome>>,
}

/// Carries the entries out.
pub async fn batch(
    ctx: &Context,
    grant: &Grant,
    request: BatchRequest,
) -> Result<Vec<EntryAnswer>, Outcome> {
    let is_full = &AtomicBool::new(false);
    let mut room = Room::new(ctx);
    let refusal = &room.refusal();
    let work = request.entries.into_iter().map(|entry| async move {
        match entry {
            Ok(entry)
                if matches!(entry.verb, Verb::Get { .. }) && is_full.load(Ordering::Relaxed) =>
            {
                EntryAnswer::Failed(refusal.clone())
            }
            Ok(entry) => carry_out(ctx, grant, entry.verb)
                .await
                .unwrap_or_else(EntryAnswer::Failed),
            Err(outcome) => EntryAnswer::Failed(outcome),
        }
    });
    let mut answers = Vec::new();
    let mut done = stream::iter(work).buffered(ENTRIES_AT_ONCE_MAX);
    while let Some(answer) = done.next().await {
        let taken = room.take(&answer);
        is_full.store(room.is_full(), Ordering::Relaxed);
        answers.push(taken.map_or_else(EntryAnswer::Failed, |()| answer));
    }
    Ok(answers)
}

async fn carry_out(ctx: &Context, grant: &Grant, verb: Verb) -> Result<EntryAnswer, Outcome> {
    let narrowed = verb
        .intent()
        .map(|intent| grant.within(intent))
        .transpose()?;
    let grant = narrowed.as_ref().unwrap_or(grant);
    let written = match verb {
        Verb::Get {
            url,
            if_none_match,
            if_modified_since,
        } => {
            let request = FetchRequest {
                url,
                if_none_match,
                if_modified_since,
            };
            return fetch(ctx, grant, request).await;
        }
        Verb::Post {
            resource,
            if_none_exist,
        } => {
            let request = CreateRequest {
                resource,
                if_none_exist,
            };
            create(ctx, grant, request).await?
        }
        Verb::Put {
            resource,
            target,
            condition,
        } => {
            let request = UpdateRequest {
                resource,
                target,
                condition,
            };
            update(ctx, grant, request).await?
        }
        other => change_or_delete(ctx, grant, other).await?,
    };
    Ok(EntryAnswer::Written(written))
}

async fn change_or_delete(ctx: &Context, grant: &Grant, verb: Verb) -> Result<Written, Outcome> {
    match verb {
        Verb::Patch {
            resource_type,
            target,
            document,
            condition,
        } => {
            let request = PatchRequest {
                resource_type,
                target,
                patch: patch_of_document(ctx, document)?,
                condition,
            };
            patch(ctx, grant, request).await
        }
        Verb::Delete {
            resource_type,
            target,
            condition,
        } => {
            let request = DeleteRequest {
                resource_type,
                target,
                condition,
            };
            let mut written = delete(ctx, grant, request).await?;
            Ok(written.pop().unwrap_or(Written::Absent))
        }
        Verb::Get { .. } | Verb::Post { .. } | Verb::Put { .. } => Err(Outcome::internal(
            "an entry of a batch was taken for another kind",
        )),
    }
}
