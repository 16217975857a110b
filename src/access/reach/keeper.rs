//! Reaches of people, found out when they are asked for and remembered for a short while.
//!
//! What the person's own document says holds at once, and so do relationships, shares and consents
//! that this process wrote; those that another one wrote hold after `care.cached_seconds_max`.

use std::sync::{Arc, PoisonError, RwLock};

use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::access::Session;
use crate::access::documents::{DocumentError, Documents};
use crate::access::emergency::Glass;
use crate::access::person::Person;
use crate::access::policy::{Policy, Subject};
use crate::access::reach::Reach;
use crate::access::reach::finding::Finding;
use crate::access::records::Records;
use crate::access::scope::{Context, Permissions, Scope};
use crate::access::share::Share;
use crate::access::trail::Actor;
use crate::clock::Clock;
use crate::config::care::CareConfig;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// People whose reach is remembered.
const PEOPLE_MAX: u64 = 10_000;

/// What reaches are found out from.
pub struct ReachParts {
    /// Relationships are in the records.
    pub records: Arc<Records>,
    /// Shares and emergencies.
    pub documents: Arc<Documents>,
    /// How long relationships last.
    pub config: CareConfig,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Finds out how far people reach.
pub struct Reaches {
    parts: ReachParts,
    places: Cache<String, Arc<Place>>,
}

/// Where the reach of one person is remembered.
#[derive(Default)]
struct Place {
    known: RwLock<Option<Arc<Known>>>,
    /// Held while it is found out, so that this is done once.
    finding: Mutex<()>,
}

/// A reach that was found out.
struct Known {
    person: Person,
    reach: Arc<Reach>,
    /// What the person may do when no scopes narrow it.
    policy: Arc<Policy>,
    /// How resources name what the reach depends on.
    names: Vec<String>,
    /// The count of changes to relationships before it was found out.
    count: u64,
    made_ms: i64,
}

impl Reaches {
    /// Puts the parts together.
    pub fn new(parts: ReachParts) -> Self {
        Self {
            parts,
            places: Cache::builder().max_capacity(PEOPLE_MAX).build(),
        }
    }

    /// How far a person reaches.
    pub async fn of(&self, person: &Person) -> Result<Arc<Reach>, Outcome> {
        Ok(Arc::clone(&self.known(person).await?.reach))
    }

    /// The session of a person on the server's own pages, where no app and so no scope narrows
    /// what they may do.
    pub async fn session(&self, person: &Person) -> Result<Session, Outcome> {
        let known = self.known(person).await?;
        let session = Session::bearer(Arc::clone(&known.policy));
        Ok(session.acting_as(Arc::new(Actor::person(person))))
    }

    /// The session of whoever has the link to a share and knows its passcode.
    pub async fn session_of_link(&self, share: &Share) -> Result<Session, Outcome> {
        let reach = Arc::new(self.finding().of_link(share).await?);
        Ok(Session::bearer(self.whole_policy(reach)))
    }

    /// Where shares are kept.
    pub fn documents(&self) -> &Documents {
        &self.parts.documents
    }

    /// For how many days a share may be made.
    pub fn share_days_max(&self) -> u32 {
        self.parts.config.share_days_max
    }

    /// Notes that something was shared or taken back, so that it holds at once.
    pub fn note(&self, share: &Share) {
        if let Some(name) = share.recipient() {
            self.parts.records.note_relation(&name);
        }
    }

    /// What opens records in an emergency.
    pub fn glass(&self) -> Glass<'_> {
        let minutes = i64::from(self.parts.config.emergency_minutes);
        Glass {
            records: &self.parts.records,
            documents: &self.parts.documents,
            open_ms: minutes.saturating_mul(60_000),
        }
    }

    fn finding(&self) -> Finding<'_> {
        Finding {
            records: &self.parts.records,
            documents: &self.parts.documents,
            config: &self.parts.config,
            now_ms: self.parts.clock.now_ms(),
        }
    }

    async fn known(&self, person: &Person) -> Result<Arc<Known>, Outcome> {
        let place = self.places.get_with_by_ref(&person.id, Arc::default);
        if let Some(known) = self.remembered(&place, person) {
            return Ok(known);
        }
        let _finding = place.finding.lock().await;
        if let Some(known) = self.remembered(&place, person) {
            return Ok(known);
        }
        let known = Arc::new(self.find(person).await?);
        let mut remembered = place.known.write().unwrap_or_else(PoisonError::into_inner);
        *remembered = Some(Arc::clone(&known));
        Ok(known)
    }

    fn remembered(&self, place: &Place, person: &Person) -> Option<Arc<Known>> {
        let known = place.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        let now_ms = self.parts.clock.now_ms();
        let age_ms = now_ms.saturating_sub(known.made_ms);
        let kept_ms = i64::try_from(self.parts.config.cached_seconds_max).unwrap_or(i64::MAX);
        let is_young = (0..kept_ms.saturating_mul(1_000)).contains(&age_ms);
        let is_same = known.person.role == person.role
            && known.person.fhir_user == person.fhir_user
            && known.person.acts_for == person.acts_for;
        let mut names = known.names.iter();
        let records = &self.parts.records;
        let is_unchanged = !names.any(|name| records.is_written_since(name, known.count));
        let is_good = is_young && is_same && is_unchanged && now_ms < known.reach.ends_ms;
        is_good.then(|| Arc::clone(known))
    }

    async fn find(&self, person: &Person) -> Result<Known, Outcome> {
        let count = self.parts.records.relations_count();
        let finding = self.finding();
        let (reach, names) = finding.of_person(person).await?;
        let reach = Arc::new(reach);
        Ok(Known {
            policy: self.whole_policy(Arc::clone(&reach)),
            person: person.clone(),
            reach,
            names,
            count,
            made_ms: finding.now_ms,
        })
    }

    /// All that a reach allows.
    fn whole_policy(&self, reach: Arc<Reach>) -> Arc<Policy> {
        let everything = Scope {
            context: Context::User,
            resource_type: None,
            permissions: Permissions::ALL,
            restrictions: Vec::new(),
            is_version_1: false,
        };
        let subject = Subject::of_person(reach, None);
        let indexer = self.parts.records.indexer();
        let now_ms = self.parts.clock.now_ms();
        Arc::new(Policy::compile(&[everything], &subject, &indexer, now_ms))
    }
}

/// A document that cannot be read denies.
pub(super) fn unread(error: &DocumentError) -> Outcome {
    Outcome::new(
        Kind::Unavailable,
        "What you may see cannot be looked up now. Try again shortly.",
    )
    .caused_by(error)
}
