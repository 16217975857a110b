//! Resources that searches of a size ask for: the same at every size of the database, so that the
//! answers stay what they are while everything around them grows.
//!
//! They share codes and values with what is generated, so that no search gets away with a code of
//! its own.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::bench::data::BUNDLE_ENTRIES;

/// Patients of the town: what is sorted.
pub(super) const TOWN: usize = 1_000;

/// Charts, each of [`CHART`] resources.
pub(super) const CHARTS: usize = 8;

/// Resources of a chart, its patient among them.
pub(super) const CHART: usize = 300;

/// A code that a great part of all generated observations has.
pub(super) const COMMON_CODE: &str = "http://loinc.org|8867-4";

/// Observations of the code that is counted, for each patient of the town.
const COUNTED: usize = 2;

/// Patients of the town with what is rare: 20 answers and a few more.
const RARE: usize = 30;

/// Patients of the town who are with the clinic.
const CLINIC: usize = 15;

/// Writes the resources as bundles for `vesta import`, and says how many there are.
pub(super) fn write(directory: &Path) -> Result<usize, Failure> {
    let all = resources();
    for (number, part) in all.chunks(BUNDLE_ENTRIES).enumerate() {
        let entries: Vec<_> = part.iter().map(entry).collect();
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let path = directory.join(format!("asked-{number:05}.json"));
        std::fs::write(path, serde_json::to_vec(&bundle)?)?;
    }
    Ok(all.len())
}

fn entry(resource: &Value) -> Value {
    let text = |name: &str| {
        resource
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let url = format!("{}/{}", text("resourceType"), text("id"));
    json!({"resource": resource, "request": {"method": "PUT", "url": url}})
}

/// All of them; what others refer to first.
fn resources() -> Vec<Value> {
    let mut all = vec![json!({
        "resourceType": "Organization", "id": "asked-clinic", "name": "Quaxley Clinic"
    })];
    all.extend((0..TOWN).map(patient));
    all.extend((0..TOWN).flat_map(observations));
    (0..CHARTS).for_each(|number| chart(number, &mut all));
    all
}

/// A patient of the town.
fn patient(number: usize) -> Value {
    let family = match number {
        number if number < RARE => format!("Zaqor{}", syllables(number)),
        number if number < 2 * RARE => format!("Uvzqwixy{}", syllables(number)),
        number => format!("Ozk{}", syllables(number)),
    };
    let decade = if number < 2 * RARE { 1870 } else { 1880 };
    let mut patient = json!({
        "resourceType": "Patient", "id": format!("asked-{number}"),
        "gender": if number < RARE { "female" } else { "male" },
        "birthDate": format!("{}-{:02}-{:02}", decade + number % 10, 1 + number % 12,
            1 + number % 28),
        "name": [{"family": family, "given": ["Pat"]}],
        "address": [{"city": "Quaxtown", "line": ["1 Main Street"]}],
    });
    if number < CLINIC
        && let Some(members) = patient.as_object_mut()
    {
        let clinic = json!({"reference": "Organization/asked-clinic"});
        members.insert("managingOrganization".to_owned(), clinic);
    }
    patient
}

/// What was observed of a patient of the town.
fn observations(number: usize) -> Vec<Value> {
    let subject = format!("Patient/asked-{number}");
    let mut all: Vec<Value> = (0..COUNTED)
        .map(|place| {
            let id = format!("asked-counted-{number}-{place}");
            observation(&id, &subject, ("http://example.org/asked", "counted"), 5)
        })
        .collect();
    if number < RARE {
        let (system, code) = COMMON_CODE.split_once('|').unwrap_or_default();
        let id = format!("asked-high-{number}");
        all.push(observation(&id, &subject, (system, code), 900 + number));
        let id = format!("asked-rare-{number}");
        let mut rare = observation(&id, &subject, ("http://example.org/asked", "rare"), 7);
        if let Some(members) = rare.as_object_mut() {
            let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">a quixotry of blood</div>";
            let narrative = json!({"status": "generated", "div": div});
            members.insert("text".to_owned(), narrative);
        }
        all.push(rare);
    }
    all
}

fn observation(id: &str, subject: &str, (system, code): (&str, &str), value: usize) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs",
        }]}],
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2024-05-06T07:08:09Z",
        "valueQuantity": {
            "value": value, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min",
        },
    })
}

/// A patient with a chart of [`CHART`] resources.
fn chart(number: usize, all: &mut Vec<Value>) {
    let patient = format!("asked-chart-{number}");
    let subject = format!("Patient/{patient}");
    let end = all.len() + CHART;
    all.push(json!({
        "resourceType": "Patient", "id": patient, "name": [{"family": "Chart"}],
        "birthDate": "1960-01-02",
    }));
    for place in 0..40 {
        all.push(json!({
            "resourceType": "Encounter", "id": format!("{patient}-e{place}"),
            "status": "finished", "subject": {"reference": subject},
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB",
            },
        }));
    }
    for place in 0..30 {
        all.push(json!({
            "resourceType": "Condition", "id": format!("{patient}-c{place}"),
            "subject": {"reference": subject},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]},
        }));
    }
    let (system, common) = COMMON_CODE.split_once('|').unwrap_or_default();
    let codes = [common, "8480-6", "8462-4", "8310-5", "29463-7"];
    let mut place = 0;
    while all.len() < end {
        let code = codes.get(place % codes.len()).copied().unwrap_or(common);
        let id = format!("{patient}-o{place}");
        all.push(observation(&id, &subject, (system, code), 70 + place % 20));
        place += 1;
    }
}

/// A made-up ending that tells numbers apart.
fn syllables(mut number: usize) -> String {
    const ALL: [&str; 10] = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu"];
    let mut text = String::new();
    for _ in 0..3 {
        text.push_str(ALL.get(number % 10).copied().unwrap_or_default());
        number /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{CHART, CHARTS, TOWN, resources};

    #[test]
    fn every_resource_has_an_id_of_its_own() {
        let all = resources();
        let ids: HashSet<_> = all
            .iter()
            .map(|one| (one["resourceType"].to_string(), one["id"].to_string()))
            .collect();
        assert_eq!(ids.len(), all.len());
        let of_chart = all.iter().filter(|one| {
            let text = one.to_string();
            text.contains("\"Patient/asked-chart-3\"") || text.contains("\"asked-chart-3\"")
        });
        assert_eq!(of_chart.count(), CHART);
        assert!(all.len() > TOWN + CHARTS * CHART);
    }

    #[test]
    fn families_of_the_town_are_all_different() {
        let all = resources();
        let town = all.iter().filter(|one| one["address"].is_array());
        let families: HashSet<_> = town
            .map(|one| one["name"][0]["family"].to_string())
            .collect();
        assert_eq!(families.len(), TOWN);
    }
}
