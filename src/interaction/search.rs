//! search: what meets a query, page by page, with what belongs to it.
//!
//! Pages are walked by position under a high-water mark, so that writes meanwhile neither repeat
//! nor hide a match; a sorted search keeps its list. What keys only approximate is verified on the
//! opened resource. Spec: <https://hl7.org/fhir/R4/search.html>.

mod bundle;
mod choice;
pub mod collect;
mod contained;
mod explain;
mod hierarchy;
mod include;
mod letter_case;
mod matching;
mod paging;
mod resolve;
mod scope;
mod sorted;
mod vocabulary;

pub use bundle::to_bundle;
pub use scope::SearchScope;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::query;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::fill::Filling;
use crate::interaction::search::matching::{Matching, Walk};
use crate::interaction::search::paging::{Asked, Page};
use crate::interaction::search::scope::Understood;
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};
use crate::search::canonical;
use crate::search::index::Indexer;
use crate::search::parse::{self, ParseOptions};
use crate::search::plan::{Candidate, Plan};
use crate::search::query::{Query, Summary};

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
    /// Where.
    pub scope: SearchScope,
    /// The query as it stands behind the question mark.
    pub query: String,
    /// The form of a POST: it counts together with the query, and is in no link.
    pub form: String,
    /// How strictly both are read.
    pub strictness: Strictness,
}

impl SearchRequest {
    /// The whole search as it was sent.
    fn text(&self) -> String {
        let path = self.scope.path();
        if self.form.is_empty() {
            return format!("{path}?{}", self.query);
        }
        format!("{path}?{}&{}", self.query, self.form)
    }
}

/// A page of matches.
#[derive(Debug, Clone)]
pub struct SearchResponse {
    /// The path that was searched, relative to the base.
    pub path: String,
    /// The matches in order.
    pub matches: Vec<Stored>,
    /// For each match the id that it has inside of its container; empty where none is contained.
    pub inner_ids: Vec<Option<String>>,
    /// What belongs to them.
    pub included: Vec<Stored>,
    /// How many matches there are in all, when that is known.
    pub total: Option<u64>,
    /// What was ignored, and what else is to be said about the search.
    pub notes: Vec<Issue>,
    /// Relation and query string of each link.
    pub links: Vec<(&'static str, String)>,
}

/// Searches.
pub async fn search(
    ctx: &Context,
    grant: &Grant,
    request: SearchRequest,
) -> Result<SearchResponse, Outcome> {
    let started_ms = ctx.clock.now_ms();
    ctx.records.choose_what_leaves(grant);
    ctx.records.is_searched(grant, || request.text());
    let asked = paging::read(ctx, grant, &request)?;
    let understood = scope::read(ctx, &request.scope, &asked.text, request.strictness)?;
    let mut response = SearchResponse {
        path: request.scope.path(),
        matches: Vec::new(),
        inner_ids: Vec::new(),
        included: Vec::new(),
        total: None,
        notes: understood.warnings.clone(),
        links: vec![(
            "self",
            paging::self_query(ctx, &request, &asked, &understood)?,
        )],
    };
    let searching = Searching {
        ctx,
        grant,
        request: &request,
        asked: &asked,
        understood: &understood,
    };
    match &asked.cursor {
        Some(cursor) if cursor.rest.is_some() => searching.further_included(&mut response).await?,
        Some(cursor) if cursor.frozen.is_some() => searching.further_sorted(&mut response).await?,
        _ => searching.matches(&mut response, started_ms).await?,
    }
    let shown = response.matches.iter().chain(&response.included);
    ctx.records.leaves(grant, shown)?;
    Ok(response)
}

/// One search under way.
struct Searching<'a> {
    ctx: &'a Context,
    grant: &'a Grant,
    request: &'a SearchRequest,
    asked: &'a Asked,
    understood: &'a Understood,
}

