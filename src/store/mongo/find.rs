//! Executing plans.
//!
//! The server walks the driver's index in order, stops after as many candidates as may be
//! examined, and tests what it can of the residual behind that stop, so that the residual's keys
//! do not tempt its planner. What comes is tested again here, so that both stores agree.

use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::Hint;
use mongodb::{Collection, Cursor};

use crate::search::plan::{Candidate, Order, Plan, Predicate, Window};
use crate::store::mongo::failure::from_driver;
use crate::store::mongo::filter::{Driver, Residual, bounds, driver, residual};
use crate::store::mongo::record::{Found, Record};
use crate::store::mongo::{Inner, blob, schema};
use crate::store::{Matches, StoreError};

/// The largest limit the server is given.
const LIMIT_MAX: i64 = 1 << 40;

/// How many documents the server sends at once; with room for a page and all that go with it.
const BATCH_MAX: usize = 5_000;

/// The matches of a plan within a window.
pub(super) async fn find(
    store: &Inner,
    plan: &Plan,
    window: &Window,
) -> Result<Matches, StoreError> {
    let Some(query) = Query::new(store, plan, &bounds(window)).await? else {
        return Ok(Matches::default());
    };
    if window.limit == 0 {
        return Ok(Matches::default());
    }
    let mut cursor = if query.is_driver_only() {
        query.walk(store, window).await?
    } else {
        query.examine(store, window).await?
    };
    let mut found: Vec<Found> = Vec::new();
    while found.len() < window.limit && advance(&mut cursor).await? {
        let record = Record::read(cursor.current())?;
        if query.holds(&record)? {
            found.push(record.current()?);
        }
    }
    drop(cursor);
    let stopped_at = if query.is_driver_only() || found.len() >= window.limit {
        None
    } else {
        query.stopped_at(store, window).await?
    };
    let versions = blob::complete(store, found).await?;
    Ok(Matches {
        versions,
        stopped_at,
    })
}

/// How many resources match a plan, up to `limit`.
pub(super) async fn count(store: &Inner, plan: &Plan, limit: u64) -> Result<u64, StoreError> {
    let Some(query) = Query::new(store, plan, &Document::new()).await? else {
        return Ok(0);
    };
    if limit == 0 {
        return Ok(0);
    }
    let limit = to_limit(usize::try_from(limit).unwrap_or(usize::MAX));
    if query.is_driver_only() {
        return query.count_driver(store, limit).await;
    }
    if query.is_exact() {
        return query.count_exactly(store, limit).await;
    }
    query.count_here(store, limit).await
}

/// A plan in MongoDB's words.
struct Query<'a> {
    plan: &'a Plan,
    driver: Driver,
    residual: Residual,
}

impl<'a> Query<'a> {
    /// The query of a plan; `None` when nothing can match.
    async fn new(
        store: &Inner,
        plan: &'a Plan,
        bounds: &Document,
    ) -> Result<Option<Self>, StoreError> {
        if has_range(&plan.driver) || has_range(&plan.residual) {
            store.key_lengths.refresh(&store.db).await?;
        }
        let lengths: Vec<usize> = store.key_lengths.all().collect();
        if plan.residual == Predicate::Nothing {
            return Ok(None);
        }
        let residual = residual(&plan.residual, &lengths);
        let driver = driver(plan, bounds, &lengths);
        Ok(driver.map(|driver| Self {
            plan,
            driver,
            residual,
        }))
    }

    /// Whether the driver's filter says it all.
    fn is_driver_only(&self) -> bool {
        self.driver.is_exact && self.residual.is_exact && self.residual.filter.is_empty()
    }

    /// Whether the server tests everything.
    fn is_exact(&self) -> bool {
        self.driver.is_exact && self.residual.is_exact
    }

    fn holds(&self, record: &Record<'_>) -> Result<bool, StoreError> {
        if self.is_driver_only() {
            return Ok(true);
        }
        let entries = record.entries()?;
        let candidate = Candidate {
            id: record.logical_id()?,
            last_updated_ms: record.last_updated_ms(),
            entries: &entries,
        };
        // An inexact driver has let through what only the whole predicate can tell.
        let is_driven = self.driver.is_exact || self.drives(&self.plan.driver, &candidate);
        Ok(is_driven && self.plan.residual.holds(&candidate))
    }

    /// Whether the driver yields a candidate: ids are those of the plan's type.
    fn drives(&self, driver: &Predicate, candidate: &Candidate<'_>) -> bool {
        match driver {
            Predicate::Ids(_) => {
                let keys = &candidate.entries.keys;
                let mut type_key = self.plan.type_key.iter();
                driver.holds(candidate) && type_key.all(|key| keys.binary_search(key).is_ok())
            }
            Predicate::Or(any) => any.iter().any(|one| self.drives(one, candidate)),
            other => other.holds(candidate),
        }
    }

    /// The candidates of a driver that needs no test.
    async fn walk(
        &self,
        store: &Inner,
        window: &Window,
    ) -> Result<Cursor<RawDocumentBuf>, StoreError> {
        let limit = to_limit(window.limit);
        let mut find = store
            .res
            .find(self.driver.filter.clone())
            .sort(order(window))
            .limit(limit)
            .batch_size(batch_size(window))
            .max_time(store.read_time_max());
        if let Some(index) = self.driver.index {
            find = find.hint(Hint::Name(index.to_owned()));
        }
        find.await.map_err(|error| from_driver(&error))
    }

