//! Number parameters, and the comparison of numbers that quantities share.
//!
//! Keys: parameter, nine ordered bytes of the number. A range, or a number that is only known to be
//! above or below another, is an interval with a key of both its ends. What a search of more than
//! 16 digits leaves open is verified.
//! A stored number is a point; the implied precision of a searched one counts for `eq` and `ne`.
//! Spec: <https://hl7.org/fhir/R4/search.html#number>.

use std::cmp::Ordering;

use crate::fhir::resource::{Node, Object};
use crate::search::decimal::{Decimal, ORDERED_BYTES, SEARCH_EXPONENT_MAX, SearchNumber};
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::{DataType, Found, KeyWriter};
use crate::search::plan::{KeyRange, Predicate, Tail};
use crate::search::prefix::Prefix;
use crate::search::unit::Unit;

/// One end of an interval of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// There is none.
    Open,
    /// The number belongs to the interval.
    At(Decimal),
    /// The interval ends before the number, or begins behind it.
    Beside(Decimal),
}

/// The numbers that a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The lower end.
    pub low: End,
    /// The upper end.
    pub high: End,
}

/// What a number value asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberCondition {
    /// How a stored number has to stand to the searched one.
    pub prefix: Prefix,
    /// The searched number.
    pub number: SearchNumber,
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    if let Some(span) = span(value) {
        let bases = [(Key::new(writer.parameter), Key::second(writer.parameter))];
        span_keys(&span, &bases, writer.keys);
    }
}

/// Writes the key of a span below each of the given beginnings: one for points, one for intervals.
pub fn span_keys(span: &Span, bases: &[(Key, Key)], keys: &mut Vec<Key>) {
    let (low, high) = (span.low_bytes(), span.high_bytes());
    for (point_base, interval_base) in bases {
        keys.push(if span.is_point() {
            point_base.clone().with(&low)
        } else {
            interval_base.clone().with(&low).with(&high)
        });
    }
}

/// Reads a number with an optional prefix.
pub fn parse(text: &str) -> Result<NumberCondition, String> {
    let (prefix, number_text) = Prefix::split(text);
    let Some(number) = SearchNumber::parse(number_text) else {
        return Err(
            "a number is a decimal such as 100, 5.40 or -1.2e3 of at most 28 digits, between \
             1e-50 and 1e50, with an optional prefix (eq ne gt lt ge le sa eb ap)"
                .into(),
        );
    };
    Ok(NumberCondition { prefix, number })
}

/// The numbers that a value may be; `None` when it names none.
pub fn span(value: &Found<'_>) -> Option<Span> {
    match (value.data_type, value.node) {
        (DataType::Range, Node::Object(range)) => of_range(range),
        (_, Node::Number(text)) => Decimal::parse(text).map(Span::point),
        _ => None,
    }
}

/// The span of a `Range`, whose ends are quantities.
pub fn of_range(range: &Object) -> Option<Span> {
    let end = |name| match range.get(name).and_then(|end| end.get("value")) {
        Some(Node::Number(text)) => Decimal::parse(text).map_or(End::Open, End::At),
        _ => End::Open,
    };
    let span = match (end("low"), end("high")) {
        (End::Open, End::Open) => return None,
        // A range that is written the wrong way round still is what lies between its ends.
        (End::At(low), End::At(high)) if high < low => Span {
            low: End::At(high),
            high: End::At(low),
        },
        (low, high) => Span { low, high },
    };
    Some(span)
}

impl Span {
    /// The span of one number.
    pub fn point(number: Decimal) -> Self {
        Self {
            low: End::At(number.clone()),
            high: End::At(number),
        }
    }

    /// The same span with both ends changed in a way that keeps their order.
    #[must_use]
    pub fn map(&self, change: &dyn Fn(&Decimal) -> Decimal) -> Self {
        let end = |end: &End| match end {
            End::Open => End::Open,
            End::At(number) => End::At(change(number)),
            End::Beside(number) => End::Beside(change(number)),
        };
        Self {
            low: end(&self.low),
            high: end(&self.high),
        }
    }

    /// The same span in the base units of its unit.
    #[must_use]
    pub fn in_base(&self, unit: &Unit) -> Self {
        self.map(&|number| unit.to_base(number))
    }

