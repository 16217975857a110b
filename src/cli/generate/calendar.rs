//! Days and minutes of the synthetic world, in plain integers.
//!
//! Proleptic Gregorian calendar; one fixed offset from UTC for all, because nothing here may
//! depend on a time zone database. Text forms: <https://hl7.org/fhir/R4/datatypes.html#dateTime>.

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(pub(super) i64);

/// A minute of a day, in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    minutes: i64,
}

/// Where all synthetic patients live.
const OFFSET: &str = "-05:00";

const MINUTES_PER_DAY: i64 = 24 * 60;

impl Day {
    /// The day of a year, month and day of the month.
    pub(super) const fn of(year: i64, month: i64, day: i64) -> Self {
        // Years begin in March here, so that the leap day is the last of its year.
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * 146_097 + day_of_era - 719_468)
    }

    /// Year, month and day of the month.
    pub(super) const fn civil(self) -> (i64, i64, i64) {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month, day)
    }

    /// So many days later.
    pub(super) const fn plus_days(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// The same day of the month so many months later, the 28th at the latest.
    pub(super) const fn plus_months(self, months: i64) -> Self {
        let (year, month, day) = self.civil();
        let months = year * 12 + month - 1 + months;
        let day = if day > 28 { 28 } else { day };
        Self::of(months.div_euclid(12), months.rem_euclid(12) + 1, day)
    }

    /// Whole months from another day to this.
    pub(super) const fn months_since(self, other: Self) -> i64 {
        let (year, month, day) = self.civil();
        let earlier = other.civil();
        let months = (year - earlier.0) * 12 + month - earlier.1;
        if day < earlier.2 { months - 1 } else { months }
    }

    /// Whole years from another day to this.
    pub(super) const fn years_since(self, other: Self) -> i64 {
        self.months_since(other).div_euclid(12)
    }

    /// This day, or the Monday after it when it is in a weekend.
    pub(super) const fn working(self) -> Self {
        // 1970-01-01 was a Thursday.
        match (self.0 + 4).rem_euclid(7) {
            0 => Self(self.0 + 1),
            6 => Self(self.0 + 2),
            _ => self,
        }
    }

    /// A minute of this day.
    pub(super) const fn at(self, minute: i64) -> Moment {
        Moment {
            minutes: self.0 * MINUTES_PER_DAY + minute,
        }
    }

    /// As a FHIR `date`.
    pub(super) fn text(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl Moment {
    /// Its day.
    pub(super) const fn day(self) -> Day {
        Day(self.minutes.div_euclid(MINUTES_PER_DAY))
    }

    /// So many minutes later.
    pub(super) const fn plus_minutes(self, minutes: i64) -> Self {
        Self {
            minutes: self.minutes + minutes,
        }
    }

    /// Minutes from this to another moment.
    pub(super) const fn minutes_until(self, end: Self) -> i64 {
        end.minutes - self.minutes
    }

    /// As a FHIR `dateTime` or `instant`.
    pub(super) fn text(self) -> String {
        let minute = self.minutes.rem_euclid(MINUTES_PER_DAY);
        let (year, month, day) = self.day().civil();
        let (hour, minute) = (minute / 60, minute % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00{OFFSET}")
    }
}

#[cfg(test)]
mod tests {
    use super::Day;

    #[test]
    fn days_are_those_of_the_calendar() {
        for ((year, month, day), text, number) in [
            ((1970, 1, 1), "1970-01-01", 0),
            ((1969, 12, 31), "1969-12-31", -1),
            ((2000, 2, 29), "2000-02-29", 11_016),
            ((2026, 1, 1), "2026-01-01", 20_454),
            ((1900, 3, 1), "1900-03-01", -25_508),
        ] {
            assert_eq!(Day::of(year, month, day), Day(number), "{text}");
            assert_eq!(Day(number).text(), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for number in -50_000..100_000 {
            let (year, month, day) = Day(number).civil();
            assert_eq!(Day::of(year, month, day), Day(number));
        }
    }

    #[test]
    fn ages_are_counted_in_whole_months() {
        let birth = Day::of(2020, 5, 31);
        assert_eq!(Day::of(2021, 5, 30).years_since(birth), 0);
        assert_eq!(Day::of(2021, 5, 31).years_since(birth), 1);
        assert_eq!(birth.plus_months(9), Day::of(2021, 2, 28));
        assert_eq!(birth.plus_months(-5), Day::of(2019, 12, 28));
    }

    #[test]
    fn appointments_are_on_working_days() {
        assert_eq!(Day::of(2026, 1, 3).working(), Day::of(2026, 1, 5));
        assert_eq!(Day::of(2026, 1, 4).working(), Day::of(2026, 1, 5));
        assert_eq!(Day::of(2026, 1, 6).working(), Day::of(2026, 1, 6));
        assert_eq!(
            Day::of(2026, 1, 6)
                .at(9 * 60 + 5)
                .plus_minutes(24 * 60)
                .text(),
            "2026-01-07T09:05:00-05:00"
        );
    }
}
