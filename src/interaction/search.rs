//! search: matches of a query, newest first, page by page.
//!
//! Pages are walked by position under a high-water mark, so that writes meanwhile neither repeat
//! nor hide a match. What keys only approximate is verified on the opened resource.
//! Spec: <https://hl7.org/fhir/R4/search.html>.

mod bundle;
mod paging;

pub use bundle::to_bundle;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::query;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::search::paging::{Page, Walk};
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};
use crate::search::lower::COUNT_LIMIT;
use crate::search::parse::{self, ParseOptions};
use crate::search::plan::{Order, Plan, Window};
use crate::search::query::{Query, Summary, Total};

/// How strictly a query is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// What is unknown or malformed is refused.
    Strict,
    /// What is unknown or malformed is ignored, with a warning (`Prefer: handling=lenient`).
    Lenient,
}

/// What to search.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The type.
    pub resource_type: ResourceType,
    /// The query as it stands behind the question mark, with that of a form body appended.
    pub query: String,
    /// How strictly it is read.
    pub strictness: Strictness,
}

/// A page of matches.
#[derive(Debug, Clone)]
pub struct SearchResponse {
    /// The type that was searched.
    pub resource_type: ResourceType,
    /// The matches in order.
    pub matches: Vec<Stored>,
    /// How many there are in all, when that is known.
    pub total: Option<u64>,
    /// What was ignored.
    pub warnings: Vec<Issue>,
    /// Relation and query string of each link.
    pub links: Vec<(&'static str, String)>,
}

/// Searches.
pub async fn search(
    ctx: &Context,
    grant: &Grant,
    request: SearchRequest,
) -> Result<SearchResponse, Outcome> {
    let asked = paging::read(ctx, &request)?;
    let query = parse(ctx, request.resource_type, &asked.text, request.strictness)?;
    let plan = plan(ctx, grant, &query).await?;
    let total = match &asked.cursor {
        Some(cursor) => cursor.total,
        None => count(ctx, grant, &query, &plan).await?,
    };
    let mut response = SearchResponse {
        resource_type: request.resource_type,
        matches: Vec::new(),
        total,
        warnings: query.warnings.clone(),
        links: vec![("self", paging::self_query(&asked, &query))],
    };
    let limits = &ctx.settings.limits;
    let page_size = query
        .result
        .count
        .unwrap_or(limits.page_default)
        .min(limits.page_max);
    if page_size == 0 || query.result.summary == Some(Summary::Count) {
        return Ok(response);
    }
    let walk = Walk::of(asked.cursor.as_ref(), page_size);
    let mut page = walk_page(ctx, grant, (&query, &plan), &walk).await?;
    if walk.is_backward {
        page.matches.reverse();
    }
    response
        .links
        .extend(paging::links(ctx, &request, (&asked, &walk), &page, total)?);
    response.matches = page.matches;
    Ok(response)
}

/// Reads a query on a type.
pub fn parse(
    ctx: &Context,
    resource_type: ResourceType,
    text: &str,
    strictness: Strictness,
) -> Result<Query, Outcome> {
    let options = ParseOptions {
        now_ms: ctx.clock.now_ms(),
        is_lenient: strictness == Strictness::Lenient,
    };
    query::check(text).map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))?;
    let pairs = query::pairs(text);
    parse::parse(resource_type, &pairs, &ctx.records.indexer(), options).map_err(|issues| {
        let is_unsupported = issues.iter().all(|issue| issue.code == "not-supported");
        let kind = if is_unsupported {
            Kind::Unsupported
        } else {
            Kind::Malformed
        };
        Outcome::with_issues(kind, issues)
    })
}

/// Up to `limit` matches, newest first.
pub async fn find_all(
    ctx: &Context,
    grant: &Grant,
    query: &Query,
    limit: usize,
) -> Result<Vec<Stored>, Outcome> {
    let plan = plan(ctx, grant, query).await?;
    let page = walk_page(ctx, grant, (query, &plan), &Walk::of(None, limit)).await?;
    Ok(page.matches)
}

