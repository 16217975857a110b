//! A place in a message, as people and ERR-2 name it: `PID-3[2].4`.

use std::fmt;
use std::str::FromStr;

/// A place in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The segment's name.
    pub segment: String,
    /// Its place among the segments of its name, from 1.
    pub ordinal: usize,
    /// The field, from 1; 0 for the segment itself.
    pub field: usize,
    /// The repetition, from 1.
    pub repetition: usize,
    /// The component, from 1.
    pub component: usize,
    /// The subcomponent, from 1.
    pub subcomponent: usize,
}

impl Location {
    /// A field of the first segment of a name.
    pub fn of_field(segment: &str, field: usize) -> Self {
        Self {
            segment: segment.to_owned(),
            ordinal: 1,
            field,
            repetition: 1,
            component: 1,
            subcomponent: 1,
        }
    }
}

/// A text that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place is written as in PID-3[2].4")]
pub struct NoLocation;

impl FromStr for Location {
    type Err = NoLocation;

    fn from_str(text: &str) -> Result<Self, NoLocation> {
        let number = |text: &str| text.parse::<usize>().map_err(|_other| NoLocation);
        let (segment, rest) = text.split_once('-').unwrap_or((text, "0"));
        let (name, ordinal) = segment.split_once('(').unwrap_or((segment, "1)"));
        let mut parts = rest.split('.');
        let field = parts.next().ok_or(NoLocation)?;
        let (field, repetition) = field.split_once('[').unwrap_or((field, "1]"));
        let mut next = || parts.next().map_or(Ok(1), number);
        let location = Self {
            segment: name.to_owned(),
            ordinal: number(ordinal.trim_end_matches(')'))?,
            field: number(field)?,
            repetition: number(repetition.trim_end_matches(']'))?,
            component: next()?,
            subcomponent: next()?,
        };
        if location.to_string() == text {
            Ok(location)
        } else {
            Err(NoLocation)
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segment)?;
        if self.ordinal > 1 {
            write!(f, "({})", self.ordinal)?;
        }
        if self.field == 0 {
            return Ok(());
        }
        write!(f, "-{}", self.field)?;
        if self.repetition > 1 {
            write!(f, "[{}]", self.repetition)?;
        }
        if self.component > 1 || self.subcomponent > 1 {
            write!(f, ".{}", self.component)?;
        }
        if self.subcomponent > 1 {
            write!(f, ".{}", self.subcomponent)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn what_is_written_is_read() {
        for text in ["PID", "PID-3", "OBX(12)-5[2].4.2", "PV1-19.1.2", "MSH-9.2"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        for text in ["PID-x", "PID-3.x", "PID-3[1]", "PID-0"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
