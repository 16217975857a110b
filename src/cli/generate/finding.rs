//! Observations: what they have in common, whatever is observed.
//!
//! Vital signs, laboratory results and habits are in modules of their own.
//! Spec: <https://hl7.org/fhir/R4/observation.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{Observation, ObservationEffective, ObservationValue};
use vesta_model::r4::types::{Meta, Quantity};

use super::chart::{Chart, Visit};
use super::record::EntryId;
use super::term::{Term, term};

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// Vital signs.
pub(super) const VITAL_SIGNS: Term = term(CATEGORY, "vital-signs", "Vital Signs");
/// Laboratory.
pub(super) const LABORATORY: Term = term(CATEGORY, "laboratory", "Laboratory");
/// Habits and circumstances.
pub(super) const SOCIAL_HISTORY: Term = term(CATEGORY, "social-history", "Social History");

/// A final observation of a visit, without a value yet.
pub(super) fn observed(
    chart: &Chart<'_>,
    visit: &Visit<'_>,
    category: Term,
    code: Term,
) -> Observation {
    Observation {
        status: "final".into(),
        category: vec![category.coded()],
        code: Box::new(code.concept()),
        subject: Some(chart.patient.boxed()),
        encounter: Some(visit.id.boxed()),
        effective: Some(ObservationEffective::DateTime(visit.start.text().into())),
        issued: Some(visit.end.text().into()),
        ..Observation::default()
    }
}

/// A value with its unit.
pub(super) fn measured(quantity: Quantity) -> ObservationValue {
    ObservationValue::Quantity(Box::new(quantity))
}

/// The claim to keep a profile of the core specification.
pub(super) fn profile(name: &str) -> Box<Meta> {
    let url = format!("http://hl7.org/fhir/StructureDefinition/{name}");
    Box::new(Meta {
        profile: vec![url.into()],
        ..Meta::default()
    })
}

/// Puts an observation into the record.
pub(super) fn put(chart: &mut Chart<'_>, observation: Observation) -> EntryId {
    let id = chart.record.next_id();
    let observation = Observation {
        id: Some(id.id().into()),
        ..observation
    };
    let resource = Resource::Observation(Box::new(observation));
    chart.record.put("Observation", &id, resource);
    id
}
