//! Consents: what they forbid to whom, on every way to the record.
//!
//! Spec: <https://hl7.org/fhir/R4/consent.html>.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vesta::access::person::Role;
use vesta::outcome::kind::Kind;

use crate::access::actor::{Actor, chart, clinician, person, set, store};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    what_a_consent_forbids_is_not_seen,
    a_consent_is_changed_by_the_patient_only_and_holds_at_once,
    proxies_are_denied_what_names_them,
    an_emergency_is_denied_what_names_emergencies,
);

const WHOLE: [&str; 5] = ["c-old", "c-new", "c-r", "c-v", "c-hiv"];

fn condition(id: &str, label: &str, recorded: &str, code: &str) -> Value {
    let mut one = json!({
        "resourceType": "Condition", "id": id, "recordedDate": recorded,
        "subject": { "reference": "Patient/p1" },
        "code": { "coding": [{ "system": "http://snomed.info/sct", "code": code }] },
    });
    if !label.is_empty() {
        let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
        one["meta"] = json!({ "security": [{ "system": system, "code": label }] });
    }
    one
}

async fn started(backend: Backend) -> TestServer {
    let server = TestServer::start(backend).await;
    let mut all = vec![
        json!({ "resourceType": "Practitioner", "id": "d1" }),
        condition("c-old", "", "2010-05-05", "1"),
        condition("c-new", "", "2026-05-05", "1"),
        condition("c-r", "R", "2026-05-05", "1"),
        condition("c-v", "V", "2026-05-05", "1"),
        condition("c-hiv", "", "2026-05-05", "86406008"),
    ];
    for id in ["p1", "p2"] {
        let mut own = chart(id);
        let chosen = json!([{ "reference": "Practitioner/d1" }]);
        own[0]["generalPractitioner"] = chosen;
        all.extend(own);
    }
    store(&server, &all).await;
    server
}

