//! Exact decimals: compared digit by digit, and as nine bytes whose order is the numeric order.
//!
//! Nothing here is a float: what a resource says in 23 digits is compared in 23 digits.
//! Arithmetic is only what implicit precision needs. Layout of the bytes: `docs/storage.md`.
//! Spec: <https://hl7.org/fhir/R4/search.html#number>.

use std::cmp::Ordering;

use smallvec::SmallVec;

/// Bytes of an ordered number.
pub const ORDERED_BYTES: usize = 9;

/// Significant digits that an ordered number keeps; of further ones it only knows that they exist.
pub const ORDERED_DIGITS: usize = 16;

/// Significant digits a searched number may have.
pub const SEARCH_DIGITS_MAX: usize = 28;

/// Searched numbers are below ten to this power, and zero or above ten to its negative.
pub const SEARCH_EXPONENT_MAX: i32 = 50;

/// Digits of a quotient: more than an ordered number keeps.
const QUOTIENT_DIGITS: usize = 28;

/// Exponents that an ordered number tells apart are from minus this to this, minus one.
const EXPONENT_BIAS: i32 = 63;

/// First byte of zero; positive numbers are above, negative ones below.
const ZERO: u8 = 0x80;

/// A decimal number of any length: `0.digits * 10^exponent`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decimal {
    is_negative: bool,
    exponent: i32,
    /// Without leading and trailing zeros, each 0 to 9; empty for zero.
    digits: SmallVec<[u8; 24]>,
}

/// A bound of a search in its stored form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderedBound {
    /// The nine bytes.
    pub bytes: [u8; ORDERED_BYTES],
    /// Whether comparing with them is comparing with the number itself.
    pub is_exact: bool,
}

