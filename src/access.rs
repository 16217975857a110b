//! Who may do what: the one place that decides, and the proof of its decision.
//!
//! [`check`] is the only maker of a [`Grant`], and [`records::Records`], the only way to stored
//! resources, wants one for everything. What nobody allowed is denied.

mod consent;
pub mod documents;
pub mod emergency;
pub mod keys;
pub mod person;
pub mod policy;
pub mod rate;
pub mod reach;
pub mod records;
pub mod scope;
pub mod sequence;
pub mod share;
pub mod trail;

use std::sync::Arc;

use crate::access::person::Person;
use crate::access::policy::{Level, Opened, Policy, Restriction, Turn};
use crate::access::scope::Permissions;
use crate::access::trail::{Actor, Step, Trail};
use crate::config::AccessMode;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::seal::data_key::KeyId;
use crate::search::index::Indexer;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Session {
    identity: Identity,
    /// Who acts, as far as the right that was shown tells.
    actor: Option<Arc<Actor>>,
    /// Where what the session's grants touch is noted.
    trail: Option<Trail>,
}

#[derive(Debug, Clone)]
enum Identity {
    /// Nobody was asked for anything.
    Open,
    /// Whoever holds the store's files and keys, on the command line.
    Operator,
    /// Nobody showed a right.
    Anonymous,
    /// The bearer of an access token.
    Bearer(Arc<Policy>),
}

impl Session {
    /// The session of a request that showed no right; what it may do depends on the mode.
    pub const fn without_credentials(mode: AccessMode) -> Self {
        let identity = match mode {
            AccessMode::Open => Identity::Open,
            AccessMode::Smart => Identity::Anonymous,
        };
        Self::of(identity)
    }

    const fn of(identity: Identity) -> Self {
        Self {
            identity,
            actor: None,
            trail: None,
        }
    }

    /// Says who acts.
    #[must_use]
    pub fn acting_as(mut self, actor: Arc<Actor>) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Has what the session's grants touch noted on a trail.
    #[must_use]
    pub fn on_trail(mut self, trail: Option<Trail>) -> Self {
        if let (Some(trail), Some(actor)) = (&trail, &self.actor) {
            trail.act(Arc::clone(actor));
        }
        self.trail = trail;
        self
    }

    /// The session of a command that was given the store and its keys.
    pub const fn operator() -> Self {
        Self::of(Identity::Operator)
    }

    /// The person who acts, where it is one who signed in.
    pub fn person(&self) -> Option<&Person> {
        match &self.identity {
            Identity::Bearer(policy) => policy.person(),
            Identity::Open | Identity::Operator | Identity::Anonymous => None,
        }
    }

    /// The session of a request with an access token that was verified.
    pub const fn bearer(policy: Arc<Policy>) -> Self {
        Self::of(Identity::Bearer(policy))
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Read, vread or history of one type.
    Read(ResourceType),
    /// Create of one type.
    Create(ResourceType),
    /// Update of one type, which creates where there is nothing.
    Update(ResourceType),
    /// Patch of one type; the answer shows what it came to.
    Patch(ResourceType),
    /// Delete of one type.
    Delete(ResourceType),
    /// History over all types.
    ReadSystem,
    /// Search of one type, or of several. What is found, included, or passed on the way of a chain
    /// is of other types too: each is checked when it is found.
    Search(Option<ResourceType>),
    /// Reading code systems and value sets, to understand what is asked.
    ReadTerminology,
    /// A batch or transaction: nothing by itself but to commit; see [`Grant::within`].
    Bundle,
    /// Destroying a patient's key.
    Erase,
    /// Work on the index that changes no content.
    Reindex,
    /// Handing in messages that write to any record; they are applied by the server.
    Ingest,
    /// Looking at messages that were handed in, and deciding about them.
    OverseeIngest,
    /// Making `AuditEvent`s of what is in the journal: the server itself only.
    WriteAudit,
}

/// The proof that access was checked; made by [`check`] only.
#[derive(Debug, Clone)]
pub struct Grant {
    intent: Intent,
    /// What the bearer of a token may do; `None` where everything is let through.
    policy: Option<Arc<Policy>>,
    /// Where what it touches is noted.
    step: Option<Step>,
}

impl Grant {
    /// The server's own, to find out what others may do.
    const fn of_server(intent: Intent) -> Self {
        Self {
            intent,
            policy: None,
            step: None,
        }
    }