    /// The candidates that pass the server's test, among those that may be examined.
    async fn examine(
        &self,
        store: &Inner,
        window: &Window,
    ) -> Result<Cursor<RawDocumentBuf>, StoreError> {
        let mut stages = vec![
            doc! { "$match": self.driver.filter.clone() },
            doc! { "$sort": order(window) },
            doc! { "$limit": to_limit(window.examined_max).max(1) },
        ];
        if !self.residual.filter.is_empty() {
            stages.push(doc! { "$match": self.residual.filter.clone() });
        }
        if self.is_exact() {
            stages.push(doc! { "$limit": to_limit(window.limit) });
        }
        self.aggregate(store, stages, Some(batch_size(window)))
            .await
    }

    /// The last candidate that was examined, if there are more behind it.
    async fn stopped_at(&self, store: &Inner, window: &Window) -> Result<Option<i64>, StoreError> {
        let examined = to_limit(window.examined_max).max(1);
        let Some(last) = u64::try_from(examined - 1)
            .ok()
            .filter(|_| examined < LIMIT_MAX)
        else {
            return Ok(None);
        };
        let numbers: Collection<Document> = store.res.clone_with_type();
        let mut find = numbers
            .find(self.driver.filter.clone())
            .sort(order(window))
            .skip(last)
            .limit(2)
            .projection(doc! { "n": 1, "_id": 0 })
            .max_time(store.read_time_max());
        if let Some(index) = self.driver.index {
            find = find.hint(Hint::Name(index.to_owned()));
        }
        let mut cursor = find.await.map_err(|error| from_driver(&error))?;
        if !advance(&mut cursor).await? {
            return Ok(None);
        }
        let sequence = Record::read(cursor.current())?.sequence();
        Ok(advance(&mut cursor).await?.then_some(sequence))
    }

    /// The `count` command: counts index keys without a look at documents.
    async fn count_driver(&self, store: &Inner, limit: i64) -> Result<u64, StoreError> {
        let mut command = doc! {
            "count": schema::RES,
            "query": self.driver.filter.clone(),
            "limit": limit,
            "maxTimeMS": i64::try_from(store.settings.read_ms_max).unwrap_or(i64::MAX),
        };
        if let Some(index) = self.driver.index {
            command.insert("hint", index);
        }
        let answer = store
            .db
            .run_command(command)
            .await
            .map_err(|error| from_driver(&error))?;
        Ok(number(answer.get("n")))
    }

    /// Counts where everything is tested by the server.
    async fn count_exactly(&self, store: &Inner, limit: i64) -> Result<u64, StoreError> {
        let stages = vec![
            doc! { "$match": self.driver.filter.clone() },
            barrier(),
            doc! { "$match": self.residual.filter.clone() },
            doc! { "$limit": limit },
            doc! { "$count": "n" },
        ];
        let mut cursor = self.aggregate(store, stages, None).await?;
        if !advance(&mut cursor).await? {
            return Ok(0);
        }
        let answer = cursor.current().get("n").ok().flatten();
        let count = answer.and_then(|n| n.as_i64().or_else(|| n.as_i32().map(i64::from)));
        Ok(count
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or_default())
    }

    /// Counts what holds here, without transferring bodies.
    async fn count_here(&self, store: &Inner, limit: i64) -> Result<u64, StoreError> {
        let mut stages = vec![doc! { "$match": self.driver.filter.clone() }, barrier()];
        if !self.residual.filter.is_empty() {
            stages.push(doc! { "$match": self.residual.filter.clone() });
        }
        stages.push(doc! { "$project": { "k": 1, "c": 1, "u": 1 } });
        let limit = u64::try_from(limit).unwrap_or_default();
        let mut cursor = self.aggregate(store, stages, None).await?;
        let mut count = 0;
        while count < limit && advance(&mut cursor).await? {
            count += u64::from(self.holds(&Record::read(cursor.current())?)?);
        }
        Ok(count)
    }

    async fn aggregate(
        &self,
        store: &Inner,
        stages: Vec<Document>,
        batch_size: Option<u32>,
    ) -> Result<Cursor<RawDocumentBuf>, StoreError> {
        let mut aggregate = store.res.aggregate(stages).max_time(store.read_time_max());
        if let Some(index) = self.driver.index {
            aggregate = aggregate.hint(Hint::Name(index.to_owned()));
        }
        if let Some(size) = batch_size {
            aggregate = aggregate.batch_size(size);
        }
        aggregate
            .with_type::<RawDocumentBuf>()
            .await
            .map_err(|error| from_driver(&error))
    }
}

async fn advance<T>(cursor: &mut Cursor<T>) -> Result<bool, StoreError> {
    cursor.advance().await.map_err(|error| from_driver(&error))
}

fn order(window: &Window) -> Document {
    match window.order {
        Order::NewestFirst => doc! { "n": -1 },
        Order::OldestFirst => doc! { "n": 1 },
    }
}

/// One more than a page, so that the server knows the end when the page is the last one.
fn batch_size(window: &Window) -> u32 {
    u32::try_from(window.limit.min(BATCH_MAX))
        .unwrap_or_default()
        .saturating_add(1)
}

/// Keeps the conditions behind it away from the planner: a limit that limits nothing.
fn barrier() -> Document {
    doc! { "$limit": i64::from(i32::MAX) }
}

fn has_range(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Range(_) => true,
        Predicate::And(some) | Predicate::Or(some) => some.iter().any(has_range),
        Predicate::Not(inner) => has_range(inner),
        _ => false,
    }
}

/// A limit for the server, which adds limits up and must not overflow.
fn to_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).min(LIMIT_MAX)
}

fn number(value: Option<&mongodb::bson::Bson>) -> u64 {
    let value = value.and_then(|n| n.as_i64().or_else(|| n.as_i32().map(i64::from)));
    value
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or_default()
}
