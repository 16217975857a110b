//! Histories, newest version first, merged from current and superseded versions.
//!
//! Current versions are read first: a version that is superseded in between shows twice and is
//! left out once, instead of not showing at all.

use mongodb::Collection;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use crate::fhir::resource_type::ResourceType;
use crate::store::mongo::failure::from_driver;
use crate::store::mongo::read::without_entries;
use crate::store::mongo::record::{Found, Record};
use crate::store::mongo::{Inner, blob, record, schema};
use crate::store::{Address, HistoryScope, HistoryWindow, StoreError, Version};

/// The versions of a window.
pub(super) async fn history(
    store: &Inner,
    scope: &HistoryScope,
    window: &HistoryWindow,
) -> Result<Vec<Version>, StoreError> {
    if window.limit == 0 {
        return Ok(Vec::new());
    }
    let mut found = match scope {
        HistoryScope::Instance(address) => instance(store, address, window).await?,
        HistoryScope::Type(resource_type) => {
            merged(
                store,
                &doc! { "y": i32::from(resource_type.number()) },
                window,
            )
            .await?
        }
        HistoryScope::System => merged(store, &every_type(), window).await?,
    };
    found.truncate(window.limit);
    blob::complete(store, found, window.bytes_max).await
}

/// How many versions a window has without limit and position.
pub(super) async fn count(
    store: &Inner,
    scope: &HistoryScope,
    window: &HistoryWindow,
) -> Result<u64, StoreError> {
    let (mut current, mut superseded) = match scope {
        HistoryScope::Instance(address) => (
            doc! { "_id": record::id(address) },
            versions_of(address, None),
        ),
        HistoryScope::Type(resource_type) => {
            let of_type = doc! { "y": i32::from(resource_type.number()) };
            (of_type.clone(), of_type)
        }
        HistoryScope::System => (every_type(), every_type()),
    };
    let bounds = written(window.since_ms, window.until_ms);
    current.extend(bounds.clone());
    superseded.extend(bounds);
    let mut count = 0;
    for (collection, filter) in [(schema::RES, current), (schema::HIST, superseded)] {
        let time_ms = i64::try_from(store.settings.read_ms_max).unwrap_or(i64::MAX);
        let command = doc! { "count": collection, "query": filter, "maxTimeMS": time_ms };
        let answer = store
            .db
            .run_command(command)
            .await
            .map_err(|error| from_driver(&error))?;
        count += u64::try_from(answer.get_i32("n").unwrap_or_default()).unwrap_or_default();
    }
    Ok(count)
}

/// Of one resource: its versions are in the order of their numbers.
async fn instance(
    store: &Inner,
    address: &Address,
    window: &HistoryWindow,
) -> Result<Vec<Found>, StoreError> {
    let before = window.after.map(|after| after.version_id);
    let mut current = doc! { "_id": record::id(address) };
    if let Some(version_id) = before {
        current.insert("v", doc! { "$lt": version_id });
    }
    let mut superseded = versions_of(address, before);
    let bounds = written(window.since_ms, window.until_ms);
    current.extend(bounds.clone());
    superseded.extend(bounds);
    let order = doc! { "_id": -1 };
    let most = (window.limit, window.bytes_max);
    let mut found = read(store, Part::Current, current, order.clone(), most).await?;
    let earlier = read(store, Part::Superseded, superseded, order, most).await?;
    found.extend(earlier);
    found.dedup_by_key(|one| one.version.version_id);
    Ok(found)
}

/// Of a type or of everything: both collections in the order of the index, merged.
async fn merged(
    store: &Inner,
    types: &Document,
    window: &HistoryWindow,
) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    // Where a collection was not read on: what the other has behind that place is not its turn yet.
    let mut cut_at = None;
    for part in [Part::Current, Part::Superseded] {
        let mut missing = window.limit;
        for segment in segments(window) {
            let mut filter = types.clone();
            filter.extend(segment);
            let most = (missing, window.bytes_max);
            let more = read(store, part, filter, part.order(), most).await?;
            missing = missing.saturating_sub(more.len());
            let is_cut = bytes(&more) >= window.bytes_max;
            if is_cut {
                cut_at = cut_at.max(more.last().map(|last| place(&last.version)));
            }
            found.extend(more);
            if is_cut || missing == 0 {
                break;
            }
        }
    }
    found.sort_by_key(|one| std::cmp::Reverse(place(&one.version)));
    found.dedup_by(|one, other| same(one, other));
    if let Some(cut_at) = cut_at {
        found.retain(|one| place(&one.version) >= cut_at);
    }
    Ok(found)
}

