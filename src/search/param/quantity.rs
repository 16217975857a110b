//! Quantity parameters: numbers with a unit.
//!
//! Keys: parameter, hash of what is asked about the unit, nine ordered bytes of the number. A value
//! has a key for each question: no unit asked, system and code, code or unit alone.
//! Money is a quantity in a currency; sampled data is the interval from its lowest to its highest
//! point. Codes of UCUM are converted to its base units, in the keys and in comparing; others are
//! compared as written.
//! Spec: <https://hl7.org/fhir/R4/search.html#quantity>.

use std::sync::Arc;

use rust_decimal::Decimal as Fixed;
use smallvec::SmallVec;

use crate::fhir::resource::{Node, Object};
use crate::seal::blind::Domain;
use crate::search::decimal::Decimal;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::number::{self, End, NumberCondition, Span};
use crate::search::param::{DataType, Found, KeyWriter};
use crate::search::plan::{KeyRange, Predicate};
use crate::search::unit::{UCUM, Unit};

/// The system of currencies.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

/// Stands where no unit is asked.
const ANY_UNIT: [u8; 8] = [0; 8];

/// Between system and code in what is hashed; neither holds it.
const SEPARATOR: char = '\u{1f}';

/// Points of sampled data that are looked at.
const SAMPLES_MAX: usize = 100_000;

/// What is asked about the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitCondition {
    /// Nothing.
    Any,
    /// The code of a system.
    Coded {
        /// The system.
        system: String,
        /// The code.
        code: String,
        /// What it stands for, if it is one of UCUM's.
        unit: Option<Arc<Unit>>,
    },
    /// The code or the unit as people read it.
    Named(String),
}

/// What a quantity value asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantityCondition {
    /// About the number.
    pub number: NumberCondition,
    /// About the unit.
    pub unit: UnitCondition,
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    let Some(stored) = Stored::read(value) else {
        return;
    };
    let bases = |hash: [u8; 8]| bases(writer.parameter, hash);
    let mut all: SmallVec<[(Key, Key); 4]> = SmallVec::new();
    all.push(bases(ANY_UNIT));
    if let Some(unit) = &stored.ucum() {
        let hash = dimension_hash("", unit, writer.hasher);
        number::span_keys(&stored.span.in_base(unit), &[bases(hash)], writer.keys);
    } else if let (Some(system), Some(code)) = (stored.system, stored.code) {
        all.push(bases(coded_hash(system, code, writer.hasher)));
    }
    if let Some(code) = stored.code {
        all.push(bases(named_hash(code, writer.hasher)));
    }
    if let Some(unit) = stored.unit.filter(|unit| Some(*unit) != stored.code) {
        all.push(bases(named_hash(unit, writer.hasher)));
    }
    number::span_keys(&stored.span, &all, writer.keys);
}

/// Writes the keys of a value behind a tag that the search has to name as well: without a unit, and
/// in base units.
pub fn index_tagged(value: &Found<'_>, tag: &str, writer: &mut KeyWriter<'_, '_>) {
    let Some(stored) = Stored::read(value) else {
        return;
    };
    let any = bases(writer.parameter, writer.hasher.hash8(Domain::CodePair, tag));
    number::span_keys(&stored.span, &[any], writer.keys);
    if let Some(unit) = &stored.ucum() {
        let hash = dimension_hash(tag, unit, writer.hasher);
        let base = bases(writer.parameter, hash);
        number::span_keys(&stored.span.in_base(unit), &[base], writer.keys);
    }
}

/// What the keys of points and of intervals begin with.
fn bases(parameter: ParameterNumber, hash: [u8; 8]) -> (Key, Key) {
    let point = Key::new(parameter).with(&hash);
    (point, Key::second(parameter).with(&hash))
}