    fn is_point(&self) -> bool {
        matches!((&self.low, &self.high), (End::At(low), End::At(high)) if low == high)
    }

    fn low_bytes(&self) -> [u8; ORDERED_BYTES] {
        match &self.low {
            End::Open => [0; ORDERED_BYTES],
            End::At(number) => number.ordered(),
            End::Beside(number) => above(number),
        }
    }

    fn high_bytes(&self) -> [u8; ORDERED_BYTES] {
        match &self.high {
            End::Open => [u8::MAX; ORDERED_BYTES],
            End::At(number) => number.ordered(),
            End::Beside(number) => just_below(number),
        }
    }

    /// How the lower end stands to a number.
    fn low_to(&self, number: &Decimal) -> Ordering {
        match &self.low {
            End::Open => Ordering::Less,
            End::At(low) => low.cmp(number),
            End::Beside(low) => low.cmp(number).then(Ordering::Greater),
        }
    }

    /// How the upper end stands to a number.
    fn high_to(&self, number: &Decimal) -> Ordering {
        match &self.high {
            End::Open => Ordering::Greater,
            End::At(high) => high.cmp(number),
            End::Beside(high) => high.cmp(number).then(Ordering::Less),
        }
    }
}

impl NumberCondition {
    /// Whether a stored span meets it.
    pub fn holds(&self, stored: &Span) -> bool {
        let number = &self.number;
        let is_within =
            || stored.low_to(&number.low).is_ge() && stored.high_to(&number.high).is_lt();
        match self.prefix {
            Prefix::Eq => is_within(),
            Prefix::Ne => !is_within(),
            Prefix::Gt => stored.high_to(&number.exact).is_gt(),
            Prefix::Ge => stored.high_to(&number.exact).is_ge(),
            Prefix::Lt => stored.low_to(&number.exact).is_lt(),
            Prefix::Le => stored.low_to(&number.exact).is_le(),
            Prefix::Sa => stored.low_to(&number.exact).is_gt(),
            Prefix::Eb => stored.high_to(&number.exact).is_lt(),
            Prefix::Ap => {
                stored.low_to(&number.near_high).is_le() && stored.high_to(&number.near_low).is_ge()
            }
        }
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        span(value).is_some_and(|stored| self.holds(&stored))
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        self.bounds().iter().all(|bound| bound.bound().is_exact)
    }

    /// Whether the numbers are of a size that keys tell apart.
    pub fn is_moderate(&self) -> bool {
        let is_moderate = |bound: &&Decimal| bound.parts().1.abs() <= SEARCH_EXPONENT_MAX;
        self.bounds().iter().all(is_moderate)
    }

    fn bounds(&self) -> [&Decimal; 2] {
        let number = &self.number;
        match self.prefix {
            Prefix::Eq | Prefix::Ne => [&number.low, &number.high],
            Prefix::Ap => [&number.near_low, &number.near_high],
            _ => [&number.exact, &number.exact],
        }
    }

    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber) -> Predicate {
        self.lower_below(&Key::new(parameter), &Key::second(parameter))
    }

    /// The condition on keys that begin with one of these: points with the one, intervals with the
    /// other.
    pub fn lower_below(&self, point_base: &Key, interval_base: &Key) -> Predicate {
        let [low, high] = self.bounds();
        let mut any = self.lower_points(&Ranges { base: point_base }, low, high);
        let ranges = Ranges {
            base: interval_base,
        };
        any.extend(self.lower_intervals(&ranges, low, high));
        Predicate::Or(any)
    }

    fn lower_points(&self, ranges: &Ranges, low: &Decimal, high: &Decimal) -> Vec<Predicate> {
        match self.prefix {
            Prefix::Eq => vec![ranges.between(Some(at(low)), Some(below(high)))],
            Prefix::Ne => vec![
                ranges.between(None, Some(below(low))),
                ranges.between(Some(at(high)), None),
            ],
            Prefix::Gt | Prefix::Sa => vec![ranges.between(Some(above(low)), None)],
            Prefix::Ge => vec![ranges.between(Some(at(low)), None)],
            Prefix::Lt | Prefix::Eb => vec![ranges.between(None, Some(below(high)))],
            Prefix::Le => vec![ranges.between(None, Some(up_to(high)))],
            Prefix::Ap => vec![ranges.between(Some(at(low)), Some(up_to(high)))],
        }
    }

    /// Intervals by their lower end, with the condition on the upper end in the tail.
    fn lower_intervals(&self, ranges: &Ranges, low: &Decimal, high: &Decimal) -> Vec<Predicate> {
        match self.prefix {
            Prefix::Eq => {
                vec![ranges.ending(Some(at(low)), Some(below(high)), None, Some(below(high)))]
            }
            Prefix::Ne => vec![
                ranges.between(None, Some(below(low))),
                ranges.ending(None, None, Some(at(high)), None),
            ],
            Prefix::Gt => vec![ranges.ending(None, None, Some(above(low)), None)],
            Prefix::Ge => vec![ranges.ending(None, None, Some(at(low)), None)],
            Prefix::Lt => vec![ranges.between(None, Some(below(high)))],
            Prefix::Le => vec![ranges.between(None, Some(up_to(high)))],
            Prefix::Sa => vec![ranges.between(Some(above(low)), None)],
            Prefix::Eb => vec![ranges.ending(None, Some(below(high)), None, Some(below(high)))],
            Prefix::Ap => {
                vec![ranges.ending(None, Some(up_to(high)), Some(at(low)), None)]
            }
        }
    }
}

