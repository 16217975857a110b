//! An event as the `AuditEvent`s that auditors and patients read.
//!
//! What touched one patient is one resource. What touched several is one without patients, which
//! holds the query, and one for each patient with what is theirs: nobody reads of another patient
//! in the event about their own record. All have the same X-Request-Id.
//! Shapes: <https://profiles.ihe.net/ITI/BALP/>, <https://hl7.org/fhir/R4/auditevent.html>.

mod codes;
mod provenance;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::audit::event::{Agent, Event, EventOutcome, Touched};
use crate::audit::resource::codes::{ACT_REASON, AUDIT_ENTITY_TYPE, BALP_ENTITY_TYPE};
use crate::audit::resource::codes::{DCM, OBJECT_ROLE, PARTICIPATION, SOURCE_TYPE};
use crate::fhir::instant::Instant;

/// Data entities of one resource; more are counted in the description of the outcome.
const ENTITIES_MAX: usize = 1_000;

/// A resource made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id; its type is in the JSON.
    pub id: String,
    /// The JSON.
    pub json: String,
}

/// The `AuditEvent`s of an event, and where something was written, what says so of each resource.
/// `base_url` is where the server is.
pub fn resources(event_id: &str, event: &Event, base_url: &str) -> Vec<Made> {
    let whole = View {
        event,
        base_url,
        patient: None,
    };
    let mut views = Vec::with_capacity(event.patients.len() + 1);
    if let [only] = event.patients.as_slice() {
        let patient = Some((0, only.as_str()));
        views.push((event_id.to_owned(), View { patient, ..whole }));
    } else {
        views.push((event_id.to_owned(), whole));
        for (place, patient) in (0_u32..).zip(&event.patients) {
            let id = format!("{event_id}-{}", u64::from(place) + 1);
            let patient = Some((place, patient.as_str()));
            views.push((id, View { patient, ..whole }));
        }
    }
    let mut made = Vec::with_capacity(views.len());
    for (id, view) in views {
        let changes = view.changes(&id);
        made.push(Made {
            json: view.to_json(&id),
            id: id.clone(),
        });
        made.extend(changes.map(|json| Made { id, json }));
    }
    made
}

/// What is seen of an event in one of its resources.
#[derive(Clone, Copy)]
struct View<'a> {
    event: &'a Event,
    base_url: &'a str,
    patient: Option<(u32, &'a str)>,
}

