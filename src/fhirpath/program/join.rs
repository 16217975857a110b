//! Paths that differ only in the form of a choice become one path.

use crate::fhirpath::program::step::{Path, Step};

/// Puts paths together that differ only in the form of the choice they end in, so that a walk
/// looks for all forms at once, and leaves out paths that are there already.
pub(super) fn join_choices(paths: Vec<Path>) -> Vec<Path> {
    let mut joined: Vec<Path> = Vec::with_capacity(paths.len());
    for path in paths {
        let is_known = joined.iter_mut().any(|known| absorb(known, &path));
        if !is_known {
            joined.push(path);
        }
    }
    joined
}

/// Takes `path` into `known` when both are the same or end in forms of the same choice.
fn absorb(known: &mut Path, path: &Path) -> bool {
    if known == path {
        return true;
    }
    let Some((
        Step::Member {
            name,
            type_id,
            choice: Some(choice),
        },
        before,
    )) = path.steps.split_last()
    else {
        return false;
    };
    if known.base != path.base {
        return false;
    }
    let Some((last, known_before)) = known.steps.split_last_mut() else {
        return false;
    };
    if known_before != before {
        return false;
    }
    let mut forms = match last {
        Step::Choice { prefix, forms } if prefix == choice => std::mem::take(forms),
        Step::Member {
            name,
            type_id,
            choice: Some(prefix),
        } if prefix == choice => vec![(name.clone(), *type_id)],
        _ => return false,
    };
    if !forms.iter().any(|(known, _)| known == name) {
        forms.push((name.clone(), *type_id));
    }
    *last = Step::Choice {
        prefix: choice.clone(),
        forms,
    };
    true
}
