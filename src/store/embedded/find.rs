//! Execution of plans.
//!
//! Candidates come from the driver and are tested on their stored index entries; bodies are read
//! only of what matches.

use rusqlite::{CachedStatement, Connection};

use crate::search::key::{Entries, Key};
use crate::search::plan::{Candidate, Order, Plan, Predicate, Window};
use crate::store::embedded::reader::in_snapshot;
use crate::store::embedded::source::{self, Candidates, PostingsMax, Reading};
use crate::store::embedded::walk::Bounds;
use crate::store::embedded::{row, single};
use crate::store::{Matches, StoreError, sealed_bytes};

/// Candidates that [`begin`] examines at most.
const BEGUN_EXAMINED_MAX: usize = 256;

/// Rows that [`begin`] reads before its first candidate, and a short count in all, at most.
const BEGUN_ROWS_MAX: usize = 1024;

/// Rows that a short count reads at most, those among them that it does not count.
const COUNTED_ROWS_MAX: usize = 4096;

/// Alternatives that are counted one by one at most, rather than merged.
const COUNTED_PARTS_MAX: usize = 8;

/// Postings read at first when not every candidate matches.
const TESTED_CHUNK_ROWS: usize = 64;

/// What came of beginning a search.
pub(super) enum Begun {
    /// All of it.
    Done(Matches),
    /// These matches, and what is left of the window.
    Rest(Matches, Window),
}

/// The matches of a plan within a window.
pub(super) fn find(db: &Connection, plan: &Plan, window: &Window) -> Result<Matches, StoreError> {
    Ok(run(db, plan, window, usize::MAX)?.unwrap_or_default())
}

/// Searches as long as it takes no longer than reading a few versions does.
///
/// Most searches are over by then, which saves them the way to another thread and back.
pub(super) fn begin(db: &Connection, plan: &Plan, window: &Window) -> Result<Begun, StoreError> {
    let mut first = window.clone();
    first.examined_max = window.examined_max.min(BEGUN_EXAMINED_MAX);
    if window.limit > BEGUN_EXAMINED_MAX {
        return Ok(Begun::Rest(Matches::default(), window.clone()));
    }
    let Some(mut matches) = run(db, plan, &first, BEGUN_ROWS_MAX)? else {
        return Ok(Begun::Rest(Matches::default(), window.clone()));
    };
    if first.examined_max == window.examined_max || matches.stopped_at.is_none() {
        return Ok(Begun::Done(matches));
    }
    let rest = Window {
        after: matches.stopped_at.take(),
        limit: window.limit - matches.versions.len(),
        bytes_max: window.bytes_max - sealed_bytes(&matches.versions),
        examined_max: window.examined_max - first.examined_max,
        ..first
    };
    Ok(Begun::Rest(matches, rest))
}

/// Counts as long as it takes no longer than reading a few versions does; `None` when it does.
pub(super) fn begin_count(
    db: &Connection,
    plan: &Plan,
    limit: u64,
) -> Result<Option<u64>, StoreError> {
    match &plan.driver {
        _ if limit == 0 => Ok(Some(0)),
        Predicate::Key(key) => count_key(db, key, limit).map(Some),
        driver => count_distinct(db, driver, (limit, COUNTED_ROWS_MAX)),
    }
}

/// Whether [`begin_count`] can count it.
pub(super) fn is_short_count(plan: &Plan, limit: u64) -> bool {
    is_countable(&plan.driver) && plan.residual == Predicate::All && limit <= BEGUN_ROWS_MAX as u64
}

/// The matches of a plan within a window; `None` when more than `rows_max` rows would have to be
/// read for the first.
fn run(
    db: &Connection,
    plan: &Plan,
    window: &Window,
    rows_max: usize,
) -> Result<Option<Matches>, StoreError> {
    if window.limit == 0 {
        return Ok(Some(Matches::default()));
    }
    in_snapshot(db, |db| {
        let extent = Extent {
            bounds: bounds(window),
            limit: window.limit,
            rows_max,
        };
        let Some(mut search) = Search::new(db, plan, &extent)? else {
            return Ok(None);
        };
        let mut versions = single::prepare_by_sequence(db)?;
        let mut matches = Matches::default();
        let mut bytes = 0;
        let mut last = None;
        while matches.versions.len() < window.limit && bytes < window.bytes_max {
            if matches.examined == window.examined_max {
                matches.stopped_at = last.filter(|_| search.candidates.has_next());
                break;
            }
            let Some(sequence) = search.candidates.next()? else {
                break;
            };
            matches.examined += 1;
            last = Some(sequence);
            if search.holds(sequence)? {
                let version = single::by_sequence(&mut versions, sequence)?;
                bytes += version.sealed_bytes();
                matches.versions.push(version);
            }
        }
        Ok(Some(matches))
    })
}

