//! From page to page: what a link holds, and which part of the matches it asks for.
//!
//! A link to another page holds the whole query, sealed: no name or code of a patient stands in a
//! URL that the server makes, and nobody can alter it.
//! Spec: <https://hl7.org/fhir/R4/http.html#paging>.

use crate::access::Grant;
use crate::fhir::query;
use crate::interaction::Context;
use crate::interaction::search::SearchRequest;
use crate::interaction::search::matching::{FoundPage, Walk};
use crate::interaction::search::scope::Understood;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::cursor::{Cursor, Frozen, Within};
use crate::search::plan::Order;

/// The parameter that holds a sealed cursor.
const CURSOR: &str = "_cursor";

/// Parameters about the representation: they stay readable in every link.
const REPRESENTATION: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

/// What a request asks for: a query from its beginning, or a further page of one.
#[derive(Debug)]
pub(super) struct Asked {
    /// The query string, that of a form appended.
    pub(super) text: String,
    /// The cursor, on further pages.
    pub(super) cursor: Option<Cursor>,
    /// The query string of the URL as the client sent it.
    sent: String,
    /// What links are bound to: the path, as the bearer sees it.
    bound: String,
}

/// Reads what a request asks for; a cursor stands alone, beside parameters of the representation.
pub(super) fn read(
    ctx: &Context,
    grant: &Grant,
    request: &SearchRequest,
) -> Result<Asked, Outcome> {
    let bound = grant.bound(&request.scope.path());
    let sent = request.query.clone();
    let separator = if sent.is_empty() || request.form.is_empty() {
        ""
    } else {
        "&"
    };
    let whole = format!("{sent}{separator}{}", request.form);
    let pairs = query::pairs(&whole);
    let Some(text) = query::first(&pairs, CURSOR) else {
        return Ok(Asked {
            text: whole,
            cursor: None,
            sent,
            bound,
        });
    };
    let mut others = pairs
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != CURSOR);
    if let Some(name) = others.find(|name| !REPRESENTATION.contains(name)) {
        return Err(Outcome::new(
            Kind::Invalid,
            format!("{name} cannot stand beside {CURSOR}: follow the link as it was given."),
        ));
    }
    let key = ctx.records.indexer().cursor_key();
    let cursor = key
        .open(&bound, text)
        .map_err(|error| Outcome::new(Kind::Malformed, format!("{CURSOR}: {error}.")))?;
    Ok(Asked {
        text: cursor.query.clone(),
        cursor: Some(cursor),
        sent,
        bound,
    })
}

/// The query of the `self` link: what the server understood, or the cursor that was followed.
/// What came in a form is sealed.
pub(super) fn self_query(
    ctx: &Context,
    request: &SearchRequest,
    asked: &Asked,
    understood: &Understood,
) -> Result<String, Outcome> {
    if asked.cursor.is_some() && request.form.is_empty() {
        return Ok(asked.sent.clone());
    }
    if request.form.is_empty() {
        return Ok(query::encode(&understood.parameters));
    }
    let cursor = asked.cursor.clone().unwrap_or_else(|| Cursor {
        query: query::encode(&understood.parameters),
        ..Page::single(None).cursor(asked, None)
    });
    seal(ctx, asked, &cursor)
}

/// Where the pages beside the one that is shown begin.
#[derive(Debug)]
pub(super) struct Page {
    high_water: i64,
    total: Option<u64>,
    driver: Option<u8>,
    /// The list that pages are cut from.
    frozen: Option<Frozen>,
    first: Option<Place>,
    previous: Option<Place>,
    next: Option<Place>,
    /// Which parts of the first container of the next page were shown.
    within: Option<Within>,
    /// Included resources that have no room on this page; they come before the next one.
    pub(super) rest: Option<Frozen>,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Behind a creation sequence in an order; `None` for the beginning.
    Walk(Order, Option<i64>),
    /// At an offset of the list.
    List(u32),
    /// Behind the last page: only included resources are left.
    End,
}

impl Page {
    /// The only page.
    pub(super) fn single(total: Option<u64>) -> Self {
        Self {
            high_water: i64::MAX,
            total,
            driver: None,
            frozen: None,
            first: None,
            previous: None,
            next: None,
            within: None,
            rest: None,
        }
    }

    /// Holds on to what the first page decided; further ones lead back to it.
    pub(super) fn pin(&mut self, high_water: Option<i64>, driver: Option<u8>, is_further: bool) {
        self.high_water = high_water.unwrap_or(i64::MAX);
        self.driver = driver;
        self.first = is_further.then_some(Place::Walk(Order::NewestFirst, None));
    }

    /// The next page begins behind a container, with these parts of the one after it shown.
    pub(super) fn go_on(&mut self, after: Option<i64>, within: Option<Within>) {
        self.next = Some(Place::Walk(Order::NewestFirst, after));
        self.within = within;
    }

