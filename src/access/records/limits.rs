//! What a grant leaves out: plans are narrowed before the store sees them, and whatever was opened
//! is looked at before it goes anywhere.
//!
//! Every way to stored resources in [`super`] goes through here, so that none can forget it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use crate::access::policy::{Level, Opened, Turn};
use crate::access::records::{Change, Records, Stored, failed, require};
use crate::access::{Grant, MADE_OF_JOURNAL, insufficient};
use crate::fhir::id;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::key::Key;
use crate::search::plan::{Order, Plan, Predicate, Window};
use crate::store::{Address, HistoryScope, HistoryWindow, Matches, Version};

/// Versions read together while counting or leaving out.
const STEP: usize = 500;

/// Bytes of their bodies.
const STEP_BYTES_MAX: usize = 16 << 20;

/// Versions of a history that are looked at for one page or count of a limited bearer.
const HISTORY_EXAMINED_MAX: usize = 20_000;

/// A plan that finds nothing that may not be found, as far as index entries tell.
pub(super) struct Narrowed<'p> {
    pub(super) plan: Cow<'p, Plan>,
    /// Whether index entries tell all.
    pub(super) is_exact: bool,
}

/// Narrows a plan to what a grant lets through.
pub(super) fn narrow<'p>(grant: &Grant, plan: &'p Plan) -> Result<Narrowed<'p>, Outcome> {
    let resource_type = plan.type_key.as_ref().and_then(type_of);
    if let Some(resource_type) = resource_type {
        require(grant.finds(resource_type))?;
    }
    let Some(restriction) = grant.restriction(resource_type) else {
        return Ok(Narrowed {
            plan: Cow::Borrowed(plan),
            is_exact: true,
        });
    };
    let residual = match &plan.residual {
        Predicate::All => restriction.predicate,
        other => Predicate::And(vec![other.clone(), restriction.predicate]),
    };
    Ok(Narrowed {
        plan: Cow::Owned(Plan {
            residual,
            ..plan.clone()
        }),
        is_exact: restriction.is_exact,
    })
}

/// Refuses matches of a type that is not granted.
pub(super) fn require_found(grant: &Grant, found: &Matches) -> Result<(), Outcome> {
    let mut types = found.versions.iter().map(|v| v.address.resource_type);
    require(types.all(|one| grant.finds(one)))
}

/// Refuses a type that is not granted at all.
pub(super) fn require_type(grant: &Grant, resource_type: ResourceType) -> Result<(), Outcome> {
    let may_create = grant.tells_of_hidden() && grant.writes(resource_type);
    require(may_create || grant.level(resource_type) != Level::Nothing)
}

fn type_of(key: &Key) -> Option<ResourceType> {
    let (_marker, number) = key.as_bytes().split_last_chunk()?;
    let found = ResourceType::from_number(u16::from_be_bytes(*number))?;
    // What contains something of a type has another key, and may be of any type itself.
    (Key::of_type(found) == *key).then_some(found)
}

impl Records {
    /// What searches of a type have to be narrowed to: known to whoever plans, so that the
    /// narrowest condition can drive. `None` for nothing.
    pub fn restriction(&self, grant: &Grant, resource_type: ResourceType) -> Option<Predicate> {
        let restriction = grant.restriction(Some(resource_type))?;
        Some(restriction.predicate)
    }

    /// As [`Records::count`]; `None` when more than `examined_max` would have to be tested.
    pub async fn count_within(
        &self,
        grant: &Grant,
        plan: &Plan,
        (limit, examined_max): (u64, usize),
    ) -> Result<Option<u64>, Outcome> {
        let narrowed = narrow(grant, plan)?;
        if !narrowed.is_exact {
            return self.count_opened(grant, plan, (limit, examined_max)).await;
        }
        let store = &self.parts.store;
        let counted = store.count_within(&narrowed.plan, limit, examined_max);
        counted.await.map_err(|error| failed(&error))
    }

    /// How many resources match a plan, counting up to `limit`.
    pub async fn count(&self, grant: &Grant, plan: &Plan, limit: u64) -> Result<u64, Outcome> {
        let counted = self.count_within(grant, plan, (limit, usize::MAX)).await?;
        counted.ok_or_else(|| Outcome::internal("a count has no end"))
    }

    /// Counts what can only be told by opening it.
    async fn count_opened(
        &self,
        grant: &Grant,
        plan: &Plan,
        (limit, examined_max): (u64, usize),
    ) -> Result<Option<u64>, Outcome> {
        let mut window = Window {
            order: Order::NewestFirst,
            after: None,
            high_water: None,
            limit: STEP,
            examined_max,
            bytes_max: STEP_BYTES_MAX,
        };
        let (mut counted, mut examined) = (0_u64, 0_usize);
        loop {
            let page = self.find(grant, plan, &window).await?;
            counted = counted.saturating_add(u64::try_from(page.matches.len()).unwrap_or(u64::MAX));
            examined = examined.saturating_add(page.found);
            if counted >= limit {
                return Ok(Some(limit));
            }
            if page.is_last {
                return Ok(Some(counted));
            }
            if page.stopped_at.is_some() || examined > examined_max {
                return Ok(None);
            }
            window.after = page.last.or(window.after);
        }
    }

