//! Lists of resources that operations answer with, page by page.
//!
//! The list is made once and kept, sealed, for its links; a page shows what its resources are by
//! then. Matches come first, what belongs to them behind; a link says nothing.
//! Spec: <https://hl7.org/fhir/R4/http.html#paging>.

use std::collections::HashMap;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::access::records::results::Item;
use crate::fhir::query;
use crate::interaction::Context;
use crate::interaction::fill::Filling;
use crate::interaction::search::SearchResponse;
use crate::interaction::search::collect;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::cursor::{Cursor, Frozen};
use crate::search::plan::Order;
use crate::store::Address;

/// The parameter that holds a sealed cursor.
const CURSOR: &str = "_cursor";

/// Parameters about the representation: they stay readable in every link.
pub(super) const REPRESENTATION: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

/// How an operation was called.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its path, relative to the base.
    pub path: String,
    /// The query as it stands behind the question mark.
    pub query: String,
    /// What came in the body; it stands in no link.
    pub sent: Vec<(String, String)>,
}

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// All parameters of the first page.
    pub(super) pairs: Vec<(String, String)>,
    /// The list and the total, on further pages.
    pub(super) kept: Option<(Frozen, u64)>,
    /// The parameters of the URL.
    shown: Vec<(String, String)>,
    is_link: bool,
    /// What links are bound to: the path, as the bearer sees it.
    bound: String,
    has_body: bool,
}

/// A list, matches first.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The resources.
    pub(super) items: Vec<Item>,
    /// How many of them are matches.
    pub(super) matches: usize,
    /// What was opened on the way.
    pub(super) opened: Opened,
}

/// Resources that were opened while the list was made, for its first page.
#[derive(Debug, Default)]
pub(super) struct Opened {
    all: HashMap<Address, Stored>,
    bytes: usize,
}

impl Opened {
    /// Keeps a resource, as many as a page can show.
    pub(super) fn keep(&mut self, ctx: &Context, stored: Stored) {
        let limits = &ctx.settings.limits;
        if self.all.len() < limits.page_max && self.bytes < limits.page_bytes_max {
            self.bytes += stored.json.len();
            self.all.insert(stored.version.address.clone(), stored);
        }
    }
}

/// A part of a list.
struct Part {
    frozen: Option<Frozen>,
    total: u64,
    page_size: usize,
    /// How many of its resources the page has room for.
    taken: usize,
}

/// Reads a call; a cursor stands alone, beside parameters of the representation.
pub(super) fn read(ctx: &Context, grant: &Grant, call: &Call) -> Result<Asked, Outcome> {
    query::check(&call.query).map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))?;
    let shown = query::pairs(&call.query);
    let mut asked = Asked {
        pairs: shown.iter().chain(&call.sent).cloned().collect(),
        kept: None,
        shown,
        is_link: false,
        bound: grant.bound(&call.path),
        has_body: !call.sent.is_empty(),
    };
    let Some(text) = query::first(&asked.pairs, CURSOR) else {
        return Ok(asked);
    };
    let is_alone = |name: &str| name == CURSOR || REPRESENTATION.contains(&name);
    if let Some((name, _)) = asked.pairs.iter().find(|(name, _)| !is_alone(name)) {
        return Err(Outcome::new(
            Kind::Invalid,
            format!("{name} cannot stand beside {CURSOR}: follow the link as it was given."),
        ));
    }
    let cursor = ctx.records.indexer().cursor_key().open(&asked.bound, text);
    let cursor =
        cursor.map_err(|error| Outcome::new(Kind::Malformed, format!("{CURSOR}: {error}.")))?;
    asked.is_link = true;
    asked.kept = cursor.frozen.zip(cursor.total);
    asked.pairs = query::pairs(&cursor.query);
    Ok(asked)
}

/// Reads `_count`.
pub(super) fn count(value: &str) -> Result<usize, Outcome> {
    value.parse().map_err(|_not_a_number| {
        let text = "_count is a whole number that is not negative.";
        Outcome::new(Kind::Malformed, text).at("http._count")
    })
}

/// A value that may be given once.
pub(super) fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Outcome> {
    if place.replace(value).is_some() {
        let text = format!("{name} may be given once.");
        return Err(Outcome::new(Kind::Malformed, text).at(format!("http.{name}")));
    }
    Ok(())
}

/// The page that begins a list.
pub(super) async fn first(
    ctx: &Context,
    grant: &Grant,
    (call, asked): (&Call, &Asked),
    (list, count): (&List, Option<usize>),
) -> Result<SearchResponse, Outcome> {
    let page_size = page_size(ctx, count);
    let items = list.items.get(..page_size.min(list.items.len()));
    let part = Part {
        frozen: None,
        total: u64::try_from(list.matches).unwrap_or(u64::MAX),
        page_size,
        taken: 0,
    };
    let (mut part, mut response) = open(
        ctx,
        grant,
        call,
        (part, items.unwrap_or_default(), &list.opened),
    )
    .await?;
    if page_size > 0 && list.items.len() > part.taken {
        let seconds = ctx.settings.limits.result_seconds_max;
        part.frozen = Some(ctx.records.freeze(grant, &list.items, seconds).await?);
    }
    response.links = links(ctx, asked, &part)?;
    Ok(response)
}