/// Reads `number`, `number|system|code` or `number||code`, with an optional prefix.
pub fn parse(text: &str) -> Result<QuantityCondition, String> {
    let parts = escape::split(text, '|');
    let plain = |part: &str| escape::unescape(part).into_owned();
    let (number_text, unit) = match parts.as_slice() {
        [number] | [number, "", ""] => (*number, UnitCondition::Any),
        [number, "", code] => (*number, UnitCondition::Named(plain(code))),
        [number, system, code] if !code.is_empty() => (*number, coded(plain(system), plain(code))),
        _ => return Err("a quantity is number, number|system|code or number||code".into()),
    };
    let number = number::parse(number_text)?;
    Ok(QuantityCondition { number, unit })
}

fn coded(system: String, code: String) -> UnitCondition {
    let unit = (system == UCUM).then(|| Unit::of(&code)).flatten();
    UnitCondition::Coded { system, code, unit }
}

impl QuantityCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        let hash = match &self.unit {
            UnitCondition::Any => ANY_UNIT,
            UnitCondition::Coded {
                unit: Some(unit), ..
            } => {
                return self.lower_in_base(unit, dimension_hash("", unit, hasher), parameter);
            }
            UnitCondition::Coded { system, code, .. } => coded_hash(system, code, hasher),
            UnitCondition::Named(name) => named_hash(name, hasher),
        };
        let (point, interval) = bases(parameter, hash);
        self.number.lower_below(&point, &interval)
    }

    /// The condition on keys behind a tag.
    pub fn lower_tagged(
        &self,
        tag: &str,
        parameter: ParameterNumber,
        hasher: &mut Hasher<'_>,
    ) -> Predicate {
        if let UnitCondition::Coded {
            unit: Some(unit), ..
        } = &self.unit
        {
            return self.lower_in_base(unit, dimension_hash(tag, unit, hasher), parameter);
        }
        let (point, interval) = bases(parameter, hasher.hash8(Domain::CodePair, tag));
        self.number.lower_below(&point, &interval)
    }

    fn lower_in_base(&self, unit: &Unit, hash: [u8; 8], parameter: ParameterNumber) -> Predicate {
        let (point, interval) = bases(parameter, hash);
        let number = self.in_base(unit);
        if number.is_moderate() {
            return number.lower_below(&point, &interval);
        }
        // Keys do not tell such numbers apart.
        let all = [point, interval].map(|base| Predicate::Range(KeyRange::prefix(base)));
        Predicate::Or(all.to_vec())
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        match &self.unit {
            UnitCondition::Coded {
                unit: Some(unit), ..
            } => {
                let number = self.in_base(unit);
                number.is_exact() && number.is_moderate()
            }
            _ => self.number.is_exact(),
        }
    }

    /// The condition on the number in base units.
    fn in_base(&self, unit: &Unit) -> NumberCondition {
        NumberCondition {
            prefix: self.number.prefix,
            number: self.number.number.map(&|number| unit.to_base(number)),
        }
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        let Some(stored) = Stored::read(value) else {
            return false;
        };
        let has_unit = match &self.unit {
            UnitCondition::Any => true,
            UnitCondition::Coded {
                unit: Some(wanted), ..
            } => return self.matches_converted(wanted, &stored),
            UnitCondition::Coded { system, code, .. } => {
                stored.system == Some(system) && stored.code == Some(code)
            }
            UnitCondition::Named(name) => stored.code == Some(name) || stored.unit == Some(name),
        };
        has_unit && self.number.holds(&stored.span)
    }

    fn matches_converted(&self, wanted: &Unit, stored: &Stored<'_>) -> bool {
        let Some(unit) = stored.ucum() else {
            return false;
        };
        let number = self
            .number
            .number
            .map(&|number| wanted.beside(&unit, number));
        let scaled = NumberCondition {
            prefix: self.number.prefix,
            number,
        };
        let span = stored.span.map(&|number| unit.beside(wanted, number));
        unit.dimension == wanted.dimension && scaled.holds(&span)
    }
}

/// The hash of a tag and what a unit measures.
fn dimension_hash(tag: &str, unit: &Unit, hasher: &mut Hasher<'_>) -> [u8; 8] {
    if tag.is_empty() {
        return hasher.hash8(Domain::Unit, &unit.dimension);
    }
    let mut text = compact_str::CompactString::new(tag);
    text.push_str(&unit.dimension);
    hasher.hash8(Domain::Unit, &text)
}

