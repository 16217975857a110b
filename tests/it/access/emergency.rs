//! Breaking the glass: who may, why, for how long, and that the patient learns of it.

use serde_json::json;
use vesta::access::emergency::EmergencyError;
use vesta::access::person::Role;
use vesta::outcome::kind::Kind;

use crate::access::actor::{Actor, chart, clinician, person, set, store};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    the_glass_holds_without_a_reason_or_a_right,
    an_emergency_opens_one_record_and_tells_its_patient,
);

const REASON: &str = "Unconscious after an accident";

async fn started(backend: Backend) -> TestServer {
    let server = TestServer::start(backend).await;
    let mut all = vec![json!({ "resourceType": "Practitioner", "id": "d1" })];
    all.extend(chart("p1"));
    all.extend(chart("p2"));
    store(&server, &all).await;
    server
}

async fn the_glass_holds_without_a_reason_or_a_right(backend: Backend) {
    let server = started(backend).await;
    let glass = server.context().reaches.glass();
    for reason in ["", "   because   ", &"x".repeat(501)] {
        let refused = glass.break_for(&clinician(), "p1", reason).await;
        assert!(matches!(refused, Err(EmergencyError::Reason)), "{reason}");
    }
    for one in [
        person(Role::Patient, "Patient/p2", &[]),
        person(Role::Proxy, "Practitioner/d1", &["p2"]),
        person(Role::Administrator, "Practitioner/d1", &[]),
        person(Role::Practitioner, "", &[]),
    ] {
        let refused = glass.break_for(&one, "p1", REASON).await;
        assert!(
            matches!(refused, Err(EmergencyError::NotAClinician)),
            "{one:?}"
        );
    }
    let refused = glass.break_for(&clinician(), "nobody", REASON).await;
    assert!(matches!(refused, Err(EmergencyError::NoPatient)));
    assert!(
        !Actor::of(&server, &clinician())
            .await
            .reads("Patient/p1")
            .await
    );
    assert_eq!(server.get("Communication").await.json()["total"], 0);
}

async fn an_emergency_opens_one_record_and_tells_its_patient(backend: Backend) {
    let server = started(backend).await;
    let glass = server.context().reaches.glass();
    let opened = glass.break_for(&clinician(), "p1", REASON).await.unwrap();
    assert_eq!(opened.ends_ms - opened.begun_ms, 3_600_000);
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&["p1"]));
    assert!(actor.reads("Observation/o-p1").await && !actor.reads("Observation/o-p2").await);
    // What is done is written down; what is there stays.
    let mut note = chart("p1").remove(1);
    note["id"] = json!("new");
    actor.puts(&note).await.unwrap();
    note["id"] = json!("o-p1");
    note["code"] = json!({ "text": "changed" });
    assert_eq!(actor.puts(&note).await.unwrap_err().kind, Kind::Forbidden);
    let patient = Actor::of(&server, &person(Role::Patient, "Patient/p1", &[])).await;
    assert_eq!(patient.ids("Communication", "").await.len(), 1);
    let told = server.get("Communication?subject=Patient/p1").await.json();
    let told = &told["entry"][0]["resource"];
    assert_eq!(told["sender"]["reference"], "Practitioner/d1");
    assert_eq!(told["reasonCode"][0]["coding"][0]["code"], "BTG");
    assert_eq!(told["reasonCode"][0]["text"], REASON);
}
