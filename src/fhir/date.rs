//! Partial dates: `date`, `dateTime` and `instant` as the interval of time they stand for.
//!
//! `2026-11` is the whole of November 2026. A value without a time zone is read as UTC.
//! Spec: <https://hl7.org/fhir/R4/datatypes.html#dateTime>.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// How exactly a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `2026`
    Year,
    /// `2026-11`
    Month,
    /// `2026-11-22`
    Day,
    /// `2026-11-22T10:00`, legal in searches only
    Minute,
    /// `2026-11-22T10:00:00Z`
    Second,
    /// `2026-11-22T10:00:00.5Z`; digits behind the third are dropped
    Fraction,
}

/// A date as the time it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialDate {
    /// The first millisecond that belongs to it, since the epoch.
    pub low_ms: i64,
    /// The first millisecond that no longer belongs to it.
    pub high_ms: i64,
    /// How exactly it is written.
    pub precision: Precision,
    /// Whether it names a time zone.
    pub has_zone: bool,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl PartialDate {
    /// Reads any of FHIR's date forms; `None` when it is none, or no day of the calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let (date_text, time_text) = match text.split_once('T') {
            Some((date, rest)) => (date, Some(rest)),
            None => (text, None),
        };
        match time_text {
            Some(rest) => parse_date_time(date_text, rest),
            None => parse_date(date_text),
        }
    }
}

fn parse_date(text: &str) -> Option<PartialDate> {
    let mut parts = text.split('-');
    let year: i32 = number(parts.next()?, 4)?;
    if year == 0 {
        return None;
    }
    let month = parts
        .next()
        .map(|part| number::<u8>(part, 2))
        .map_or(Some(None), |m| m.map(Some))?;
    let day = parts
        .next()
        .map(|part| number::<u8>(part, 2))
        .map_or(Some(None), |d| d.map(Some))?;
    if parts.next().is_some() {
        return None;
    }
    let first_month = Month::try_from(month.unwrap_or(1)).ok()?;
    let low = Date::from_calendar_date(year, first_month, day.unwrap_or(1)).ok()?;
    let low_ms = millis(PrimitiveDateTime::new(low, Time::MIDNIGHT));
    let (high_ms, precision) = match (month, day) {
        (None, _) => (
            start_ms(year.checked_add(1)?, Month::January)?,
            Precision::Year,
        ),
        (Some(12), None) => (
            start_ms(year.checked_add(1)?, Month::January)?,
            Precision::Month,
        ),
        (Some(_), None) => (start_ms(year, first_month.next())?, Precision::Month),
        (Some(_), Some(_)) => (low_ms + DAY_MS, Precision::Day),
    };
    Some(PartialDate {
        low_ms,
        high_ms,
        precision,
        has_zone: false,
    })
}

fn parse_date_time(date_text: &str, rest: &str) -> Option<PartialDate> {
    let day = parse_date(date_text).filter(|date| date.precision == Precision::Day)?;
    let (clock_text, zone) = split_zone(rest)?;
    let (whole, fraction) = match clock_text.split_once('.') {
        Some((whole, digits)) => (whole, Some(digits)),
        None => (clock_text, None),
    };
    let mut parts = whole.split(':');
    let hour: i64 = number(parts.next()?, 2)?;
    let minute: i64 = number(parts.next()?, 2)?;
    let second = parts
        .next()
        .map(|part| number::<i64>(part, 2))
        .map_or(Some(None), |s| s.map(Some))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second.is_some_and(|s| s > 60) {
        return None;
    }
    let (fraction_ms, width_ms, precision) = match (second, fraction) {
        (Some(_), Some(digits)) => {
            let (ms, width) = fraction_millis(digits)?;
            (ms, width, Precision::Fraction)
        }
        (Some(_), None) => (0, 1000, Precision::Second),
        (None, None) => (0, 60_000, Precision::Minute),
        (None, Some(_)) => return None,
    };
    let of_day = (hour * 3600 + minute * 60 + second.unwrap_or(0)) * 1000 + fraction_ms;
    let offset_ms = zone.map_or(0, |offset| i64::from(offset.whole_seconds()) * 1000);
    let low_ms = day.low_ms + of_day - offset_ms;
    Some(PartialDate {
        low_ms,
        high_ms: low_ms + width_ms,
        precision,
        has_zone: zone.is_some(),
    })
}

