//! Words of the client's document that may stand in a message: names and codes, cut and plain.
//!
//! Values of elements never pass through here.

use std::borrow::Cow;

/// A name shown in a message is no longer than this.
const NAME_CHARS_MAX: usize = 64;

/// The name in quotes when it looks like one; a placeholder when it is anything else, which might
/// be a value that has slipped into the place of a name.
pub(super) fn shown(name: &str) -> Cow<'static, str> {
    if is_plain(name) {
        Cow::Owned(format!("`{name}`"))
    } else {
        Cow::Borrowed("with this unusual name")
    }
}

/// Whether a member's name can be written into a path.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_CHARS_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':'))
}

/// The known name that is nearest to a misspelt one, when one is near enough.
pub(super) fn nearest<'k>(
    name: &str,
    known: impl Iterator<Item = Cow<'k, str>>,
) -> Option<Cow<'k, str>> {
    if !is_plain(name) {
        return None;
    }
    let distance_max = (name.len() / 3).clamp(1, 3);
    known
        .map(|candidate| (distance(name, &candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, put in, left out or swapped with their neighbour. Case
/// counts for nothing, so that `birthdate` finds `birthDate` first.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<u8> = right.bytes().map(|b| b.to_ascii_lowercase()).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut last: Option<u8> = None;
    for (row, byte) in left.bytes().map(|b| b.to_ascii_lowercase()).enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        for (column, &other) in right.iter().enumerate() {
            let at = |cells: &[usize], place: usize| cells.get(place).copied().unwrap_or(0);
            let mut best = at(&above, column) + usize::from(byte != other);
            best = best.min(at(&above, column + 1) + 1);
            best = best.min(at(&current, column) + 1);
            let previous = column.checked_sub(1).and_then(|place| right.get(place));
            if last == Some(other) && previous == Some(&byte) {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
        last = Some(byte);
    }
    above.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{distance, nearest, shown};

    fn find(name: &str) -> Option<String> {
        let known = ["birthDate", "gender", "name", "given", "family"];
        nearest(name, known.iter().map(|known| Cow::Borrowed(*known))).map(Cow::into_owned)
    }

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(find("birthdate").as_deref(), Some("birthDate"));
        assert_eq!(find("familly").as_deref(), Some("family"));
        assert_eq!(find("nmae").as_deref(), Some("name"));
        assert_eq!(find("dateOfBirth"), None);
        assert_eq!(find("x"), None);
        assert_eq!(find(&"name".repeat(1000)), None);
    }

    #[test]
    fn distances_count_letters() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
            ("ABC", "abc", 0),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_names_are_shown() {
        assert_eq!(shown("familly"), "`familly`");
        assert_eq!(shown("John Smith"), "with this unusual name");
    }
}
