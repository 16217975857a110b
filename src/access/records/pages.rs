//! Many versions at once, opened: matches of a plan, parts of a history.
//!
//! A page ends early when its bodies fill it, and says where to go on. What was erased between
//! finding and opening it is left out, and so is what the grant does not show.

use crate::access::Grant;
use crate::access::policy::Level;
use crate::access::records::limits::{narrow, require_found, shows_all_of};
use crate::access::records::{Records, Stored, failed};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::plan::{Plan, Window};
use crate::store::{Address, HistoryPosition, HistoryScope, HistoryWindow, Version, sealed_bytes};

/// Matches of a plan, opened.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The matches in order.
    pub matches: Vec<Stored>,
    /// How many the page has, those that are left out as well.
    pub found: usize,
    /// The creation sequence of the last one.
    pub last: Option<i64>,
    /// Where to go on when the store stopped because it had examined enough.
    pub stopped_at: Option<i64>,
    /// How many candidates the store examined.
    pub examined: usize,
    /// Whether there are no more.
    pub is_last: bool,
}

/// A part of a history, opened.
#[derive(Debug, Clone, Default)]
pub struct HistoryPage {
    /// The versions, newest first.
    pub versions: Vec<Stored>,
    /// How many the page has, those that are left out as well.
    pub found: usize,
    /// The place of the last one.
    pub last: Option<HistoryPosition>,
    /// Whether there are no more.
    pub is_last: bool,
}

/// Versions opened one after the other until their bodies fill the page.
struct Opened {
    stored: Vec<Stored>,
    /// How many were taken, those left out as well.
    taken: usize,
    /// Whether all were.
    is_all: bool,
}

impl Stored {
    /// Its place in histories.
    pub fn position(&self) -> HistoryPosition {
        position(&self.version)
    }
}

impl Records {
    /// Matches of a plan.
    pub async fn find(&self, grant: &Grant, plan: &Plan, window: &Window) -> Result<Page, Outcome> {
        let narrowed = narrow(grant, plan)?;
        let found = self.parts.store.find(&narrowed.plan, window).await;
        let found = found.map_err(|error| failed(&error))?;
        require_found(grant, &found)?;
        let places: Vec<i64> = found.versions.iter().map(|one| one.sequence).collect();
        let most = (window.limit, window.bytes_max);
        let is_end = is_end(&found.versions, most) && found.stopped_at.is_none();
        let mut opened = self.open_page(found.versions, window.bytes_max).await?;
        self.keep_found(grant, &narrowed, &mut opened.stored)?;
        self.note_opened(grant, &opened.stored)?;
        Ok(Page {
            matches: opened.stored,
            found: opened.taken,
            last: opened
                .taken
                .checked_sub(1)
                .and_then(|at| places.get(at).copied()),
            stopped_at: found.stopped_at.filter(|_| opened.is_all),
            examined: found.examined,
            is_last: is_end && opened.is_all,
        })
    }

    /// Versions, newest first.
    pub async fn history(
        &self,
        grant: &Grant,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<HistoryPage, Outcome> {
        let shows_all = shows_all_of(grant, scope)?;
        let found = self.parts.store.history(scope, window).await;
        let found = found.map_err(|error| failed(&error))?;
        let places: Vec<HistoryPosition> = found.iter().map(position).collect();
        let is_end = is_end(&found, (window.limit, window.bytes_max));
        // What the bearer has nothing of is not even opened.
        let is_wanted = |one: &Version| grant.level(one.address.resource_type) != Level::Nothing;
        let wanted: Vec<bool> = found.iter().map(is_wanted).collect();
        let page = (found, wanted, window.bytes_max);
        let mut opened = self.open_wanted(page).await?;
        if !shows_all {
            opened.stored = self.keep_shown(grant, opened.stored).await?;
            self.keep_current_shown(grant, &mut opened.stored).await?;
        }
        self.note_opened(grant, &opened.stored)?;
        Ok(HistoryPage {
            versions: opened.stored,
            found: opened.taken,
            last: opened
                .taken
                .checked_sub(1)
                .and_then(|at| places.get(at).copied()),
            is_last: is_end && opened.is_all,
        })
    }

    /// As [`Records::get_many`]; what was erased meanwhile is left out.
    pub async fn get_readable(
        &self,
        grant: &Grant,
        addresses: &[Address],
    ) -> Result<Vec<Stored>, Outcome> {
        let found = self.parts.store.get_many(addresses).await;
        let mut found = found.map_err(|error| failed(&error))?;
        found.retain(|one| grant.level(one.address.resource_type) != Level::Nothing);
        let opened = self.open_page(found, usize::MAX).await?;
        let shown = self.keep_shown(grant, opened.stored).await?;
        self.note_opened(grant, &shown)?;
        Ok(shown)
    }

    /// Opens versions up to the one that makes up `bytes_max`.
    async fn open_page(&self, versions: Vec<Version>, bytes_max: usize) -> Result<Opened, Outcome> {
        let wanted = vec![true; versions.len()];
        self.open_wanted((versions, wanted, bytes_max)).await
    }

    /// As [`Records::open_page`]; those that are not wanted take a place and are left out.
    async fn open_wanted(
        &self,
        (versions, wanted, bytes_max): (Vec<Version>, Vec<bool>, usize),
    ) -> Result<Opened, Outcome> {
        let count = versions.len();
        let mut opened = Opened {
            stored: Vec::with_capacity(count),
            taken: 0,
            is_all: false,
        };
        let mut bytes = 0;
        for (version, is_wanted) in versions.into_iter().zip(wanted) {
            if bytes >= bytes_max {
                return Ok(opened);
            }
            opened.taken += 1;
            if !is_wanted {
                continue;
            }
            match self.open(version).await {
                Ok(stored) => {
                    bytes += stored.json.len();
                    opened.stored.push(stored);
                }
                Err(outcome) if outcome.kind == Kind::Gone => {}
                Err(outcome) => return Err(outcome),
            }
        }
        opened.is_all = true;
        Ok(opened)
    }
}

/// Whether the store has given all there is.
fn is_end(versions: &[Version], (limit, bytes_max): (usize, usize)) -> bool {
    versions.len() < limit && sealed_bytes(versions) < bytes_max
}

fn position(version: &Version) -> HistoryPosition {
    HistoryPosition {
        last_updated_ms: version.last_updated_ms,
        sequence: version.sequence,
        version_id: version.version_id,
    }
}
