//! Date parameters: every value is the interval of time it covers.
//!
//! Keys: parameter, first millisecond, first millisecond behind; so that a range on the one and a
//! condition on the other decide every prefix. Values wider than a day have a second key with the
//! two turned round: what ends late and began long ago is found there.
//! Spec: <https://hl7.org/fhir/R4/search.html#date>.

use crate::fhir::date::PartialDate;
use crate::fhir::resource::{Node, Object};
use crate::search::key::{Key, ParameterNumber, ordered_bytes};
use crate::search::param::{DataType, Found, KeyWriter};
use crate::search::plan::{KeyRange, Predicate, Tail};
use crate::search::prefix::Prefix;

/// Values up to this width have the first key only.
const NARROW_MS_MAX: i64 = 86_400_000;

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The first millisecond in it; `i64::MIN` for an open start.
    pub low_ms: i64,
    /// The first millisecond behind it; `i64::MAX` for an open end.
    pub high_ms: i64,
}

/// What a date value asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateCondition {
    /// How a stored interval has to stand to the searched one.
    pub prefix: Prefix,
    /// The searched interval; for `ap` already widened.
    pub searched: Interval,
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    let parameter = writer.parameter;
    index_below(
        value,
        Key::new(parameter),
        Key::second(parameter),
        writer.keys,
    );
}

/// Writes the keys of a value: those by its start behind the one beginning, those by its end behind
/// the other.
pub fn index_below(value: &Found<'_>, by_start: Key, by_end: Key, keys: &mut Vec<Key>) {
    let Some(interval) = interval(value) else {
        return;
    };
    let (low_ms, high_ms) = (interval.low_ms, interval.high_ms);
    keys.push(by_start.with_ordered(low_ms).with_ordered(high_ms));
    if high_ms.saturating_sub(low_ms) > NARROW_MS_MAX {
        keys.push(by_end.with_ordered(high_ms).with_ordered(low_ms));
    }
}

/// Reads a date with an optional prefix; `now_ms` decides how far `ap` reaches.
pub fn parse(text: &str, now_ms: i64) -> Result<DateCondition, String> {
    let (prefix, date_text) = Prefix::split(text);
    let Some(date) = PartialDate::parse(date_text) else {
        return Err(
            "a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.sss]][Z|+hh:mm], \
             with an optional prefix (eq ne gt lt ge le sa eb ap)"
                .into(),
        );
    };
    let mut searched = Interval {
        low_ms: date.low_ms,
        high_ms: date.high_ms,
    };
    if prefix == Prefix::Ap {
        // A tenth of the time between the date and now; nothing for what is now.
        let gap_ms = if now_ms < searched.low_ms {
            searched.low_ms - now_ms
        } else {
            now_ms.saturating_sub(searched.high_ms).max(0)
        };
        searched.low_ms -= gap_ms / 10;
        searched.high_ms += gap_ms / 10;
    }
    Ok(DateCondition { prefix, searched })
}

/// The time that a value covers; `None` when it says nothing about it.
pub fn interval(value: &Found<'_>) -> Option<Interval> {
    match (value.data_type, value.node) {
        (DataType::Period, Node::Object(period)) => of_period(period),
        (DataType::Timing, Node::Object(timing)) => of_timing(timing),
        (_, Node::String(text)) => of_text(text),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<Interval> {
    PartialDate::parse(text).map(|date| Interval {
        low_ms: date.low_ms,
        high_ms: date.high_ms,
    })
}

fn of_period(period: &Object) -> Option<Interval> {
    let start = period.get_str("start").and_then(of_text);
    let end = period.get_str("end").and_then(of_text);
    if start.is_none() && end.is_none() {
        return None;
    }
    let low_ms = start.map_or(i64::MIN, |one| one.low_ms);
    let high_ms = end.map_or(i64::MAX, |one| one.high_ms);
    // A period that ends before it starts still is the time between the two. An end that is less
    // exact than the start, such as the year that it is in, does not end before it.
    Some(match (start, end) {
        (Some(start), Some(end)) if end.high_ms <= start.low_ms => start.hull(end),
        _ => Interval { low_ms, high_ms },
    })
}

/// The outer limits of a schedule: its events and the period it is bound to.
fn of_timing(timing: &Object) -> Option<Interval> {
    let events = timing.items("event").iter().filter_map(Node::as_str);
    let bounds = timing
        .get("repeat")
        .and_then(|repeat| repeat.get("boundsPeriod"))
        .and_then(Node::as_object)
        .and_then(of_period);
    events
        .filter_map(of_text)
        .chain(bounds)
        .reduce(Interval::hull)
}

impl Interval {
    /// The shortest stretch that has both in it.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self {
            low_ms: self.low_ms.min(other.low_ms),
            high_ms: self.high_ms.max(other.high_ms),
        }
    }

    fn contains(self, inner: Self) -> bool {
        self.low_ms <= inner.low_ms && inner.high_ms <= self.high_ms
    }
}

