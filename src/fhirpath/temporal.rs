//! Dates, dates with time and times of day as FHIRPath compares and adds them: field by field,
//! as exactly as both sides are written.
//!
//! Search has its own view of dates, intervals of milliseconds, in [`crate::fhir::date`].
//! Spec: <http://hl7.org/fhirpath/N1/#datetime-arithmetic>.

pub mod shift;

use std::cmp::Ordering;
use std::fmt;

use time::{Date, Month};

const MINUTES_PER_DAY: i64 = 24 * 60;

/// Which of the three a [`Temporal`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalKind {
    /// `2026-11`
    Date,
    /// `2026-11T`, `2026-11-22T10:00`
    DateTime,
    /// `10:00`
    Time,
}

/// A date, a date with time, or a time of day, with some of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temporal {
    /// Which of the three it is.
    pub kind: TemporalKind,
    /// Year, month, day, hour, minute, second, millisecond. What is not said stands at its least.
    fields: Fields,
    /// How many of the fields are said, counted from the year, for a time as well.
    precision: usize,
    /// The zone, when it is said.
    offset_minutes: Option<i16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fields {
    year: i32,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    millisecond: u16,
}

impl Temporal {
    /// Reads the text of a literal without its `@`: a `T` tells dates with time from dates.
    pub fn parse_literal(text: &str) -> Option<Self> {
        if let Some(clock) = text.strip_prefix('T') {
            return Self::parse_time(clock);
        }
        match text.strip_suffix('T') {
            Some(date) => Self::parse_date(date).map(|date| Self {
                kind: TemporalKind::DateTime,
                ..date
            }),
            None if text.contains('T') => Self::parse_date_time(text),
            None => Self::parse_date(text),
        }
    }

    /// Reads a `date`: a year, perhaps a month, perhaps a day.
    pub fn parse_date(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let year: i32 = number(parts.next()?, 4)?;
        let month = optional(parts.next())?;
        let day = optional(parts.next())?;
        if parts.next().is_some() || year == 0 {
            return None;
        }
        let fields = Fields {
            year,
            month: month.unwrap_or(1),
            day: day.unwrap_or(1),
            ..MIDNIGHT
        };
        fields.date()?;
        Some(Self {
            kind: TemporalKind::Date,
            fields,
            precision: 1 + usize::from(month.is_some()) + usize::from(day.is_some()),
            offset_minutes: None,
        })
    }

    /// Reads a `dateTime` or `instant`, one without a time included.
    pub fn parse_date_time(text: &str) -> Option<Self> {
        let Some((date, rest)) = text.split_once('T') else {
            return Self::parse_date(text).map(|date| Self {
                kind: TemporalKind::DateTime,
                ..date
            });
        };
        let date = Self::parse_date(date).filter(|date| date.precision == 3)?;
        let (clock, offset_minutes) = split_zone(rest)?;
        let time = Self::parse_time(clock)?;
        let Fields {
            year, month, day, ..
        } = date.fields;
        Some(Self {
            kind: TemporalKind::DateTime,
            fields: Fields {
                year,
                month,
                day,
                ..time.fields
            },
            precision: time.precision,
            offset_minutes,
        })
    }

