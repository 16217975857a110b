//! transaction: many requests in one Bundle that succeed or fail together.
//!
//! Identities are settled first, then every link between entries is rewritten, then everything is
//! validated and committed at once; reads come last and see the result.
//! Spec: <https://hl7.org/fhir/R4/http.html#trules>.

mod identity;
mod link;
mod read;
mod reference;
pub(super) mod rewrite;

use crate::access::Grant;
use crate::access::records::{Change, Stored};
use crate::fhir::resource::Resource;
use crate::interaction::Context;
use crate::interaction::bundle::{EntryAnswer, EntryRequest, Verb};
use crate::interaction::delete::stage_found;
use crate::interaction::patch::{self, Patch, patch_of_document};
use crate::interaction::stage::{Committed, Effect, Retry, Stage, Written};
use crate::interaction::transaction::identity::Resolved;
use crate::interaction::transaction::link::{Links, View};
use crate::interaction::update;
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};
use crate::store::Method;
use crate::store::batch::Reservation;

/// A transaction.
pub struct TransactionRequest<'a> {
    /// The entries in the order of the Bundle.
    pub entries: Vec<EntryRequest>,
    /// Makes them once more, when somebody else was faster and everything starts again: a copy of
    /// all resources for that would cost each transaction what hardly one of them needs.
    pub again: &'a (dyn Fn() -> Result<Vec<EntryRequest>, Outcome> + Sync),
    /// Marks set in the same commit, which fails when one was set since it was read.
    pub marks: Vec<Reservation>,
}

/// Characters of a client's own label that a message shows.
const LABEL_CHARS_MAX: usize = 64;

/// Entries with their resources ready to be staged, and what patches made of current versions.
type Prepared = (Vec<EntryRequest>, Vec<Option<Resource>>);

/// What one entry came to before the commit.
enum Staged {
    Effects(Vec<Effect>),
    SameAs(usize),
    Get(EntryRequest),
}

/// Carries a transaction out.
pub async fn transaction(
    ctx: &Context,
    grant: &Grant,
    request: TransactionRequest<'_>,
) -> Result<Vec<EntryAnswer>, Outcome> {
    let mut entries = request.entries;
    let mut retry = Retry::new(ctx);
    loop {
        let mut stage = Stage::default();
        for mark in &request.marks {
            stage.mark(mark.clone());
        }
        let staged = stage_entries(ctx, grant, &mut stage, entries).await?;
        if let Committed::Done(committed) = stage.commit(ctx, grant).await? {
            return answers(ctx, grant, staged, &committed).await;
        }
        retry.again(ctx).await?;
        entries = (request.again)()?;
    }
}

async fn stage_entries(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    entries: Vec<EntryRequest>,
) -> Result<Vec<Staged>, Outcome> {
    let identities = identity::settle(ctx, grant, stage, &entries).await?;
    read::check(ctx, grant, &entries, &identities).await?;
    let mut links = identities.links(&entries, &ctx.settings.base_url)?;
    let patches = patches(ctx, &entries)?;
    let sources = (entries.as_slice(), patches.as_slice());
    reference::resolve(ctx, grant, sources, &identities, &mut links).await?;
    let resolved = &identities.resolved;
    let (entries, made) = prepared(ctx, entries, (patches, resolved), links).await?;
    let mut staged = Vec::with_capacity(entries.len());
    for ((entry, resolved), made) in entries.into_iter().zip(identities.resolved).zip(made) {
        staged.push(stage_one(stage, entry, resolved, made)?);
    }
    Ok(staged)
}

/// The patches of the Bundle, read.
fn patches(ctx: &Context, entries: &[EntryRequest]) -> Result<Vec<Option<Patch>>, Outcome> {
    let read = |entry: &EntryRequest| match &entry.verb {
        Verb::Patch { document, .. } => patch_of_document(ctx, document.clone())
            .map(Some)
            .map_err(|outcome| inside(outcome, entry)),
        _ => Ok(None),
    };
    entries.iter().map(read).collect()
}

/// Rewrites links in, and validates, every resource of the Bundle, patched ones included, on a
/// thread for blocking work.
async fn prepared(
    ctx: &Context,
    mut entries: Vec<EntryRequest>,
    (patches, resolved): (Vec<Option<Patch>>, &[Resolved]),
    links: Links,
) -> Result<Prepared, Outcome> {
    let ctx = ctx.clone();
    let currents: Vec<Option<Stored>> = resolved
        .iter()
        .map(|resolved| match resolved {
            Resolved::Patch(current) => Some(current.clone()),
            _ => None,
        })
        .collect();
    let work = move || {
        let mut issues = Vec::new();
        let mut all = Vec::with_capacity(entries.len());
        for ((entry, patch), current) in entries.iter_mut().zip(patches).zip(currents) {
            let mut made = None;
            if let (Some(patch), Some(current)) = (patch, current) {
                let links = links.seen_from(entry.full_url.as_deref());
                made = patched(&ctx, entry, (patch, &current), &links)
                    .map_err(|outcome| inside(outcome, entry))?;
            } else {
                finish(&ctx, entry, &links, &mut issues);
            }
            all.push(made);
        }
        if issues.is_empty() {
            Ok((entries, all))
        } else {
            Err(Outcome::with_issues(Kind::Unprocessable, issues))
        }
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_panicked| Outcome::internal("preparing a transaction broke off"))?
}

/// Rewrites the links of the resource that an entry brings, and says what is wrong with it.
fn finish(ctx: &Context, entry: &mut EntryRequest, links: &Links, issues: &mut Vec<Issue>) {
    let (Verb::Post { resource, .. } | Verb::Put { resource, .. }) = &mut entry.verb else {
        return;
    };
    let links = links.seen_from(entry.full_url.as_deref());
    rewrite::links(resource, ctx.registry.shapes(), &links);
    if issues.len() < ctx.settings.limits.issues_max {
        let outcome = check(ctx, resource).err();
        let found = outcome.into_iter().flat_map(|outcome| outcome.issues);
        issues.extend(found.map(|issue| placed(issue, entry.index)));
    }
}

