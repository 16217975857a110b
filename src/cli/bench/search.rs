//! The queries of each search workload, made of what the generated resources say.

use serde_json::Value;

use crate::cli::bench::ready::Ready;
use crate::cli::bench::workload::Workload;
use crate::fhir::query;

/// Matches on a page.
pub(super) const PAGE: usize = 20;

/// Different queries of a workload at most.
const QUERIES_MAX: usize = 512;

/// Paths with queries, each below the FHIR base; none for what is no search.
pub(super) fn paths(workload: Workload, ready: &Ready) -> Vec<String> {
    let observations = ready.observations.iter().map(|one| &one.json);
    let mut paths: Vec<String> = match workload {
        Workload::PatientCode => observations.filter_map(patient_code).collect(),
        Workload::PatientCategory => observations.filter_map(patient_category).collect(),
        Workload::CodeValue => observations.filter_map(code_value).collect(),
        Workload::Count => observations.filter_map(count).collect(),
        Workload::FamilyPrefix => ready.patients.iter().filter_map(family_prefix).collect(),
        Workload::BirthdateGender => ready.patients.iter().filter_map(birthdate_gender).collect(),
        _ => Vec::new(),
    };
    paths.sort_unstable();
    paths.dedup();
    let step = paths.len().div_ceil(QUERIES_MAX).max(1);
    paths.into_iter().step_by(step).collect()
}

fn patient_code(observation: &Value) -> Option<String> {
    let pairs = [
        ("patient", subject(observation)?),
        ("code", code(observation)?),
    ];
    Some(page("Observation", &pairs))
}

fn patient_category(observation: &Value) -> Option<String> {
    let pairs = [
        ("patient", subject(observation)?),
        ("category", "vital-signs".to_owned()),
    ];
    Some(page("Observation", &pairs))
}

fn code_value(observation: &Value) -> Option<String> {
    let value = observation.pointer("/valueQuantity/value")?;
    let pairs = [
        ("code", code(observation)?),
        ("value-quantity", format!("ge{value}")),
    ];
    Some(page("Observation", &pairs))
}

fn count(observation: &Value) -> Option<String> {
    let pairs = [("code".to_owned(), code(observation)?)];
    Some(format!(
        "Observation?{}&_summary=count",
        query::encode(&pairs)
    ))
}

fn family_prefix(patient: &Value) -> Option<String> {
    let family = patient.pointer("/name/0/family")?.as_str()?;
    let prefix = family.chars().take(3).collect();
    Some(page("Patient", &[("family", prefix)]))
}

fn birthdate_gender(patient: &Value) -> Option<String> {
    let year: u32 = patient.get("birthDate")?.as_str()?.get(..4)?.parse().ok()?;
    let decade = year / 10 * 10;
    let pairs = [
        ("birthdate", format!("ge{decade}")),
        ("birthdate", format!("lt{}", decade + 10)),
        ("gender", patient.get("gender")?.as_str()?.to_owned()),
    ];
    Some(page("Patient", &pairs))
}

fn subject(observation: &Value) -> Option<String> {
    let reference = observation.pointer("/subject/reference")?.as_str()?;
    reference.strip_prefix("Patient/").map(str::to_owned)
}

fn code(observation: &Value) -> Option<String> {
    let coding = observation.pointer("/code/coding/0")?;
    let (system, code) = (
        coding.get("system")?.as_str()?,
        coding.get("code")?.as_str()?,
    );
    Some(format!("{system}|{code}"))
}

fn page(resource_type: &str, pairs: &[(&str, String)]) -> String {
    let mut pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    pairs.push(("_count".to_owned(), PAGE.to_string()));
    format!("{resource_type}?{}", query::encode(&pairs))
}