/// Whether a resource that is not stored yet matches.
pub fn matches(ctx: &Context, query: &Query, resource: &Resource) -> bool {
    query.matches(resource, ctx.clock.now_ms(), &ctx.records.indexer())
}

/// Lowers a query, and lets the smallest of its conditions drive.
async fn plan(ctx: &Context, grant: &Grant, query: &Query) -> Result<Plan, Outcome> {
    let lowered = query.lower(&ctx.records.indexer());
    let mut counts = Vec::new();
    for candidate in lowered.candidates() {
        counts.push(ctx.records.count(grant, &candidate, COUNT_LIMIT).await?);
    }
    Ok(lowered.plan(&counts))
}

/// How many match: exact up to a limit, or as far as the client wants it.
async fn count(
    ctx: &Context,
    grant: &Grant,
    query: &Query,
    plan: &Plan,
) -> Result<Option<u64>, Outcome> {
    let total_max = ctx.settings.limits.total_max;
    let limit = match query.result.total {
        Some(Total::None) => return Ok(None),
        Some(Total::Accurate) => u64::MAX,
        _ if query.result.summary == Some(Summary::Count) => u64::MAX,
        Some(Total::Estimate) | None => total_max + 1,
    };
    let counted = if query.needs_verification() {
        count_verified(ctx, grant, query, plan, limit).await?
    } else {
        ctx.records.count(grant, plan, limit).await?
    };
    // A total that stopped at the limit would be wrong: none is given instead.
    Ok((counted < limit).then_some(counted))
}

/// Counts what has to be opened to be sure of.
async fn count_verified(
    ctx: &Context,
    grant: &Grant,
    query: &Query,
    plan: &Plan,
    limit: u64,
) -> Result<u64, Outcome> {
    let step = ctx.settings.limits.page_max;
    let mut walk = Walk::of(None, step);
    let mut counted = 0;
    loop {
        let page = walk_page(ctx, grant, (query, plan), &walk).await?;
        counted += u64::try_from(page.matches.len()).unwrap_or(u64::MAX);
        match page.matches.last() {
            Some(last) if page.has_more && counted < limit => {
                walk.after = Some(last.version.sequence);
            }
            _ => return Ok(counted.min(limit)),
        }
    }
}

/// Walks a plan until the page is full, verifying what keys leave open.
async fn walk_page(
    ctx: &Context,
    grant: &Grant,
    (query, plan): (&Query, &Plan),
    walk: &Walk,
) -> Result<Page, Outcome> {
    let indexer = ctx.records.indexer();
    let verifies = query.needs_verification();
    let mut page = Page::default();
    let mut window = Window {
        order: if walk.is_backward {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        },
        after: walk.after,
        high_water: walk.high_water,
        // One more than the page holds tells whether there is another page.
        limit: walk.page_size + 1,
        examined_max: ctx.settings.limits.examined_max,
    };
    let mut examined = 0;
    loop {
        let found = ctx.records.find(grant, plan, &window).await?;
        let is_last = found.found < window.limit && found.stopped_at.is_none();
        let last = found.last;
        examined += found.found;
        for stored in found.matches {
            if verifies && !query.verify(&stored.resource()?, &indexer) {
                continue;
            }
            if page.matches.len() == walk.page_size {
                page.has_more = true;
                return Ok(page);
            }
            page.matches.push(stored);
        }
        if is_last {
            return Ok(page);
        }
        if found.stopped_at.is_some() || examined > window.examined_max {
            return Err(too_costly(window.examined_max));
        }
        window.after = last.or(window.after);
    }
}

fn too_costly(examined_max: usize) -> Outcome {
    Outcome::new(
        Kind::TooCostly,
        format!(
            "More than {examined_max} resources would have to be examined: add a condition that \
             fewer resources meet, such as a patient, a code or an identifier."
        ),
    )
}
