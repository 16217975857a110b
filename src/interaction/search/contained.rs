//! Searches that show contained resources by themselves: pages of the parts of containers.
//!
//! A page may end inside a container; its link says which container and up to which of its parts,
//! in the order of their ids, so that nothing is shown twice or left out when it changes meanwhile.
//! Pages are followed forward only.
//! Spec: <https://hl7.org/fhir/R4/search.html#contained>.

use crate::access::records::Stored;
use crate::fhir::json;
use crate::fhir::resource::Resource;
use crate::interaction::Context;
use crate::interaction::search::matching::{Matching, Walk};
use crate::interaction::search::paging::Page;
use crate::interaction::search::{SearchResponse, Searching};
use crate::outcome::Outcome;
use crate::search::cursor::Within;
use crate::search::query::Total;

/// A match: a resource, or one that it contains with the id that it has there.
pub(super) type Part = (Stored, Option<String>);

impl Matching {
    /// What of a match meets the query: itself, or what it contains where that is searched.
    pub(super) fn resources(
        &self,
        ctx: &Context,
        stored: &Stored,
    ) -> Result<Vec<Resource>, Outcome> {
        let resource = stored.resource()?;
        if !self.is_inside() {
            return Ok(vec![resource]);
        }
        Ok(self.inside(ctx, (&resource, stored.version.last_updated_ms)))
    }

    /// What of a candidate matches: itself, and what it contains in the order of the ids there.
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
        parts.sort_by(|(_, one), (_, other)| one.cmp(other));
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
        let shown_before = cursor.and_then(|cursor| cursor.within.as_ref());
        let (mut after, mut has_more) = (walk.after, found.has_more);
        let (mut shown, mut within) = (Vec::new(), None);
        for stored in found.matches {
            let sequence = stored.version.sequence;
            let before = shown_before.filter(|before| before.sequence == sequence);
            let mut parts = matching.parts(ctx, stored)?;
            parts.retain(|(_, id)| {
                before.is_none_or(|before| id.as_deref().is_some_and(|id| *id > *before.last_id))
            });
            let room = page_size.saturating_sub(shown.len());
            let is_cut = parts.len() > room;
            // Parts without an id stay together.
            let mut taken: Vec<Part> = Vec::new();
            for part in parts {
                if taken.len() >= room && taken.last().is_none_or(|(_, last)| *last != part.1) {
                    break;
                }
                taken.push(part);
            }
            let last_id = taken.last().and_then(|(_, id)| id.clone());
            let is_untouched = taken.is_empty();
            shown.append(&mut taken);
            if is_cut {
                has_more = true;
                within = match before {
                    Some(before) if is_untouched => Some(before.clone()),
                    _ if is_untouched => None,
                    _ => Some(Within {
                        sequence,
                        last_id: last_id.unwrap_or_default(),
                    }),
                };
                break;
            }
            after = Some(sequence);
        }
        if has_more {
            page.go_on(after, within);
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
