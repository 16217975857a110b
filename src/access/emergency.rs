//! Breaking the glass: a clinician opens a record in an emergency, says why, and the patient is
//! told.
//!
//! It lasts for a while that is set, and opens for reading and for writing down what is done; what
//! is there already is not changed by it. No record is opened before its patient was told.

use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::access::person::{Person, Role};
use crate::access::records::{Change, CommitError, Records};
use crate::access::{Grant, Intent};
use crate::fhir::instant::Instant;
use crate::fhir::json;
use crate::outcome::Outcome;
use crate::store::{Address, Method};

/// The collection of records that are open in an emergency, by the person.
const EMERGENCIES: &str = "emergency";

/// Records that one person may have open in this way at once.
const AT_ONCE_MAX: usize = 20;

/// Characters of a reason.
const REASON_CHARS_MIN: usize = 10;
const REASON_CHARS_MAX: usize = 500;

/// A record that was opened in an emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// Whose record.
    pub patient_id: String,
    /// Why.
    pub reason: String,
    /// When it was opened, in ms since the epoch.
    pub begun_ms: i64,
    /// When it closes.
    pub ends_ms: i64,
}

/// Why a record is not opened.
#[derive(Debug, thiserror::Error)]
pub enum EmergencyError {
    /// Only clinicians may.
    #[error("only clinicians break the glass, and only in their own name")]
    NotAClinician,
    /// No reason, or one that says nothing.
    #[error("say why in {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters")]
    Reason,
    /// There is no such patient.
    #[error("there is no such patient")]
    NoPatient,
    /// Too many at once.
    #[error("{AT_ONCE_MAX} records are open in this way already")]
    TooMany,
    /// Documents cannot be read or written now.
    #[error(transparent)]
    Failed(#[from] DocumentError),
    /// The patient cannot be told now.
    #[error("the patient cannot be told")]
    Untold(Outcome),
}

/// Where emergencies are kept, and how long they last.
pub struct Glass<'a> {
    /// The records, for telling the patient.
    pub records: &'a Records,
    /// Where it is kept.
    pub documents: &'a Documents,
    /// How long a record stays open.
    pub open_ms: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Open {
    all: Vec<Emergency>,
}

impl Glass<'_> {
    /// Opens a record.
    pub async fn break_for(
        &self,
        person: &Person,
        patient_id: &str,
        reason: &str,
    ) -> Result<Emergency, EmergencyError> {
        let clinician = person.fhir_id("Practitioner");
        let is_clinician = person.role == Role::Practitioner;
        let Some(clinician) = clinician.filter(|_| is_clinician) else {
            return Err(EmergencyError::NotAClinician);
        };
        let reason = reason.trim();
        let chars = reason.chars().count();
        if !(REASON_CHARS_MIN..=REASON_CHARS_MAX).contains(&chars) {
            return Err(EmergencyError::Reason);
        }
        let now_ms = self.documents.now_ms();
        let emergency = Emergency {
            patient_id: patient_id.to_owned(),
            reason: reason.to_owned(),
            begun_ms: now_ms,
            ends_ms: now_ms.saturating_add(self.open_ms),
        };
        let known: Option<Kept<Open>> = self.documents.get(EMERGENCIES, &person.id).await?;
        let (mut open, before) = match known {
            Some(kept) => (kept.content, Before::Revision(kept.revision)),
            None => (Open::default(), Before::Nothing),
        };
        let is_other = |one: &Emergency| one.ends_ms > now_ms && one.patient_id != patient_id;
        open.all.retain(is_other);
        if open.all.len() >= AT_ONCE_MAX {
            return Err(EmergencyError::TooMany);
        }
        self.tell(clinician, &emergency).await?;
        open.all.push(emergency.clone());
        let place = (EMERGENCIES, person.id.as_str());
        let ends_ms = Some(emergency.ends_ms);
        self.documents.put(place, &open, before, ends_ms).await?;
        self.records
            .note_relation(&format!("Practitioner/{clinician}"));
        Ok(emergency)
    }

    /// Writes a message to the patient into the record.
    async fn tell(&self, clinician: &str, emergency: &Emergency) -> Result<(), EmergencyError> {
        let internal = || EmergencyError::Untold(Outcome::internal("no alert can be made"));
        let failed = EmergencyError::Untold;
        let patient_type = "Patient".parse().map_err(|_unknown| internal())?;
        let patient = Address {
            resource_type: patient_type,
            id: emergency.patient_id.clone(),
        };
        let reading = Grant::of_server(Intent::Read(patient_type));
        let found = self.records.get(&reading, &patient).await.map_err(failed)?;
        if found.is_none_or(|stored| stored.is_deleted()) {
            return Err(EmergencyError::NoPatient);
        }
        let resource_type = "Communication".parse().map_err(|_unknown| internal())?;
        let text = alert(clinician, emergency).to_string();
        let limits = json::Limits { depth_max: 16 };
        let resource = json::parse_resource(text.as_bytes(), limits);
        let change = Change {
            address: Address {
                resource_type,
                id: self.records.new_id(),
            },
            resource: Some(resource.map_err(|_unreadable| internal())?),
            method: Method::Post,
            supersedes: None,
        };
        let writing = Grant::of_server(Intent::Create(resource_type));
        let written = self.records.commit(&writing, vec![change], Vec::new());
        match written.await {
            Ok(_stored) => Ok(()),
            Err(CommitError::Failed(outcome)) => Err(failed(outcome)),
            Err(CommitError::Conflict { .. }) => Err(internal()),
        }
    }
}

/// The records that a person has open in this way now.
pub(super) async fn open_to(
    documents: &Documents,
    person: &Person,
) -> Result<Vec<Emergency>, DocumentError> {
    let known: Option<Kept<Open>> = documents.get(EMERGENCIES, &person.id).await?;
    let now_ms = documents.now_ms();
    let mut open = known.map(|kept| kept.content.all).unwrap_or_default();
    open.retain(|one| (one.begun_ms..one.ends_ms).contains(&now_ms));
    Ok(open)
}

fn alert(clinician: &str, emergency: &Emergency) -> serde_json::Value {
    let patient = format!("Patient/{}", emergency.patient_id);
    let until = Instant::from_millis(emergency.ends_ms);
    let text = format!(
        "Your record was opened in an emergency, until {until}. The reason that was given: {}",
        emergency.reason
    );
    serde_json::json!({
        "resourceType": "Communication",
        "status": "completed",
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/communication-category",
            "code": "alert",
        }]}],
        "priority": "urgent",
        "subject": { "reference": patient },
        "recipient": [{ "reference": patient }],
        "sender": { "reference": format!("Practitioner/{clinician}") },
        "sent": Instant::from_millis(emergency.begun_ms).to_string(),
        "reasonCode": [{
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                "code": "BTG",
            }],
            "text": emergency.reason,
        }],
        "payload": [{ "contentString": text }],
    })
}
