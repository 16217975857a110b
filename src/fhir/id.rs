//! Logical ids: what clients may send, and those we assign.
//!
//! Spec: <https://hl7.org/fhir/R4/datatypes.html#id>.

use crate::fhir::instant::Instant;

/// Characters an id may have at most.
pub const ID_CHARS_MAX: usize = 64;

/// Whether `text` is a valid logical id: 1 to 64 of `A-Z a-z 0-9 - .`.
pub fn is_valid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_CHARS_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Digits of a lane, of a block in it and of a place in that, in the id of an event of this
/// server's journal.
const JOURNAL_DIGITS: [usize; 3] = [28, 16, 4];

/// Whether `text` has the form of the ids of what this server makes of its journal: lane, block,
/// place, and a number where there are several of one event. Nobody else may give such an id.
pub fn is_of_journal(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    JOURNAL_DIGITS.iter().enumerate().all(|(place, digits)| {
        parts.next().is_some_and(|part| {
            let is_hex = part.bytes().all(|b| b.is_ascii_hexdigit());
            part.len() == *digits && is_hex && (place == 0 || is_number(part))
        })
    }) && parts.next().is_none_or(is_number)
        && parts.next().is_none()
}

/// A fresh id: a UUID of version 7, so that ids made together stand together and say nothing.
pub fn assign(now: Instant, random: [u8; 10]) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    uuid.as_hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::{assign, is_of_journal, is_valid};
    use crate::fhir::instant::Instant;

    #[test]
    fn the_spec_decides_which_ids_are_valid() {
        assert!(is_valid("a-1.B"));
        assert!(is_valid(&"x".repeat(64)));
        for bad in ["", "a_b", "ü", "a b", "a/b", &"x".repeat(65)] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn ids_of_the_journal_are_told_apart() {
        let lane = "01a2b3c4d5e60123456789abcdef";
        for own in ["0000000000000001-0007", "0000000000000001-0007-12"] {
            assert!(is_of_journal(&format!("{lane}-{own}")), "{own}");
        }
        for other in [
            "1",
            "0000000000000001-x",
            "0000000000000001-1-1",
            "000000000000000x",
        ] {
            assert!(!is_of_journal(&format!("{lane}-{other}")), "{other}");
        }
        assert!(!is_of_journal(lane) && !is_of_journal(""));
    }

    #[test]
    fn assigned_ids_are_valid() {
        assert!(is_valid(&assign(
            Instant::from_millis(1_795_000_000_000),
            [7; 10]
        )));
    }
}