    /// How many versions a history has.
    pub async fn count_history(
        &self,
        grant: &Grant,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<u64, Outcome> {
        if shows_all_of(grant, scope)? {
            let counted = self.parts.store.count_history(scope, window).await;
            return counted.map_err(|error| failed(&error));
        }
        let mut window = HistoryWindow {
            after: None,
            limit: STEP,
            bytes_max: STEP_BYTES_MAX,
            ..window.clone()
        };
        let (mut counted, mut examined) = (0, 0);
        loop {
            let page = self.history(grant, scope, &window).await?;
            counted += u64::try_from(page.versions.len()).unwrap_or(u64::MAX);
            examined += page.found;
            if page.is_last {
                return Ok(counted);
            }
            if examined >= HISTORY_EXAMINED_MAX {
                let text = format!(
                    "The history has more than {HISTORY_EXAMINED_MAX} versions to choose from: \
                     ask for that of one resource, or for a shorter time with _since."
                );
                return Err(Outcome::new(Kind::TooCostly, text));
            }
            window.after = page.last.or(window.after);
        }
    }

    /// A version, unless it is left out: then it does not exist for the bearer, or the bearer is
    /// refused who would write over it.
    pub(super) async fn unless_hidden(
        &self,
        grant: &Grant,
        stored: Stored,
    ) -> Result<Option<Stored>, Outcome> {
        if self.is_shown(grant, &stored).await? {
            return Ok(Some(stored));
        }
        if grant.tells_of_hidden() {
            return Err(insufficient());
        }
        Ok(None)
    }

    /// Opens versions and leaves out what the grant does not show.
    pub(super) async fn open_shown(
        &self,
        grant: &Grant,
        versions: Vec<Version>,
    ) -> Result<Vec<Stored>, Outcome> {
        let mut shown = Vec::with_capacity(versions.len());
        for version in versions {
            if grant.level(version.address.resource_type) == Level::Nothing {
                continue;
            }
            let stored = self.open(version).await?;
            if self.is_shown(grant, &stored).await? {
                shown.push(stored);
            }
        }
        Ok(shown)
    }

    /// Leaves out what the grant does not show.
    pub(super) async fn keep_shown(
        &self,
        grant: &Grant,
        versions: Vec<Stored>,
    ) -> Result<Vec<Stored>, Outcome> {
        let mut shown = Vec::with_capacity(versions.len());
        for stored in versions {
            if self.is_shown(grant, &stored).await? {
                shown.push(stored);
            }
        }
        Ok(shown)
    }

    /// Leaves out versions of resources whose current version is not shown: what a label, or
    /// another subject, hides from now on is hidden in its older versions too.
    pub(super) async fn keep_current_shown(
        &self,
        grant: &Grant,
        versions: &mut Vec<Stored>,
    ) -> Result<(), Outcome> {
        let may_be_hidden =
            |one: &&Stored| grant.level(one.version.address.resource_type) == Level::Partly;
        let partly = versions.iter().filter(may_be_hidden);
        let addresses: BTreeSet<_> = partly.map(|one| one.version.address.clone()).collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let addresses: Vec<_> = addresses.into_iter().collect();
        let current = self.parts.store.get_many(&addresses).await;
        let mut hidden: HashSet<Address> = addresses.into_iter().collect();
        for version in current.map_err(|error| failed(&error))? {
            let stored = match self.open(version).await {
                Err(outcome) if outcome.kind == Kind::Gone => continue,
                opened => opened?,
            };
            if self.is_shown(grant, &stored).await? {
                hidden.remove(&stored.version.address);
            }
        }
        versions.retain(|one| !hidden.contains(&one.version.address));
        Ok(())
    }

    /// Whether a version may be looked at. A tombstone belongs to whom its last content belonged.
    async fn is_shown(&self, grant: &Grant, stored: &Stored) -> Result<bool, Outcome> {
        match grant.level(stored.version.address.resource_type) {
            Level::Nothing => return Ok(false),
            Level::Everything => return Ok(true),
            Level::Partly => {}
        }
        let version = &stored.version;
        if grant.shows_owner(version.address.resource_type, &version.key_id) {
            return Ok(true);
        }
        let Some(content) = self.last_content(stored).await? else {
            return Ok(false);
        };
        let opened = Opened {
            resource: &content.resource()?,
            last_updated_ms: content.version.last_updated_ms,
        };
        Ok(grant.shows(opened, &self.indexer()))
    }

    /// The version itself, or the one before a tombstone; `None` where there is no content.
    async fn last_content<'s>(
        &self,
        stored: &'s Stored,
    ) -> Result<Option<Cow<'s, Stored>>, Outcome> {
        if !stored.json.is_empty() {
            return Ok(Some(Cow::Borrowed(stored)));
        }
        let version = &stored.version;
        let before = version.version_id.saturating_sub(1);
        let found = self.parts.store.get_version(&version.address, before).await;
        let Some(found) = found.map_err(|error| failed(&error))? else {
            return Ok(None);
        };
        let opened = match self.open(found).await {
            Err(outcome) if outcome.kind == Kind::Gone => return Ok(None),
            opened => opened?,
        };
        Ok((!opened.json.is_empty()).then_some(Cow::Owned(opened)))
    }

    /// Leaves out matches that searches do not find, where index entries leave that open.
    pub(super) fn keep_found(
        &self,
        grant: &Grant,
        narrowed: &Narrowed<'_>,
        matches: &mut Vec<Stored>,
    ) -> Result<(), Outcome> {
        if narrowed.is_exact {
            return Ok(());
        }
        let indexer = self.indexer();
        for stored in std::mem::take(matches) {
            let opened = Opened {
                resource: &stored.resource()?,
                last_updated_ms: stored.version.last_updated_ms,
            };
            if grant.shows_found(opened, &indexer) {
                matches.push(stored);
            }
        }
        Ok(())
    }

    /// Refuses changes that the grant does not cover, by what is there and by what will be.
    pub(super) async fn check_changes(
        &self,
        grant: &Grant,
        changes: &[Change],
    ) -> Result<(), Outcome> {
        // What the server writes down of others is changed by nobody.
        let mut addresses = changes.iter().map(|change| &change.address);
        require(grant.writes_audit() || !addresses.any(is_own_event))?;
        if grant.is_unlimited() {
            return Ok(());
        }
        for change in changes {
            self.check_change(grant, change).await?;
        }
        Ok(())
    }

    async fn check_change(&self, grant: &Grant, change: &Change) -> Result<(), Outcome> {
        let mut written = change.resource.clone();
        if let Some(written) = &mut written {
            written.set_id(&change.address.id);
        }
        let new = written.as_ref().map(|resource| Opened {
            resource,
            last_updated_ms: self.parts.clock.now_ms(),
        });
        let indexer = self.indexer();
        let Some(superseded) = &change.supersedes else {
            return require(grant.permits(Turn { old: None, new }, &indexer));
        };
        let Some(content) = self.last_content(superseded).await? else {
            // Whose it was cannot be told.
            return Err(insufficient());
        };
        let old = Some(Opened {
            resource: &content.resource()?,
            last_updated_ms: superseded.version.last_updated_ms,
        });
        // What brings a deleted resource back needs the right to create it, and the right to
        // update what it was: nobody takes over another's address.
        let may_be_revived =
            !superseded.is_deleted() || grant.permits(Turn { old: None, new }, &indexer);
        require(may_be_revived && grant.permits(Turn { old, new }, &indexer))
    }

    /// Refuses to rewrite what the grant does not cover.
    pub(super) fn check_rewrite(
        &self,
        grant: &Grant,
        read: &Stored,
        resource: &Resource,
    ) -> Result<(), Outcome> {
        require(grant.writes_audit() || !is_own_event(&read.version.address))?;
        if grant.is_unlimited() {
            return Ok(());
        }
        let old = read.resource()?;
        let turn = Turn {
            old: Some(Opened {
                resource: &old,
                last_updated_ms: read.version.last_updated_ms,
            }),
            new: Some(Opened {
                resource,
                last_updated_ms: self.parts.clock.now_ms(),
            }),
        };
        require(grant.permits(turn, &self.indexer()))
    }
}

/// Whether it is made of the journal.
fn is_own_event(address: &Address) -> bool {
    MADE_OF_JOURNAL.contains(&address.resource_type.name()) && id::is_of_journal(&address.id)
}

/// Whether nothing of a history is left out. A type that is not granted at all is refused.
pub(super) fn shows_all_of(grant: &Grant, scope: &HistoryScope) -> Result<bool, Outcome> {
    let resource_type = match scope {
        HistoryScope::Instance(address) => address.resource_type,
        HistoryScope::Type(resource_type) => *resource_type,
        HistoryScope::System if grant.is_unlimited() => return Ok(true),
        HistoryScope::System => return Ok(false),
    };
    require_type(grant, resource_type)?;
    Ok(grant.level(resource_type) == Level::Everything)
}
