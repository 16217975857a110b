//! What opens a record to whom: being the patient, acting for one, having one in care.

use serde_json::{Value, json};
use vesta::access::Intent;
use vesta::access::person::Role;
use vesta::outcome::kind::Kind;

use crate::access::actor::{Actor, chart, clinician, person, set, store};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    who_has_nothing_to_do_with_anybody_sees_nobody,
    patients_and_proxies_see_the_records_that_are_theirs,
    the_chosen_practitioner_sees_the_record,
    a_care_team_opens_the_record_while_it_is_active,
    organisations_are_a_way_where_they_are_configured,
    encounters_open_the_record_for_a_while,
    appointments_open_the_record_around_their_time,
    what_a_clinician_writes_stays_in_the_records_in_their_care,
    many_records_are_one_condition,
    administrators_and_auditors_see_no_record,
);

fn team(id: &str, patient: &str, member: &str) -> Value {
    json!({
        "resourceType": "CareTeam", "id": id, "status": "active",
        "subject": { "reference": format!("Patient/{patient}") },
        "participant": [{ "member": { "reference": member } }],
    })
}

fn practitioner(id: &str) -> Value {
    json!({ "resourceType": "Practitioner", "id": id })
}

fn chosen(patient: &str, by: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": patient, "name": [{ "family": "Moll" }],
        "generalPractitioner": [{ "reference": by }],
    })
}

async fn started(backend: Backend) -> TestServer {
    let server = TestServer::start(backend).await;
    let mut all = vec![practitioner("d1"), practitioner("d2")];
    for id in ["p1", "p2", "p3"] {
        all.extend(chart(id));
    }
    store(&server, &all).await;
    server
}

async fn who_has_nothing_to_do_with_anybody_sees_nobody(backend: Backend) {
    let server = started(backend).await;
    let open = set(&["Practitioner/d1", "Practitioner/d2"]);
    for person in [
        clinician(),
        person(Role::Practitioner, "", &[]),
        // Whatever else is said of them.
        person(Role::Practitioner, "Patient/p1", &["p1"]),
        person(Role::Patient, "", &["p1"]),
        person(Role::Patient, "Practitioner/p1", &[]),
        person(Role::Proxy, "Patient/p1", &[]),
    ] {
        let actor = Actor::of(&server, &person).await;
        assert_eq!(actor.sees().await, open, "{person:?}");
        assert!(!actor.reads("Patient/p1").await && !actor.reads("Observation/o-p1").await);
        assert_eq!(actor.ids("Patient", "_total=accurate").await, set(&[]));
    }
}

async fn patients_and_proxies_see_the_records_that_are_theirs(backend: Backend) {
    let server = started(backend).await;
    let patient = Actor::of(&server, &person(Role::Patient, "Patient/p1", &["p2"])).await;
    assert_eq!(patient.ids("Observation", "").await, set(&["o-p1"]));
    assert_eq!(patient.ids("Patient", "").await, set(&["p1"]));
    assert!(patient.reads("Patient/p1").await && !patient.reads("Patient/p2").await);
    let proxy = person(Role::Proxy, "RelatedPerson/r", &["p2", "p3"]);
    let proxy = Actor::of(&server, &proxy).await;
    assert_eq!(proxy.ids("Observation", "").await, set(&["o-p2", "o-p3"]));
    assert_eq!(proxy.ids("Patient", "").await, set(&["p2", "p3"]));
    assert!(proxy.reads("Observation/o-p2").await && !proxy.reads("Observation/o-p1").await);
}

async fn the_chosen_practitioner_sees_the_record(backend: Backend) {
    let server = started(backend).await;
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&[]));
    store(
        &server,
        &[
            chosen("p1", "Practitioner/d1"),
            chosen("p2", "Practitioner/d2"),
        ],
    )
    .await;
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&["p1"]));
    assert_eq!(actor.ids("Observation", "").await, set(&["o-p1"]));
    assert!(actor.reads("Observation/o-p1").await && !actor.reads("Observation/o-p2").await);
    store(&server, &[chosen("p1", "Practitioner/d2")]).await;
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&[]));
    assert!(!actor.reads("Observation/o-p1").await);
}

async fn a_care_team_opens_the_record_while_it_is_active(backend: Backend) {
    let server = started(backend).await;
    let mut proposed = team("t1", "p1", "Practitioner/d1");
    proposed["status"] = json!("proposed");
    let mut ended = team("t2", "p2", "Practitioner/d1");
    ended["period"] = json!({ "end": "2020-01-01" });
    let mut left = team("t3", "p2", "Practitioner/d1");
    left["participant"][0]["period"] = json!({ "end": "2020-01-01" });
    // Who is a member beside a clinician is no patient of theirs.
    let mut beside = team("t4", "p3", "Patient/p2");
    let member = json!({ "member": { "reference": "Practitioner/d1" } });
    beside["participant"].as_array_mut().unwrap().push(member);
    store(&server, &[proposed, ended, left, beside]).await;
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&["p3"]));
    let mut lasting = team("t2", "p2", "Practitioner/d1");
    lasting["period"] = json!({ "start": "2020-01-01" });
    store(&server, &[team("t1", "p1", "Practitioner/d1"), lasting]).await;
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&["p1", "p2", "p3"]));
    assert_eq!(server.delete("CareTeam/t1").await.status.as_u16(), 204);
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&["p2", "p3"]));
}