impl View<'_> {
    fn to_json(self, id: &str) -> String {
        let event = self.event;
        let kind = codes::kind(event.act);
        let mut resource = json!({
            "resourceType": "AuditEvent",
            "id": id,
            "type": kind.event_type(),
            "subtype": kind.subtypes(event.act),
            "action": kind.action,
            "recorded": Instant::from_millis(event.recorded_ms).to_string(),
            "outcome": outcome(event.ending.outcome),
        });
        let mut set = |name: &str, value: Value| {
            if let Some(members) = resource.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
        };
        if let Some(description) = self.description() {
            set("outcomeDesc", json!(description));
        }
        if let Some(purpose) = &event.purpose {
            let coding = json!({ "system": ACT_REASON, "code": purpose });
            set("purposeOfEvent", json!([{ "coding": [coding] }]));
        }
        set("agent", self.agents());
        set("source", self.source());
        let entities = self.entities();
        if !entities.is_empty() {
            set("entity", Value::Array(entities));
        }
        resource.to_string()
    }

    fn description(self) -> Option<Cow<'static, str>> {
        let left_out = self.data().count().saturating_sub(ENTITIES_MAX);
        let said = self.event.ending.description.clone();
        match (said, left_out) {
            (said, 0) => said.map(Cow::Owned),
            (said, left_out) => {
                let said = said.unwrap_or_default();
                let text = format!("{said} {left_out} more resources are not listed.");
                Some(Cow::Owned(text.trim_start().to_owned()))
            }
        }
    }

    /// Who asked, the app that asked for them, and this server.
    fn agents(self) -> Value {
        let agent = &self.event.agent;
        let kind = codes::kind(self.event.act);
        let mut agents = Vec::new();
        let has_person = agent.person_id.is_some() || agent.fhir_user.is_some();
        if agent.client_id.is_some() || !has_person {
            agents.push(self.client(agent, kind.client));
        }
        if has_person {
            agents.push(person(agent, agent.client_id.is_none()));
        }
        agents.push(json!({
            "type": dcm(kind.server),
            "who": { "display": "Vesta" },
            "requestor": false,
            "network": { "address": self.base_url, "type": "5" },
        }));
        Value::Array(agents)
    }

    fn client(self, agent: &Agent, role: (&str, &str)) -> Value {
        let mut who = Map::new();
        match &agent.client_id {
            Some(id) => {
                let system = format!("{}/client", self.base_url);
                who.insert(
                    "identifier".to_owned(),
                    json!({ "system": system, "value": id }),
                );
            }
            None if agent.is_system => {
                who.insert("display".to_owned(), json!("Vesta"));
            }
            None => {
                who.insert("display".to_owned(), json!("unknown"));
            }
        }
        let has_person = agent.person_id.is_some() || agent.fhir_user.is_some();
        let mut client = json!({ "type": dcm(role), "who": who, "requestor": !has_person });
        set_network(&mut client, agent);
        if let (Some(grant), Some(members)) = (&agent.grant_id, client.as_object_mut()) {
            members.insert(
                "policy".to_owned(),
                json!([format!("urn:vesta:token:{grant}")]),
            );
        }
        client
    }

    fn source(self) -> Value {
        let kind = json!({ "system": SOURCE_TYPE, "code": "4", "display": "Application Server" });
        json!({ "site": self.base_url, "observer": { "display": "Vesta" }, "type": [kind] })
    }

    fn entities(self) -> Vec<Value> {
        let mut entities = Vec::new();
        if let Some((_, id)) = self.patient {
            entities.push(json!({
                "what": { "reference": format!("Patient/{id}") },
                "type": { "system": AUDIT_ENTITY_TYPE, "code": "1", "display": "Person" },
                "role": { "system": OBJECT_ROLE, "code": "1", "display": "Patient" },
            }));
        }
        entities.extend(self.data().take(ENTITIES_MAX).map(data));
        // A query that was about several patients says something of each to the others.
        let is_for_all = self.patient.is_none() || self.event.patients.len() < 2;
        if let Some(query) = self.event.query.as_ref().filter(|_| is_for_all) {
            entities.push(json!({
                "type": { "system": AUDIT_ENTITY_TYPE, "code": "2", "display": "System Object" },
                "role": { "system": OBJECT_ROLE, "code": "24", "display": "Query" },
                "query": STANDARD.encode(query),
            }));
        }
        if let Some(subject) = &self.event.subject {
            entities.push(json!({
                "what": { "identifier": { "value": subject } },
                "type": { "system": AUDIT_ENTITY_TYPE, "code": "2", "display": "System Object" },
            }));
        }
        if let Some(id) = &self.event.request_id {
            entities.push(json!({
                "what": { "identifier": { "value": id } },
                "type": { "system": BALP_ENTITY_TYPE, "code": "XrequestId" },
            }));
        }
        entities
    }

    /// The resources that this view shows, but for the patient, who is an entity already.
    fn data(&self) -> impl Iterator<Item = &Touched> {
        let own = self.patient.map(|(_, id)| format!("Patient/{id}"));
        self.touched()
            .filter(move |one| own.as_ref() != Some(&one.reference))
    }

    /// The resources that this view is about: a patient's, or those that are in nobody's record.
    fn touched(&self) -> impl Iterator<Item = &Touched> {
        let place = self.patient.map(|(place, _)| place);
        let is_alone = self.event.patients.len() < 2;
        self.event.touched.iter().filter(move |one| {
            let is_theirs = place.is_some_and(|place| one.patients.contains(&place));
            let is_nobodys = one.patients.is_empty() && (is_alone || place.is_none());
            is_theirs || is_nobodys
        })
    }
}

fn versioned(touched: &Touched) -> String {
    match touched.version_id {
        Some(version_id) => format!("{}/_history/{version_id}", touched.reference),
        None => touched.reference.clone(),
    }
}

fn data(touched: &Touched) -> Value {
    let reference = versioned(touched);
    json!({
        "what": { "reference": reference },
        "type": { "system": AUDIT_ENTITY_TYPE, "code": "2", "display": "System Object" },
        "role": { "system": OBJECT_ROLE, "code": "4", "display": "Domain Resource" },
    })
}

fn person(agent: &Agent, is_direct: bool) -> Value {
    let mut who = Map::new();
    if let Some(reference) = &agent.fhir_user {
        who.insert("reference".to_owned(), json!(reference));
    }
    if let Some(id) = &agent.person_id {
        who.insert("identifier".to_owned(), json!({ "value": id }));
    }
    let kind = json!({ "system": PARTICIPATION, "code": "IRCP" });
    let mut person = json!({ "type": { "coding": [kind] }, "who": who, "requestor": true });
    if let (Some(role), Some(members)) = (&agent.role, person.as_object_mut()) {
        members.insert("role".to_owned(), json!([{ "text": role }]));
    }
    if is_direct {
        set_network(&mut person, agent);
    }
    person
}

fn set_network(member: &mut Value, agent: &Agent) {
    if let (Some(address), Some(members)) = (agent.address, member.as_object_mut()) {
        let network = json!({ "address": address.to_string(), "type": "2" });
        members.insert("network".to_owned(), network);
    }
}

fn dcm((code, display): (&str, &str)) -> Value {
    json!({ "coding": [{ "system": DCM, "code": code, "display": display }] })
}

fn outcome(outcome: EventOutcome) -> &'static str {
    match outcome {
        EventOutcome::Success => "0",
        EventOutcome::Minor => "4",
        EventOutcome::Serious => "8",
    }
}