/// How many resources match a plan, up to `limit`; `None` when more than `examined_max` would have
/// to be tested.
pub(super) fn count(
    db: &Connection,
    plan: &Plan,
    (limit, examined_max): (u64, usize),
) -> Result<Option<u64>, StoreError> {
    if limit == 0 {
        return Ok(Some(0));
    }
    match (&plan.driver, &plan.residual) {
        (Predicate::Key(key), Predicate::All) => count_key(db, key, limit).map(Some),
        (driver, Predicate::All) if is_countable(driver) => {
            count_distinct(db, driver, (limit, usize::MAX))
        }
        _ => in_snapshot(db, |db| {
            let everything = Extent {
                bounds: Bounds {
                    order: Order::NewestFirst,
                    low: i64::MIN,
                    high: i64::MAX,
                },
                // Chunks begin small: there may be thousands of keys.
                limit: TESTED_CHUNK_ROWS,
                rows_max: usize::MAX,
            };
            let Some(mut search) = Search::new(db, plan, &everything)? else {
                return Ok(Some(0));
            };
            let (mut count, mut examined) = (0, 0);
            while count < limit
                && let Some(sequence) = search.candidates.next()?
            {
                if search.test.is_some() && examined == examined_max {
                    return Ok(None);
                }
                examined += 1;
                count += u64::from(search.holds(sequence)?);
            }
            Ok(Some(count))
        }),
    }
}

/// How much of a plan's candidates is wanted.
struct Extent {
    bounds: Bounds,
    limit: usize,
    rows_max: usize,
}

/// Candidates and what each of them is tested against.
struct Search<'a> {
    candidates: Candidates<'a>,
    test: Option<Test<'a>>,
}

struct Test<'a> {
    driver: Option<Predicate>,
    residual: &'a Predicate,
    statement: CachedStatement<'a>,
    entries: Entries,
}

impl<'a> Search<'a> {
    fn new(
        db: &'a Connection,
        plan: &'a Plan,
        extent: &Extent,
    ) -> Result<Option<Self>, StoreError> {
        let is_tested = plan.residual != Predicate::All;
        let reading = Reading {
            bounds: extent.bounds,
            chunk_rows: if is_tested {
                TESTED_CHUNK_ROWS
            } else {
                extent.limit
            },
            type_key: plan.type_key.as_ref(),
            chart_type: type_conjunct(&plan.residual).and_then(source::type_of),
            rows_max: extent.rows_max,
        };
        let Some(candidates) = Candidates::new(db, &plan.driver, &reading)? else {
            return Ok(None);
        };
        let driver = candidates
            .is_superset()
            .then(|| as_condition(&plan.driver, plan.type_key.as_ref()));
        // Of a compartment only the one type was read: nothing is left to test.
        let is_of_charts = matches!(
            plan.driver,
            Predicate::Compartment(_) | Predicate::AnyCompartment(_)
        );
        let is_read = is_of_charts
            && matches!(&plan.residual, Predicate::Key(key) if source::type_of(key).is_some());
        let test = if driver.is_some() || (is_tested && !is_read) {
            let select = "SELECT id, u, k, c, ds FROM res WHERE rid = ?1";
            Some(Test {
                driver,
                residual: &plan.residual,
                statement: db.prepare_cached(select)?,
                entries: Entries::default(),
            })
        } else {
            None
        };
        Ok(Some(Self { candidates, test }))
    }

    fn holds(&mut self, sequence: i64) -> Result<bool, StoreError> {
        match &mut self.test {
            Some(test) => test.holds(sequence),
            None => Ok(true),
        }
    }
}