    /// How many matches there are, for further pages to say as well.
    pub(super) fn set_total(&mut self, total: Option<u64>) {
        self.total = total;
    }

    /// A page that was walked; its matches are newest first.
    pub(super) fn walked(
        walk: &Walk,
        found: &FoundPage,
        total: Option<u64>,
        driver: Option<u8>,
    ) -> Self {
        let mut page = Self::single(total);
        page.driver = driver;
        let (Some(newest), Some(oldest)) = (found.matches.first(), found.matches.last()) else {
            return page;
        };
        let (newest, oldest) = (newest.version.sequence, oldest.version.sequence);
        page.high_water = walk.high_water.unwrap_or(newest);
        // A page that was walked backwards came from an older one.
        let has_newer = if walk.is_backward {
            found.has_more
        } else {
            walk.after.is_some()
        };
        let has_older = walk.is_backward || found.has_more;
        page.first = (has_newer || has_older).then_some(Place::Walk(Order::NewestFirst, None));
        page.previous = has_newer.then_some(Place::Walk(Order::OldestFirst, Some(newest)));
        page.next = has_older.then_some(Place::Walk(Order::NewestFirst, Some(oldest)));
        page
    }

    /// A page of a list that shows `taken` of the `page_size` that it may.
    pub(super) fn cut(
        frozen: Frozen,
        (page_size, taken): (usize, usize),
        total: Option<u64>,
    ) -> Self {
        let mut page = Self::single(total);
        let size = u32::try_from(page_size).unwrap_or(u32::MAX);
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        let next = frozen.offset.saturating_add(taken);
        page.first = Some(Place::List(0));
        page.previous = (frozen.offset > 0).then(|| {
            let offset = frozen.offset.saturating_sub(size);
            Place::List(offset)
        });
        page.next = (next < frozen.length).then_some(Place::List(next));
        page.frozen = Some(frozen);
        page
    }

    /// A page of nothing but included resources of the page before.
    pub(super) fn behind(cursor: &Cursor, rest: Frozen, step: usize) -> Self {
        let mut page = Self::single(cursor.total);
        page.high_water = cursor.high_water;
        page.driver = cursor.driver;
        page.frozen = cursor.frozen;
        page.next = match (&cursor.frozen, cursor.after) {
            (_, Some(i64::MIN)) => None,
            (Some(frozen), _) => Some(Place::List(frozen.offset)),
            (None, after) => Some(Place::Walk(cursor.order, after)),
        };
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        let offset = rest.offset.saturating_add(step);
        page.rest = (offset < rest.length).then_some(Frozen { offset, ..rest });
        page
    }

    /// The links to the pages beside this one.
    pub(super) fn links(
        &self,
        ctx: &Context,
        asked: &Asked,
    ) -> Result<Vec<(&'static str, String)>, Outcome> {
        let next = self.next.or(self.rest.map(|_| Place::End));
        let places = [
            ("first", self.first, None),
            ("previous", self.previous, None),
            ("next", next, self.rest),
        ];
        let mut links = Vec::new();
        for (relation, place, rest) in places {
            if let Some(place) = place {
                let mut cursor = self.cursor(asked, Some(place));
                cursor.rest = rest;
                if relation == "next" {
                    cursor.within.clone_from(&self.within);
                }
                links.push((relation, seal(ctx, asked, &cursor)?));
            }
        }
        Ok(links)
    }

    fn cursor(&self, asked: &Asked, place: Option<Place>) -> Cursor {
        let mut cursor = Cursor {
            query: asked.text.clone(),
            order: Order::NewestFirst,
            after: None,
            high_water: self.high_water,
            total: self.total,
            driver: self.driver,
            frozen: self.frozen,
            rest: None,
            within: None,
        };
        match place {
            None => {}
            Some(Place::Walk(order, after)) => {
                cursor.order = order;
                cursor.after = after;
            }
            Some(Place::List(offset)) => {
                cursor.frozen = self.frozen.map(|frozen| Frozen { offset, ..frozen });
            }
            Some(Place::End) => cursor.after = Some(i64::MIN),
        }
        cursor
    }
}

/// A link's query: the cursor, and what the client said about the representation.
fn seal(ctx: &Context, asked: &Asked, cursor: &Cursor) -> Result<String, Outcome> {
    let key = ctx.records.indexer().cursor_key();
    let sealed = key.seal(&asked.bound, cursor, ctx.records.random());
    let sealed = sealed.map_err(|error| Outcome::internal(error.to_string()))?;
    let mut pairs = query::pairs(&asked.sent);
    pairs.retain(|(name, _)| REPRESENTATION.contains(&name.as_str()));
    pairs.push((CURSOR.to_owned(), sealed));
    Ok(query::encode(&pairs))
}