async fn organisations_are_a_way_where_they_are_configured(backend: Backend) {
    let role = |id: &str, organization: &str| {
        json!({
            "resourceType": "PractitionerRole", "id": id,
            "practitioner": { "reference": "Practitioner/d1" },
            "organization": { "reference": format!("Organization/{organization}") },
        })
    };
    let mut former = role("r2", "former");
    former["active"] = json!(false);
    let mut ended = role("r3", "former");
    ended["period"] = json!({ "end": "2020-01-01" });
    let organization =
        |id: &str| json!({ "resourceType": "Organization", "id": id, "name": "Ward" });
    let all = [
        organization("now"),
        organization("former"),
        role("r1", "now"),
        former,
        ended,
        chosen("p1", "Organization/now"),
        team("t1", "p2", "PractitionerRole/r1"),
        chosen("p3", "Organization/former"),
    ];
    for (organizations, patients) in [(true, set(&["p1", "p2"])), (false, set(&["p2"]))] {
        let change = |config: &mut vesta::config::Config| {
            config.care.organizations = organizations;
        };
        let server = TestServer::start_with(backend, change).await;
        let charts: Vec<_> = ["p1", "p2", "p3"].into_iter().flat_map(chart).collect();
        store(&server, &charts).await;
        store(&server, &[practitioner("d1")]).await;
        store(&server, &all).await;
        let actor = Actor::of(&server, &clinician()).await;
        assert_eq!(actor.ids("Patient", "").await, patients);
    }
}

/// A moment so many days from now.
fn day(from_now: i64) -> String {
    let now_ms = vesta::clock::Clock::now_ms(&vesta::clock::SystemClock);
    vesta::fhir::instant::Instant::from_millis(now_ms + from_now * 86_400_000).to_string()
}

async fn encounters_open_the_record_for_a_while(backend: Backend) {
    let server = started(backend).await;
    let encounter = |status: &str, practitioner: &str, period: Value| {
        json!({
            "resourceType": "Encounter", "id": "e", "status": status, "class": { "code": "AMB" },
            "subject": { "reference": "Patient/p1" }, "period": period,
            "participant": [
                { "individual": { "reference": format!("Practitioner/{practitioner}") } },
            ],
        })
    };
    let over = |from: i64, to: i64| json!({ "start": day(from), "end": day(to) });
    let cases = [
        ("finished", "d1", over(-11, -10), true),
        ("finished", "d1", over(-200, -80), true),
        ("finished", "d1", over(-200, -100), false),
        ("in-progress", "d1", json!({ "start": day(-300) }), true),
        ("finished", "d1", json!({ "start": day(-300) }), false),
        ("in-progress", "d2", json!({ "start": day(-1) }), false),
        ("planned", "d1", json!({ "start": day(-1) }), false),
        ("cancelled", "d1", over(-2, -1), false),
        ("entered-in-error", "d1", over(-2, -1), false),
        ("arrived", "d1", json!({ "start": day(5) }), false),
    ];
    for (status, practitioner, period, is_open) in cases {
        let one = encounter(status, practitioner, period);
        store(&server, std::slice::from_ref(&one)).await;
        let actor = Actor::of(&server, &clinician()).await;
        assert_eq!(actor.reads("Observation/o-p1").await, is_open, "{one}");
        assert!(!actor.reads("Observation/o-p2").await);
    }
}

async fn appointments_open_the_record_around_their_time(backend: Backend) {
    let server = started(backend).await;
    let appointment = |status: &str, start: i64, comes: &str| {
        let actor =
            |name: &str, status: &str| json!({ "actor": { "reference": name }, "status": status });
        json!({
            "resourceType": "Appointment", "id": "a", "status": status,
            "start": day(start), "end": day(start + 1),
            "participant": [actor("Patient/p1", "accepted"), actor("Practitioner/d1", comes)],
        })
    };
    let cases = [
        ("booked", 6, "accepted", true),
        ("booked", 9, "accepted", false),
        ("fulfilled", -29, "accepted", true),
        ("fulfilled", -33, "accepted", false),
        ("booked", 1, "declined", false),
        ("cancelled", 1, "accepted", false),
        ("proposed", 1, "accepted", false),
    ];
    for (status, start, comes, is_open) in cases {
        let one = appointment(status, start, comes);
        store(&server, std::slice::from_ref(&one)).await;
        let actor = Actor::of(&server, &clinician()).await;
        assert_eq!(actor.reads("Observation/o-p1").await, is_open, "{one}");
    }
}

