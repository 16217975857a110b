//! How a reach is put together: what is a person's own, what is in their care, what is shared with
//! them, what they opened in an emergency, and what patients forbid of all this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::access::consent::Asker;
use crate::access::documents::Documents;
use crate::access::emergency;
use crate::access::person::{Person, Role};
use crate::access::policy::chart::Charts;
use crate::access::policy::condition::of_parts;
use crate::access::policy::denial::Denials;
use crate::access::reach::care::{Care, InCare};
use crate::access::reach::keeper::unread;
use crate::access::reach::search::Searches;
use crate::access::reach::will::{self, CONSENT};
use crate::access::reach::{Opening, Reach};
use crate::access::records::Records;
use crate::access::scope::Permissions;
use crate::access::share::{Category, Share, ledger};
use crate::config::care::CareConfig;
use crate::outcome::Outcome;

/// What reaches are found out from, at a moment.
pub(super) struct Finding<'a> {
    pub(super) records: &'a Records,
    pub(super) documents: &'a Documents,
    pub(super) config: &'a CareConfig,
    pub(super) now_ms: i64,
}

const READING: Permissions = Permissions::READ.or(Permissions::SEARCH);

impl Finding<'_> {
    /// How far a person reaches, and the names of what that depends on.
    pub(super) async fn of_person(&self, person: &Person) -> Result<(Reach, Vec<String>), Outcome> {
        let mut reach = Reach::of(person, Vec::new());
        let names = match person.role {
            Role::Patient => {
                reach.openings = vec![self.own(person)];
                Vec::new()
            }
            Role::Proxy => {
                reach.openings = vec![self.acting(person).await?];
                vec![CONSENT.to_owned()]
            }
            Role::Practitioner => self.add_care(person, &mut reach).await?,
            Role::Administrator | Role::Auditor => Vec::new(),
        };
        Ok((reach, names))
    }

    /// How far a link reaches.
    pub(super) async fn of_link(&self, share: &Share) -> Result<Reach, Outcome> {
        let patients = BTreeSet::from([share.patient_id.clone()]);
        let nobody = BTreeSet::new();
        let denials = self.denials(&patients, &nobody).await?;
        let openings = self.shared(std::slice::from_ref(share), &denials.0);
        Ok(Reach::of_share(share, openings))
    }

    fn own(&self, person: &Person) -> Opening {
        let patients = person.own_patients().into_iter().map(str::to_owned);
        Opening {
            is_own: true,
            ..self.opening(patients.collect(), Permissions::ALL, Arc::default())
        }
    }

    /// The records of those for whom a proxy acts: but for what names the proxy, what patients
    /// forbid others is not meant.
    async fn acting(&self, person: &Person) -> Result<Opening, Outcome> {
        let patients: BTreeSet<String> = person.acts_for.iter().cloned().collect();
        let names = person.fhir_user.iter().cloned().collect();
        let indexer = self.records.indexer();
        let asker = Asker {
            names: &names,
            is_emergency: false,
            must_be_named: true,
            now_ms: self.now_ms,
            base_url: indexer.base_url(),
        };
        let mut found = will::forbidden(&self.searches(), &patients, &[asker]).await?;
        let denials = Denials::of(found.pop().unwrap_or_default(), &indexer);
        Ok(Opening {
            is_own: true,
            ..self.opening(patients, Permissions::ALL, Arc::new(denials))
        })
    }

    async fn add_care(&self, person: &Person, reach: &mut Reach) -> Result<Vec<String>, Outcome> {
        let found = match person.fhir_id("Practitioner") {
            Some(id) => {
                let care = Care::new(self.records, self.config, self.now_ms);
                care.of_practitioner(id).await?
            }
            None => InCare::default(),
        };
        let mut shares = Vec::new();
        for name in &found.names {
            let with = ledger::with(self.documents, name).await;
            shares.extend(with.map_err(|error| unread(&error))?);
        }
        let emergencies = emergency::open_to(self.documents, person).await;
        let emergencies = emergencies.map_err(|error| unread(&error))?;
        let mut patients = found.patients.clone();
        patients.extend(shares.iter().map(|one| one.patient_id.clone()));
        patients.extend(emergencies.iter().map(|one| one.patient_id.clone()));
        let asking: BTreeSet<String> = found.names.union(&found.teams).cloned().collect();
        let (denials, in_emergency) = self.denials(&patients, &asking).await?;
        reach.openings.push(Opening {
            registers: true,
            ..self.opening(found.patients, Permissions::ALL, Arc::clone(&denials))
        });
        reach.openings.extend(self.shared(&shares, &denials));
        if !emergencies.is_empty() {
            let patients = emergencies.iter().map(|one| one.patient_id.clone());
            let permissions = READING.or(Permissions::CREATE);
            let opening = self.opening(patients.collect(), permissions, in_emergency);
            reach.openings.push(opening);
        }
        let ends = shares.iter().map(|one| one.ends_ms);
        let ends = ends.chain(emergencies.iter().map(|one| one.ends_ms));
        reach.ends_ms = ends.min().unwrap_or(i64::MAX);
        Ok(found
            .names
            .into_iter()
            .chain([CONSENT.to_owned()])
            .collect())
    }

    /// What patients forbid somebody, as it is every day and in an emergency.
    async fn denials(
        &self,
        patients: &BTreeSet<String>,
        names: &BTreeSet<String>,
    ) -> Result<(Arc<Denials>, Arc<Denials>), Outcome> {
        let indexer = self.records.indexer();
        let asker = |is_emergency| Asker {
            names,
            is_emergency,
            must_be_named: false,
            now_ms: self.now_ms,
            base_url: indexer.base_url(),
        };
        let askers = [asker(false), asker(true)];
        let found = will::forbidden(&self.searches(), patients, &askers).await?;
        let mut found = found
            .into_iter()
            .map(|one| Arc::new(Denials::of(one, &indexer)));
        Ok((
            found.next().unwrap_or_default(),
            found.next().unwrap_or_default(),
        ))
    }

    /// What is shared: one opening for all shares of the same categories.
    fn shared(&self, shares: &[Share], denials: &Arc<Denials>) -> Vec<Opening> {
        let mut by_categories: BTreeMap<BTreeSet<Category>, BTreeSet<String>> = BTreeMap::new();
        for share in shares {
            let categories = share.categories.iter().copied().collect();
            let patients = by_categories.entry(categories).or_default();
            patients.insert(share.patient_id.clone());
        }
        let openings = by_categories.into_iter().map(|(categories, patients)| {
            let mut opening = self.opening(patients, READING, Arc::clone(denials));
            if !categories.is_empty() {
                // Whose record it is belongs to every part of it.
                let mut parts = vec![("Patient", "")];
                parts.extend(categories.iter().flat_map(|one| one.parts()));
                let indexer = self.records.indexer();
                opening.filter = Some(of_parts(&parts, &indexer, self.now_ms).into());
            }
            opening
        });
        openings.collect()
    }

    fn opening(
        &self,
        patients: BTreeSet<String>,
        permissions: Permissions,
        denials: Arc<Denials>,
    ) -> Opening {
        Opening {
            charts: Charts::of(patients, &self.records.indexer()),
            permissions,
            is_own: false,
            registers: false,
            filter: None,
            denials,
        }
    }

    fn searches(&self) -> Searches<'_> {
        Searches {
            records: self.records,
            now_ms: self.now_ms,
        }
    }
}
