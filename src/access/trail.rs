//! What a request touched, for whoever writes it down: every grant notes it as it goes.
//!
//! [`super::records::Records`] notes whatever it opens or writes, so that no way out can forget to.
//! Who opens more than leaves, such as a search that tests its candidates, says so and names what
//! leaves instead. Nothing here holds content.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::access::person::Person;
use crate::store::Address;

/// Who acts, as far as the right that was shown tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// The server's own id of the person.
    pub person_id: Option<String>,
    /// The resource that describes them: `Practitioner/2`.
    pub fhir_user: Option<String>,
    /// What they are to this server.
    pub role: Option<&'static str>,
    /// The app that acts.
    pub client_id: Option<String>,
    /// The grant or token it acts by.
    pub grant_id: Option<String>,
    /// Why, where somebody said so: a code of v3-PurposeOfUse.
    pub purpose: Option<String>,
}

impl Actor {
    /// A person who acts through no app.
    pub fn person(person: &Person) -> Self {
        Self {
            person_id: Some(person.id.clone()),
            fhir_user: person.fhir_user.clone(),
            role: Some(person.role.name()),
            ..Self::default()
        }
    }
}

/// Patients of a resource: mostly one.
pub type Patients = SmallVec<[String; 1]>;

/// A resource that left or was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Touched {
    /// Which resource.
    pub address: Address,
    /// Which version; `None` for one that is being written.
    pub version_id: Option<i64>,
    /// Ids of the patients in whose record it is.
    pub patients: Patients,
}

/// What one request touched.
#[derive(Debug, Clone, Default)]
pub struct Trail(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    actor: Option<Arc<Actor>>,
    searched: Vec<String>,
    legs: Vec<Leg>,
}

/// What one grant touched.
#[derive(Debug, Default)]
struct Leg {
    /// Whether what leaves is named, so that what was opened does not count.
    is_chosen: bool,
    shown: Vec<Touched>,
    written: Vec<Touched>,
}

/// The place of one grant in a trail.
#[derive(Debug, Clone)]
pub struct Step {
    trail: Trail,
    at: usize,
}

/// What a request came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Who acted.
    pub actor: Option<Arc<Actor>>,
    /// What was searched for, as it was sent.
    pub searched: Vec<String>,
    /// What left, each once.
    pub shown: Vec<Touched>,
    /// What was written, each once.
    pub written: Vec<Touched>,
}

impl Trail {
    /// Notes who acts.
    pub fn act(&self, actor: Arc<Actor>) {
        self.lock().actor = Some(actor);
    }

    /// A place for another grant.
    pub(super) fn step(&self) -> Step {
        let mut noted = self.lock();
        noted.legs.push(Leg::default());
        Step {
            trail: self.clone(),
            at: noted.legs.len().saturating_sub(1),
        }
    }

    /// What there is so far; taken out.
    pub fn take(&self) -> Summary {
        let noted = std::mem::take(&mut *self.lock());
        let (mut shown, mut written) = (Vec::new(), Vec::new());
        for leg in noted.legs {
            shown.extend(leg.shown);
            written.extend(leg.written);
        }
        once(&mut shown);
        Summary {
            actor: noted.actor,
            searched: noted.searched,
            shown,
            written,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Step {
    /// A step for another grant of the same request.
    pub(super) fn another(&self) -> Self {
        self.trail.step()
    }

    /// From here on only what is named leaves, whatever is opened.
    pub(super) fn choose(&self) {
        self.leg(|leg| {
            leg.is_chosen = true;
            leg.shown.clear();
        });
    }

    /// Whether what is opened counts.
    pub(super) fn counts_opened(&self) -> bool {
        self.leg(|leg| !leg.is_chosen)
    }

    /// Notes what leaves.
    pub(super) fn shows(&self, touched: Touched) {
        self.leg(|leg| leg.shown.push(touched));
    }

    /// Notes what is written, before it is; in place of earlier tries of the same.
    pub(super) fn writes(&self, touched: Vec<Touched>) {
        self.leg(|leg| {
            if !leg.written.is_empty() {
                let again: HashSet<&Address> = touched.iter().map(|one| &one.address).collect();
                leg.written.retain(|one| !again.contains(&one.address));
            }
            leg.written.extend(touched);
        });
    }

    /// Notes what is searched for.
    pub(super) fn searches(&self, text: String) {
        self.trail.lock().searched.push(text);
    }

    fn leg<T: Default>(&self, note: impl FnOnce(&mut Leg) -> T) -> T {
        let mut noted = self.trail.lock();
        noted.legs.get_mut(self.at).map(note).unwrap_or_default()
    }
}

fn once(touched: &mut Vec<Touched>) {
    if touched.len() > 1 {
        let mut seen = HashSet::with_capacity(touched.len());
        touched.retain(|one| seen.insert((one.address.clone(), one.version_id)));
    }
}

#[cfg(test)]
mod tests {
    use super::{Summary, Touched, Trail};
    use crate::store::Address;

    fn touched(id: &str) -> Touched {
        Touched {
            address: Address {
                resource_type: "Observation".parse().unwrap(),
                id: id.to_owned(),
            },
            version_id: Some(1),
            patients: ["ada".to_owned()].into_iter().collect(),
        }
    }

    fn ids(trail: &Trail) -> Vec<String> {
        let Summary { shown, written, .. } = trail.take();
        let all = shown.into_iter().chain(written);
        all.map(|one| one.address.id).collect()
    }

    #[test]
    fn what_is_opened_counts_unless_what_leaves_is_named() {
        let trail = Trail::default();
        let (one, other) = (trail.step(), trail.step());
        one.shows(touched("a"));
        one.shows(touched("a"));
        other.shows(touched("b"));
        other.choose();
        assert!(one.counts_opened() && !other.counts_opened());
        other.shows(touched("c"));
        let third = other.another();
        third.writes(vec![touched("x")]);
        third.writes(vec![touched("x"), touched("d")]);
        assert_eq!(ids(&trail), ["a", "c", "x", "d"]);
        // What was taken is not told twice.
        third.shows(touched("e"));
        assert!(ids(&trail).is_empty());
    }
}
