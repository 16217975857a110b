//! What was opened and written, noted on the trail of the grant that it was done by.
//!
//! Whose record a resource is in is told without reading its tree: its data key names the owner by
//! a hash, and the ids of patients that its text mentions are few. Only where it mentions several
//! is the tree asked.

use smallvec::SmallVec;

use crate::access::records::{Change, Records, Stored};
use crate::access::trail::{Patients, Touched};
use crate::access::{AUDIT_EVENT, Grant};
use crate::outcome::Outcome;
use crate::seal::data_key::owner_of;
use crate::search::index::Indexer;
use crate::store::Address;

/// Characters of an id.
const ID_CHARS_MAX: usize = 64;

/// What stands before the id in a reference to a patient.
const PATIENT: &str = "Patient";

impl Records {
    /// Says that only what [`Records::leaves`] is given leaves, whatever else is opened.
    pub fn choose_what_leaves(&self, grant: &Grant) {
        if let Some(step) = &grant.step {
            step.choose();
        }
    }

    /// Notes what leaves.
    pub fn leaves<'s>(
        &self,
        grant: &Grant,
        all: impl IntoIterator<Item = &'s Stored>,
    ) -> Result<(), Outcome> {
        if let Some(step) = &grant.step {
            let indexer = self.indexer();
            for stored in all {
                step.shows(touched(&indexer, stored)?);
            }
        }
        Ok(())
    }

    /// Notes what is searched for, as it was sent.
    pub fn is_searched(&self, grant: &Grant, text: impl FnOnce() -> String) {
        if let Some(step) = &grant.step {
            step.searches(text());
        }
    }

    /// Notes what was opened to be shown.
    pub(super) fn note_opened<'s>(
        &self,
        grant: &Grant,
        all: impl IntoIterator<Item = &'s Stored>,
    ) -> Result<(), Outcome> {
        match &grant.step {
            Some(step) if step.counts_opened() => self.leaves(grant, all),
            _ => Ok(()),
        }
    }

    /// Notes whose record is going to be erased.
    pub(super) fn note_erasure(grant: &Grant, patient_id: &str) -> Result<(), Outcome> {
        if let Some(step) = &grant.step {
            let resource_type = PATIENT.parse();
            let resource_type = resource_type
                .map_err(|_unknown| Outcome::internal("there are no patients in R4"))?;
            step.writes(vec![Touched {
                address: Address {
                    resource_type,
                    id: patient_id.to_owned(),
                },
                version_id: None,
                patients: Patients::from_iter([patient_id.to_owned()]),
            }]);
        }
        Ok(())
    }

    /// Notes a version that is going to be written anew.
    pub(super) fn note_rewrite(&self, grant: &Grant, read: &Stored) -> Result<(), Outcome> {
        if let Some(step) = &grant.step {
            step.writes(vec![touched(&self.indexer(), read)?]);
        }
        Ok(())
    }

    /// Notes what is going to be written: whose it was, and whose it will be.
    pub(super) fn note_changes(&self, grant: &Grant, changes: &[Change]) -> Result<(), Outcome> {
        let Some(step) = &grant.step else {
            return Ok(());
        };
        let indexer = self.indexer();
        let mut written = Vec::with_capacity(changes.len());
        for change in changes {
            let mut patients = Patients::new();
            if let Some(superseded) = &change.supersedes {
                patients = touched(&indexer, superseded)?.patients;
            }
            if let Some(resource) = &change.resource {
                let mut each = |id: &str| add(&mut patients, id);
                // Its id is set later.
                if change.address.resource_type.name() == PATIENT {
                    each(&change.address.id);
                }
                indexer.each_patient(resource, &mut each);
                indexer.owner(resource).into_iter().for_each(each);
            }
            let before = change.supersedes.as_ref();
            written.push(Touched {
                address: change.address.clone(),
                version_id: Some(before.map_or(1, |stored| stored.version.version_id + 1)),
                patients,
            });
        }
        step.writes(written);
        Ok(())
    }
}

fn touched(indexer: &Indexer, stored: &Stored) -> Result<Touched, Outcome> {
    Ok(Touched {
        address: stored.version.address.clone(),
        version_id: Some(stored.version.version_id),
        patients: patients(indexer, stored)?,
    })
}

/// The patients in whose record a version is; none for a tombstone.
fn patients(indexer: &Indexer, stored: &Stored) -> Result<Patients, Outcome> {
    let owner = owner_of(&stored.version.key_id);
    let is_nobodys = owner == indexer.owner_hash(None);
    // What was written down of a patient is in their record, and not sealed for them.
    let is_event = stored.version.address.resource_type.name() == AUDIT_EVENT;
    if stored.json.is_empty() || (is_nobodys && !is_event) {
        return Ok(Patients::new());
    }
    let is_owner = |id: &str| owner == indexer.owner_hash(Some(id));
    let mut mentioned = mentioned(&stored.json);
    if stored.version.address.resource_type.name() == PATIENT {
        let own = stored.version.address.id.as_str();
        if !mentioned.contains(&own) {
            mentioned.push(own);
        }
    }
    if let [only] = mentioned.as_slice()
        && is_owner(only)
    {
        return Ok(Patients::from_iter([(*only).to_owned()]));
    }
    let resource = stored.resource()?;
    let mut found = Patients::new();
    let mut each = |id: &str| add(&mut found, id);
    indexer.each_patient(&resource, &mut each);
    indexer.owner(&resource).into_iter().for_each(each);
    Ok(found)
}

fn add(patients: &mut Patients, id: &str) {
    if !patients.iter().any(|known| known == id) {
        patients.push(id.to_owned());
    }
}

/// The ids behind `Patient/` in a text, each once.
fn mentioned(json: &[u8]) -> SmallVec<[&str; 2]> {
    let mut found = SmallVec::new();
    // Bodies were written from texts.
    let text = std::str::from_utf8(json).unwrap_or_default();
    for (at, _slash) in text.match_indices('/') {
        let Some((before, after)) = text.split_at_checked(at) else {
            continue;
        };
        if !before.ends_with(PATIENT) {
            continue;
        }
        let after = after.strip_prefix('/').unwrap_or_default();
        let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let end = after.find(|c| !is_id(c)).unwrap_or(after.len());
        let id = after.get(..end).unwrap_or_default();
        if !id.is_empty() && id.len() <= ID_CHARS_MAX && !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::mentioned;

    #[test]
    fn ids_of_patients_are_found_wherever_they_stand() {
        for (text, ids) in [
            (r#"{"reference":"Patient/a"}"#, &["a"][..]),
            (
                r#"{"reference":"http://x/fhir/Patient/a.b-1/_history/2"}"#,
                &["a.b-1"],
            ),
            (
                r#""Patient/a","Patient/b","Patient/a","Group/c""#,
                &["a", "b"],
            ),
            (r#""Patient/""#, &[]),
            (r#""/Patient""#, &[]),
            ("Patient/", &[]),
            ("", &[]),
        ] {
            assert_eq!(mentioned(text.as_bytes()).as_slice(), ids, "{text}");
        }
    }
}
