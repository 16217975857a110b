//! Finding what meets queries: plans, walks, counts, verification.
//!
//! Several queries, each on a type of its own, are one walk. Nothing here knows of pages' links.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::access::Grant;
use crate::access::records::Stored;
use crate::access::records::pages::Page;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::fill::Filling;
use crate::interaction::search::choice;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::cursor::Cursor;
use crate::search::inside::{self, Seen};
use crate::search::looked_at::{self, Members};
use crate::search::lower::Lowered;
use crate::search::plan::{Order, Plan, Predicate, Window};
use crate::search::query::{Query, ResultOptions, Summary, Total};
use crate::store::sealed_bytes;

/// Queries, and the plan that finds what meets them.
pub(super) struct Matching {
    queries: Vec<Query>,
    /// The plan.
    pub(super) plan: Plan,
    /// Which condition drives, where there was a choice.
    pub(super) driver: Option<u8>,
    /// How many candidates each choice had, as far as they were counted.
    pub(super) counts: Vec<u64>,
    /// What there is to choose from when the plan finds little; see [`choice`].
    open: Option<Lowered>,
    /// What of a candidate is looked at, where there is one query.
    looked_at: OnceLock<Members>,
    /// How many candidates the store has examined so far.
    pub(super) examined: AtomicUsize,
}

/// Which part of the matches is wanted.
#[derive(Debug)]
pub(super) struct Walk {
    /// Only matches behind this creation sequence.
    pub(super) after: Option<i64>,
    /// Only matches that there were when the first page was made.
    pub(super) high_water: Option<i64>,
    /// Towards newer matches: a page before.
    pub(super) is_backward: bool,
    /// How many matches a page holds.
    pub(super) page_size: usize,
    /// How many bytes of them.
    pub(super) bytes_max: usize,
}

/// Matches of a page.
#[derive(Debug, Default)]
pub(super) struct FoundPage {
    /// The matches, in the order of the walk.
    pub(super) matches: Vec<Stored>,
    /// Whether there are more behind them.
    pub(super) has_more: bool,
    /// What room they left.
    pub(super) room: Option<Filling>,
}

impl Walk {
    /// The walk that a cursor stands for, or one from the beginning.
    pub(super) fn of(cursor: Option<&Cursor>, page_size: usize) -> Self {
        Self {
            after: cursor.and_then(|cursor| cursor.after),
            high_water: cursor.map(|cursor| cursor.high_water),
            is_backward: cursor.is_some_and(|cursor| cursor.order == Order::OldestFirst),
            page_size,
            bytes_max: usize::MAX,
        }
    }
}

/// Candidates of a broad condition that are looked at before others are counted.
const PROBED_MAX: usize = 256;

/// Alternatives of a condition whose total is told unasked.
const COUNTED_ALTERNATIVES_MAX: usize = 8;

impl Matching {
    /// Plans queries whose relations are resolved. `restriction` holds for every match; `driver`
    /// is what an earlier page found best.
    pub(super) async fn new(
        ctx: &Context,
        grant: &Grant,
        queries: Vec<Query>,
        (restriction, driver): (Option<Predicate>, Option<u8>),
    ) -> Result<Self, Outcome> {
        let indexer = ctx.records.indexer();
        let mut all: Vec<Lowered> = Vec::with_capacity(queries.len());
        for query in &queries {
            if query.result.is_outside() {
                all.push(query.lower(&indexer));
            }
            if query.result.is_inside() {
                all.push(query.lower_contained(&indexer));
            }
        }
        if let Some(restriction) = restriction {
            for lowered in &mut all {
                lowered.restrict(restriction.clone());
            }
        }
        // What the bearer may see may well be the narrowest condition. What contains something may
        // be of any type: of that the store is told in any case.
        if !queries.iter().any(|query| query.result.is_inside()) {
            for (lowered, query) in all.iter_mut().zip(&queries) {
                if let Some(own) = ctx.records.restriction(grant, query.resource_type) {
                    lowered.restrict(own);
                }
            }
        }
        if let ([only], Some(place)) = (all.as_slice(), driver) {
            return Ok(Self {
                plan: only.plan_by(place),
                queries,
                driver,
                counts: Vec::new(),
                examined: AtomicUsize::default(),
                open: None,
                looked_at: OnceLock::new(),
            });
        }
        let mut settled = Vec::with_capacity(all.len());
        for lowered in &all {
            settled.push(choice::settle(ctx, grant, lowered, all.len() == 1).await?);
        }
        let is_one = settled.len() == 1;
        let open = settled.iter().any(|one| one.is_open && is_one);
        let counts = match settled.last() {
            Some(last) => last.counts.clone(),
            None => Vec::new(),
        };
        Ok(Self {
            queries,
            driver: (is_one && !counts.is_empty() && !open).then(|| Lowered::smallest(&counts)),
            plan: Plan::union(settled.into_iter().map(|one| one.plan).collect()),
            counts,
            examined: AtomicUsize::default(),
            open: all.pop().filter(|_| open),
            looked_at: OnceLock::new(),
        })
    }

