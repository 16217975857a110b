//! The time zone of a feed: a fixed offset, or a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.
//!
//! Names such as `Europe/Berlin` would need a database that goes out of date. Of an hour that
//! occurs twice in autumn the first one is meant.
//! Spec: POSIX.1-2017 section 8.3, the variable `TZ`.

/// The time zone of times that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Minutes east of UTC.
    standard: i32,
    summer: Option<Summer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Summer {
    offset: i32,
    begins: Change,
    ends: Change,
}

/// The nth weekday of a month, at minutes after midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    month: i32,
    week: i32,
    weekday: i32,
    minute: i32,
}

/// A time on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
    /// Minutes after midnight.
    pub(super) minute: i32,
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self {
        standard: 0,
        summer: None,
    };

    /// Reads a zone; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if matches!(text, "UTC" | "Z") {
            return Some(Self::UTC);
        }
        if text.starts_with(['+', '-']) {
            return Some(Self {
                standard: offset(text)?,
                summer: None,
            });
        }
        let (names, changes) = text.split_once(',').unwrap_or((text, ""));
        let rest = names.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let end = rest.find(|c: char| c.is_ascii_alphabetic());
        let (standard, summer) = rest.split_at(end.unwrap_or(rest.len()));
        // POSIX counts westwards.
        let standard = -offset(standard)?;
        if summer.is_empty() {
            let zone = Self {
                standard,
                summer: None,
            };
            return (changes.is_empty() && names.len() > rest.len()).then_some(zone);
        }
        let summer = summer.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let (begins, ends) = changes.split_once(',')?;
        let offset = if summer.is_empty() {
            standard + 60
        } else {
            -offset(summer)?
        };
        Some(Self {
            standard,
            summer: Some(Summer {
                offset,
                begins: Change::parse(begins)?,
                ends: Change::parse(ends)?,
            }),
        })
    }

    /// Minutes east of UTC at a time on the wall.
    pub(super) fn offset(self, at: Local) -> i32 {
        let Some(summer) = self.summer else {
            return self.standard;
        };
        let now = (days(at.year, at.month, at.day), at.minute);
        let (begins, ends) = (summer.begins.in_year(at.year), summer.ends.in_year(at.year));
        let is_summer = if begins < ends {
            begins <= now && now < ends
        } else {
            now < ends || begins <= now
        };
        if is_summer {
            summer.offset
        } else {
            self.standard
        }
    }
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('/').unwrap_or((text, "2"));
        let mut numbers = day.strip_prefix('M')?.split('.').map(str::parse::<i32>);
        let mut next = || numbers.next()?.ok();
        let (month, week, weekday) = (next()?, next()?, next()?);
        let is_day = (1..=12).contains(&month) && (1..=5).contains(&week);
        let change = Self {
            month,
            week,
            weekday,
            minute: offset(time)?,
        };
        (is_day && (0..=6).contains(&weekday)).then_some(change)
    }

    /// The day, counted from a fixed one, and the minute.
    fn in_year(self, year: i32) -> (i32, i32) {
        let first = days(year, self.month, 1);
        // 1970-01-01 was a Thursday.
        let weekday = (first + 4).rem_euclid(7);
        let mut day = 1 + (self.weekday - weekday).rem_euclid(7) + 7 * (self.week - 1);
        while day > days_of_month(year, self.month) {
            day -= 7;
        }
        (first + day - 1, self.minute)
    }
}

/// Minutes of `+01:00`, `-0530`, `1` or `2:30`.
pub(super) fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = |text: &str| {
        !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Days of a month; 0 when there is no such month.
pub(super) fn days_of_month(year: i32, month: i32) -> i32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Days since 1970-01-01, by the proleptic Gregorian calendar.
fn days(year: i32, month: i32, day: i32) -> i32 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{Local, Zone, days};

    fn at(month: i32, day: i32, hour: i32) -> Local {
        Local {
            year: 2026,
            month,
            day,
            minute: hour * 60,
        }
    }

    #[test]
    fn fixed_offsets_are_read() {
        for (text, minutes) in [("UTC", 0), ("+01:00", 60), ("-0530", -330), ("EST5", -300)] {
            assert_eq!(
                Zone::parse(text).unwrap().offset(at(7, 1, 0)),
                minutes,
                "{text}"
            );
        }
        for text in [
            "",
            "Europe/Berlin",
            "CET-1CEST",
            "+1:99",
            "CET-1CEST,M13.1.0,M10.5.0",
            "ä",
        ] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
    }

    #[test]
    fn summer_time_begins_and_ends() {
        let berlin = Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (local, minutes) in [
            (at(1, 1, 0), 60),
            (at(3, 29, 1), 60),
            (at(3, 29, 3), 120),
            (at(10, 25, 2), 120),
            (at(10, 25, 3), 60),
        ] {
            assert_eq!(berlin.offset(local), minutes, "{local:?}");
        }
        let sydney = Zone::parse("AEST-10AEDT,M10.1.0,M4.1.0/3").unwrap();
        assert_eq!(sydney.offset(at(1, 1, 0)), 660);
        assert_eq!(sydney.offset(at(7, 1, 0)), 600);
    }

    #[test]
    fn days_are_counted() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2026, 11, 28), 20_785);
        assert_eq!(days(1969, 12, 31), -1);
    }
}