/// Refuses what breaks the definitions, and a link to an entry that there is not.
fn check(ctx: &Context, resource: &Resource) -> Result<(), Outcome> {
    if let Some(urn) = rewrite::unresolved(resource) {
        let label: String = urn.chars().take(LABEL_CHARS_MAX).collect();
        let text =
            format!("No entry of the Bundle has the fullUrl {label} that a reference names.");
        return Err(Outcome::new(Kind::Unprocessable, text));
    }
    ctx.check_valid(resource)
}

/// Rewrites the links that a patch brings in, and applies it.
fn patched(
    ctx: &Context,
    entry: &EntryRequest,
    (mut patch, current): (Patch, &Stored),
    links: &View<'_>,
) -> Result<Option<Resource>, Outcome> {
    let Verb::Patch { condition, .. } = &entry.verb else {
        return Err(mismatch());
    };
    let shapes = ctx.registry.shapes();
    match &mut patch {
        Patch::Fhirpath(parameters) => rewrite::links(parameters, shapes, links),
        Patch::Json(operations) => {
            let resource_type = current.version.address.resource_type;
            rewrite::links_of_json_patch(operations, resource_type, shapes, links);
        }
    }
    patch::patched(ctx, (&patch, condition), current)
}

/// Turns `Patient.name` into `Bundle.entry[3].resource.name`.
fn placed(mut issue: Issue, index: usize) -> Issue {
    for expression in &mut issue.expression {
        let rest = expression.split_once('.').map_or("", |(_, rest)| rest);
        let dot = if rest.is_empty() { "" } else { "." };
        *expression = format!("Bundle.entry[{index}].resource{dot}{rest}");
    }
    if issue.expression.is_empty() {
        issue
            .expression
            .push(format!("Bundle.entry[{index}].resource"));
    }
    issue
}

fn stage_one(
    stage: &mut Stage,
    entry: EntryRequest,
    resolved: Resolved,
    patched: Option<Resource>,
) -> Result<Staged, Outcome> {
    let index = entry.index;
    let effect = match (resolved, entry.verb) {
        (Resolved::Get, verb) => return Ok(Staged::Get(EntryRequest { verb, ..entry })),
        (Resolved::SameAs(index), _) => return Ok(Staged::SameAs(index)),
        (Resolved::Existing(stored), _) => Effect::Unchanged(stored),
        (Resolved::Create(address), Verb::Post { resource, .. }) => stage.push(Change {
            address,
            resource: Some(resource),
            method: Method::Post,
            supersedes: None,
        }),
        (
            Resolved::Put(address, current),
            Verb::Put {
                resource,
                condition,
                ..
            },
        ) => update::put(stage, (resource, &condition), (current, address))
            .map_err(|outcome| inside_at(outcome, index, Some(condition.member())))?,
        (Resolved::Patch(current), _) => patch::stage_patched(stage, current, patched),
        (Resolved::Delete(found), Verb::Delete { condition, .. }) => {
            return stage_found(stage, &condition, found)
                .map(Staged::Effects)
                .map_err(|outcome| inside_at(outcome, index, Some(condition.member())));
        }
        _ => return Err(mismatch()),
    };
    Ok(Staged::Effects(vec![effect]))
}

async fn answers(
    ctx: &Context,
    grant: &Grant,
    staged: Vec<Staged>,
    committed: &[Stored],
) -> Result<Vec<EntryAnswer>, Outcome> {
    let mut answers: Vec<EntryAnswer> = Vec::with_capacity(staged.len());
    let mut reads = read::Reads::new(ctx, committed.is_empty());
    for staged in staged {
        let answer = match staged {
            Staged::Effects(effects) => {
                let mut written = Vec::with_capacity(effects.len());
                for effect in effects {
                    written.push(effect.written(committed)?);
                }
                EntryAnswer::Written(written.pop().unwrap_or(Written::Absent))
            }
            Staged::SameAs(index) => match answers.get(index) {
                Some(EntryAnswer::Written(written)) => match written.stored() {
                    Some(stored) => EntryAnswer::Written(Written::Unchanged(stored.clone())),
                    None => return Err(mismatch()),
                },
                _ => return Err(mismatch()),
            },
            Staged::Get(entry) => reads.next(ctx, grant, &entry).await?,
        };
        answers.push(answer);
    }
    Ok(answers)
}

/// The same failure, placed at its entry.
fn inside(outcome: Outcome, entry: &EntryRequest) -> Outcome {
    let condition = match &entry.verb {
        Verb::Put { condition, .. }
        | Verb::Patch { condition, .. }
        | Verb::Delete { condition, .. } => Some(condition.member()),
        Verb::Post { .. } => Some("ifNoneExist"),
        Verb::Get { .. } => None,
    };
    inside_at(outcome, entry.index, condition)
}

/// The same failure, placed at the condition that does not hold, or else at the resource.
fn inside_at(mut outcome: Outcome, index: usize, condition: Option<&str>) -> Outcome {
    let unmet = condition.filter(|_| outcome.kind == Kind::PreconditionFailed);
    for issue in &mut outcome.issues {
        if let (Some(member), []) = (unmet, issue.expression.as_slice()) {
            issue
                .expression
                .push(format!("Bundle.entry[{index}].request.{member}"));
        } else {
            *issue = placed(issue.clone(), index);
        }
    }
    outcome
}

fn mismatch() -> Outcome {
    Outcome::internal("an entry of a transaction was settled as something else")
}
