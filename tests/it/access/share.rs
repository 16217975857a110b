//! What patients share: with a clinician, an organisation, by a link; all or some of it, for a while.

use serde_json::json;
use vesta::access::person::Role;
use vesta::access::share::ledger::{self, Made, ShareError, ShareRequest};
use vesta::access::share::{Category, Recipient};
use vesta::outcome::kind::Kind;

use crate::access::actor::{Actor, chart, clinician, person, set, store};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    a_wrong_passcode_opens_nothing_and_ten_of_them_close_the_link,
    a_share_opens_what_it_names_for_reading,
    an_organisation_shares_with_those_who_act_in_it,
    a_share_ends_and_is_taken_back_by_its_patient_only,
    a_link_opens_what_is_shared_and_no_more,
);

fn request(to: Recipient, categories: &[Category]) -> ShareRequest {
    ShareRequest {
        patient_id: "p1".to_owned(),
        to,
        categories: categories.to_vec(),
        ends_ms: i64::MAX / 2,
        created_by: "patient-Patient/p1".to_owned(),
    }
}

fn with_clinician() -> Recipient {
    Recipient::Practitioner("d1".to_owned())
}

async fn share(server: &TestServer, request: ShareRequest) -> Made {
    let reaches = &server.context().reaches;
    let made = ledger::create(reaches.documents(), request).await.unwrap();
    reaches.note(&made.share);
    made
}

async fn started(backend: Backend) -> TestServer {
    let server = TestServer::start(backend).await;
    let mut all = vec![json!({ "resourceType": "Practitioner", "id": "d1" })];
    for id in ["p1", "p2"] {
        all.extend(chart(id));
        let subject = json!({ "reference": format!("Patient/{id}") });
        all.push(json!({
            "resourceType": "Observation", "id": format!("lab-{id}"), "status": "final",
            "category": [{ "coding": [{ "code": "laboratory" }] }],
            "code": { "text": "a" }, "subject": subject,
        }));
        all.push(json!({
            "resourceType": "Observation", "id": format!("vital-{id}"), "status": "final",
            "category": [{ "coding": [{ "code": "vital-signs" }] }],
            "code": { "text": "a" }, "subject": subject,
        }));
        all.push(json!({
            "resourceType": "Condition", "id": format!("c-{id}"), "subject": subject,
        }));
    }
    store(&server, &all).await;
    server
}

const WHOLE: [&str; 5] = [
    "Condition/c-p1",
    "Observation/lab-p1",
    "Observation/o-p1",
    "Observation/vital-p1",
    "Patient/p1",
];

async fn sees(server: &TestServer) -> std::collections::BTreeSet<String> {
    let mut seen = Actor::of(server, &clinician()).await.sees().await;
    seen.remove("Practitioner/d1");
    seen.retain(|name| {
        !name.starts_with("Organization/") && !name.starts_with("PractitionerRole/")
    });
    seen
}

async fn a_wrong_passcode_opens_nothing_and_ten_of_them_close_the_link(backend: Backend) {
    let server = started(backend).await;
    let documents = server.context().reaches.documents();
    let made = share(&server, request(Recipient::Link, &[])).await;
    let (link, passcode) = made.link.unwrap();
    assert_eq!((link.len(), passcode.len()), (64, 8));
    let unknown = |found: Result<_, ShareError>| matches!(found, Err(ShareError::Unknown));
    assert!(unknown(
        ledger::find_by_link(documents, "0", &passcode).await
    ));
    for wrong in ["", "0", "00000000x"] {
        assert!(unknown(ledger::find_by_link(documents, &link, wrong).await));
    }
    // The right one in time forgives the wrong ones.
    assert!(
        ledger::find_by_link(documents, &link, &passcode)
            .await
            .is_ok()
    );
    for _attempt in 0..10 {
        assert!(unknown(
            ledger::find_by_link(documents, &link, "wrong").await
        ));
    }
    assert!(unknown(
        ledger::find_by_link(documents, &link, &passcode).await
    ));
}