async fn what_a_clinician_writes_stays_in_the_records_in_their_care(backend: Backend) {
    let server = started(backend).await;
    store(
        &server,
        &[
            chosen("p1", "Practitioner/d1"),
            team("t", "p2", "Practitioner/d1"),
        ],
    )
    .await;
    let actor = Actor::of(&server, &clinician()).await;
    let observation = |id: &str, patient: &str| {
        json!({
            "resourceType": "Observation", "id": id, "status": "final", "code": { "text": "b" },
            "subject": { "reference": format!("Patient/{patient}") },
        })
    };
    let refused = [
        observation("o-p3", "p3"),
        observation("new", "p3"),
        // Out of a record, into one, and from one in care to another.
        observation("o-p1", "p3"),
        observation("o-p3", "p1"),
        observation("o-p1", "p2"),
        // No relationship is made where there is none.
        chosen("p3", "Practitioner/d1"),
        team("t3", "p3", "Practitioner/d1"),
        practitioner("d1"),
        // A patient is registered, but not as a way to another one.
        json!({
            "resourceType": "Patient", "id": "p9",
            "link": [{ "other": { "reference": "Patient/p3" }, "type": "refer" }],
        }),
    ];
    for one in &refused {
        let done = actor.puts(one).await;
        let kind = done.err().map(|outcome| outcome.kind);
        assert_eq!(kind, Some(Kind::Forbidden), "{one}");
    }
    for one in [
        observation("o-p1", "p1"),
        observation("new", "p2"),
        chosen("p10", "Practitioner/d1"),
    ] {
        actor.puts(&one).await.unwrap();
    }
    let actor = Actor::of(&server, &clinician()).await;
    assert_eq!(actor.ids("Patient", "").await, set(&["p1", "p10", "p2"]));
}

async fn many_records_are_one_condition(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut wanted = std::collections::BTreeSet::new();
    for step in 0..4 {
        let mut all = vec![practitioner("d1")];
        for number in 0..100 {
            let id = format!("p{step}-{number}");
            all.extend(chart(&id));
            if number % 10 < 7 {
                *all.iter_mut().rev().nth(1).unwrap() = chosen(&id, "Practitioner/d1");
                wanted.insert(format!("o-{id}"));
            }
        }
        store(&server, &all).await;
    }
    let actor = Actor::of(&server, &clinician()).await;
    let found = actor
        .ids("Observation", "_count=1000&_total=accurate")
        .await;
    assert_eq!(found, wanted);
    let reach = actor.ctx.reaches.of(&clinician()).await.unwrap();
    assert_eq!(reach.patients(), 280);
    assert!(reach.has_patient("p0-0") && !reach.has_patient("p0-9"));
    assert!(actor.reads("Observation/o-p0-0").await && !actor.reads("Observation/o-p0-9").await);
    let people = actor.ids("Patient", "_count=1000&family=Moll").await;
    assert_eq!(people.len(), wanted.len());
}

async fn administrators_and_auditors_see_no_record(backend: Backend) {
    let server = started(backend).await;
    let event = json!({
        "resourceType": "AuditEvent", "id": "a1", "recorded": "2026-01-01T00:00:00Z",
        "type": { "system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest" },
        "agent": [{ "requestor": true, "who": { "reference": "Practitioner/d1" } }],
        "source": { "observer": { "display": "x" } },
        "entity": [{ "what": { "reference": "Patient/p1" } }],
    });
    let set_of_codes = json!({ "resourceType": "ValueSet", "id": "v", "status": "active" });
    store(
        &server,
        &[event, set_of_codes, chosen("p1", "Practitioner/d1")],
    )
    .await;
    // Even one who is a patient's practitioner as well.
    let administrator = person(Role::Administrator, "Practitioner/d1", &["p1"]);
    let administrator = Actor::of(&server, &administrator).await;
    let wanted = set(&["Practitioner/d1", "Practitioner/d2", "ValueSet/v"]);
    assert_eq!(administrator.sees().await, wanted);
    administrator.puts(&practitioner("d1")).await.unwrap();
    let patient: Intent = Intent::Read("Patient".parse().unwrap());
    assert!(administrator.grant(patient).is_err());
    let auditor = Actor::of(&server, &person(Role::Auditor, "", &[])).await;
    assert_eq!(auditor.sees().await, set(&["AuditEvent/a1"]));
    assert!(auditor.grant(patient).is_err());
    let audit_event = "AuditEvent".parse().unwrap();
    assert!(auditor.grant(Intent::Update(audit_event)).is_err());
    // Patients see who looked at their record; those who look do not.
    let patient = Actor::of(&server, &person(Role::Patient, "Patient/p1", &[])).await;
    assert!(patient.reads("AuditEvent/a1").await);
    assert!(patient.grant(Intent::Create(audit_event)).is_err());
    let actor = Actor::of(&server, &clinician()).await;
    assert!(!actor.reads("AuditEvent/a1").await && !actor.sees().await.contains("AuditEvent/a1"));
    assert!(actor.reads("Observation/o-p1").await);
}