impl Searching<'_> {
    fn page_size(&self) -> usize {
        let limits = &self.ctx.settings.limits;
        let count = self.understood.result.count;
        count.unwrap_or(limits.page_default).min(limits.page_max)
    }

    /// The room of an empty page.
    fn room(&self) -> Filling {
        Filling::new(self.page_size(), self.ctx.settings.limits.page_bytes_max)
    }

    /// A page that comes from the query itself.
    async fn matches(&self, response: &mut SearchResponse, started_ms: i64) -> Result<(), Outcome> {
        let (ctx, grant, result) = (self.ctx, self.grant, &self.understood.result);
        let mut queries = self.understood.queries.clone();
        resolve::resolve_all(ctx, grant, &mut queries).await?;
        let driver = self.asked.cursor.as_ref().and_then(|cursor| cursor.driver);
        let compartment = self.request.scope.compartment_predicate(ctx);
        let mut matching = Matching::new(ctx, grant, queries, (compartment, driver)).await?;
        let page_size = self.page_size();
        let shows_matches = page_size > 0 && result.summary != Some(Summary::Count);
        if shows_matches && !result.sort.is_empty() {
            return self.sort(response, &matching, started_ms).await;
        }
        let further = self.asked.cursor.as_ref();
        response.total = further.and_then(|cursor| cursor.total);
        if !shows_matches && further.is_none() {
            response.total = matching.total(ctx, grant, result).await?;
        }
        let bytes_max = ctx.settings.limits.page_bytes_max;
        if shows_matches && result.shows_contained() {
            self.parts(response, &mut matching).await?;
        } else if shows_matches {
            let walk = Walk {
                bytes_max,
                ..Walk::of(self.asked.cursor.as_ref(), page_size)
            };
            let mut found = matching.page(ctx, grant, &walk).await?;
            if walk.is_backward {
                found.matches.reverse();
            }
            if further.is_none() {
                let total = matching.total_beyond(ctx, grant, (result, &found));
                response.total = total.await?;
            }
            let mut page = Page::walked(&walk, &found, response.total, matching.driver);
            response.matches = found.matches;
            let room = found.room.unwrap_or_else(|| self.room());
            self.finish(response, (&mut page, room)).await?;
        }
        self.explain(response, &matching, started_ms);
        Ok(())
    }

    /// Adds what belongs to the matches of a page, and the links.
    async fn finish(
        &self,
        response: &mut SearchResponse,
        (page, room): (&mut Page, Filling),
    ) -> Result<(), Outcome> {
        let includes = &self.understood.result.includes;
        if !includes.is_empty() && !response.matches.is_empty() {
            let (ctx, grant) = (self.ctx, self.grant);
            let room = room.go_on(ctx.settings.limits.include_max);
            let found = include::gather(ctx, grant, (&response.matches, room), includes).await?;
            page.rest = include::keep(ctx, grant, &found).await?;
            response.included = found.shown;
        }
        let links = page.links(self.ctx, self.asked)?;
        response.links.extend(links);
        Ok(())
    }

    fn explain(&self, response: &mut SearchResponse, matching: &Matching, started_ms: i64) {
        // Figures about everything tell of what the bearer may not see.
        if self.understood.result.is_explained && self.grant.is_unlimited() {
            let elapsed_ms = self.ctx.clock.now_ms().saturating_sub(started_ms);
            let notes = explain::notes(self.ctx, matching, elapsed_ms);
            response.notes.extend(notes);
        }
    }
}

/// Reads a query on a type.
pub fn parse(
    ctx: &Context,
    resource_type: ResourceType,
    text: &str,
    strictness: Strictness,
) -> Result<Query, Outcome> {
    parse_pairs(ctx, resource_type, &pairs(text)?, strictness)
}

/// The parameters of a query, when they can be decoded exactly.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Outcome> {
    query::check(text).map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))?;
    Ok(query::pairs(text))
}

/// Reads a query on a type from its parameters.
fn parse_pairs(
    ctx: &Context,
    resource_type: ResourceType,
    pairs: &[(String, String)],
    strictness: Strictness,
) -> Result<Query, Outcome> {
    parse_at(ctx, resource_type, (pairs, ctx.clock.now_ms()), strictness)
}

/// As [`parse_pairs`], at a time.
fn parse_at(
    ctx: &Context,
    resource_type: ResourceType,
    (pairs, now_ms): (&[(String, String)], i64),
    strictness: Strictness,
) -> Result<Query, Outcome> {
    let options = ParseOptions {
        now_ms,
        is_lenient: strictness == Strictness::Lenient,
        chain_depth_max: ctx.settings.limits.chain_depth_max,
    };
    parse::parse(resource_type, pairs, &ctx.records.indexer(), options).map_err(|issues| {
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
    refuse_contained(query)?;
    let mut queries = vec![query.clone()];
    resolve::resolve_all(ctx, grant, &mut queries).await?;
    let mut matching = Matching::new(ctx, grant, queries, (None, None)).await?;
    let found = matching.page(ctx, grant, &Walk::of(None, limit)).await?;
    Ok(found.matches)
}

/// Conditions are on resources that have an address of their own.
fn refuse_contained(query: &Query) -> Result<(), Outcome> {
    if query.result.is_inside() {
        let reason = "_contained is for searches only: contained resources have no address.";
        return Err(Outcome::new(Kind::Unsupported, reason).at("http._contained"));
    }
    Ok(())
}

/// What queries that ask for the same in other words have in common.
pub fn form(ctx: &Context, resource_type: ResourceType, text: &str) -> Result<String, Outcome> {
    // What a value means by the time of day must be the same for all who ask at once.
    let query = parse_at(ctx, resource_type, (&pairs(text)?, 0), Strictness::Strict)?;
    Ok(canonical::form(&query))
}

/// A query that is asked of resources that are not stored yet; its relations are those of what is
/// stored.
pub struct Sought {
    /// What the index entries of a match meet.
    pub plan: Plan,
    query: Query,
    now_ms: i64,
}

impl Sought {
    /// Makes a query ready to be asked.
    pub async fn new(ctx: &Context, grant: &Grant, query: &Query) -> Result<Self, Outcome> {
        let mut queries = [query.clone()];
        resolve::resolve_all(ctx, grant, &mut queries).await?;
        let [query] = queries;
        Ok(Self {
            plan: query.lower(&ctx.records.indexer()).plan(&[]),
            query,
            now_ms: ctx.clock.now_ms(),
        })
    }

    /// Whether a resource with these index entries matches.
    pub fn matches(
        &self,
        resource: &Resource,
        candidate: &Candidate<'_>,
        indexer: &Indexer,
    ) -> bool {
        self.plan.driver.holds(candidate)
            && self.plan.residual.holds(candidate)
            && self.query.matches(resource, self.now_ms, indexer)
    }
}