fn coded_hash(system: &str, code: &str, hasher: &mut Hasher<'_>) -> [u8; 8] {
    let mut text = compact_str::CompactString::new(system);
    text.push(SEPARATOR);
    text.push_str(code);
    hasher.hash8(Domain::Unit, &text)
}

fn named_hash(name: &str, hasher: &mut Hasher<'_>) -> [u8; 8] {
    hasher.hash8(Domain::Unit, name)
}

/// A stored value, whatever its type, as numbers and unit.
struct Stored<'a> {
    span: Span,
    system: Option<&'a str>,
    code: Option<&'a str>,
    unit: Option<&'a str>,
}

impl<'a> Stored<'a> {
    /// What its code stands for, if it is one of UCUM's.
    fn ucum(&self) -> Option<Arc<Unit>> {
        self.code
            .filter(|_| self.system == Some(UCUM))
            .and_then(Unit::of)
    }

    fn read(value: &Found<'a>) -> Option<Self> {
        let Some(object) = value.object() else {
            return match value.node {
                Node::Number(text) => Some(Self::bare(Span::point(Decimal::parse(text)?))),
                _ => None,
            };
        };
        match value.data_type {
            DataType::Money => Some(Self {
                system: Some(CURRENCIES),
                code: object.get_str("currency"),
                unit: None,
                span: Span::point(decimal(object, "value")?),
            }),
            DataType::Range => {
                let end = object.get("low").or_else(|| object.get("high"))?;
                Some(Self::with_unit(number::of_range(object)?, end.as_object()?))
            }
            DataType::SampledData => {
                let origin = object.get("origin")?.as_object()?;
                Some(Self::with_unit(of_samples(object, origin)?, origin))
            }
            DataType::Quantity => Some(Self::with_unit(of_quantity(object)?, object)),
            _ => None,
        }
    }

    fn bare(span: Span) -> Self {
        Self {
            span,
            system: None,
            code: None,
            unit: None,
        }
    }

    fn with_unit(span: Span, quantity: &'a Object) -> Self {
        Self {
            span,
            system: quantity.get_str("system"),
            code: quantity.get_str("code"),
            unit: quantity.get_str("unit"),
        }
    }
}

fn decimal(object: &Object, member: &str) -> Option<Decimal> {
    match object.get(member) {
        Some(Node::Number(text)) => Decimal::parse(text),
        _ => None,
    }
}

/// A quantity's number; with a comparator it is all that the number may be.
fn of_quantity(quantity: &Object) -> Option<Span> {
    let number = decimal(quantity, "value")?;
    let (low, high) = match quantity.get_str("comparator") {
        Some("<") => (End::Open, End::Beside(number)),
        Some("<=") => (End::Open, End::At(number)),
        Some(">") => (End::Beside(number), End::Open),
        Some(">=") => (End::At(number), End::Open),
        _ => return Some(Span::point(number)),
    };
    Some(Span { low, high })
}

/// From the lowest to the highest point; `L` and `U` stand for the limits of the device.
fn of_samples(series: &Object, origin: &Object) -> Option<Span> {
    let fixed = |object: &Object, member| match object.get(member) {
        Some(Node::Number(text)) => text.parse::<Fixed>().ok(),
        _ => None,
    };
    let zero = fixed(origin, "value")?;
    let factor = fixed(series, "factor").unwrap_or(Fixed::ONE);
    let (lower, upper) = (fixed(series, "lowerLimit"), fixed(series, "upperLimit"));
    let samples = series.get_str("data")?.split_whitespace();
    let points = samples.take(SAMPLES_MAX).filter_map(|sample| match sample {
        "E" => None,
        "L" => lower,
        "U" => upper,
        number => number.parse::<Fixed>().ok(),
    });
    let values = points.filter_map(|point| point.checked_mul(factor)?.checked_add(zero));
    let (low, high) = values.fold(None, |ends: Option<(Fixed, Fixed)>, value| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })?;
    let end = |value: Fixed| Decimal::parse(&value.to_string()).map_or(End::Open, End::At);
    Some(Span {
        low: end(low),
        high: end(high),
    })
}
