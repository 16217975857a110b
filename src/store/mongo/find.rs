//! Executing plans.
//!
//! A search walks the driver's index in order and tests the residual here, with the same code as
//! the embedded store. Testing on the server costs it as much as sending the candidates does, and
//! it would not say how many it examined. Counts are left to the server where it can be exact.

use mongodb::Cursor;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::Hint;

use crate::search::plan::{Candidate, Order, Plan, Predicate, Window};
use crate::store::mongo::failure::from_driver;
use crate::store::mongo::filter::{Driver, bounds, driver, residual};
use crate::store::mongo::key_lengths::Lengths;
use crate::store::mongo::record::{Found, Record};
use crate::store::mongo::{Inner, blob, schema};
use crate::store::{Matches, StoreError};

/// The fewest candidates that are asked for when some may not match.
const STEP_MIN: usize = 64;

/// How many times more candidates each further step asks for.
const STEP_GROWTH: usize = 4;

/// How many candidates the server sends at once.
const BATCH_MAX: usize = 1_000;

/// The largest limit the server is given; it adds limits up and must not overflow.
const LIMIT_MAX: usize = 1 << 40;

/// The matches of a plan within a window.
pub(super) async fn find(
    store: &Inner,
    plan: &Plan,
    window: &Window,
) -> Result<Matches, StoreError> {
    if window.limit == 0 || plan.residual == Predicate::Nothing {
        return Ok(Matches::default());
    }
    let predicates = [&plan.driver, &plan.residual];
    let lengths = store.key_lengths.for_plan(&store.db, predicates).await?;
    let mut walk = Walk::new(plan, window, &lengths);
    while walk.step(store).await? {}
    let count = walk.found.len();
    let versions = blob::complete(store, walk.found, window.bytes_max).await?;
    // Where large bodies cut the list short, the next page goes on behind the last one of it.
    let stopped_at = walk.stopped_at.filter(|_| versions.len() == count);
    Ok(Matches {
        versions,
        stopped_at,
        examined: walk.examined,
    })
}

/// How many resources match a plan, up to `limit`; `None` when more than `examined_max` would have
/// to be tested.
pub(super) async fn count(
    store: &Inner,
    plan: &Plan,
    (limit, examined_max): (u64, usize),
) -> Result<Option<u64>, StoreError> {
    if limit == 0 || plan.residual == Predicate::Nothing {
        return Ok(Some(0));
    }
    let predicates = [&plan.driver, &plan.residual];
    let lengths = store.key_lengths.for_plan(&store.db, predicates).await?;
    let Some(driver) = driver(plan, &Document::new(), &lengths) else {
        return Ok(Some(0));
    };
    let residual = residual(&plan.residual, &lengths);
    if !driver.is_exact || !residual.is_exact {
        return count_here(store, plan, &driver, (limit, examined_max)).await;
    }
    if residual.filter.is_empty() {
        return count_there(store, &driver, limit).await.map(Some);
    }
    if examined_max < usize::MAX {
        let candidates_max = (examined_max as u64).saturating_add(1);
        if count_there(store, &driver, candidates_max).await? == candidates_max {
            return count_first(store, &driver, residual.filter, (limit, examined_max)).await;
        }
    }
    // The planner may choose what it walks; the count is the same.
    let either = Driver {
        filter: doc! { "$and": [driver.filter, residual.filter] },
        index: None,
        ..driver
    };
    count_there(store, &either, limit).await.map(Some)
}

/// A walk along a plan's driver.
struct Walk<'a> {
    plan: &'a Plan,
    lengths: &'a Lengths,
    /// What is still wanted; begins behind the last candidate.
    window: Window,
    /// How many candidates the next step asks for.
    step: usize,
    examined: usize,
    found: Vec<Found>,
    /// Bytes of bodies that stand in their documents.
    bytes: usize,
    stopped_at: Option<i64>,
}

impl<'a> Walk<'a> {
    fn new(plan: &'a Plan, window: &Window, lengths: &'a Lengths) -> Self {
        let mut walk = Self {
            plan,
            lengths,
            window: window.clone(),
            step: window.limit,
            examined: 0,
            found: Vec::new(),
            bytes: 0,
            stopped_at: None,
        };
        if !walk.is_driver_only() {
            walk.step = walk.step.saturating_mul(2).max(STEP_MIN);
        }
        walk
    }

    fn is_driver_only(&self) -> bool {
        self.plan.residual == Predicate::All
    }

    /// Takes the next candidates; false when the walk is over.
    ///
    /// A step is a query of its own, so that the server does not work far ahead of what is needed.
    /// Where it has to sort all candidates anyway, they are asked for at once, unless all match.
    async fn step(&mut self, store: &Inner) -> Result<bool, StoreError> {
        let Some(driver) = driver(self.plan, &bounds(&self.window), self.lengths) else {
            return Ok(false);
        };
        let left = self
            .window
            .examined_max
            .max(1)
            .saturating_sub(self.examined);
        // One more tells whether there is more.
        let most = left.saturating_add(1);
        let in_steps = driver.is_ordered || (driver.is_exact && self.is_driver_only());
        let limit = if in_steps { self.step.min(most) } else { most };
        let mut cursor = self.open(store, &driver, limit).await?;
        let (before, mut taken) = (self.examined, 0);
        while advance(&mut cursor).await? {
            if taken == left {
                self.stopped_at = self.window.after;
                return Ok(false);
            }
            taken += 1;
            self.examined = before.saturating_add(taken);
            let record = Record::read(cursor.current())?;
            self.window.after = Some(record.sequence());
            if holds(self.plan, &driver, &record)? {
                let found = record.current()?;
                self.bytes += found.version.sealed_bytes();
                self.found.push(found);
            }
            let is_full = self.bytes >= self.window.bytes_max;
            if is_full || self.found.len() == self.window.limit {
                return Ok(false);
            }
        }
        self.step = self.step.saturating_mul(STEP_GROWTH);
        Ok(taken == limit)
    }