impl DateCondition {
    /// Whether a stored interval meets it.
    pub fn holds(&self, stored: Interval) -> bool {
        let searched = self.searched;
        match self.prefix {
            Prefix::Eq => searched.contains(stored),
            Prefix::Ne => !searched.contains(stored),
            Prefix::Gt => stored.high_ms > searched.high_ms,
            Prefix::Lt => stored.low_ms < searched.low_ms,
            Prefix::Ge => stored.high_ms > searched.high_ms || searched.contains(stored),
            Prefix::Le => stored.low_ms < searched.low_ms || searched.contains(stored),
            Prefix::Sa => stored.low_ms >= searched.high_ms,
            Prefix::Eb => stored.high_ms <= searched.low_ms,
            Prefix::Ap => stored.low_ms < searched.high_ms && stored.high_ms > searched.low_ms,
        }
    }

    /// Whether a moment known to the millisecond meets it.
    pub fn holds_at(&self, ms: i64) -> bool {
        self.holds(Interval {
            low_ms: ms,
            high_ms: ms.saturating_add(1),
        })
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        interval(value).is_some_and(|stored| self.holds(stored))
    }

    /// The condition on keys; it is exact.
    pub fn lower(&self, parameter: ParameterNumber) -> Predicate {
        self.lower_below(Key::new(parameter), Key::second(parameter))
    }

    /// The condition on keys behind these beginnings; it is exact.
    pub fn lower_below(&self, by_start: Key, by_end: Key) -> Predicate {
        let Interval { low_ms, high_ms } = self.searched;
        // Both bounds have the same length, so the second one begins at the same place in both.
        let offset = by_start.as_bytes().len() + size_of::<i64>();
        let tail_from = |ms| tail(offset, Some(ms), None);
        let tail_below = |ms| tail(offset, None, Some(ms));
        let tail_up_to = |ms: i64| tail(offset, None, Some(ms.saturating_add(1)));
        let lows = Bounds::new(by_start);
        let highs = Bounds::new(by_end);
        let ends_after = |ms: i64| {
            // Narrow values that end behind it begin at most a day before it.
            let begin = ms.saturating_sub(NARROW_MS_MAX);
            vec![
                lows.range(Some(begin), None, Some(tail_from(ms.saturating_add(1)))),
                highs.range(Some(ms.saturating_add(1)), None, None),
            ]
        };
        let within = || lows.range(Some(low_ms), Some(high_ms), Some(tail_up_to(high_ms)));
        let begins_before = || lows.range(None, Some(low_ms), None);
        let mut any = match self.prefix {
            Prefix::Eq => vec![within()],
            Prefix::Ne => vec![
                begins_before(),
                lows.range(
                    Some(low_ms),
                    None,
                    Some(tail_from(high_ms.saturating_add(1))),
                ),
            ],
            Prefix::Gt => ends_after(high_ms),
            Prefix::Ge => {
                let mut any = ends_after(high_ms);
                any.push(within());
                any
            }
            Prefix::Lt => vec![begins_before()],
            Prefix::Le => vec![begins_before(), within()],
            Prefix::Sa => vec![lows.range(Some(high_ms), None, None)],
            Prefix::Eb => vec![lows.range(None, Some(low_ms), Some(tail_up_to(low_ms)))],
            Prefix::Ap => vec![
                lows.range(
                    Some(low_ms.saturating_sub(NARROW_MS_MAX)),
                    Some(high_ms),
                    Some(tail_from(low_ms.saturating_add(1))),
                ),
                highs.range(
                    Some(low_ms.saturating_add(1)),
                    None,
                    Some(tail_below(high_ms)),
                ),
            ],
        };
        match (any.pop(), any.is_empty()) {
            (Some(only), true) => only,
            (Some(last), false) => {
                any.push(last);
                Predicate::Or(any)
            }
            (None, _) => Predicate::Nothing,
        }
    }

    /// The condition on a moment that is known to the millisecond, as `_lastUpdated` is.
    pub fn lower_last_updated(&self) -> Predicate {
        let Interval { low_ms, high_ms } = self.searched;
        let between = |low_ms, high_ms| Predicate::LastUpdated { low_ms, high_ms };
        match self.prefix {
            Prefix::Eq | Prefix::Ap => between(low_ms, high_ms),
            Prefix::Ne => {
                Predicate::Or(vec![between(i64::MIN, low_ms), between(high_ms, i64::MAX)])
            }
            Prefix::Gt | Prefix::Sa => between(high_ms, i64::MAX),
            Prefix::Ge => between(low_ms, i64::MAX),
            Prefix::Lt | Prefix::Eb => between(i64::MIN, low_ms),
            Prefix::Le => between(i64::MIN, high_ms),
        }
    }
}

/// Ranges on the first bound of the keys that begin alike.
struct Bounds {
    base: Key,
}

impl Bounds {
    fn new(base: Key) -> Self {
        Self { base }
    }

    /// Keys whose first bound is in `low..high`.
    fn range(&self, low: Option<i64>, high: Option<i64>, tail: Option<Tail>) -> Predicate {
        let at = |ms: i64| self.base.clone().with_ordered(ms);
        let mut range = KeyRange::prefix(self.base.clone());
        if let Some(low) = low {
            range.low = at(low);
        }
        if let Some(high) = high {
            range.high = at(high);
        }
        range.tail = tail;
        Predicate::Range(range)
    }
}

/// The second bound is in `low..high`.
fn tail(offset: usize, low: Option<i64>, high: Option<i64>) -> Tail {
    let bytes = |ms: Option<i64>| ms.map(|ms| ordered_bytes(ms).to_vec()).unwrap_or_default();
    Tail {
        offset,
        low: bytes(low),
        high: bytes(high),
    }
}
