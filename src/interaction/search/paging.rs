//! From page to page: what a link holds, and which part of the matches it asks for.
//!
//! A link to another page holds the whole query, sealed: no name or code of a patient stands in a
//! URL that the server makes, and nobody can alter it.
//! Spec: <https://hl7.org/fhir/R4/http.html#paging>.

use crate::access::records::Stored;
use crate::fhir::query;
use crate::interaction::Context;
use crate::interaction::search::SearchRequest;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::cursor::Cursor;
use crate::search::plan::Order;
use crate::search::query::Query;

/// The parameter that holds a sealed cursor.
pub(super) const CURSOR: &str = "_cursor";

/// Parameters about the representation: they stay readable in every link.
const REPRESENTATION: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

/// What a request asks for: a query from its beginning, or a further page of one.
#[derive(Debug)]
pub(super) struct Asked {
    /// The query string.
    pub(super) text: String,
    /// The cursor, on further pages.
    pub(super) cursor: Option<Cursor>,
    /// The query string as the client sent it.
    sent: String,
}

/// Which part of the matches a page is.
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
}

/// Matches of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The matches, in the order of the walk.
    pub(super) matches: Vec<Stored>,
    /// Whether there are more behind them.
    pub(super) has_more: bool,
}

impl Walk {
    /// The walk that a cursor stands for, or one from the beginning.
    pub(super) fn of(cursor: Option<&Cursor>, page_size: usize) -> Self {
        Self {
            after: cursor.and_then(|cursor| cursor.after),
            high_water: cursor.map(|cursor| cursor.high_water),
            is_backward: cursor.is_some_and(|cursor| cursor.order == Order::OldestFirst),
            page_size,
        }
    }
}

/// Reads what a request asks for; a cursor stands alone, beside parameters of the representation.
pub(super) fn read(ctx: &Context, request: &SearchRequest) -> Result<Asked, Outcome> {
    let sent = request.query.clone();
    let pairs = query::pairs(&sent);
    let Some(text) = query::first(&pairs, CURSOR) else {
        return Ok(Asked {
            text: sent.clone(),
            cursor: None,
            sent,
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
        .open(request.resource_type, text)
        .map_err(|error| Outcome::new(Kind::Malformed, format!("{CURSOR}: {error}.")))?;
    Ok(Asked {
        text: cursor.query.clone(),
        cursor: Some(cursor),
        sent,
    })
}

/// The query of the `self` link: what the server understood, or the cursor that was followed.
pub(super) fn self_query(asked: &Asked, understood: &Query) -> String {
    match asked.cursor {
        Some(_) => asked.sent.clone(),
        None => query::encode(&understood.understood),
    }
}

/// The links to the first, previous and next page.
pub(super) fn links(
    ctx: &Context,
    request: &SearchRequest,
    (asked, walk): (&Asked, &Walk),
    page: &Page,
    total: Option<u64>,
) -> Result<Vec<(&'static str, String)>, Outcome> {
    let (Some(newest), Some(oldest)) = (page.matches.first(), page.matches.last()) else {
        return Ok(Vec::new());
    };
    let (newest, oldest) = (newest.version.sequence, oldest.version.sequence);
    let start = Cursor {
        query: asked.text.clone(),
        order: Order::NewestFirst,
        after: None,
        high_water: walk.high_water.unwrap_or(newest),
        total,
    };
    let mut links = Vec::new();
    let mut link = |relation, cursor: &Cursor| {
        let key = ctx.records.indexer().cursor_key();
        let sealed = key.seal(request.resource_type, cursor, ctx.records.random());
        let sealed = sealed.map_err(|error| Outcome::internal(error.to_string()))?;
        links.push((relation, link_query(&asked.sent, sealed)));
        Ok::<(), Outcome>(())
    };
    // A page that was walked backwards came from an older one.
    let has_newer = if walk.is_backward {
        page.has_more
    } else {
        walk.after.is_some()
    };
    let has_older = walk.is_backward || page.has_more;
    if has_newer || has_older {
        link("first", &start)?;
    }
    if has_newer {
        let order = Order::OldestFirst;
        link(
            "previous",
            &Cursor {
                order,
                after: Some(newest),
                ..start.clone()
            },
        )?;
    }
    if has_older {
        link(
            "next",
            &Cursor {
                after: Some(oldest),
                ..start.clone()
            },
        )?;
    }
    Ok(links)
}

/// A link's query: the cursor, and what the client said about the representation.
fn link_query(sent: &str, sealed: String) -> String {
    let mut pairs = query::pairs(sent);
    pairs.retain(|(name, _)| REPRESENTATION.contains(&name.as_str()));
    pairs.push((CURSOR.to_owned(), sealed));
    query::encode(&pairs)
}
