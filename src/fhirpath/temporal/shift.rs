//! Adding durations to dates and times.
//!
//! A value keeps its precision: what is finer than that counts by whole units only, a year as 365
//! days and a month as 30. Spec: <http://hl7.org/fhirpath/N1/#datetime-arithmetic>.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use time::{Date, Duration, Month};

use crate::fhirpath::temporal::{Fields, Temporal, TemporalKind};

const MILLIS_PER_SECOND: i64 = 1000;
const MILLIS_PER_MINUTE: i64 = 60 * MILLIS_PER_SECOND;
const MILLIS_PER_HOUR: i64 = 60 * MILLIS_PER_MINUTE;
const MILLIS_PER_DAY: i64 = 24 * MILLIS_PER_HOUR;

/// The length of a unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Calendar months, which have no fixed length.
    Months(i64),
    /// Milliseconds.
    Millis(i64),
}

impl Temporal {
    /// This value later by `amount` units; `None` when the result is no date, or a time of day is
    /// moved by days.
    pub fn plus(&self, amount: Decimal, unit: Unit) -> Option<Self> {
        let is_finest = matches!(unit, Unit::Millis(size) if size <= MILLIS_PER_SECOND);
        // Only seconds may have a fraction.
        let amount = if is_finest { amount } else { amount.trunc() };
        match (self.kind, unit) {
            (TemporalKind::Time, Unit::Months(_)) => None,
            (TemporalKind::Time, Unit::Millis(size)) if size >= MILLIS_PER_DAY => None,
            (TemporalKind::Time, Unit::Millis(size)) => self.time_plus(millis(amount, size)?),
            (_, Unit::Months(size)) => self.plus_months(amount.to_i64()?.checked_mul(size)?),
            (_, Unit::Millis(size)) => self.plus_millis(millis(amount, size)?),
        }
    }

    fn plus_months(&self, months: i64) -> Option<Self> {
        // A bare year moves by whole years.
        let months = if self.precision == 1 {
            months - months % 12
        } else {
            months
        };
        let fields = self.fields;
        let since_zero = i64::from(fields.year)
            .checked_mul(12)?
            .checked_add(i64::from(fields.month) - 1)?
            .checked_add(months)?;
        let year = i32::try_from(since_zero.div_euclid(12)).ok()?;
        let number = u8::try_from(since_zero.rem_euclid(12) + 1).ok()?;
        let month = Month::try_from(number).ok()?;
        if !(1..=9999).contains(&year) {
            return None;
        }
        Some(Self {
            fields: Fields {
                year,
                month: number,
                day: fields.day.min(month.length(year)),
                ..fields
            },
            ..*self
        })
    }

    fn plus_millis(&self, millis: i64) -> Option<Self> {
        match self.precision {
            1 => self.plus_months(millis / (365 * MILLIS_PER_DAY) * 12),
            2 => self.plus_months(millis / (30 * MILLIS_PER_DAY)),
            3 => self.plus_days(millis / MILLIS_PER_DAY),
            _ => {
                let total = self.millis_of_day().checked_add(millis)?;
                let moved = self.at_millis_of_day(total.rem_euclid(MILLIS_PER_DAY))?;
                moved.plus_days(total.div_euclid(MILLIS_PER_DAY))
            }
        }
    }

    fn time_plus(&self, millis: i64) -> Option<Self> {
        let total = self.millis_of_day().checked_add(millis)?;
        self.at_millis_of_day(total.rem_euclid(MILLIS_PER_DAY))
    }

    fn plus_days(&self, days: i64) -> Option<Self> {
        let date: Date = self.fields.date()?;
        let hours = days.checked_mul(24).filter(|hours| hours.abs() < 1 << 40)?;
        let moved = date.checked_add(Duration::hours(hours))?;
        if !(1..=9999).contains(&moved.year()) {
            return None;
        }
        Some(Self {
            fields: Fields {
                year: moved.year(),
                month: moved.month().into(),
                day: moved.day(),
                ..self.fields
            },
            ..*self
        })
    }

    fn millis_of_day(&self) -> i64 {
        i64::from(self.fields.hour) * MILLIS_PER_HOUR
            + i64::from(self.fields.minute) * MILLIS_PER_MINUTE
            + i64::from(self.fields.second) * MILLIS_PER_SECOND
            + i64::from(self.fields.millisecond)
    }

    fn at_millis_of_day(&self, millis: i64) -> Option<Self> {
        let part = |value: i64| u8::try_from(value).ok();
        Some(Self {
            fields: Fields {
                hour: part(millis / MILLIS_PER_HOUR)?,
                minute: part(millis / MILLIS_PER_MINUTE % 60)?,
                second: part(millis / MILLIS_PER_SECOND % 60)?,
                millisecond: u16::try_from(millis % MILLIS_PER_SECOND).ok()?,
                ..self.fields
            },
            ..*self
        })
    }
}

/// A unit by its calendar name, or by its UCUM code where that means the same length.
pub fn unit_called(unit: &str) -> Option<Unit> {
    Some(match unit {
        "year" => Unit::Months(12),
        "month" => Unit::Months(1),
        "week" | "wk" => Unit::Millis(7 * MILLIS_PER_DAY),
        "day" | "d" => Unit::Millis(MILLIS_PER_DAY),
        "hour" | "h" => Unit::Millis(MILLIS_PER_HOUR),
        "minute" | "min" => Unit::Millis(MILLIS_PER_MINUTE),
        "second" | "s" => Unit::Millis(MILLIS_PER_SECOND),
        "millisecond" | "ms" => Unit::Millis(1),
        _ => return None,
    })
}

fn millis(amount: Decimal, size: i64) -> Option<i64> {
    amount.checked_mul(Decimal::from(size))?.trunc().to_i64()
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::unit_called;
    use crate::fhirpath::temporal::Temporal;

    fn plus(text: &str, amount: &str, unit: &str) -> Option<String> {
        let amount = Decimal::from_str_exact(amount).unwrap();
        let moved = Temporal::parse_literal(text)
            .unwrap()
            .plus(amount, unit_called(unit)?)?;
        Some(moved.to_string())
    }

    #[test]
    fn precision_stays() {
        let plus = |text, amount, unit| plus(text, amount, unit).unwrap();
        assert_eq!(plus("2026-01-31", "1", "month"), "2026-02-28");
        assert_eq!(plus("2024-02-29", "-1", "year"), "2023-02-28");
        assert_eq!(plus("2026", "23", "month"), "2027");
        assert_eq!(plus("2026-11", "61", "day"), "2027-01");
        assert_eq!(plus("2026-12-31", "25.9", "hour"), "2027-01-01");
        assert_eq!(
            plus("2026-12-31T23:59:59.5Z", "0.5", "second"),
            "2027-01-01T00:00:00.000Z"
        );
        assert_eq!(plus("2026-11-22T10", "90", "minute"), "2026-11-22T11");
        assert_eq!(plus("T23:30", "45", "minute"), "00:15");
    }

    #[test]
    fn what_leads_nowhere_is_none() {
        assert_eq!(plus("9999-12-31", "1", "day"), None);
        assert_eq!(plus("2026", "99999999999999999999", "year"), None);
        assert_eq!(plus("2026-01-01", "99999999999999", "day"), None);
        assert_eq!(plus("T10:00", "1", "day"), None);
    }

    #[test]
    fn years_and_months_of_ucum_are_of_another_length() {
        for unit in ["a", "mo", "fortnight", ""] {
            assert_eq!(unit_called(unit), None, "{unit}");
        }
    }
}
