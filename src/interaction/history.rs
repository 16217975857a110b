//! history: the versions of a resource, of a type, or of everything, newest first.
//!
//! Paging is by position, so that versions written meanwhile shift nothing.
//! Spec: <https://hl7.org/fhir/R4/http.html#history>.

mod text;

pub use text::to_bundle;

use std::collections::HashSet;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::date::PartialDate;
use crate::fhir::instant::Instant;
use crate::interaction::Context;
use crate::interaction::fill::Filling;
use crate::interaction::read::not_found;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{Address, HistoryPosition, HistoryScope, HistoryWindow};

/// Which history, and which part of it.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// Of what.
    pub scope: HistoryScope,
    /// Versions written at or after this instant.
    pub since: Option<Instant>,
    /// Versions that were current at some point during this time.
    pub at: Option<PartialDate>,
    /// How many at most.
    pub count: Option<usize>,
    /// Where the page before ended.
    pub after: Option<HistoryPosition>,
}

impl HistoryRequest {
    /// Reads the parameters of a history from its query string.
    pub fn read(ctx: &Context, scope: HistoryScope, query: &str) -> Result<Self, Outcome> {
        text::read_parameters(ctx, scope, query)
    }
}

/// A page of a history.
#[derive(Debug, Clone)]
pub struct HistoryResponse {
    /// Versions, newest first.
    pub versions: Vec<Stored>,
    /// How many the whole history has.
    pub total: u64,
    /// Where the next page begins, sealed; `None` on the last one.
    pub next: Option<String>,
}

/// Reads a history.
pub async fn history(
    ctx: &Context,
    grant: &Grant,
    request: HistoryRequest,
) -> Result<HistoryResponse, Outcome> {
    ctx.records.choose_what_leaves(grant);
    let response = read(ctx, grant, request).await?;
    ctx.records.leaves(grant, &response.versions)?;
    Ok(response)
}

async fn read(
    ctx: &Context,
    grant: &Grant,
    request: HistoryRequest,
) -> Result<HistoryResponse, Outcome> {
    let limits = &ctx.settings.limits;
    let count = request
        .count
        .unwrap_or(limits.page_default)
        .min(limits.page_max);
    let window = HistoryWindow {
        since_ms: request.since.map(Instant::millis),
        until_ms: None,
        after: None,
        // One more than the page holds tells whether there is another page.
        limit: count + 1,
        bytes_max: limits.page_bytes_max.max(1),
    };
    if let Some(at) = request.at {
        return history_at(ctx, grant, &request, (at, count)).await;
    }
    let total = ctx
        .records
        .count_history(grant, &request.scope, &window)
        .await?;
    if let HistoryScope::Instance(address) = &request.scope
        && total == 0
        && request.since.is_none()
    {
        return Err(not_found(address));
    }
    let window = HistoryWindow {
        after: request.after,
        ..window
    };
    let mut page = Filled::new(ctx, count);
    fill(ctx, grant, &request.scope, (window, &mut page)).await?;
    page.respond(ctx, &request.scope, total)
}

/// Reads versions until the page is full.
async fn fill(
    ctx: &Context,
    grant: &Grant,
    scope: &HistoryScope,
    (mut window, page): (HistoryWindow, &mut Filled),
) -> Result<(), Outcome> {
    loop {
        let read = ctx.records.history(grant, scope, &window).await?;
        for version in read.versions {
            page.take(version);
        }
        if read.is_last || page.has_more {
            return Ok(());
        }
        window.after = read.last.or(window.after);
    }
}

/// The versions of a page.
struct Filled {
    room: Filling,
    versions: Vec<Stored>,
    has_more: bool,
}

impl Filled {
    fn new(ctx: &Context, count: usize) -> Self {
        Self {
            room: Filling::new(count, ctx.settings.limits.page_bytes_max),
            versions: Vec::new(),
            has_more: false,
        }
    }

    /// Takes a version when it has room.
    fn take(&mut self, version: Stored) {
        if self.room.admits(version.json.len()) {
            self.versions.push(version);
        } else {
            self.has_more = true;
        }
    }

    fn respond(
        self,
        ctx: &Context,
        scope: &HistoryScope,
        total: u64,
    ) -> Result<HistoryResponse, Outcome> {
        let last = self.versions.last().map(Stored::position);
        let last = last.filter(|_| self.has_more);
        let next = last
            .map(|place| text::seal(ctx, scope, place))
            .transpose()?;
        Ok(HistoryResponse {
            versions: self.versions,
            total,
            next,
        })
    }
}

/// `_at`: what was current at some point of a period is what was written in it, and, of every
/// resource, the last version written before it. Every page walks the versions from the newest on:
/// which version was the last before the period shows in no other way.
async fn history_at(
    ctx: &Context,
    grant: &Grant,
    request: &HistoryRequest,
    (at, count): (PartialDate, usize),
) -> Result<HistoryResponse, Outcome> {
    let limits = &ctx.settings.limits;
    let is_instance = matches!(request.scope, HistoryScope::Instance(_));
    let mut before: HashSet<Address, foldhash::fast::RandomState> = HashSet::default();
    let (mut shown, mut total, mut examined) = (Filled::new(ctx, count), 0, 0);
    let mut is_on_page = request.after.is_none();
    let mut after = None;
    loop {
        let window = HistoryWindow {
            since_ms: None,
            until_ms: Some(at.high_ms - 1),
            after,
            limit: limits.page_max,
            bytes_max: limits.page_bytes_max.max(1),
        };
        let page = ctx.records.history(grant, &request.scope, &window).await?;
        after = page.last.or(after);
        examined += page.found;
        let mut is_last = page.is_last;
        for version in page.versions {
            let is_before = version.version.last_updated_ms < at.low_ms;
            if is_before {
                is_last |= is_instance;
                let is_older = !before.insert(version.version.address.clone());
                if is_older || (version.is_deleted() && !is_instance) {
                    continue;
                }
            }
            total += 1;
            let place = version.position();
            if is_on_page {
                shown.take(version);
            }
            is_on_page |= request.after == Some(place);
            if is_before && is_instance {
                break;
            }
        }
        if is_last {
            break;
        }
        if examined >= limits.examined_max {
            let text = "_at has to look at too many versions: ask for the history of one resource, \
                        or for an earlier time.";
            return Err(Outcome::new(Kind::TooCostly, text));
        }
    }
    shown.respond(ctx, &request.scope, total)
}