/// Splits `10:00:00+01:00` into clock and offset.
fn split_zone(text: &str) -> Option<(&str, Option<UtcOffset>)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, Some(UtcOffset::UTC)));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let (clock, zone) = text.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let hours: i8 = number(hours, 2)?;
    let minutes: i8 = number(minutes, 2)?;
    if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
        return None;
    }
    Some((
        clock,
        Some(UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?),
    ))
}

/// Milliseconds and width of `5`, `50`, `500`, `500123`.
fn fraction_millis(digits: &str) -> Option<(i64, i64)> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (mut value, mut width) = (0, 1000);
    for digit in digits.bytes().take(3) {
        width /= 10;
        value += i64::from(digit - b'0') * width;
    }
    Some((value, width))
}

/// When a month starts.
fn start_ms(year: i32, month: Month) -> Option<i64> {
    // The year after 9999 cannot be written but is a bound of the last one that can.
    if year == 10_000 {
        return Some(millis(PrimitiveDateTime::new(Date::MAX, Time::MIDNIGHT)) + DAY_MS);
    }
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    Some(millis(PrimitiveDateTime::new(first, Time::MIDNIGHT)))
}

fn millis(at: PrimitiveDateTime) -> i64 {
    at.assume_utc().unix_timestamp() * 1000
}

/// A number of exactly `digits` ASCII digits.
fn number<T: std::str::FromStr>(text: &str, digits: usize) -> Option<T> {
    if text.len() != digits || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{PartialDate, Precision};

    fn width_ms(text: &str) -> Option<i64> {
        PartialDate::parse(text).map(|date| date.high_ms - date.low_ms)
    }

    #[test]
    fn a_partial_date_covers_what_it_leaves_open() {
        const DAY: i64 = 86_400_000;
        assert_eq!(width_ms("2024"), Some(366 * DAY));
        assert_eq!(width_ms("2023-02"), Some(28 * DAY));
        assert_eq!(width_ms("2023-12"), Some(31 * DAY));
        assert_eq!(width_ms("2023-12-31"), Some(DAY));
        assert_eq!(width_ms("9999-12-31"), Some(DAY));
        assert_eq!(width_ms("9999-12"), Some(31 * DAY));
        assert_eq!(width_ms("9999"), Some(365 * DAY));
        assert_eq!(width_ms("9999-12-31T23:59:59Z"), Some(1000));
        assert_eq!(width_ms("2023-12-31T10:00"), Some(60_000));
        assert_eq!(width_ms("2023-12-31T10:00:00Z"), Some(1000));
        assert_eq!(width_ms("2023-12-31T10:00:00.5+01:00"), Some(100));
        assert_eq!(width_ms("2023-12-31T10:00:00.123456Z"), Some(1));
    }

    #[test]
    fn zones_shift_to_utc() {
        let east = PartialDate::parse("2023-01-01T01:00:00+01:00").unwrap();
        let zulu = PartialDate::parse("2023-01-01T00:00:00Z").unwrap();
        assert_eq!(east, zulu);
        assert_eq!(zulu.precision, Precision::Second);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "23",
            "2023-13",
            "2023-02-30",
            "2023-2-3",
            "0000",
            "2023-01-01T",
            "2023T10:00",
            "2023-01-01T24:00:00Z",
            "2023-01-01T10:00:00+15:00",
            "2023-01-01T10:00:00.Z",
            "+023",
        ] {
            assert_eq!(PartialDate::parse(bad), None, "{bad}");
        }
    }
}