    /// A grant on what every grant comes with: code systems and value sets say nothing of any
    /// patient, and without them what is granted could not be understood.
    #[must_use]
    pub fn on_terminology(&self) -> Self {
        Self {
            intent: Intent::ReadTerminology,
            policy: None,
            step: None,
        }
    }

    /// The grant of one entry of a Bundle, decided as if the entry came by itself.
    pub fn within(&self, intent: Intent) -> Result<Self, Outcome> {
        if self.intent != Intent::Bundle {
            return Err(insufficient());
        }
        let policy = match &self.policy {
            None => None,
            Some(policy) => decide(policy, intent)?,
        };
        Ok(Self {
            intent,
            policy,
            step: self.step.as_ref().map(Step::another),
        })
    }

    /// Whether nothing is kept from the bearer, so that figures about everything may be shown.
    pub fn is_unlimited(&self) -> bool {
        self.policy.is_none()
    }

    /// A place as this bearer sees it: what is sealed for it opens for nobody whose right is
    /// another one, so that a total of a broader right shows nobody what is hidden from them.
    pub fn bound(&self, place: &str) -> String {
        match &self.policy {
            None => place.to_owned(),
            Some(policy) => format!("{place}\0{}", policy.mark()),
        }
    }

    /// Whether searches find anything of a type.
    pub fn finds(&self, resource_type: ResourceType) -> bool {
        match (&self.policy, self.intent) {
            (_, Intent::ReadTerminology) => TERMINOLOGY_TYPES.contains(&resource_type.name()),
            (_, Intent::Reindex | Intent::WriteAudit | Intent::Ingest | Intent::OverseeIngest) => {
                false
            }
            (None, Intent::Read(granted)) => granted == resource_type,
            (None, _) => true,
            (Some(policy), intent) if may_find(intent) => {
                policy.level(resource_type, Permissions::SEARCH) != Level::Nothing
            }
            (Some(_), _) => false,
        }
    }

    /// What searches of a type, or of all types, have to be narrowed to.
    fn restriction(&self, resource_type: Option<ResourceType>) -> Option<Restriction> {
        let policy = self.policy.as_ref()?;
        policy.restriction(resource_type)
    }

    /// How much of a type may be looked at by address or in a history.
    fn level(&self, resource_type: ResourceType) -> Level {
        let Some(policy) = &self.policy else {
            return if self.reads(resource_type) {
                Level::Everything
            } else {
                Level::Nothing
            };
        };
        let wanted = wanted(self.intent);
        let levels = wanted
            .iter()
            .map(|any_of| policy.level(resource_type, *any_of));
        let rank = |level: &Level| match level {
            Level::Nothing => 0,
            Level::Partly => 1,
            Level::Everything => 2,
        };
        levels.min_by_key(rank).unwrap_or(Level::Nothing)
    }

    /// Whether a resource may be looked at by address or in a history.
    fn shows(&self, opened: Opened<'_>, indexer: &Indexer) -> bool {
        let Some(policy) = &self.policy else {
            return self.reads(opened.resource.resource_type());
        };
        let wanted = wanted(self.intent);
        !wanted.is_empty()
            && wanted
                .iter()
                .all(|any_of| policy.covers(opened, *any_of, indexer))
    }

    /// Whether the data key of a version tells already that it may be looked at.
    fn shows_owner(&self, resource_type: ResourceType, key: &KeyId) -> bool {
        let Some(policy) = &self.policy else {
            return false;
        };
        let wanted = wanted(self.intent);
        !wanted.is_empty()
            && wanted
                .iter()
                .all(|any_of| policy.covers_owner(resource_type, key, *any_of))
    }

    /// Whether searches find a resource.
    fn shows_found(&self, opened: Opened<'_>, indexer: &Indexer) -> bool {
        self.policy
            .as_ref()
            .is_none_or(|policy| policy.covers(opened, Permissions::SEARCH, indexer))
    }