async fn a_share_opens_what_it_names_for_reading(backend: Backend) {
    let server = started(backend).await;
    assert_eq!(sees(&server).await, set(&[]));
    share(&server, request(with_clinician(), &[Category::Results])).await;
    let results = set(&["Observation/lab-p1", "Patient/p1"]);
    assert_eq!(sees(&server).await, results);
    let actor = Actor::of(&server, &clinician()).await;
    assert!(actor.reads("Observation/lab-p1").await && !actor.reads("Observation/o-p1").await);
    assert!(!actor.reads("Condition/c-p1").await && !actor.reads("Observation/lab-p2").await);
    assert_eq!(
        actor.ids("Observation", "_total=accurate").await,
        set(&["lab-p1"])
    );
    let changed = json!({
        "resourceType": "Observation", "id": "lab-p1", "status": "final",
        "category": [{ "coding": [{ "code": "laboratory" }] }],
        "code": { "text": "b" }, "subject": { "reference": "Patient/p1" },
    });
    let refused = actor.puts(&changed).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
    share(
        &server,
        request(with_clinician(), &[Category::VitalSigns, Category::Results]),
    )
    .await;
    let wanted = set(&["Observation/lab-p1", "Observation/vital-p1", "Patient/p1"]);
    assert_eq!(sees(&server).await, wanted);
    share(&server, request(with_clinician(), &[])).await;
    assert_eq!(sees(&server).await, set(&WHOLE));
}

async fn an_organisation_shares_with_those_who_act_in_it(backend: Backend) {
    let server = started(backend).await;
    let to = Recipient::Organization("ward".to_owned());
    share(&server, request(to, &[])).await;
    assert_eq!(sees(&server).await, set(&[]));
    let role = |is_active: bool| {
        json!({
            "resourceType": "PractitionerRole", "id": "r", "active": is_active,
            "practitioner": { "reference": "Practitioner/d1" },
            "organization": { "reference": "Organization/ward" },
        })
    };
    let ward = json!({ "resourceType": "Organization", "id": "ward", "name": "Ward" });
    store(&server, &[ward, role(true)]).await;
    assert_eq!(sees(&server).await, set(&WHOLE));
    store(&server, &[role(false)]).await;
    assert_eq!(sees(&server).await, set(&[]));
}

async fn a_share_ends_and_is_taken_back_by_its_patient_only(backend: Backend) {
    let server = started(backend).await;
    let reaches = &server.context().reaches;
    let documents = reaches.documents();
    let mut over = request(with_clinician(), &[]);
    over.ends_ms = documents.now_ms();
    share(&server, over).await;
    assert_eq!(sees(&server).await, set(&[]));
    let made = share(&server, request(with_clinician(), &[])).await;
    assert_eq!(sees(&server).await, set(&WHOLE));
    let listed = ledger::list(documents, "p1").await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&made.share));
    assert!(ledger::list(documents, "p2").await.unwrap().is_empty());
    let refused = ledger::revoke(documents, "p2", &made.share.id).await;
    assert!(matches!(refused, Err(ShareError::Unknown)));
    assert_eq!(sees(&server).await, set(&WHOLE));
    let taken_back = ledger::revoke(documents, "p1", &made.share.id)
        .await
        .unwrap();
    reaches.note(&taken_back);
    assert_eq!(sees(&server).await, set(&[]));
    assert!(ledger::list(documents, "p1").await.unwrap().is_empty());
}

async fn a_link_opens_what_is_shared_and_no_more(backend: Backend) {
    let server = started(backend).await;
    let reaches = &server.context().reaches;
    let made = share(&server, request(Recipient::Link, &[Category::Conditions])).await;
    let (link, passcode) = made.link.unwrap();
    let found = ledger::find_by_link(reaches.documents(), &link, &passcode)
        .await
        .unwrap();
    let actor = Actor {
        ctx: server.context(),
        session: reaches.session_of_link(&found).await.unwrap(),
    };
    let mut seen = actor.sees().await;
    seen.remove("Practitioner/d1");
    assert_eq!(seen, set(&["Condition/c-p1", "Patient/p1"]));
    assert!(actor.session.person().is_none());
    // It is no way in for anybody who signs in.
    assert_eq!(sees(&server).await, set(&[]));
    let patient = Actor::of(&server, &person(Role::Patient, "Patient/p1", &[])).await;
    assert_eq!(patient.ids("Condition", "").await, set(&["c-p1"]));
}
