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

/// A fresh id: a UUID of version 7, so that ids made together stand together and say nothing.
pub fn assign(now: Instant, random: [u8; 10]) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    uuid.as_hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::{assign, is_valid};
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
    fn assigned_ids_are_valid() {
        assert!(is_valid(&assign(
            Instant::from_millis(1_795_000_000_000),
            [7; 10]
        )));
    }
}
