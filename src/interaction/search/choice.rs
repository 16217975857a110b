//! Which condition of a search is walked, where their kinds do not tell.
//!
//! Equalities are counted, and remembered. Ranges differ from search to search: they are counted as
//! far as the smallest equality goes. Where that is far, they are counted a little way only, until
//! some candidates of the equality have been looked at, which most often fill a page.

use crate::access::Grant;
use crate::interaction::Context;
use crate::outcome::Outcome;
use crate::search::lower::{COUNT_LIMIT, Lowered};
use crate::search::plan::Plan;

/// Candidates of an equality up to which nothing else is counted.
const FEW: u64 = 16;

/// How far a range is counted before a broad equality is tried.
const NARROW: u64 = 128;

/// A plan, and how sure it is.
pub(super) struct Choice {
    /// The plan.
    pub(super) plan: Plan,
    /// How many candidates each choice had, as far as they were counted.
    pub(super) counts: Vec<u64>,
    /// Whether ranges were left uncounted that may find less.
    pub(super) is_open: bool,
}

/// Chooses what to walk; `may_be_open` leaves ranges uncounted where an equality can be tried.
pub(super) async fn settle(
    ctx: &Context,
    grant: &Grant,
    lowered: &Lowered,
    may_be_open: bool,
) -> Result<Choice, Outcome> {
    let mut counts: Vec<u64> = Vec::new();
    let mut is_open = false;
    for candidate in lowered.candidates() {
        let smallest = counts.iter().min().copied().unwrap_or(COUNT_LIMIT);
        let (mut limit, mut is_tried) = (COUNT_LIMIT, false);
        if candidate.is_wide && !counts.is_empty() {
            if smallest <= FEW {
                break;
            }
            is_tried = smallest >= COUNT_LIMIT && may_be_open;
            limit = if is_tried { NARROW } else { smallest };
        }
        let counted = ctx.records.count_roughly(grant, &candidate.plan, limit);
        let counted = counted.await?;
        if is_tried && counted == NARROW {
            is_open = true;
            counts.push(COUNT_LIMIT);
        } else {
            counts.push(counted);
        }
    }
    Ok(Choice {
        plan: lowered.plan(&counts),
        counts,
        is_open,
    })
}