type Ordered = [u8; ORDERED_BYTES];

/// The first bytes of numbers from a bound on.
fn at(bound: &Decimal) -> Ordered {
    bound.ordered()
}

/// The first bytes of numbers above a bound; of a longer bound also what may be above it.
fn above(bound: &Decimal) -> Ordered {
    let ordered = bound.bound();
    if ordered.is_exact {
        next(ordered.bytes)
    } else {
        ordered.bytes
    }
}

/// The first bytes behind numbers below a bound; of a longer bound also what may be below it.
fn below(bound: &Decimal) -> Ordered {
    let ordered = bound.bound();
    if ordered.is_exact {
        ordered.bytes
    } else {
        next(ordered.bytes)
    }
}

/// Bytes between a number and everything below it.
fn just_below(number: &Decimal) -> Ordered {
    let ordered = number.bound();
    if ordered.is_exact {
        previous(ordered.bytes)
    } else {
        ordered.bytes
    }
}

/// The first bytes behind numbers up to a bound.
fn up_to(bound: &Decimal) -> Ordered {
    next(bound.ordered())
}

fn next(mut bytes: Ordered) -> Ordered {
    for byte in bytes.iter_mut().rev() {
        let (sum, carries) = byte.overflowing_add(1);
        *byte = sum;
        if !carries {
            return bytes;
        }
    }
    [u8::MAX; ORDERED_BYTES]
}

fn previous(mut bytes: Ordered) -> Ordered {
    for byte in bytes.iter_mut().rev() {
        let (rest, borrows) = byte.overflowing_sub(1);
        *byte = rest;
        if !borrows {
            return bytes;
        }
    }
    [0; ORDERED_BYTES]
}

/// Ranges on the ordered bytes behind a beginning.
struct Ranges<'a> {
    base: &'a Key,
}

impl Ranges<'_> {
    fn between(&self, low: Option<Ordered>, high: Option<Ordered>) -> Predicate {
        self.ending(low, high, None, None)
    }

    /// First bytes in `low..high`, second bytes in `end_low..end_high`.
    fn ending(
        &self,
        low: Option<Ordered>,
        high: Option<Ordered>,
        end_low: Option<Ordered>,
        end_high: Option<Ordered>,
    ) -> Predicate {
        let mut range = KeyRange::prefix(self.base.clone());
        if let Some(low) = low {
            range.low = self.base.clone().with(&low);
        }
        if let Some(high) = high {
            range.high = self.base.clone().with(&high);
        }
        if end_low.is_some() || end_high.is_some() {
            range.tail = Some(Tail {
                offset: self.base.as_bytes().len() + ORDERED_BYTES,
                low: end_low.map(Vec::from).unwrap_or_default(),
                high: end_high.map(Vec::from).unwrap_or_default(),
            });
        }
        Predicate::Range(range)
    }
}
