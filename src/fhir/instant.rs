//! A point in time to the millisecond, as `meta.lastUpdated` and HTTP headers show it.
//!
//! Spec: <https://hl7.org/fhir/R4/datatypes.html#instant>. Partial dates are in [`super::date`].

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Parses an RFC 3339 instant; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000)
            .ok()
            .map(Self)
    }

    /// The HTTP date (IMF-fixdate, whole seconds) of this instant, RFC 9110 section 5.6.7.
    pub fn to_http_date(self) -> String {
        const FORMAT: &[time::format_description::FormatItem<'_>] = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        self.to_offset().format(FORMAT).unwrap_or_default()
    }

    /// Parses an HTTP date; `None` when it is not one.
    pub fn from_http_date(text: &str) -> Option<Self> {
        const FORMAT: &[time::format_description::FormatItem<'_>] = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let parsed = time::PrimitiveDateTime::parse(text, FORMAT).ok()?;
        Some(Self(parsed.assume_utc().unix_timestamp() * 1000))
    }

    fn to_offset(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Instant {
    /// Writes `2026-11-22T10:00:00.123Z`, always with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORMAT: &[time::format_description::FormatItem<'_>] = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        f.write_str(&self.to_offset().format(FORMAT).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Instant;

    #[test]
    fn writes_and_reads_back() {
        let instant = Instant::from_millis(1_795_000_000_123);
        assert_eq!(Instant::parse(&instant.to_string()), Some(instant));
        assert_eq!(instant.to_string().len(), 24);
    }

    #[test]
    fn http_dates_drop_the_milliseconds() {
        let instant = Instant::from_millis(784_111_777_999);
        assert_eq!(instant.to_http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        let back = Instant::from_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(back, Some(Instant::from_millis(784_111_777_000)));
    }
}