    /// Reads a time of day: an hour, perhaps minutes, seconds, a fraction.
    pub fn parse_time(text: &str) -> Option<Self> {
        let (clock, fraction) = match text.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (text, None),
        };
        let mut parts = clock.split(':');
        let hour: u8 = number(parts.next()?, 2)?;
        let minute = optional(parts.next())?;
        let second = optional(parts.next())?;
        let in_range =
            hour < 24 && minute.is_none_or(|m: u8| m < 60) && second.is_none_or(|s: u8| s < 61);
        if parts.next().is_some() || !in_range || (fraction.is_some() && second.is_none()) {
            return None;
        }
        let millisecond = fraction.map_or(Some(0), milliseconds)?;
        Some(Self {
            kind: TemporalKind::Time,
            fields: Fields {
                hour,
                minute: minute.unwrap_or(0),
                second: second.unwrap_or(0),
                millisecond,
                ..MIDNIGHT
            },
            precision: 4
                + usize::from(minute.is_some())
                + usize::from(second.is_some())
                + usize::from(fraction.is_some()),
            offset_minutes: None,
        })
    }

    /// Which comes first; `None` when one is not written exactly enough to say, or when they are
    /// not of one kind.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.is_time() != other.is_time() {
            return None;
        }
        let (left, right) = (self.in_utc(), other.in_utc());
        let said = left.precision.min(right.precision);
        if said > 3 && self.offset_minutes.is_some() != other.offset_minutes.is_some() {
            return left.compare_days_apart(&right);
        }
        let ordering = left
            .keys()
            .iter()
            .zip(right.keys())
            .take(said.min(6))
            .fold(Ordering::Equal, |so_far, (a, b)| so_far.then(a.cmp(&b)));
        // Seconds and their fraction are one field: 10:00:00 is 10:00:00.0.
        let is_exact = left.precision.min(6) == right.precision.min(6);
        match ordering {
            Ordering::Equal if !is_exact => None,
            ordering => Some(ordering),
        }
    }

    /// Whether it is a time of day.
    pub fn is_time(&self) -> bool {
        self.kind == TemporalKind::Time
    }

    /// Where only one has a zone, what is more than a day apart is apart in every zone.
    fn compare_days_apart(&self, other: &Self) -> Option<Ordering> {
        let (left, right) = (self.fields.date()?, other.fields.date()?);
        let days = left.to_julian_day() - right.to_julian_day();
        (days.abs() > 1).then(|| days.cmp(&0))
    }

    /// Its date; `None` for a time of day.
    pub fn date(&self) -> Option<Self> {
        let Fields {
            year, month, day, ..
        } = self.fields;
        (self.kind != TemporalKind::Time).then_some(Self {
            kind: TemporalKind::Date,
            fields: Fields {
                year,
                month,
                day,
                ..MIDNIGHT
            },
            precision: self.precision.min(3),
            offset_minutes: None,
        })
    }

    /// Its time of day; `None` when it says none.
    pub fn time(&self) -> Option<Self> {
        (self.precision > 3).then_some(Self {
            kind: TemporalKind::Time,
            fields: Fields {
                year: 0,
                month: 0,
                day: 0,
                ..self.fields
            },
            precision: self.precision,
            offset_minutes: None,
        })
    }

    /// The same as a date with time, as exact as it is.
    #[must_use]
    pub fn date_time(&self) -> Self {
        Self {
            kind: TemporalKind::DateTime,
            ..*self
        }
    }

    fn keys(&self) -> [i64; 6] {
        let Fields {
            year,
            month,
            day,
            hour,
            minute,
            second,
            millisecond,
        } = self.fields;
        [
            i64::from(year),
            i64::from(month),
            i64::from(day),
            i64::from(hour),
            i64::from(minute),
            i64::from(second) * 1000 + i64::from(millisecond),
        ]
    }

    /// The same moment in UTC; without a zone, and where no hour is said, it stays as it is.
    fn in_utc(&self) -> Self {
        let shift = i64::from(self.offset_minutes.unwrap_or(0));
        if shift == 0 || self.precision < 4 {
            return *self;
        }
        let of_day = i64::from(self.fields.hour) * 60 + i64::from(self.fields.minute) - shift;
        let (days, minutes) = (
            of_day.div_euclid(MINUTES_PER_DAY),
            of_day.rem_euclid(MINUTES_PER_DAY),
        );
        let Some(date) = self
            .fields
            .date()
            .and_then(|date| date.checked_add(time::Duration::days(days)))
        else {
            return *self;
        };
        let fields = Fields {
            year: date.year(),
            month: date.month().into(),
            day: date.day(),
            hour: u8::try_from(minutes / 60).unwrap_or(0),
            minute: u8::try_from(minutes % 60).unwrap_or(0),
            ..self.fields
        };
        Self {
            fields,
            offset_minutes: Some(0),
            ..*self
        }
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fields {
            year,
            month,
            day,
            hour,
            minute,
            second,
            millisecond,
        } = self.fields;
        if self.kind != TemporalKind::Time {
            write!(f, "{year:04}")?;
            if self.precision >= 2 {
                write!(f, "-{month:02}")?;
            }
            if self.precision >= 3 {
                write!(f, "-{day:02}")?;
            }
            if self.precision >= 4 {
                f.write_str("T")?;
            }
        }
        if self.precision >= 4 {
            write!(f, "{hour:02}")?;
        }
        if self.precision >= 5 {
            write!(f, ":{minute:02}")?;
        }
        if self.precision >= 6 {
            write!(f, ":{second:02}")?;
        }
        if self.precision >= 7 {
            write!(f, ".{millisecond:03}")?;
        }
        match self.offset_minutes {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let size = offset.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", size / 60, size % 60)
            }
        }
    }
}

