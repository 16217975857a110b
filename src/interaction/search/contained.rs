//! Searches that show contained resources by themselves: pages of the parts of containers.
//!
//! A page may end inside a container; its link says how many of that one's parts were shown.
//! Pages are followed forward only.
//! Spec: <https://hl7.org/fhir/R4/search.html#contained>.

use crate::access::records::Stored;
use crate::fhir::json;
use crate::interaction::Context;
use crate::interaction::search::matching::{Matching, Walk};
use crate::interaction::search::paging::Page;
use crate::interaction::search::{SearchResponse, Searching};
use crate::outcome::Outcome;
use crate::search::query::Total;

/// A match: a resource, or one that it contains with the id that it has there.
pub(super) type Part = (Stored, Option<String>);

impl Matching {
    /// What of a candidate matches: itself, and what it contains.
    pub(super) fn parts(&self, ctx: &Context, stored: Stored) -> Result<Vec<Part>, Outcome> {
        let resource = stored.resource()?;
        let candidate = (&resource, stored.version.last_updated_ms);
        let mut parts = Vec::new();
        for inner in self.inside(ctx, candidate) {
            let mut json = Vec::new();
            json::write_object(&mut json, inner.object());
            let part = Stored {
                version: stored.version.clone(),
                json: json.into(),
            };
            parts.push((part, Some(inner.id().unwrap_or_default().to_owned())));
        }
        if self.is_match_itself(ctx, candidate) {
            parts.insert(0, (stored, None));
        }
        Ok(parts)
    }
}

impl Searching<'_> {
    /// A page of contained resources.
    pub(super) async fn parts(
        &self,
        response: &mut SearchResponse,
        matching: &mut Matching,
    ) -> Result<(), Outcome> {
        let (ctx, grant) = (self.ctx, self.grant);
        let page_size = self.page_size();
        let cursor = self.asked.cursor.as_ref();
        let walk = Walk {
            bytes_max: ctx.settings.limits.page_bytes_max,
            ..Walk::of(cursor, page_size)
        };
        let found = matching.page(ctx, grant, &walk).await?;
        let newest = found.matches.first().map(|one| one.version.sequence);
        let mut page = Page::single(None);
        page.pin(
            walk.high_water.or(newest),
            matching.driver,
            cursor.is_some(),
        );
        let mut skipped = cursor.map_or(0, |cursor| cursor.within);
        let (mut after, mut has_more) = (walk.after, found.has_more);
        let mut shown = Vec::new();
        for stored in found.matches {
            let sequence = stored.version.sequence;
            let parts = matching.parts(ctx, stored)?;
            let before = usize::try_from(skipped).unwrap_or(usize::MAX);
            let room = page_size - shown.len();
            let left = parts.len().saturating_sub(before);
            shown.extend(parts.into_iter().skip(before).take(room));
            if left > room {
                let taken = u32::try_from(room).unwrap_or(u32::MAX);
                (skipped, has_more) = (skipped.saturating_add(taken), true);
                break;
            }
            (after, skipped) = (Some(sequence), 0);
        }
        if has_more {
            page.go_on(after, skipped);
        }
        let is_whole = !has_more && cursor.is_none();
        response.total = match (cursor, self.understood.result.total) {
            (Some(cursor), _) => cursor.total,
            (None, Some(Total::None)) => None,
            (None, _) if is_whole => u64::try_from(shown.len()).ok(),
            // Every container would have to be opened.
            (None, None) => None,
            (None, Some(_)) => matching.total(ctx, grant, &self.understood.result).await?,
        };
        page.set_total(response.total);
        for (stored, inner) in shown {
            response.matches.push(stored);
            response.inner_ids.push(inner);
        }
        self.finish(response, (&mut page, self.room())).await
    }
}
