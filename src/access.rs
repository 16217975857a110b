//! Who may do what: the one place that decides, and the proof of its decision.
//!
//! [`check`] is the only maker of a [`Grant`], and [`records::Records`], the only way to stored
//! resources, wants one for everything. What nobody allowed is denied.

pub mod keys;
pub mod records;
pub mod sequence;

use crate::config::AccessMode;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Session {
    identity: Identity,
}

#[derive(Debug, Clone, Copy)]
enum Identity {
    /// Nobody was asked for anything.
    Open,
    /// Whoever holds the store's files and keys, on the command line.
    Operator,
    /// Nobody showed a right.
    Anonymous,
}

impl Session {
    /// The session of a request that showed no right; what it may do depends on the mode.
    pub const fn without_credentials(mode: AccessMode) -> Self {
        let identity = match mode {
            AccessMode::Open => Identity::Open,
            AccessMode::Smart => Identity::Anonymous,
        };
        Self { identity }
    }

    /// The session of a command that was given the store and its keys.
    pub const fn operator() -> Self {
        Self {
            identity: Identity::Operator,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Read, vread, history or search of one type.
    Read(ResourceType),
    /// Create, update, patch or delete of one type.
    Write(ResourceType),
    /// Create, update, patch or delete of what criteria match. What these lead through is of other
    /// types too: each is checked when it is found.
    WriteWhere(ResourceType),
    /// History over all types.
    ReadSystem,
    /// Search of one type, or of several. What is found, included, or passed on the way of a chain
    /// is of other types too: each is checked when it is found.
    Search(Option<ResourceType>),
    /// Reading code systems and value sets, to understand what is asked.
    ReadTerminology,
    /// A batch or transaction; each entry is checked by itself as well.
    Bundle,
    /// Destroying a patient's key.
    Erase,
    /// Work on the index that changes no content.
    Reindex,
}

/// The proof that access was checked; made by [`check`] only.
#[derive(Debug, Clone)]
pub struct Grant {
    intent: Intent,
}

impl Grant {
    /// A grant on what every grant comes with: code systems and value sets say nothing of any
    /// patient, and without them what is granted could not be understood.
    #[must_use]
    pub fn on_terminology(&self) -> Self {
        Self {
            intent: Intent::ReadTerminology,
        }
    }

    /// Whether the grant covers reading resources of this type.
    fn reads(&self, resource_type: ResourceType) -> bool {
        match self.intent {
            Intent::Read(granted) | Intent::Write(granted) => granted == resource_type,
            Intent::ReadSystem
            | Intent::WriteWhere(_)
            | Intent::Search(_)
            | Intent::Bundle
            | Intent::Erase => true,
            Intent::ReadTerminology => TERMINOLOGY_TYPES.contains(&resource_type.name()),
            Intent::Reindex => false,
        }
    }

    /// Whether the grant covers writing resources of this type.
    fn writes(&self, resource_type: ResourceType) -> bool {
        match self.intent {
            Intent::Write(granted) | Intent::WriteWhere(granted) => granted == resource_type,
            Intent::Bundle => true,
            Intent::Read(_)
            | Intent::ReadSystem
            | Intent::ReadTerminology
            | Intent::Search(_)
            | Intent::Erase
            | Intent::Reindex => false,
        }
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

/// The types that define codes.
const TERMINOLOGY_TYPES: [&str; 2] = ["CodeSystem", "ValueSet"];

/// Decides whether the session may do what it intends.
pub fn check(session: &Session, intent: Intent) -> Result<Grant, Outcome> {
    match session.identity {
        Identity::Open | Identity::Operator => Ok(Grant { intent }),
        Identity::Anonymous => Err(Outcome::new(
            Kind::Unauthenticated,
            "This request carries no access token: sign in and send one.",
        )),
    }
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
        let grant = check(&open, Intent::WriteWhere(patient)).unwrap();
        assert!(grant.reads(patient) && grant.reads(other));
        assert!(grant.writes(patient) && !grant.writes(other));
    }

    #[test]
    fn every_grant_covers_terminology_and_no_more_by_it() {
        let open = Session::without_credentials(AccessMode::Open);
        let patient = "Patient".parse().unwrap();
        let grant = check(&open, Intent::Write(patient)).unwrap();
        let terminology = grant.on_terminology();
        for name in ["ValueSet", "CodeSystem"] {
            let resource_type = name.parse().unwrap();
            assert!(terminology.reads(resource_type) && !terminology.writes(resource_type));
        }
        assert!(!terminology.reads(patient) && !terminology.writes(patient));
        assert!(!terminology.erases() && !terminology.reindexes());
    }
}
