//! Searches over HTTP: <https://hl7.org/fhir/R4/search.html>.

mod chain;
mod contained;
mod differential;
mod examples;
mod include;
mod near;
mod page;
mod page_bytes;
mod result;
mod scope;
mod sort;
mod value;
mod words;

use serde_json::{Value, json};

use crate::support::server::TestServer;

/// Writes a resource under the id that it has.
async fn put(server: &TestServer, resource: &Value) {
    let path = format!(
        "{}/{}",
        resource["resourceType"].as_str().unwrap(),
        resource["id"].as_str().unwrap()
    );
    let answer = server.put(&path, resource).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

/// The Bundle that a search answers with.
async fn found(server: &TestServer, query: &str) -> Value {
    let answer = server.get(query).await;
    assert_eq!(answer.status.as_u16(), 200, "{query}: {}", answer.text());
    answer.json()
}

/// `Type/id` of the entries of a mode, in order.
fn entries(bundle: &Value, mode: &str) -> Vec<String> {
    let all = bundle["entry"].as_array().cloned().unwrap_or_default();
    let of_mode = all.iter().filter(|entry| entry["search"]["mode"] == mode);
    of_mode
        .map(|entry| {
            let resource = &entry["resource"];
            format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

/// `Type/id` of the matches, sorted.
async fn matches(server: &TestServer, query: &str) -> Vec<String> {
    let mut matches = entries(&found(server, query).await, "match");
    matches.sort();
    matches
}

/// The URL of a link.
fn link<'a>(bundle: &'a Value, relation: &str) -> Option<&'a str> {
    let links = bundle["link"].as_array()?;
    let found = links.iter().find(|link| link["relation"] == relation)?;
    found["url"].as_str()
}

/// Two organizations, two patients, a practitioner, three observations, an encounter, a list.
async fn clinic(server: &TestServer) {
    let resources = [
        json!({ "resourceType": "Organization", "id": "north", "name": "North" }),
        json!({ "resourceType": "Organization", "id": "south", "name": "South",
            "partOf": { "reference": "Organization/north" } }),
        json!({ "resourceType": "Practitioner", "id": "doc", "name": [{ "family": "Doc" }] }),
        json!({ "resourceType": "Patient", "id": "ada", "name": [{ "family": "Ada" }],
            "gender": "female", "birthDate": "1990-05-01",
            "managingOrganization": { "reference": "Organization/south" },
            "generalPractitioner": [{ "reference": "Practitioner/doc" }] }),
        json!({ "resourceType": "Patient", "id": "bob", "name": [{ "family": "Bob" }],
            "gender": "male", "birthDate": "1980",
            "managingOrganization": { "reference": "Organization/north" } }),
        json!({ "resourceType": "Encounter", "id": "visit", "status": "finished",
            "class": { "system": "http://c", "code": "AMB" },
            "subject": { "reference": "Patient/ada" } }),
        observation(
            "a1",
            "pulse",
            "ada",
            &json!({ "encounter": { "reference": "Encounter/visit" },
            "performer": [{ "reference": "Practitioner/doc" }] }),
        ),
        observation("a2", "weight", "ada", &json!({})),
        observation("b1", "pulse", "bob", &json!({})),
        json!({ "resourceType": "List", "id": "chosen", "status": "current", "mode": "working",
            "entry": [{ "item": { "reference": "Observation/a2" } },
                { "item": { "reference": "Patient/bob" } }] }),
    ];
    for resource in &resources {
        put(server, resource).await;
    }
}

fn observation(id: &str, code: &str, patient: &str, more: &Value) -> Value {
    let mut resource = json!({ "resourceType": "Observation", "id": id, "status": "final",
        "code": { "coding": [{ "system": "http://c", "code": code }] },
        "subject": { "reference": format!("Patient/{patient}") } });
    for (name, value) in more.as_object().unwrap() {
        resource[name] = value.clone();
    }
    resource
}
