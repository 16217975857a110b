//! TS, DTM and DT: times as exact as they are known.
//!
//! A time of day needs a zone in FHIR: where the message names none, the feed's counts.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::element::text;
use crate::hl7v2::part::Part;
use crate::hl7v2::zone::{Local, days_of_month, offset};

/// Digits of a fraction of a second that are kept.
const FRACTION_DIGITS_MAX: usize = 3;

/// A `dateTime`.
pub(in crate::hl7v2) fn date_time(conversion: &Conversion<'_>, ts: Part<'_>) -> Option<Node> {
    read(conversion, ts).map(|(_, full)| text(full))
}

/// A `date`: a time of day is left out.
pub(in crate::hl7v2) fn date(conversion: &Conversion<'_>, ts: Part<'_>) -> Option<Node> {
    read(conversion, ts).map(|(date, _)| text(date))
}

/// An `instant`; told of when it is not exact enough.
pub(in crate::hl7v2) fn instant(conversion: &Conversion<'_>, ts: Part<'_>) -> Option<Node> {
    let (date, full) = read(conversion, ts)?;
    if full.len() > date.len() {
        return Some(text(full));
    }
    if date.len() == "2026-11-28".len() {
        conversion.warn(ts, "has no time of day; midnight in UTC is put down");
        return Some(text(format!("{date}T00:00:00Z")));
    }
    conversion.warn(ts, "is not exact enough for an instant");
    None
}

/// The date, and the date with time.
fn read(conversion: &Conversion<'_>, ts: Part<'_>) -> Option<(String, String)> {
    // TS-1; TS-2 is how exact it was in v2.2.
    let value = ts.component(1).value()?;
    let zone = |local| conversion.feed.zone.offset(local);
    let parsed = parse(value.trim(), zone);
    if parsed.is_none() && !value.bytes().all(|byte| byte == b'0') {
        conversion.warn(ts, "is no date or time");
    }
    parsed
}

fn parse(value: &str, zone: impl Fn(Local) -> i32) -> Option<(String, String)> {
    let sign = value.rfind(['+', '-']);
    let (digits, named) = value.split_at_checked(sign.unwrap_or(value.len()))?;
    let (digits, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !digits.is_ascii()
        || !digits
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i32> { digits.get(from..to)?.parse().ok() };
    let year = number(0, 4).filter(|year| *year > 0)?;
    let shown_year = format!("{year:04}");
    if digits.len() == 4 {
        return Some((shown_year.clone(), shown_year));
    }
    let month = number(4, 6).filter(|month| (1..=12).contains(month))?;
    let shown_month = format!("{shown_year}-{month:02}");
    if digits.len() == 6 {
        return Some((shown_month.clone(), shown_month));
    }
    let day = number(6, 8).filter(|day| (1..=days_of_month(year, month)).contains(day))?;
    let date = format!("{shown_month}-{day:02}");
    if digits.len() == 8 {
        return Some((date.clone(), date));
    }
    let hour = number(8, 10).filter(|hour| *hour < 24)?;
    let minute = if digits.len() == 10 {
        0
    } else {
        number(10, 12).filter(|minute| *minute < 60)?
    };
    let second = match digits.len() {
        10 | 12 => 0,
        14 => number(12, 14).filter(|second| *second < 60)?,
        _ => return None,
    };
    let minutes = match named {
        "" => zone(Local {
            year,
            month,
            day,
            minute: hour * 60 + minute,
        }),
        named => offset(named)?,
    };
    let fraction = match fraction.get(..fraction.len().min(FRACTION_DIGITS_MAX)) {
        None | Some("") => String::new(),
        Some(digits) => format!(".{digits}"),
    };
    let shown_zone = if minutes == 0 {
        "Z".to_owned()
    } else {
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.abs();
        format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    };
    let full = format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{shown_zone}");
    Some((date, full))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;
    use crate::fhir::date::PartialDate;

    fn full(value: &str) -> Option<String> {
        parse(value, |_| 60).map(|(_, full)| full)
    }

    #[test]
    fn times_are_as_exact_as_they_are() {
        for (value, expected) in [
            ("2026", "2026"),
            ("202611", "2026-11"),
            ("20261128", "2026-11-28"),
            ("2026112809", "2026-11-28T09:00:00+01:00"),
            ("202611280930", "2026-11-28T09:30:00+01:00"),
            ("20261128093015", "2026-11-28T09:30:15+01:00"),
            ("20261128093015.1234-0500", "2026-11-28T09:30:15.123-05:00"),
            ("20261128093015+0000", "2026-11-28T09:30:15Z"),
        ] {
            assert_eq!(full(value).as_deref(), Some(expected), "{value}");
        }
        for value in [
            "",
            "0",
            "20261",
            "20261301",
            "20260230",
            "2026112824",
            "today",
            "2026112809301",
        ] {
            assert_eq!(full(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_made_is_a_date(value in "[0-9]{4,14}(\\.[0-9]{1,4})?([+-][0-9]{4})?") {
            if let Some(made) = full(&value) {
                prop_assert!(PartialDate::parse(&made).is_some(), "{} {}", value, made);
            }
        }
    }
}