/// Where the versions of a window lie in the order: the rest of the millisecond that the last page
/// ended in, then all before it. Two ranges of the index instead of a walk from its beginning.
fn segments(window: &HistoryWindow) -> Vec<Document> {
    let Some(after) = window.after else {
        return vec![written(window.since_ms, window.until_ms)];
    };
    let moment = after.last_updated_ms;
    let mut segments = Vec::with_capacity(2);
    let in_window = window.since_ms.is_none_or(|since| since <= moment)
        && window.until_ms.is_none_or(|until| until >= moment);
    if in_window {
        segments.push(doc! {
            "u": moment,
            "n": { "$lte": after.sequence },
            "$or": [{ "n": { "$lt": after.sequence } }, { "v": { "$lt": after.version_id } }],
        });
    }
    let until = window
        .until_ms
        .unwrap_or(i64::MAX)
        .min(moment.saturating_sub(1));
    segments.push(written(window.since_ms, Some(until)));
    segments
}

/// The condition that a version was written in a time.
fn written(since_ms: Option<i64>, until_ms: Option<i64>) -> Document {
    let mut range = Document::new();
    if let Some(since) = since_ms {
        range.insert("$gte", since);
    }
    if let Some(until) = until_ms {
        range.insert("$lte", until);
    }
    if range.is_empty() {
        range
    } else {
        doc! { "u": range }
    }
}

/// One of the two collections.
#[derive(Debug, Clone, Copy)]
enum Part {
    Current,
    Superseded,
}

impl Part {
    fn collection(self, store: &Inner) -> &Collection<RawDocumentBuf> {
        match self {
            Self::Current => &store.res,
            Self::Superseded => &store.hist,
        }
    }

    /// The order of the index by type.
    fn order(self) -> Document {
        match self {
            Self::Current => doc! { "u": -1, "n": -1 },
            Self::Superseded => doc! { "u": -1, "n": -1, "v": -1 },
        }
    }
}

async fn read(
    store: &Inner,
    part: Part,
    filter: Document,
    order: Document,
    (limit, bytes_max): (usize, usize),
) -> Result<Vec<Found>, StoreError> {
    let by_type = filter.contains_key("y");
    let mut find = part
        .collection(store)
        .find(filter)
        .sort(order)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .projection(without_entries())
        .max_time(store.read_time_max());
    if by_type {
        find = find.hint(mongodb::options::Hint::Name(schema::BY_TYPE.to_owned()));
    }
    let mut cursor = find.await.map_err(|error| from_driver(&error))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while bytes < bytes_max
        && cursor
            .advance()
            .await
            .map_err(|error| from_driver(&error))?
    {
        let record = Record::read(cursor.current())?;
        let one = match part {
            Part::Current => record.current()?,
            Part::Superseded => record.superseded()?,
        };
        bytes += one.version.sealed_bytes();
        found.push(one);
    }
    Ok(found)
}

/// How many bytes the bodies have that stand in their documents.
fn bytes(found: &[Found]) -> usize {
    found.iter().map(|one| one.version.sealed_bytes()).sum()
}

/// Superseded versions of a resource, below one of them.
fn versions_of(address: &Address, before: Option<i64>) -> Document {
    let first = record::version_id(address, 0);
    // Without a bound: the character after the slash ends the resource.
    let end = before.map_or_else(
        || format!("{}0", record::id(address)),
        |version_id| record::version_id(address, version_id),
    );
    doc! { "_id": { "$gte": first, "$lt": end } }
}

/// Every type by name, so that the index by type serves a history of everything: the server
/// merges its parts.
fn every_type() -> Document {
    let numbers: Vec<i32> = ResourceType::all()
        .map(|one| i32::from(one.number()))
        .collect();
    doc! { "y": { "$in": numbers } }
}

fn place(version: &Version) -> (i64, i64, i64) {
    (
        version.last_updated_ms,
        version.sequence,
        version.version_id,
    )
}

fn same(one: &Found, other: &Found) -> bool {
    one.version.address == other.version.address
        && one.version.version_id == other.version.version_id
}