fn consent(base: &str, provision: Option<Value>) -> Value {
    let mut one = json!({
        "resourceType": "Consent", "id": "will", "status": "active",
        "scope": { "coding": [{ "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "code": "59284-0" }] }],
        "patient": { "reference": "Patient/p1" },
        "policyRule": { "coding": [{ "code": base }] },
    });
    if let Some(provision) = provision {
        one["provision"] = provision;
    }
    one
}

fn actor_of(name: &str) -> Value {
    json!([{ "role": { "coding": [{ "code": "PRCP" }] }, "reference": { "reference": name } }])
}

fn label(code: &str) -> Value {
    let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    json!([{ "system": system, "code": code }])
}

fn class(name: &str) -> Value {
    json!([{ "system": "http://hl7.org/fhir/resource-types", "code": name }])
}

/// Consents, and the conditions that are seen nevertheless.
fn cases() -> Vec<(Value, BTreeSet<String>)> {
    let all = || set(&WHOLE);
    let optin = |provision: Value| consent("OPTIN", Some(provision));
    let mut inactive = consent("OPTOUT", None);
    inactive["status"] = json!("inactive");
    let mut research = consent("OPTOUT", None);
    research["scope"] = json!({ "coding": [{ "code": "research" }] });
    vec![
        (consent("OPTIN", None), all()),
        (consent("OPTOUT", None), set(&[])),
        (inactive, all()),
        (research, all()),
        (
            optin(json!({ "type": "deny", "actor": actor_of("Practitioner/d1") })),
            set(&[]),
        ),
        (
            optin(json!({ "type": "deny", "actor": actor_of("Practitioner/d2") })),
            all(),
        ),
        (
            optin(json!({ "type": "deny", "purpose": [{ "code": "HRESCH" }] })),
            all(),
        ),
        (
            optin(json!({ "type": "deny", "purpose": [{ "code": "TREAT" }] })),
            set(&[]),
        ),
        (
            optin(json!({ "type": "deny", "period": { "end": "2020-01-01" } })),
            all(),
        ),
        (
            optin(json!({ "type": "deny", "class": class("Condition") })),
            set(&[]),
        ),
        (
            optin(json!({ "type": "deny", "class": class("Observation") })),
            all(),
        ),
        // What denies a level denies those above it.
        (
            optin(json!({ "type": "deny", "securityLabel": label("R") })),
            set(&["c-old", "c-new", "c-hiv"]),
        ),
        (
            optin(json!({ "type": "deny", "code": [{ "coding": [{ "code": "86406008" }] }] })),
            set(&["c-old", "c-new", "c-r", "c-v"]),
        ),
        (
            optin(json!({ "type": "deny", "dataPeriod": { "end": "2020-01-01" } })),
            set(&["c-new", "c-r", "c-v", "c-hiv"]),
        ),
        (
            optin(json!({ "type": "deny", "data": [
                { "meaning": "instance", "reference": { "reference": "Condition/c-r" } },
            ]})),
            set(&["c-old", "c-new", "c-v", "c-hiv"]),
        ),
    ]
}

/// The same with exceptions: within a permit, within a denial, and beside opting out.
fn exceptions() -> Vec<(Value, BTreeSet<String>)> {
    let optin = |provision: Value| consent("OPTIN", Some(provision));
    let optout = |provision: Value| consent("OPTOUT", Some(provision));
    vec![
        (
            optin(json!({ "type": "permit", "provision": [
                { "type": "deny", "securityLabel": label("V") },
            ]})),
            set(&["c-old", "c-new", "c-r", "c-hiv"]),
        ),
        (
            optin(
                json!({ "type": "deny", "class": class("Condition"), "provision": [
                    { "type": "permit", "securityLabel": label("R") },
                ]}),
            ),
            set(&["c-r"]),
        ),
        (
            optout(json!({ "type": "permit", "actor": actor_of("Practitioner/d1") })),
            set(&WHOLE),
        ),
        (
            optout(json!({ "type": "permit", "actor": actor_of("Practitioner/d2") })),
            set(&[]),
        ),
        // Two exceptions that say something else: the denial wins.
        (
            optin(json!({ "type": "permit", "provision": [
                { "type": "permit", "class": class("Condition") },
                { "type": "deny", "securityLabel": label("R") },
            ]})),
            set(&["c-old", "c-new", "c-hiv"]),
        ),
        // What is not understood denies, and permits nothing.
        (
            optin(json!({ "type": "deny", "class": [{ "system": "urn:x", "code": "y" }] })),
            set(&[]),
        ),
        (
            optout(json!({ "type": "permit", "class": [{ "system": "urn:x", "code": "y" }] })),
            set(&[]),
        ),
    ]
}

async fn what_a_consent_forbids_is_not_seen(backend: Backend) {
    let server = started(backend).await;
    for (will, wanted) in cases().into_iter().chain(exceptions()) {
        store(&server, std::slice::from_ref(&will)).await;
        let actor = Actor::of(&server, &clinician()).await;
        for query in ["", "_total=accurate&_sort=_id", "subject=Patient/p1"] {
            assert_eq!(
                actor.ids("Condition", query).await,
                wanted,
                "{query} {will}"
            );
        }
        let seen = actor.sees().await;
        for id in WHOLE {
            let name = format!("Condition/{id}");
            assert_eq!(actor.reads(&name).await, wanted.contains(id), "{id} {will}");
            assert_eq!(seen.contains(&name), wanted.contains(id), "{id} {will}");
        }
        // One patient's will is nobody else's.
        assert!(actor.reads("Observation/o-p2").await && seen.contains("Observation/o-p2"));
        let patient = Actor::of(&server, &person(Role::Patient, "Patient/p1", &[])).await;
        assert_eq!(patient.ids("Condition", "").await, set(&WHOLE), "{will}");
    }
}

async fn a_consent_is_changed_by_the_patient_only_and_holds_at_once(backend: Backend) {
    let server = started(backend).await;
    let provision = json!({ "type": "deny", "class": class("Condition") });
    let will = consent("OPTIN", Some(provision));
    let patient = Actor::of(&server, &person(Role::Patient, "Patient/p1", &[])).await;
    patient.puts(&will).await.unwrap();
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Condition", "").await, set(&[]));
    let weaker = consent("OPTIN", None);
    assert_eq!(actor.puts(&weaker).await.unwrap_err().kind, Kind::Forbidden);
    let hidden = condition("c-r", "", "2026-05-05", "1");
    assert_eq!(actor.puts(&hidden).await.unwrap_err().kind, Kind::Forbidden);
    patient.puts(&weaker).await.unwrap();
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Condition", "").await, set(&WHOLE));
}

async fn proxies_are_denied_what_names_them(backend: Backend) {
    let server = started(backend).await;
    let proxy = person(Role::Proxy, "RelatedPerson/r1", &["p1"]);
    store(&server, &[consent("OPTOUT", None)]).await;
    let actor = Actor::of(&server, &proxy).await;
    assert_eq!(actor.ids("Condition", "").await, set(&WHOLE));
    let provision = json!({
        "type": "deny", "actor": actor_of("RelatedPerson/r1"), "securityLabel": label("R"),
    });
    store(&server, &[consent("OPTIN", Some(provision))]).await;
    let actor = Actor::of(&server, &proxy).await;
    assert_eq!(
        actor.ids("Condition", "").await,
        set(&["c-old", "c-new", "c-hiv"])
    );
}

async fn an_emergency_is_denied_what_names_emergencies(backend: Backend) {
    let server = started(backend).await;
    let glass = server.context().reaches.glass();
    store(&server, &[consent("OPTOUT", None)]).await;
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Condition", "").await, set(&[]));
    let reason = "Unconscious after an accident";
    glass.break_for(&clinician(), "p1", reason).await.unwrap();
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Condition", "").await, set(&WHOLE));
    let provision = json!({ "type": "deny", "provision": [{
        "type": "deny", "purpose": [{ "code": "BTG" }], "securityLabel": label("V"),
    }]});
    store(&server, &[consent("OPTOUT", Some(provision))]).await;
    let actor = Actor::of(&server, &clinician()).await;
    let wanted = set(&["c-old", "c-new", "c-r", "c-hiv"]);
    assert_eq!(actor.ids("Condition", "").await, wanted);
}
