//! The Provenance of what an event has written: who made these versions, when, by which app.
//!
//! Spec: <https://hl7.org/fhir/R4/provenance.html>.

use serde_json::{Value, json};

use crate::audit::event::{Act, Agent, EventOutcome};
use crate::audit::resource::{View, versioned};
use crate::fhir::instant::Instant;

const OPERATION: &str = "http://terminology.hl7.org/CodeSystem/v3-DataOperation";
const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// Targets of one resource.
const TARGETS_MAX: usize = 1_000;

impl View<'_> {
    /// What says who wrote what this view shows; `None` when nothing of it was written.
    pub(super) fn changes(&self, id: &str) -> Option<String> {
        let event = self.event;
        let is_done = event.ending.outcome == EventOutcome::Success;
        let written = || self.touched().filter(|one| one.is_written && is_done);
        let targets: Vec<Value> = written()
            .take(TARGETS_MAX)
            .map(|one| json!({ "reference": versioned(one) }))
            .collect();
        if targets.is_empty() || event.act == Act::Erase {
            return None;
        }
        let is_first = written().all(|one| one.version_id == Some(1));
        let mut resource = json!({
            "resourceType": "Provenance",
            "id": id,
            "target": targets,
            "recorded": Instant::from_millis(event.recorded_ms).to_string(),
        });
        if let Some(members) = resource.as_object_mut() {
            if let Some(code) = activity(event.act, is_first) {
                let coding = json!({ "system": OPERATION, "code": code });
                members.insert("activity".to_owned(), json!({ "coding": [coding] }));
            }
            let agents = agents(&event.agent, self.base_url);
            members.insert("agent".to_owned(), Value::Array(agents));
        }
        Some(resource.to_string())
    }
}

fn activity(act: Act, is_first: bool) -> Option<&'static str> {
    match act {
        Act::Delete => Some("DELETE"),
        Act::Create | Act::Update | Act::Patch if is_first => Some("CREATE"),
        Act::Update | Act::Patch | Act::Operation => Some("UPDATE"),
        _ => None,
    }
}

/// The person is the author; an app that acts for nobody is one itself.
fn agents(agent: &Agent, base_url: &str) -> Vec<Value> {
    let mut agents = Vec::new();
    let has_person = agent.person_id.is_some() || agent.fhir_user.is_some();
    if has_person {
        let who = match (&agent.fhir_user, &agent.person_id) {
            (Some(reference), _) => json!({ "reference": reference }),
            (None, id) => json!({ "identifier": { "value": id } }),
        };
        agents.push(participant("author", &who));
    }
    if let Some(client_id) = &agent.client_id {
        let system = format!("{base_url}/client");
        let who = json!({ "identifier": { "system": system, "value": client_id } });
        let role = if has_person { "assembler" } else { "author" };
        agents.push(participant(role, &who));
    }
    if agents.is_empty() {
        agents.push(participant("author", &json!({ "display": "unknown" })));
    }
    agents
}

fn participant(code: &str, who: &Value) -> Value {
    json!({ "type": { "coding": [{ "system": PARTICIPANT, "code": code }] }, "who": who })
}
