//! Units of UCUM by what they measure: dimension, and an exact factor to the base units.
//!
//! The factor of a unit is a decimal or the inverse of one, which covers what is measured in
//! medicine. Where it is neither (`[lb_av]/[in_i]2`), and where a unit has no factor (degrees,
//! logarithms, arbitrary units), the unit is compared as written.
//! Spec: <https://ucum.org/ucum>, <https://hl7.org/fhir/R4/search.html#quantity>.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use compact_str::CompactString;

use crate::search::decimal::Decimal;

/// The system of UCUM codes.
pub const UCUM: &str = "http://unitsofmeasure.org";

/// Digits behind the first one that a factor is looked at in: what a float holds for certain.
const FACTOR_PLACES: usize = 13;

/// A factor with more digits than this is no decimal, but one that was cut off.
const FACTOR_DIGITS_MAX: usize = 12;

/// Characters of the longest code that is looked at.
const CODE_BYTES_MAX: usize = 128;

/// Codes whose units a thread remembers. Records say the same few again and again.
const REMEMBERED_MAX: usize = 512;

/// Between the exponents of a dimension that is written out.
const SEPARATOR: char = '\u{1f}';

thread_local! {
    static REMEMBERED: RefCell<HashMap<CompactString, Option<Arc<Unit>>>> = RefCell::default();
}

/// What a unit measures, and how it is converted to the base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The exponents of the base units, written out behind one another.
    pub dimension: CompactString,
    times: Decimal,
    over: u64,
}

impl Unit {
    /// What a code of UCUM stands for; `None` where it has no exact factor, or is none.
    pub fn of(code: &str) -> Option<Arc<Self>> {
        if code.len() > CODE_BYTES_MAX {
            return None;
        }
        REMEMBERED.with_borrow_mut(|remembered| {
            if let Some(known) = remembered.get(code) {
                return known.clone();
            }
            let unit = Self::analyse(code).map(Arc::new);
            if unit.is_some() {
                if remembered.len() >= REMEMBERED_MAX {
                    remembered.clear();
                }
                remembered.insert(code.into(), unit.clone());
            }
            unit
        })
    }

    fn analyse(code: &str) -> Option<Self> {
        let analysis = ucum::analyze(code).ok()?;
        if analysis.is_special || analysis.factor <= 0.0 {
            return None;
        }
        let (times, over) = match short(analysis.factor) {
            Some(times) => (times, 1),
            None => inverse(analysis.factor)?,
        };
        Some(Self {
            dimension: written(analysis.dimension.0),
            times,
            over,
        })
    }

    /// The number in base units. Its order is exact; its digits may be cut off.
    pub fn to_base(&self, number: &Decimal) -> Decimal {
        let product = number.times(&self.times);
        if self.over == 1 {
            product
        } else {
            product.over(self.over)
        }
    }

    /// A number of this unit as it is compared with one of `other`, both scaled alike: exact.
    pub fn beside(&self, other: &Self, number: &Decimal) -> Decimal {
        let product = number.times(&self.times);
        if other.over == 1 {
            product
        } else {
            product.times(&Decimal::from_parts(i128::from(other.over), 0))
        }
    }
}

/// How many metres a unit of length has; `None` for everything else.
pub fn metres(code: &str) -> Option<f64> {
    if code.len() > CODE_BYTES_MAX {
        return None;
    }
    let (unit, metre) = (ucum::analyze(code).ok()?, ucum::analyze("m").ok()?);
    let is_length = !unit.is_special && unit.dimension == metre.dimension;
    (is_length && unit.factor > 0.0).then(|| unit.factor / metre.factor)
}

fn written(exponents: impl IntoIterator<Item = i8>) -> CompactString {
    let mut text = CompactString::default();
    for exponent in exponents {
        // Writing to a string does not fail.
        let _written = write!(text, "{SEPARATOR}{exponent}");
    }
    text
}

/// A factor as a decimal, when it is one.
fn short(factor: f64) -> Option<Decimal> {
    // Written out and read again: the float was made of decimals and rounded on the way.
    let decimal = Decimal::parse(&format!("{factor:.FACTOR_PLACES$e}"))?;
    let (digits, _) = decimal.parts();
    (digits.len() <= FACTOR_DIGITS_MAX).then_some(decimal)
}

/// A factor as a power of ten and what divides it, when its inverse is a decimal.
fn inverse(factor: f64) -> Option<(Decimal, u64)> {
    let decimal = short(factor.recip())?;
    let (digits, exponent) = decimal.parts();
    let over = digits
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(*digit));
    let places = i32::try_from(digits.len()).ok()?;
    Some((Decimal::from_parts(1, places - exponent), over))
}

#[cfg(test)]
mod tests {
    use super::Unit;
    use crate::search::decimal::Decimal;

    fn base(number: &str, code: &str) -> Decimal {
        Unit::of(code)
            .unwrap()
            .to_base(&Decimal::parse(number).unwrap())
    }

    #[test]
    fn the_same_amount_is_the_same_number() {
        for (one, two) in [
            (("5.4", "mg"), ("0.0054", "g")),
            (("5.4", "mg"), ("5400", "ug")),
            (("120", "mm[Hg]"), ("12", "cm[Hg]")),
            (("1", "[lb_av]"), ("453.59237", "g")),
            (("70", "kg"), ("70000000", "mg")),
            (("60", "/min"), ("1", "/s")),
            (("1", "/min"), ("60", "/h")),
            (("90", "mL/min"), ("5.4", "L/h")),
            (("7", "mmol/L"), ("0.007", "mol/L")),
            (("1", "[in_i]"), ("2.54", "cm")),
            (("24", "kg/m2"), ("2.4", "g/cm2")),
            (("1", "d"), ("1440", "min")),
            (("100", "%"), ("1", "1")),
        ] {
            assert_eq!(base(one.0, one.1), base(two.0, two.1), "{one:?} {two:?}");
            let units = (Unit::of(one.1).unwrap(), Unit::of(two.1).unwrap());
            assert_eq!(units.0.dimension, units.1.dimension);
            let scaled =
                |unit: &Unit, other, number| unit.beside(other, &Decimal::parse(number).unwrap());
            assert_eq!(
                scaled(&units.0, &units.1, one.0),
                scaled(&units.1, &units.0, two.0)
            );
        }
        assert!(base("100", "/min") > base("99.999999", "/min"));
    }

    #[test]
    fn what_has_no_exact_factor_is_none() {
        for code in [
            "Cel", "[degF]", "[iU]/L", "dB", "nothing", "", "mg//", "[pH]",
        ] {
            assert_eq!(Unit::of(code), None, "{code}");
        }
        assert!(Unit::of(&"m.".repeat(200)).is_none());
        assert_ne!(
            Unit::of("g").unwrap().dimension,
            Unit::of("m").unwrap().dimension
        );
    }
}