impl Test<'_> {
    fn holds(&mut self, sequence: i64) -> Result<bool, StoreError> {
        let mut rows = self.statement.query([sequence])?;
        let Some(row) = rows.next()? else {
            return Err(StoreError::Damaged(
                "an index entry leads nowhere".to_owned(),
            ));
        };
        row::entries(row, 2, &mut self.entries)?;
        let candidate = Candidate {
            id: row.get_ref(0)?.as_str().map_err(row::unreadable)?,
            last_updated_ms: row.get(1)?,
            entries: &self.entries,
        };
        let is_driven = self
            .driver
            .as_ref()
            .is_none_or(|driver| driver.holds(&candidate));
        Ok(is_driven && self.residual.holds(&candidate))
    }
}

fn bounds(window: &Window) -> Bounds {
    let mut bounds = Bounds {
        order: window.order,
        low: i64::MIN,
        high: window.high_water.unwrap_or(i64::MAX),
    };
    match (window.after, window.order) {
        (None, _) => {}
        (Some(after), Order::NewestFirst) => {
            bounds.high = bounds.high.min(after.saturating_sub(1));
        }
        (Some(after), Order::OldestFirst) => bounds.low = after.saturating_add(1),
    }
    bounds
}

/// The key of a type that everything a predicate holds for has.
fn type_conjunct(predicate: &Predicate) -> Option<&Key> {
    match predicate {
        Predicate::Key(key) => source::type_of(key).map(|_| key),
        Predicate::And(all) => all.iter().find_map(type_conjunct),
        _ => None,
    }
}

/// A driver as a condition: its ids belong to the plan's type.
fn as_condition(driver: &Predicate, type_key: Option<&Key>) -> Predicate {
    match (driver, type_key) {
        (Predicate::Ids(_), Some(key)) => {
            Predicate::And(vec![driver.clone(), Predicate::Key(key.clone())])
        }
        (Predicate::Or(any), _) => {
            let any = any.iter().map(|one| as_condition(one, type_key));
            Predicate::Or(any.collect())
        }
        _ => driver.clone(),
    }
}

fn count_key(db: &Connection, key: &Key, limit: u64) -> Result<u64, StoreError> {
    let select = "SELECT count(*) FROM (SELECT 1 FROM post WHERE k = ?1 LIMIT ?2)";
    let mut statement = db.prepare_cached(select)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let count = statement.query_row((key.as_bytes(), limit), row::count)?;
    Ok(count)
}

/// Whether a driver is a key, a range, or a few of these.
fn is_countable(driver: &Predicate) -> bool {
    match driver {
        Predicate::Key(_) | Predicate::Range(_) => true,
        Predicate::Or(any) => any.len() <= COUNTED_PARTS_MAX && any.iter().all(is_posting),
        _ => false,
    }
}

fn is_posting(predicate: &Predicate) -> bool {
    matches!(predicate, Predicate::Key(_) | Predicate::Range(_))
}

/// How many resources have a key in one of some ranges, up to `limit`; `None` when more than
/// `rows_max` rows of a range would have to be read.
fn count_distinct(
    db: &Connection,
    driver: &Predicate,
    (limit, rows_max): (u64, usize),
) -> Result<Option<u64>, StoreError> {
    let mut distinct =
        std::collections::HashSet::with_hasher(foldhash::fast::RandomState::default());
    let mut add = |sequence| {
        distinct.insert(sequence);
        (distinct.len() as u64) < limit
    };
    let parts = match driver {
        Predicate::Or(any) => any.as_slice(),
        one => std::slice::from_ref(one),
    };
    for part in parts {
        let is_whole = match part {
            Predicate::Key(key) => source::postings_of(db, key, &mut add)?,
            Predicate::Range(range) => {
                let most = PostingsMax {
                    read: rows_max,
                    ..PostingsMax::default()
                };
                source::postings_in(db, range, most, &mut add)?
            }
            _ => true,
        };
        if !is_whole {
            let counted = distinct.len() as u64;
            return Ok((counted >= limit).then_some(counted));
        }
    }
    Ok(Some(distinct.len() as u64))
}
