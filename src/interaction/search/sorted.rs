//! Sorted searches: all matches are put in order once, and pages are cut from that list.
//!
//! A list of more than one page is kept for its links, so that pages neither repeat nor lack a
//! match, whatever is written meanwhile; what was deleted, or no longer matches, is left out of its
//! page.
//! Spec: <https://hl7.org/fhir/R4/search.html#sort>.

use crate::access::records::Stored;
use crate::access::records::results::Item;
use crate::interaction::fill::Filling;
use crate::interaction::search::matching::Matching;
use crate::interaction::search::paging::Page;
use crate::interaction::search::{SearchResponse, Searching, include, resolve};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::cursor::Frozen;
use crate::search::looked_at;
use crate::search::plan::Predicate;
use crate::search::query::Total;
use crate::search::sort::{self, SortValue};

impl Searching<'_> {
    /// The first page of a sorted search.
    pub(super) async fn sort(
        &self,
        response: &mut SearchResponse,
        matching: &Matching,
        started_ms: i64,
    ) -> Result<(), Outcome> {
        let items = self.in_order(matching).await?;
        if self.understood.result.total != Some(Total::None) {
            response.total = u64::try_from(items.len()).ok();
        }
        let page_size = self.page_size();
        let shown = items.get(..page_size.min(items.len())).unwrap_or_default();
        let mut room = self.room();
        let (opened, taken) = include::open(self.ctx, self.grant, (shown, &mut room)).await?;
        response.matches = opened;
        let mut page = Page::single(response.total);
        if items.len() > taken {
            let seconds = self.ctx.settings.limits.result_seconds_max;
            let frozen = self.ctx.records.freeze(self.grant, &items, seconds).await?;
            page = Page::cut(frozen, (page_size, taken), response.total);
        }
        self.finish(response, (&mut page, room)).await?;
        self.explain(response, matching, started_ms);
        Ok(())
    }

    /// A further page of a sorted search.
    pub(super) async fn further_sorted(
        &self,
        response: &mut SearchResponse,
    ) -> Result<(), Outcome> {
        let cursor = self.asked.cursor.as_ref();
        let Some((frozen, total)) = cursor.and_then(|one| Some((one.frozen?, one.total))) else {
            return Err(Outcome::internal("a sorted page without a list"));
        };
        response.total = total;
        let page_size = self.page_size();
        let items = self.thaw(&frozen, page_size).await?;
        let mut room = self.room();
        let (opened, taken) = include::open(self.ctx, self.grant, (&items, &mut room)).await?;
        response.matches = self.still_matching(opened).await?;
        let mut page = Page::cut(frozen, (page_size, taken), total);
        self.finish(response, (&mut page, room)).await
    }

    /// Those of a kept list that meet the query as they are by now.
    async fn still_matching(&self, opened: Vec<Stored>) -> Result<Vec<Stored>, Outcome> {
        let mut queries = self.understood.queries.clone();
        resolve::resolve_all(self.ctx, self.grant, &mut queries).await?;
        let compartment = self.request.scope.compartment_predicate(self.ctx);
        let indexer = self.ctx.records.indexer();
        let mut matches = Vec::with_capacity(opened.len());
        for stored in opened {
            let resource = stored.resource()?;
            let version = &stored.version;
            let last_updated_ms = version.last_updated_ms;
            let mut own = queries
                .iter()
                .filter(|query| query.resource_type == version.address.resource_type);
            let is_met = own.all(|query| query.matches(&resource, last_updated_ms, &indexer));
            let is_inside = match &compartment {
                Some(Predicate::Compartment(owner)) => indexer
                    .entries(&resource, last_updated_ms)
                    .is_ok_and(|entries| entries.compartments.contains(owner)),
                _ => true,
            };
            if is_met && is_inside {
                matches.push(stored);
            }
        }
        Ok(matches)
    }

    /// Included resources that the Bundle before had no room for.
    pub(super) async fn further_included(
        &self,
        response: &mut SearchResponse,
    ) -> Result<(), Outcome> {
        let cursor = self.asked.cursor.as_ref();
        let Some((cursor, rest)) = cursor.and_then(|one| Some((one, one.rest?))) else {
            return Err(Outcome::internal(
                "further included resources without a list",
            ));
        };
        response.total = cursor.total;
        let limits = &self.ctx.settings.limits;
        let items = self.thaw(&rest, limits.include_max).await?;
        let mut room = Filling::new(limits.include_max, limits.page_bytes_max);
        let (opened, taken) = include::open(self.ctx, self.grant, (&items, &mut room)).await?;
        response.included = opened;
        let links = Page::behind(cursor, rest, taken).links(self.ctx, self.asked)?;
        response.links.extend(links);
        Ok(())
    }

    async fn thaw(&self, frozen: &Frozen, limit: usize) -> Result<Vec<Item>, Outcome> {
        let items = self.ctx.records.thaw(self.grant, frozen, limit).await?;
        items.ok_or_else(|| {
            let reason = "The list behind this link is no longer kept: search again.";
            Outcome::new(Kind::Gone, reason)
        })
    }

    /// All matches in the wanted order.
    async fn in_order(&self, matching: &Matching) -> Result<Vec<Item>, Outcome> {
        let keys = &self.understood.result.sort;
        let needs_body = sort::needs_body(keys);
        let limit = self.ctx.settings.limits.sort_candidates_max;
        let indexer = self.ctx.records.indexer();
        let types = self.understood.queries.iter().map(|one| one.resource_type);
        let members = looked_at::by_order(keys, types, &indexer);
        let mut sorted: Vec<(Vec<Option<SortValue>>, Item)> = Vec::new();
        let mut visit = |stored: Stored| {
            let resource = needs_body
                .then(|| stored.part(members.as_deref()))
                .transpose()?;
            let version = stored.version;
            let known = (version.address.id.as_str(), version.last_updated_ms);
            let values = sort::values(keys, known, resource.as_ref(), &indexer);
            let item = Item {
                address: version.address,
                version_id: None,
            };
            sorted.push((values, item));
            Ok(())
        };
        let extent = (limit, needs_body);
        if !matching
            .each(self.ctx, self.grant, extent, &mut visit)
            .await?
        {
            return Err(Outcome::new(
                Kind::TooCostly,
                format!(
                    "More than {limit} matches cannot be sorted: add a condition that fewer \
                     resources meet, or leave _sort out for the newest first."
                ),
            ));
        }
        sorted.sort_by(|(one, _), (other, _)| sort::compare(keys, one, other));
        Ok(sorted.into_iter().map(|(_, item)| item).collect())
    }
}
