//! What patients forbid somebody by their consents: found for all patients at once.

use std::collections::{BTreeSet, HashMap};

use crate::access::consent::matter::Matter;
use crate::access::consent::{self, Asker};
use crate::access::policy::chart::Charts;
use crate::access::reach::search::Searches;
use crate::access::records::Stored;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::search::key::Key;
use crate::search::plan::{Plan, Predicate};

/// The type of what patients allow and forbid.
pub(super) const CONSENT: &str = "Consent";

/// What each of some patients forbids.
pub(super) async fn forbidden(
    searches: &Searches<'_>,
    patients: &BTreeSet<String>,
    askers: &[Asker<'_>],
) -> Result<Vec<HashMap<Matter, BTreeSet<String>>>, Outcome> {
    let mut found: Vec<HashMap<_, BTreeSet<String>>> = Vec::new();
    found.resize_with(askers.len(), HashMap::new);
    if patients.is_empty() {
        return Ok(found);
    }
    let indexer = searches.records.indexer();
    let resource_type: ResourceType = CONSENT
        .parse()
        .map_err(|_unknown| Outcome::internal("consents are no type"))?;
    let key = Key::of_type(resource_type);
    let plan = Plan {
        driver: Charts::of(patients.clone(), &indexer).in_compartment(),
        residual: Predicate::Key(key.clone()),
        type_key: Some(key),
    };
    let mut visit = |stored: &Stored| {
        let consent = stored.resource()?;
        if let Some(patient_id) = consent::patient(&consent, indexer.base_url()) {
            for (asker, found) in askers.iter().zip(&mut found) {
                let matter = consent::forbidden(&consent, asker);
                if matter != Matter::Never {
                    let patients = found.entry(matter).or_default();
                    patients.insert(patient_id.to_owned());
                }
            }
        }
        Ok(true)
    };
    if searches.walk(resource_type, &plan, &mut visit).await? {
        Ok(found)
    } else {
        // What was not read may forbid anything.
        Err(Outcome::internal(
            "there are more consents than are read for one person",
        ))
    }
}