    async fn open(
        &self,
        store: &Inner,
        driver: &Driver,
        limit: usize,
    ) -> Result<Cursor<RawDocumentBuf>, StoreError> {
        let order = match self.window.order {
            Order::NewestFirst => -1,
            Order::OldestFirst => 1,
        };
        let limit = limit.min(LIMIT_MAX);
        // One more than is needed, so that the server knows the end when nothing is left.
        let batch_size = self.step.min(limit).min(BATCH_MAX).saturating_add(1);
        let mut find = store
            .res
            .find(driver.filter.clone())
            .sort(doc! { "n": order })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .batch_size(u32::try_from(batch_size).unwrap_or(u32::MAX))
            .max_time(store.read_time_max());
        if let Some(index) = driver.index {
            find = find.hint(Hint::Name(index.to_owned()));
        }
        find.await.map_err(|error| from_driver(&error))
    }
}

/// The `count` command: of one key it counts index entries without a look at documents.
async fn count_there(store: &Inner, driver: &Driver, limit: u64) -> Result<u64, StoreError> {
    let mut command = doc! {
        "count": schema::RES,
        "query": driver.filter.clone(),
        "limit": i64::try_from(limit).unwrap_or(i64::MAX),
        "maxTimeMS": i64::try_from(store.settings.read_ms_max).unwrap_or(i64::MAX),
    };
    if let Some(index) = driver.index {
        command.insert("hint", index);
    }
    let answer = store
        .db
        .run_command(command)
        .await
        .map_err(|error| from_driver(&error))?;
    Ok(counted(answer.get("n")))
}

/// Whether `limit` match among the first candidates that may be examined.
async fn count_first(
    store: &Inner,
    driver: &Driver,
    residual: Document,
    (limit, examined_max): (u64, usize),
) -> Result<Option<u64>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let first = i64::try_from(examined_max.min(LIMIT_MAX)).unwrap_or(i64::MAX);
    if first == 0 || limit > first {
        return Ok(None);
    }
    let pipeline = [
        doc! { "$match": driver.filter.clone() },
        doc! { "$limit": first },
        doc! { "$match": residual },
        doc! { "$limit": limit },
        doc! { "$count": "n" },
    ];
    let mut aggregate = store
        .res
        .aggregate(pipeline)
        .max_time(store.read_time_max());
    if let Some(index) = driver.index {
        aggregate = aggregate.hint(Hint::Name(index.to_owned()));
    }
    let mut cursor = aggregate.await.map_err(|error| from_driver(&error))?;
    let mut count = 0;
    if cursor
        .advance()
        .await
        .map_err(|error| from_driver(&error))?
    {
        let answer: Document = cursor
            .deserialize_current()
            .map_err(|error| from_driver(&error))?;
        count = counted(answer.get("n"));
    }
    Ok((count >= limit.unsigned_abs()).then_some(count))
}

/// A number in an answer.
fn counted(number: Option<&Bson>) -> u64 {
    let count = match number {
        Some(Bson::Int32(count)) => i64::from(*count),
        Some(Bson::Int64(count)) => *count,
        _ => 0,
    };
    u64::try_from(count).unwrap_or_default()
}

/// Counts what holds here, without transferring bodies.
async fn count_here(
    store: &Inner,
    plan: &Plan,
    driver: &Driver,
    (limit, examined_max): (u64, usize),
) -> Result<Option<u64>, StoreError> {
    let mut find = store
        .res
        .find(driver.filter.clone())
        .projection(doc! { "k": 1, "c": 1, "u": 1 })
        .max_time(store.read_time_max());
    if let Some(index) = driver.index {
        find = find.hint(Hint::Name(index.to_owned()));
    }
    let mut cursor = find.await.map_err(|error| from_driver(&error))?;
    let (mut count, mut examined) = (0, 0);
    while count < limit && advance(&mut cursor).await? {
        if examined == examined_max {
            return Ok(None);
        }
        examined += 1;
        count += u64::from(holds(plan, driver, &Record::read(cursor.current())?)?);
    }
    Ok(Some(count))
}

fn holds(plan: &Plan, driver: &Driver, record: &Record<'_>) -> Result<bool, StoreError> {
    if driver.is_exact && plan.residual == Predicate::All {
        return Ok(true);
    }
    let entries = record.entries()?;
    let candidate = Candidate {
        id: record.logical_id()?,
        last_updated_ms: record.last_updated_ms(),
        entries: &entries,
    };
    // An inexact driver has let through what only the whole predicate can tell.
    let is_driven = driver.is_exact || drives(plan, &plan.driver, &candidate);
    Ok(is_driven && plan.residual.holds(&candidate))
}

/// Whether a driver yields a candidate: ids are those of the plan's type.
fn drives(plan: &Plan, driver: &Predicate, candidate: &Candidate<'_>) -> bool {
    match driver {
        Predicate::Ids(_) => {
            let keys = &candidate.entries.keys;
            let mut type_key = plan.type_key.iter();
            driver.holds(candidate) && type_key.all(|key| keys.binary_search(key).is_ok())
        }
        Predicate::Or(any) => any.iter().any(|one| drives(plan, one, candidate)),
        other => other.holds(candidate),
    }
}

async fn advance(cursor: &mut Cursor<RawDocumentBuf>) -> Result<bool, StoreError> {
    cursor.advance().await.map_err(|error| from_driver(&error))
}