    /// Chooses for good what is walked.
    async fn settle(&mut self, ctx: &Context, grant: &Grant) -> Result<(), Outcome> {
        if let Some(lowered) = self.open.take() {
            let settled = choice::settle(ctx, grant, &lowered, false).await?;
            self.driver = Some(Lowered::smallest(&settled.counts));
            self.counts = settled.counts;
            self.plan = settled.plan;
        }
        Ok(())
    }

    /// What to walk when all matches are wanted.
    async fn whole_plan(&self, ctx: &Context, grant: &Grant) -> Result<Cow<'_, Plan>, Outcome> {
        Ok(match &self.open {
            Some(lowered) => Cow::Owned(choice::settle(ctx, grant, lowered, false).await?.plan),
            None => Cow::Borrowed(&self.plan),
        })
    }

    /// What one predicate finds of these types.
    pub(super) fn of_predicate(queries: Vec<Query>, driver: Predicate) -> Self {
        Self {
            queries,
            plan: Plan {
                driver,
                residual: Predicate::All,
                type_key: None,
            },
            driver: None,
            counts: Vec::new(),
            examined: AtomicUsize::default(),
            open: None,
            looked_at: OnceLock::new(),
        }
    }

    /// Whether keys leave something open.
    pub(super) fn needs_verification(&self) -> bool {
        self.queries.iter().any(Query::needs_verification)
    }

    fn query_of(&self, resource_type: ResourceType) -> Option<&Query> {
        let mut queries = self.queries.iter();
        queries.find(|query| query.resource_type == resource_type)
    }

    /// Whether contained resources are searched.
    pub(super) fn is_inside(&self) -> bool {
        self.queries.iter().any(|query| query.result.is_inside())
    }

    /// The contained resources of a candidate that match.
    pub(super) fn inside(
        &self,
        ctx: &Context,
        (resource, last_updated_ms): (&Resource, i64),
    ) -> Vec<Resource> {
        let indexer = ctx.records.indexer();
        let matches = |one: &Resource| {
            let seen = Seen {
                resource: one,
                container: Some(resource),
                last_updated_ms,
            };
            self.query_of(one.resource_type())
                .is_some_and(|query| query.is_met(&seen, &indexer))
        };
        inside::contained(resource).filter(matches).collect()
    }

    /// Whether a candidate itself matches, where contained resources are searched too: the plan
    /// may have found it for these.
    pub(super) fn is_match_itself(
        &self,
        ctx: &Context,
        (resource, last_updated_ms): (&Resource, i64),
    ) -> bool {
        let indexer = ctx.records.indexer();
        self.query_of(resource.resource_type())
            .is_some_and(|query| {
                query.result.is_outside() && query.matches(resource, last_updated_ms, &indexer)
            })
    }

    fn holds(&self, ctx: &Context, stored: &Stored) -> Result<bool, Outcome> {
        if self.is_inside() {
            let resource = stored.resource()?;
            let candidate = (&resource, stored.version.last_updated_ms);
            return Ok(
                self.is_match_itself(ctx, candidate) || !self.inside(ctx, candidate).is_empty()
            );
        }
        let Some(query) = self.query_of(stored.version.address.resource_type) else {
            return Ok(false);
        };
        if !query.needs_verification() {
            return Ok(true);
        }
        let last_updated_ms = stored.version.last_updated_ms;
        let indexer = ctx.records.indexer();
        let members = self
            .looked_at
            .get_or_init(|| match self.queries.as_slice() {
                [only] => looked_at::by_query(only, &indexer),
                _ => None,
            });
        Ok(query.verify(&stored.part(members.as_deref())?, last_updated_ms, &indexer))
    }

    /// Walks until the page is full.
    pub(super) async fn page(
        &mut self,
        ctx: &Context,
        grant: &Grant,
        walk: &Walk,
    ) -> Result<FoundPage, Outcome> {
        let mut page = FoundPage::default();
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
            bytes_max: walk.bytes_max.max(1),
        };
        let mut room = Filling::new(walk.page_size, walk.bytes_max);
        let mut examined = 0;
        loop {
            let mut part = window.clone();
            if self.open.is_some() {
                part.examined_max = PROBED_MAX.min(window.examined_max);
            }
            let found = self.step(ctx, grant, (&self.plan, &part), true).await?;
            examined += found.found;
            for stored in found.matches {
                if !self.holds(ctx, &stored)? {
                    continue;
                }
                if !room.admits(stored.json.len()) {
                    page.has_more = true;
                    page.room = Some(room);
                    return Ok(page);
                }
                page.matches.push(stored);
            }
            if found.is_last {
                page.room = Some(room);
                return Ok(page);
            }
            if self.open.is_some() && found.stopped_at.is_some() {
                self.settle(ctx, grant).await?;
                window.after = found.stopped_at;
                continue;
            }
            if found.stopped_at.is_some() || examined > window.examined_max {
                return Err(too_costly(window.examined_max));
            }
            window.after = found.last.or(window.after);
        }
    }

    /// Gives every match to `visit`, newest first; without `needs_body` they may be unopened.
    /// False when there are more than `limit`.
    pub(super) async fn each(
        &self,
        ctx: &Context,
        grant: &Grant,
        (limit, needs_body): (usize, bool),
        visit: &mut (dyn FnMut(Stored) -> Result<(), Outcome> + Send),
    ) -> Result<bool, Outcome> {
        let is_opened = needs_body
            || self.needs_verification()
            || !ctx.records.is_decided_by_keys(grant, &self.plan)?;
        let limits = &ctx.settings.limits;
        let mut window = Window {
            order: Order::NewestFirst,
            after: None,
            high_water: None,
            limit: limits.page_max,
            examined_max: limits.examined_max,
            bytes_max: limits.page_bytes_max.max(1),
        };
        let plan = self.whole_plan(ctx, grant).await?;
        let (mut visited, mut examined) = (0, 0);
        loop {
            let found = self.step(ctx, grant, (&plan, &window), is_opened).await?;
            window.after = found.last.or(window.after);
            examined += found.found;
            for stored in found.matches {
                if is_opened && !self.holds(ctx, &stored)? {
                    continue;
                }
                if visited == limit {
                    return Ok(false);
                }
                visited += 1;
                visit(stored)?;
            }
            if found.is_last {
                return Ok(true);
            }
            if found.stopped_at.is_some() || examined > window.examined_max {
                return Err(too_costly(window.examined_max));
            }
        }
    }

    async fn step(
        &self,
        ctx: &Context,
        grant: &Grant,
        (plan, window): (&Plan, &Window),
        is_opened: bool,
    ) -> Result<Page, Outcome> {
        if is_opened {
            let page = ctx.records.find(grant, plan, window).await?;
            self.examined.fetch_add(page.examined, Ordering::Relaxed);
            return Ok(page);
        }
        let found = ctx.records.find_sealed(grant, plan, window).await?;
        self.examined.fetch_add(found.examined, Ordering::Relaxed);
        let (count, last) = (found.versions.len(), found.versions.last());
        let last = last.map(|version| version.sequence);
        let is_end = count < window.limit && sealed_bytes(&found.versions) < window.bytes_max;
        let sealed = found.versions.into_iter().map(|version| Stored {
            version,
            json: bytes::Bytes::new(),
        });
        Ok(Page {
            matches: sealed.collect(),
            found: count,
            last,
            stopped_at: found.stopped_at,
            is_last: is_end && found.stopped_at.is_none(),
            examined: found.examined,
        })
    }

    /// How many match, up to `limit`; as many as that where finding out costs more than it may.
    pub(super) async fn count_roughly(
        &self,
        ctx: &Context,
        grant: &Grant,
        limit: u64,
    ) -> Result<u64, Outcome> {
        match self.count(ctx, grant, limit).await {
            Err(refused) if refused.kind == Kind::TooCostly => Ok(limit),
            counted => counted,
        }
    }

    /// How many match, up to `limit`.
    pub(super) async fn count(
        &self,
        ctx: &Context,
        grant: &Grant,
        limit: u64,
    ) -> Result<u64, Outcome> {
        if !self.needs_verification() {
            let examined_max = ctx.settings.limits.examined_max;
            let most = (limit, examined_max);
            let plan = self.whole_plan(ctx, grant).await?;
            let counted = ctx.records.count_within(grant, &plan, most).await?;
            return counted.ok_or_else(|| too_costly(examined_max));
        }
        let mut counted = 0;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut visit = |stored: Stored| {
            counted += self.shown(ctx, stored)?;
            Ok(())
        };
        self.each(ctx, grant, (most, true), &mut visit).await?;
        Ok(counted)
    }

    /// As how many matches a candidate is shown.
    fn shown(&self, ctx: &Context, stored: Stored) -> Result<u64, Outcome> {
        if !self.queries.iter().any(|one| one.result.shows_contained()) {
            return Ok(1);
        }
        Ok(self.parts(ctx, stored)?.len() as u64)
    }

    /// How many match, once the first page is there: when it is the only one, all are on it.
    pub(super) async fn total_beyond(
        &self,
        ctx: &Context,
        grant: &Grant,
        (result, page): (&ResultOptions, &FoundPage),
    ) -> Result<Option<u64>, Outcome> {
        match result.total {
            Some(Total::None) => Ok(None),
            _ if !page.has_more => Ok(u64::try_from(page.matches.len()).ok()),
            None if !self.is_cheap_to_count() => Ok(None),
            _ => self.total(ctx, grant, result).await,
        }
    }

    /// Without a residual the index alone tells the total; else every candidate is looked at, which
    /// costs more than the page and is left to those who ask for it.
    fn is_cheap_to_count(&self) -> bool {
        let is_narrow = match &self.plan.driver {
            Predicate::Or(any) => any.len() <= COUNTED_ALTERNATIVES_MAX,
            _ => true,
        };
        let is_whole = self.open.is_none() && self.plan.residual == Predicate::All;
        is_narrow && is_whole && !self.needs_verification()
    }

    /// How many match: exact up to a limit, or as far as the client wants it. None where finding
    /// out costs more than it may.
    pub(super) async fn total(
        &self,
        ctx: &Context,
        grant: &Grant,
        result: &ResultOptions,
    ) -> Result<Option<u64>, Outcome> {
        let is_count = result.summary == Some(Summary::Count) || result.count == Some(0);
        let limit = match result.total {
            Some(Total::None) if !is_count => return Ok(None),
            Some(Total::Accurate) => u64::MAX,
            _ if is_count => u64::MAX,
            _ => ctx.settings.limits.total_max + 1,
        };
        match self.count(ctx, grant, limit).await {
            // A total that stopped at the limit would be wrong: none is given instead.
            Ok(counted) => Ok((counted < limit).then_some(counted)),
            Err(refused) if refused.kind == Kind::TooCostly && !is_count => Ok(None),
            Err(refused) => Err(refused),
        }
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