    /// Whether the bearer may know that there is something that cannot be looked at: who writes to
    /// it is told, since it could not be written as if it did not exist.
    fn tells_of_hidden(&self) -> bool {
        matches!(self.intent, Intent::Update(_))
    }

    /// Whether a change may be made.
    fn permits(&self, turn: Turn<'_>, indexer: &Indexer) -> bool {
        let policy = self.policy.as_ref();
        policy.is_none_or(|policy| policy.permits(turn, indexer))
    }

    /// Whether an unlimited grant covers reading resources of this type.
    fn reads(&self, resource_type: ResourceType) -> bool {
        match self.intent {
            Intent::Read(granted) => granted == resource_type,
            // Criteria of conditional writes may be about other types.
            Intent::Create(_)
            | Intent::Update(_)
            | Intent::Patch(_)
            | Intent::Delete(_)
            | Intent::ReadSystem
            | Intent::Search(_)
            | Intent::Bundle
            | Intent::Erase
            | Intent::WriteAudit => true,
            Intent::ReadTerminology => TERMINOLOGY_TYPES.contains(&resource_type.name()),
            Intent::Reindex | Intent::Ingest | Intent::OverseeIngest => false,
        }
    }

    /// Whether the grant covers writing resources of this type, as far as the intent tells.
    fn writes(&self, resource_type: ResourceType) -> bool {
        match self.intent {
            Intent::Create(granted)
            | Intent::Update(granted)
            | Intent::Patch(granted)
            | Intent::Delete(granted) => granted == resource_type,
            Intent::Bundle => true,
            Intent::WriteAudit => MADE_OF_JOURNAL.contains(&resource_type.name()),
            Intent::Read(_)
            | Intent::ReadSystem
            | Intent::ReadTerminology
            | Intent::Search(_)
            | Intent::Erase
            | Intent::Reindex
            | Intent::Ingest
            | Intent::OverseeIngest => false,
        }
    }

    /// Whether the grant covers `AuditEvent`s of this server's own.
    fn writes_audit(&self) -> bool {
        self.intent == Intent::WriteAudit
    }

    /// Whether the grant covers work on the index.
    fn reindexes(&self) -> bool {
        self.intent == Intent::Reindex
    }

    /// Whether the grant covers erasing a patient.
    fn erases(&self) -> bool {
        self.intent == Intent::Erase
    }
}

/// The type of what was written down of others.
const AUDIT_EVENT: &str = "AuditEvent";

/// The types of what is made of the journal.
const MADE_OF_JOURNAL: [&str; 2] = [AUDIT_EVENT, "Provenance"];

/// The types that define codes.
const TERMINOLOGY_TYPES: [&str; 2] = ["CodeSystem", "ValueSet"];

/// Decides whether the session may do what it intends.
pub fn check(session: &Session, intent: Intent) -> Result<Grant, Outcome> {
    let policy = match &session.identity {
        Identity::Open if intent == Intent::WriteAudit => return Err(insufficient()),
        Identity::Open | Identity::Operator => None,
        Identity::Anonymous => {
            return Err(Outcome::new(
                Kind::Unauthenticated,
                "This request carries no access token: sign in and send one.",
            ));
        }
        Identity::Bearer(policy) => decide(policy, intent)?,
    };
    Ok(Grant {
        intent,
        policy,
        step: session.trail.as_ref().map(Trail::step),
    })
}

/// What a grant to the bearer of a token is limited by; `None` where everything is let through.
fn decide(policy: &Arc<Policy>, intent: Intent) -> Result<Option<Arc<Policy>>, Outcome> {
    let has = |resource_type, any_of| policy.level(resource_type, any_of) != Level::Nothing;
    let is_permitted = match intent {
        Intent::Read(one) => has(one, Permissions::READ),
        Intent::Create(one) => has(one, Permissions::CREATE),
        Intent::Update(one) => has(one, Permissions::CREATE.or(Permissions::UPDATE)),
        Intent::Patch(one) => has(one, Permissions::READ) && has(one, Permissions::UPDATE),
        Intent::Delete(one) => has(one, Permissions::DELETE),
        Intent::Search(Some(one)) => has(one, Permissions::SEARCH),
        Intent::Search(None) => policy.permits_some(Permissions::SEARCH),
        Intent::ReadSystem => policy.permits_some(Permissions::READ),
        Intent::Bundle => policy.permits_some(Permissions::ALL),
        Intent::ReadTerminology | Intent::WriteAudit => false,
        Intent::Ingest => policy.writes_everything(),
        Intent::Erase | Intent::Reindex | Intent::OverseeIngest => policy.is_everything(),
    };
    if !is_permitted {
        return Err(insufficient());
    }
    Ok((!policy.is_everything()).then(|| Arc::clone(policy)))
}

/// Of each of these sets one permission is needed to look at a resource by its address.
const fn wanted(intent: Intent) -> &'static [Permissions] {
    const READ: &[Permissions] = &[Permissions::READ];
    const SEARCH: &[Permissions] = &[Permissions::READ.or(Permissions::SEARCH)];
    const UPDATE: &[Permissions] = &[Permissions::UPDATE];
    const PATCH: &[Permissions] = &[Permissions::READ, Permissions::UPDATE];
    const DELETE: &[Permissions] = &[Permissions::DELETE];
    match intent {
        Intent::Read(_) | Intent::ReadSystem => READ,
        Intent::Search(_) => SEARCH,
        Intent::Update(_) => UPDATE,
        Intent::Patch(_) => PATCH,
        Intent::Delete(_) => DELETE,
        Intent::Create(_)
        | Intent::ReadTerminology
        | Intent::Bundle
        | Intent::Erase
        | Intent::Reindex
        | Intent::WriteAudit
        | Intent::Ingest
        | Intent::OverseeIngest => &[],
    }
}