/// A further page.
pub(super) async fn further(
    ctx: &Context,
    grant: &Grant,
    (call, asked): (&Call, &Asked),
    ((frozen, total), count): ((Frozen, u64), Option<usize>),
) -> Result<SearchResponse, Outcome> {
    let page_size = page_size(ctx, count);
    let items = ctx.records.thaw(grant, &frozen, page_size).await?;
    let items = items.ok_or_else(|| {
        let text = "The list behind this link is no longer kept: call the operation again.";
        Outcome::new(Kind::Gone, text)
    })?;
    let part = Part {
        frozen: Some(frozen),
        total,
        page_size,
        taken: 0,
    };
    let nothing = Opened::default();
    let (part, mut response) = open(ctx, grant, call, (part, &items, &nothing)).await?;
    response.links = links(ctx, asked, &part)?;
    Ok(response)
}

/// Without a count the page is as large as one may be.
fn page_size(ctx: &Context, count: Option<usize>) -> usize {
    let page_max = ctx.settings.limits.page_max;
    count.unwrap_or(page_max).min(page_max)
}

/// The resources of a part, as far as one page has room, without links.
async fn open(
    ctx: &Context,
    grant: &Grant,
    call: &Call,
    (mut part, items, opened): (Part, &[Item], &Opened),
) -> Result<(Part, SearchResponse), Outcome> {
    let offset = part.frozen.map_or(0, |frozen| u64::from(frozen.offset));
    let left = usize::try_from(part.total.saturating_sub(offset)).unwrap_or(usize::MAX);
    let (matches, included) = items
        .split_at_checked(left)
        .unwrap_or((items, Default::default()));
    let mut room = Filling::new(part.page_size, ctx.settings.limits.page_bytes_max);
    let (found, taken) = show(ctx, grant, (matches, &mut room), opened).await?;
    part.taken = taken;
    let mut response = SearchResponse {
        path: call.path.clone(),
        matches: found,
        inner_ids: Vec::new(),
        included: Vec::new(),
        total: Some(part.total),
        notes: Vec::new(),
        links: Vec::new(),
    };
    if taken == matches.len() {
        let (found, taken) = show(ctx, grant, (included, &mut room), opened).await?;
        response.included = found;
        part.taken += taken;
    }
    // Whatever was opened on the way: this is what leaves.
    ctx.records.choose_what_leaves(grant);
    let shown = response.matches.iter().chain(&response.included);
    ctx.records.leaves(grant, shown)?;
    Ok((part, response))
}

/// As [`collect::open`]; what was opened before is not read again.
async fn show(
    ctx: &Context,
    grant: &Grant,
    (items, room): (&[Item], &mut Filling),
    opened: &Opened,
) -> Result<(Vec<Stored>, usize), Outcome> {
    let known = items.iter().map_while(|item| opened.all.get(&item.address));
    let mut shown = Vec::new();
    for stored in known {
        if !room.admits(stored.json.len()) {
            let taken = shown.len();
            return Ok((shown, taken));
        }
        shown.push(stored.clone());
    }
    let behind = items.get(shown.len()..).unwrap_or_default();
    let taken = shown.len();
    let (further, more) = collect::open(ctx, grant, (behind, room)).await?;
    shown.extend(further);
    Ok((shown, taken + more))
}

fn links(
    ctx: &Context,
    asked: &Asked,
    part: &Part,
) -> Result<Vec<(&'static str, String)>, Outcome> {
    let own = if asked.has_body && !asked.is_link {
        link(ctx, asked, None)?
    } else {
        query::encode(&asked.shown)
    };
    let mut links = vec![("self", own)];
    let Some(frozen) = part.frozen else {
        return Ok(links);
    };
    let size = u32::try_from(part.page_size).unwrap_or(u32::MAX);
    let taken = u32::try_from(part.taken).unwrap_or(u32::MAX);
    let next = frozen.offset.saturating_add(taken);
    let places = [
        ("first", Some(0)),
        (
            "previous",
            (frozen.offset > 0).then(|| frozen.offset.saturating_sub(size)),
        ),
        ("next", (next < frozen.length).then_some(next)),
    ];
    for (relation, offset) in places {
        if let Some(offset) = offset {
            let kept = (Frozen { offset, ..frozen }, part.total);
            links.push((relation, link(ctx, asked, Some(kept))?));
        }
    }
    Ok(links)
}

/// A link's query; without a list it makes the list again.
fn link(ctx: &Context, asked: &Asked, kept: Option<(Frozen, u64)>) -> Result<String, Outcome> {
    let cursor = Cursor {
        query: query::encode(&asked.pairs),
        order: Order::NewestFirst,
        after: None,
        high_water: i64::MAX,
        total: kept.map(|(_, total)| total),
        driver: None,
        frozen: kept.map(|(frozen, _)| frozen),
        rest: None,
        within: None,
    };
    let key = ctx.records.indexer().cursor_key();
    let sealed = key.seal(&asked.bound, &cursor, ctx.records.random());
    let sealed = sealed.map_err(|error| Outcome::internal(error.to_string()))?;
    let mut pairs = asked.shown.clone();
    pairs.retain(|(name, _)| REPRESENTATION.contains(&name.as_str()));
    pairs.push((CURSOR.to_owned(), sealed));
    Ok(query::encode(&pairs))
}
