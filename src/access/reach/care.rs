//! Which patients are in a clinician's care, by what the record itself says.
//!
//! The clinician is a `Practitioner`, and whatever roles and organisations this one acts in now.
//! Each way into care is a search of its own; what a search only approximates is looked at.
//! Spec: <https://hl7.org/fhir/R4/careteam.html>, <https://hl7.org/fhir/R4/practitionerrole.html>.

use std::collections::BTreeSet;

use crate::access::reach::search::Searches;
use crate::access::records::{Records, Stored};
use crate::config::care::CareConfig;
use crate::fhir::reference::Reference;
use crate::fhir::resource::Node;
use crate::outcome::Outcome;
use crate::search::param::date::interval;
use crate::search::param::{DataType, Found};

/// Roles of one practitioner that are looked at.
const ROLES_MAX: usize = 50;

/// What care relationships are found out from.
pub(super) struct Care<'r> {
    pub(super) searches: Searches<'r>,
    pub(super) config: &'r CareConfig,
    base_url: String,
}

/// A clinician's patients.
#[derive(Debug, Default)]
pub(super) struct InCare {
    /// Their ids.
    pub(super) patients: BTreeSet<String>,
    /// How resources name the clinician: as practitioner, by roles, by organisations.
    pub(super) names: BTreeSet<String>,
    /// `CareTeam/...` of the teams in which they are now.
    pub(super) teams: BTreeSet<String>,
}

impl<'r> Care<'r> {
    pub(super) fn new(records: &'r Records, config: &'r CareConfig, now_ms: i64) -> Self {
        Self {
            searches: Searches { records, now_ms },
            config,
            base_url: records.indexer().base_url().to_owned(),
        }
    }

    /// The patients in the care of a practitioner, the newest relationships first where they are
    /// more than may be.
    pub(super) async fn of_practitioner(&self, id: &str) -> Result<InCare, Outcome> {
        let mut found = InCare::default();
        self.add_names(id, &mut found).await?;
        let named = found.names.iter().cloned().collect::<Vec<_>>().join(",");
        self.add_chosen(&named, &mut found).await?;
        self.add_teams(&named, &mut found).await?;
        self.add_encounters(&named, &mut found).await?;
        self.add_appointments(&named, &mut found).await?;
        if found.patients.len() >= self.config.patients_max {
            tracing::warn!("a clinician has more patients than may be open at once");
        }
        Ok(found)
    }

    /// The practitioner, the roles that are theirs now, and the organisations of these.
    async fn add_names(&self, id: &str, found: &mut InCare) -> Result<(), Outcome> {
        let own = format!("Practitioner/{id}");
        let mut roles = 0;
        let names = &mut found.names;
        names.insert(own.clone());
        let mut visit = |stored: &Stored| {
            let resource = stored.resource()?;
            let object = resource.object();
            let is_active = object.get("active") != Some(&Node::Bool(false));
            if is_active && self.covers_now(object.get("period")) {
                roles += 1;
                let role_id = resource.id().unwrap_or_default();
                names.insert(format!("PractitionerRole/{role_id}"));
                let organization = object
                    .get("organization")
                    .filter(|_| self.config.organizations);
                names.extend(organization.and_then(|one| self.local(one, "Organization")));
            }
            Ok(roles < ROLES_MAX)
        };
        let by = [("practitioner", own.as_str())];
        self.searches
            .each("PractitionerRole", &by, &mut visit)
            .await
    }

    /// Patients who have chosen the clinician, or where they work, for their general care.
    async fn add_chosen(&self, named: &str, found: &mut InCare) -> Result<(), Outcome> {
        let by = [("general-practitioner", named)];
        let patients = &mut found.patients;
        let mut visit = |stored: &Stored| {
            patients.insert(stored.version.address.id.clone());
            Ok(patients.len() < self.config.patients_max)
        };
        self.searches.each("Patient", &by, &mut visit).await
    }

    /// Patients of care teams that are active now and of which the clinician is a member now.
    async fn add_teams(&self, named: &str, found: &mut InCare) -> Result<(), Outcome> {
        let by = [("participant", named), ("status", "active")];
        let (patients, known) = (&mut found.patients, &found.names);
        let teams = &mut found.teams;
        let mut visit = |stored: &Stored| {
            let resource = stored.resource()?;
            let object = resource.object();
            let is_member = |participant: &Node| {
                let name = participant
                    .get("member")
                    .and_then(|one| self.any_local(one));
                name.is_some_and(|name| known.contains(&name))
                    && self.covers_now(participant.get("period"))
            };
            if self.covers_now(object.get("period"))
                && object.items("participant").iter().any(is_member)
            {
                let subject = object.get("subject");
                patients.extend(subject.and_then(|one| self.patient(one)));
                teams.insert(format!("CareTeam/{}", stored.version.address.id));
            }
            Ok(patients.len() < self.config.patients_max)
        };
        self.searches.each("CareTeam", &by, &mut visit).await
    }

    /// Whether a period, where there is one, includes the present.
    fn covers_now(&self, period: Option<&Node>) -> bool {
        let Some(period) = period else {
            return true;
        };
        let now_ms = self.searches.now_ms;
        let stated = interval(&Found::new(period, DataType::Period));
        stated.is_none_or(|one| (one.low_ms..one.high_ms).contains(&now_ms))
    }

    /// The id of the patient of this server that a reference names.
    pub(super) fn patient(&self, reference: &Node) -> Option<String> {
        let name = self.local(reference, "Patient")?;
        name.strip_prefix("Patient/").map(str::to_owned)
    }

    /// `Type/id` of a reference to something of this server and of this type.
    fn local(&self, reference: &Node, type_name: &str) -> Option<String> {
        let name = self.any_local(reference)?;
        let (of, _id) = name.split_once('/')?;
        (of == type_name).then_some(name)
    }

    /// `Type/id` of a reference to something of this server.
    pub(super) fn any_local(&self, reference: &Node) -> Option<String> {
        let text = reference.get("reference")?.as_str()?;
        match Reference::parse(text, Some(&self.base_url)) {
            Reference::Local {
                resource_type, id, ..
            } => Some(format!("{resource_type}/{id}")),
            _ => None,
        }
    }
}