/// Whether an intent comes with searching: by itself, or by the criteria of a conditional write.
const fn may_find(intent: Intent) -> bool {
    matches!(
        intent,
        Intent::Search(_)
            | Intent::Create(_)
            | Intent::Update(_)
            | Intent::Patch(_)
            | Intent::Delete(_)
    )
}

fn insufficient() -> Outcome {
    Outcome::new(
        Kind::Forbidden,
        "The scopes of the access token do not cover this.",
    )
}

#[cfg(test)]
mod tests {
    use super::{Intent, Session, check};
    use crate::config::AccessMode;
    use crate::outcome::kind::Kind;

    #[test]
    fn without_a_right_nothing_is_granted_unless_the_mode_is_open() {
        let open = Session::without_credentials(AccessMode::Open);
        let anonymous = Session::without_credentials(AccessMode::Smart);
        for intent in [Intent::ReadSystem, Intent::Bundle, Intent::Erase] {
            assert!(check(&open, intent).is_ok());
            assert_eq!(
                check(&anonymous, intent).unwrap_err().kind,
                Kind::Unauthenticated
            );
        }
    }

    #[test]
    fn a_grant_to_read_is_none_to_write() {
        let open = Session::without_credentials(AccessMode::Open);
        let patient = "Patient".parse().unwrap();
        let grant = check(&open, Intent::Read(patient)).unwrap();
        assert!(grant.reads(patient));
        assert!(!grant.writes(patient));
        assert!(!grant.reads("Observation".parse().unwrap()));
        assert!(!grant.erases());
    }

    #[test]
    fn criteria_of_a_write_may_lead_elsewhere_and_write_nothing_there() {
        let open = Session::without_credentials(AccessMode::Open);
        let (patient, other) = ("Patient".parse().unwrap(), "Observation".parse().unwrap());
        let grant = check(&open, Intent::Update(patient)).unwrap();
        assert!(grant.reads(patient) && grant.reads(other));
        assert!(grant.writes(patient) && !grant.writes(other));
    }

    #[test]
    fn every_grant_covers_terminology_and_no_more_by_it() {
        let open = Session::without_credentials(AccessMode::Open);
        let patient = "Patient".parse().unwrap();
        let grant = check(&open, Intent::Update(patient)).unwrap();
        let terminology = grant.on_terminology();
        for name in ["ValueSet", "CodeSystem"] {
            let resource_type = name.parse().unwrap();
            assert!(terminology.reads(resource_type) && !terminology.writes(resource_type));
        }
        assert!(!terminology.reads(patient) && !terminology.writes(patient));
        assert!(!terminology.erases() && !terminology.reindexes());
    }
}