const MIDNIGHT: Fields = Fields {
    year: 0,
    month: 0,
    day: 0,
    hour: 0,
    minute: 0,
    second: 0,
    millisecond: 0,
};

impl Fields {
    fn date(&self) -> Option<Date> {
        let month = Month::try_from(self.month).ok()?;
        Date::from_calendar_date(self.year, month, self.day).ok()
    }
}

/// Splits `10:00+01:00` into clock and minutes.
fn split_zone(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, Some(0)));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let (clock, zone) = text.split_at_checked(at)?;
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let size = number::<i16>(hours, 2)? * 60 + number::<i16>(minutes, 2)?;
    if size > 14 * 60 {
        return None;
    }
    let offset = if zone.starts_with('-') { -size } else { size };
    Some((clock, Some(offset)))
}

/// The first three digits of a fraction.
fn milliseconds(digits: &str) -> Option<u16> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let padded = digits.bytes().chain(std::iter::repeat(b'0')).take(3);
    Some(padded.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

/// Two digits that may be absent, but not malformed.
#[expect(clippy::option_option, reason = "absent and malformed differ")]
fn optional(part: Option<&str>) -> Option<Option<u8>> {
    match part {
        None => Some(None),
        Some(text) => number(text, 2).map(Some),
    }
}

fn number<T: std::str::FromStr>(text: &str, digits: usize) -> Option<T> {
    if text.len() != digits || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::Temporal;

    fn literal(text: &str) -> Temporal {
        Temporal::parse_literal(text).unwrap()
    }

    #[test]
    fn literals_are_written_as_they_were_read() {
        for text in [
            "2026",
            "2026-11",
            "2026-11-22",
            "2026-11-22T10",
            "2026-11-22T10:00",
            "2026-11-22T10:00:07",
            "2026-11-22T10:00:07.120Z",
            "2026-11-22T10:00:07-05:30",
        ] {
            assert_eq!(literal(text).to_string(), text);
        }
        assert_eq!(literal("T10:05").to_string(), "10:05");
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "26",
            "2026-13",
            "2026-02-30",
            "2026-11T10",
            "2026-11-22T25",
            "T10:60",
            "2026-11-22T10:00+15:00",
            "T10:00:00.",
            "2026-11-22T10:00.5",
        ] {
            assert_eq!(Temporal::parse_literal(text), None, "{text}");
        }
    }

    #[test]
    fn comparison_is_as_exact_as_both_sides() {
        let compare = |a, b| literal(a).compare(&literal(b));
        assert_eq!(compare("2026", "2026-11"), None);
        assert_eq!(compare("2025", "2026-11"), Some(Ordering::Less));
        assert_eq!(
            compare("2026-11-22T10:00:00", "2026-11-22T10:00:00.000"),
            Some(Ordering::Equal)
        );
        assert_eq!(
            compare("2026-11-22T00:30+01:00", "2026-11-21T23:30Z"),
            Some(Ordering::Equal)
        );
        assert_eq!(compare("T10:00", "2026"), None);
        assert_eq!(compare("2026-11-22T10:00", "2026-11-22T23:00Z"), None);
        assert_eq!(
            compare("2026-11-22T10:00", "2026-11-24T00:00Z"),
            Some(Ordering::Less)
        );
    }
}