impl Decimal {
    /// Reads a number as JSON and XML write it; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let written = Written::read(text)?;
        let mut digits: SmallVec<[u8; 24]> = SmallVec::new();
        let mut exponent = written.exponent;
        let mut leading = true;
        for digit in written.whole.bytes().map(|b| b - b'0') {
            leading &= digit == 0;
            if !leading {
                digits.push(digit);
                exponent = exponent.saturating_add(1);
            }
        }
        for digit in written.fraction.bytes().map(|b| b - b'0') {
            leading &= digit == 0;
            if leading {
                exponent = exponent.saturating_sub(1);
            } else {
                digits.push(digit);
            }
        }
        Some(Self::normal(written.is_negative, exponent, digits))
    }

    /// `mantissa * 10^scale`.
    pub fn from_parts(mantissa: i128, scale: i32) -> Self {
        let mut rest = mantissa.unsigned_abs();
        let mut digits: SmallVec<[u8; 24]> = SmallVec::new();
        while rest > 0 {
            digits.push(u8::try_from(rest % 10).unwrap_or(0));
            rest /= 10;
        }
        digits.reverse();
        let exponent = scale.saturating_add(i32::try_from(digits.len()).unwrap_or(i32::MAX));
        Self::normal(mantissa < 0, exponent, digits)
    }

    fn normal(is_negative: bool, exponent: i32, mut digits: SmallVec<[u8; 24]>) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Self::default();
        }
        Self {
            is_negative,
            exponent,
            digits,
        }
    }

    /// The product, exactly.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        let count = self.digits.len() + other.digits.len();
        let mut sums: SmallVec<[u32; 48]> = SmallVec::from_elem(0, count);
        for (row, one) in self.digits.iter().enumerate() {
            for (column, two) in other.digits.iter().enumerate() {
                if let Some(sum) = sums.get_mut(row + column + 1) {
                    *sum += u32::from(*one) * u32::from(*two);
                }
            }
        }
        let mut carry = 0;
        for sum in sums.iter_mut().rev() {
            *sum += carry;
            carry = *sum / 10;
            *sum %= 10;
        }
        let digits = sums.iter().map(|sum| u8::try_from(*sum).unwrap_or(0));
        let exponent = self.exponent.saturating_add(other.exponent);
        Self::shifted(
            self.is_negative != other.is_negative,
            exponent,
            digits.collect(),
        )
    }

    /// The quotient by a whole number above zero, cut off behind `QUOTIENT_DIGITS`; a quotient
    /// that goes on has one more digit, so that it never seems to end.
    #[must_use]
    pub fn over(&self, divisor: u64) -> Self {
        let divisor = u128::from(divisor.max(1));
        let mut digits: SmallVec<[u8; 24]> = SmallVec::new();
        let mut rest: u128 = 0;
        let mut given = self.digits.iter();
        let mut significant = 0;
        let mut place = 0;
        while significant < QUOTIENT_DIGITS && (place < self.digits.len() || rest > 0) {
            rest = rest * 10 + u128::from(given.next().copied().unwrap_or(0));
            let digit = u8::try_from(rest / divisor).unwrap_or(9);
            rest %= divisor;
            digits.push(digit);
            significant += usize::from(significant > 0 || digit > 0);
            place += 1;
        }
        if rest > 0 || given.next().is_some() {
            digits.push(1);
        }
        Self::shifted(self.is_negative, self.exponent, digits)
    }

    /// `0.digits * 10^exponent`, whose first digits may be zeros.
    fn shifted(is_negative: bool, exponent: i32, mut digits: SmallVec<[u8; 24]>) -> Self {
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        let exponent = exponent.saturating_sub(i32::try_from(zeros).unwrap_or(i32::MAX));
        Self::normal(is_negative, exponent, digits)
    }

    /// The number as a text that only it has.
    pub fn form(&self) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let digits = self.digits.iter().map(|digit| char::from(b'0' + digit));
        format!("{sign}0.{}e{}", digits.collect::<String>(), self.exponent)
    }

    /// The digits, without zeros in front and behind, each 0 to 9, and the exponent of the point
    /// before the first of them.
    pub fn parts(&self) -> (&[u8], i32) {
        (&self.digits, self.exponent)
    }

    /// The stored form.
    pub fn ordered(&self) -> [u8; ORDERED_BYTES] {
        if self.digits.is_empty() {
            return [ZERO, 0, 0, 0, 0, 0, 0, 0, 0];
        }
        let mut bytes = [0; ORDERED_BYTES];
        if self.exponent >= EXPONENT_BIAS {
            bytes = [u8::MAX; ORDERED_BYTES];
        } else if self.exponent < -EXPONENT_BIAS {
            // Too small to be told from its like, yet above zero and below everything else.
            bytes = [ZERO, 0, 0, 0, 0, 0, 0, 0, 1];
        } else {
            let exponent = u8::try_from(self.exponent + EXPONENT_BIAS).unwrap_or(0);
            let mut mantissa: u64 = 0;
            for place in 0..ORDERED_DIGITS {
                mantissa = mantissa * 10 + u64::from(self.digits.get(place).copied().unwrap_or(0));
            }
            let sticky = u8::from(self.digits.len() > ORDERED_DIGITS);
            let whole = [ZERO + 1 + exponent]
                .into_iter()
                .chain(mantissa.to_be_bytes().into_iter().skip(1))
                .chain([sticky]);
            for (to, from) in bytes.iter_mut().zip(whole) {
                *to = from;
            }
        }
        if self.is_negative {
            bytes = bytes.map(|byte| !byte);
        }
        bytes
    }

    /// The stored form of a bound, and whether it is the number itself.
    pub fn bound(&self) -> OrderedBound {
        OrderedBound {
            bytes: self.ordered(),
            is_exact: self.digits.len() <= ORDERED_DIGITS,
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_size = || {
            self.exponent
                .cmp(&other.exponent)
                .then_with(|| self.digits.cmp(&other.digits))
        };
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => by_size(),
            _ => by_size().reverse(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A number as a client searches for it, with what its notation implies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchNumber {
    /// The number itself.
    pub exact: Decimal,
    /// The smallest number that rounds to it: `99.5` for `100`.
    pub low: Decimal,
    /// The first number above `low` that no longer does: `100.5` for `100`.
    pub high: Decimal,
    /// A tenth below the number, and never above `low`.
    pub near_low: Decimal,
    /// A tenth above the number, and never below `high`.
    pub near_high: Decimal,
}

impl SearchNumber {
    /// Reads a searched number; `None` when it is none, or over [`SEARCH_DIGITS_MAX`] or
    /// [`SEARCH_EXPONENT_MAX`].
    pub fn parse(text: &str) -> Option<Self> {
        let written = Written::read(text)?;
        let mut mantissa: i128 = 0;
        let mut scale = written.exponent;
        let all = written.whole.bytes().chain(written.fraction.bytes());
        for digit in all.map(|b| i128::from(b - b'0')) {
            mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
        }
        scale = scale.checked_sub(i32::try_from(written.fraction.len()).ok()?)?;
        // `1e2` means 95 to 105 by the specification's own table: as if it were `1.0e2`.
        if written.has_exponent && written.fraction.is_empty() {
            mantissa = mantissa.checked_mul(10)?;
            scale = scale.checked_sub(1)?;
        }
        let exact = Decimal::from_parts(
            if written.is_negative {
                -mantissa
            } else {
                mantissa
            },
            scale,
        );
        let size = if mantissa == 0 {
            scale
        } else {
            exact.exponent - 1
        };
        if exact.digits.len() > SEARCH_DIGITS_MAX || size.abs() > SEARCH_EXPONENT_MAX {
            return None;
        }
        // One more place behind the point holds the halves and the tenths.
        let fine = mantissa.checked_mul(10)?;
        let fine = if written.is_negative { -fine } else { fine };
        let tenth = mantissa.max(5);
        let fine_scale = scale.checked_sub(1)?;
        let at = |offset: i128| {
            let moved = fine.checked_add(offset)?;
            Some(Decimal::from_parts(moved, fine_scale))
        };
        Some(Self {
            exact,
            low: at(-5)?,
            high: at(5)?,
            near_low: at(-tenth)?,
            near_high: at(tenth)?,
        })
    }
}

impl SearchNumber {
    /// The same search with every number changed in the same way, which keeps their order.
    #[must_use]
    pub fn map(&self, change: &dyn Fn(&Decimal) -> Decimal) -> Self {
        Self {
            exact: change(&self.exact),
            low: change(&self.low),
            high: change(&self.high),
            near_low: change(&self.near_low),
            near_high: change(&self.near_high),
        }
    }
}

/// The parts of a written number.
struct Written<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
    has_exponent: bool,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent_text) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        if !is_digits(whole) {
            return None;
        }
        let exponent = match exponent_text {
            None => 0,
            Some(digits) if is_digits(digits.strip_prefix(['-', '+']).unwrap_or(digits)) => {
                // Beyond four digits the sign is all that matters: the number saturates anyway.
                let limit = if digits.starts_with('-') { -9999 } else { 9999 };
                digits
                    .parse::<i32>()
                    .map_or(limit, |n| n.clamp(-9999, 9999))
            }
            Some(_) => return None,
        };
        Some(Self {
            is_negative,
            whole,
            fraction,
            exponent,
            has_exponent: exponent_text.is_some(),
        })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Decimal, SearchNumber};

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn order_is_numeric_for_any_notation() {
        let rising = [
            "-1e80",
            "-1e40",
            "-123456789012345678.5",
            "-123456789012345678",
            "-10",
            "-9.99",
            "-1e-40",
            "-1e-90",
            "0",
            "1e-90",
            "1e-40",
            "0.001",
            "0.1",
            "1",
            "1.00000000000000000001",
            "9.99",
            "10",
            "123456789012345678",
            "1e40",
            "1e80",
        ];
        for pair in rising.windows(2) {
            assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
            assert!(
                decimal(pair[0]).ordered() <= decimal(pair[1]).ordered(),
                "{pair:?}"
            );
        }
        for same in [
            "5.40",
            "0.540e1",
            "54e-1",
            "05.4",
            "5.400000000000000000000000",
        ] {
            assert_eq!(decimal(same), decimal("5.4"));
            assert_eq!(decimal(same).ordered(), decimal("5.4").ordered());
        }
        assert_eq!(decimal("-0.0"), decimal("0"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in [
            "", "-", ".5", "5.", "1e", "1e+", "0x1", "1 ", "NaN", "1,5", "--1",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
            assert_eq!(SearchNumber::parse(bad), None, "{bad}");
        }
        assert!(SearchNumber::parse("1e51").is_none());
        assert!(SearchNumber::parse("1e-60").is_none());
        assert!(SearchNumber::parse("12345678901234567890123456789").is_none());
        assert!(SearchNumber::parse("1e99999999999").is_none());
        let at_the_edge = "16000000000000000000000000000000000000";
        assert!(SearchNumber::parse(at_the_edge).is_none());
        assert!(SearchNumber::parse(&format!("-{at_the_edge}")).is_none());
    }

    #[test]
    fn notation_implies_precision() {
        for (text, low, high) in [
            ("100", "99.5", "100.5"),
            ("100.00", "99.995", "100.005"),
            ("1e2", "95", "105"),
            ("1.00e2", "99.5", "100.5"),
            ("-5.4", "-5.45", "-5.35"),
            ("0", "-0.5", "0.5"),
        ] {
            let number = SearchNumber::parse(text).unwrap();
            assert_eq!(number.low, decimal(low), "{text}");
            assert_eq!(number.high, decimal(high), "{text}");
        }
        let number = SearchNumber::parse("-200").unwrap();
        assert_eq!(number.near_low, decimal("-220"));
        assert_eq!(number.near_high, decimal("-180"));
        let small = SearchNumber::parse("0").unwrap();
        assert_eq!((small.near_low, small.near_high), (small.low, small.high));
    }

    fn any_number() -> impl Strategy<Value = String> {
        "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,10})?(e-?[0-9])?"
    }

    #[test]
    fn products_are_exact_and_quotients_never_seem_to_end() {
        for (one, two, product) in [
            ("5.4", "0.001", "0.0054"),
            ("-1.5", "1e10", "-15000000000"),
            ("99999999999999999999", "99", "9899999999999999999901"),
            ("0", "7", "0"),
        ] {
            assert_eq!(decimal(one).times(&decimal(two)), decimal(product));
        }
        assert_eq!(decimal("72").over(60), decimal("1.2"));
        assert_eq!(decimal("-1e-3").over(8), decimal("-0.000125"));
        assert_eq!(decimal("0").over(3), decimal("0"));
        let third = decimal("1").over(3);
        assert!(third > decimal("0.3333333333333333333333333333"));
        assert!(third < decimal("0.3333333333333333333333333334"));
        assert!(!third.bound().is_exact);
        assert_eq!(
            decimal("12345678901234567890").over(1),
            decimal("12345678901234567890")
        );
    }

    proptest! {
        #[test]
        fn multiplied_and_divided_is_the_same(
            value in "-?[0-9]{1,12}(\\.[0-9]{1,8})?",
            divisor in 1u64..1_000_000,
        ) {
            let value = decimal(&value);
            let factor = decimal(&divisor.to_string());
            prop_assert_eq!(value.times(&factor).over(divisor), value);
        }

        #[test]
        fn bytes_compare_exactly_with_short_bounds(
            value in any_number(),
            bound in "-?[0-9]{1,8}(\\.[0-9]{1,8})?",
        ) {
            let (value, bound) = (decimal(&value), decimal(&bound));
            prop_assert!(bound.bound().is_exact);
            prop_assert_eq!(value.ordered() < bound.ordered(), value < bound);
            prop_assert_eq!(value.ordered() == bound.ordered(), value == bound);
        }

        #[test]
        fn order_never_turns(a in any_number(), b in any_number()) {
            let (a, b) = (decimal(&a), decimal(&b));
            if a < b {
                prop_assert!(a.ordered() <= b.ordered());
            }
        }

        #[test]
        fn small_numbers_compare_as_integers(
            a in -9999i128..9999,
            b in -9999i128..9999,
            scale in -3i32..3,
        ) {
            let of = |n: i128| Decimal::from_parts(n, scale);
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
            prop_assert_eq!(of(a).ordered().cmp(&of(b).ordered()), a.cmp(&b));
        }
    }
}
