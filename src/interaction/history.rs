//! history: the versions of a resource, of a type, or of everything, newest first.
//!
//! Paging is by position, so that versions written meanwhile shift nothing.
//! Spec: <https://hl7.org/fhir/R4/http.html#history>.

mod text;

pub use text::to_bundle;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::date::PartialDate;
use crate::fhir::instant::Instant;
use crate::interaction::Context;
use crate::interaction::read::not_found;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{HistoryPosition, HistoryScope, HistoryWindow};

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
    pub fn read(scope: HistoryScope, query: &str) -> Result<Self, Outcome> {
        text::read_parameters(scope, query)
    }
}

/// A page of a history.
#[derive(Debug, Clone)]
pub struct HistoryResponse {
    /// Versions, newest first.
    pub versions: Vec<Stored>,
    /// How many the whole history has.
    pub total: u64,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<HistoryPosition>,
}

/// Reads a history.
pub async fn history(
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
        limit: count + 1,
    };
    if let Some(at) = request.at {
        return history_at(ctx, grant, &request, at).await;
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
    let mut versions = ctx.records.history(grant, &request.scope, &window).await?;
    let more = versions.len() > count;
    versions.truncate(count);
    let next = if more {
        versions.last().map(position)
    } else {
        None
    };
    Ok(HistoryResponse {
        versions,
        total,
        next,
    })
}

/// `_at`: what was current at some point of a period is what was written in it, and, of every
/// resource, the last version written before it.
async fn history_at(
    ctx: &Context,
    grant: &Grant,
    request: &HistoryRequest,
    at: PartialDate,
) -> Result<HistoryResponse, Outcome> {
    let HistoryScope::Instance(_) = &request.scope else {
        return Err(Outcome::new(
            Kind::Unsupported,
            "_at is served on the history of a single resource; use _since on a type or system.",
        ));
    };
    let mut versions = Vec::new();
    let mut after = None;
    loop {
        let window = HistoryWindow {
            since_ms: None,
            until_ms: Some(at.high_ms - 1),
            after,
            limit: ctx.settings.limits.page_max,
        };
        let page = ctx.records.history(grant, &request.scope, &window).await?;
        after = page.last().map(position);
        let is_last = page.len() < window.limit;
        for version in page {
            let is_before = version.version.last_updated_ms < at.low_ms;
            versions.push(version);
            if is_before {
                return Ok(whole(versions));
            }
        }
        if is_last {
            return Ok(whole(versions));
        }
    }
}

fn whole(versions: Vec<Stored>) -> HistoryResponse {
    let total = u64::try_from(versions.len()).unwrap_or(u64::MAX);
    HistoryResponse {
        versions,
        total,
        next: None,
    }
}

fn position(stored: &Stored) -> HistoryPosition {
    HistoryPosition {
        last_updated_ms: stored.version.last_updated_ms,
        sequence: stored.version.sequence,
        version_id: stored.version.version_id,
    }
}
