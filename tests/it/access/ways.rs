//! What a person may see is the same on every way out: one set of people, each way, the same ids.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vesta::access::Intent;
use vesta::access::person::{Person, Role};
use vesta::access::share::ledger::{self, ShareRequest};
use vesta::access::share::{Category, Recipient};
use vesta::interaction::history::{HistoryRequest, history};
use vesta::interaction::search::{SearchRequest, SearchResponse, SearchScope, Strictness, search};
use vesta::interaction::vread::{VreadRequest, vread};
use vesta::operation::everything::{EverythingRequest, everything};
use vesta::operation::lastn::lastn;
use vesta::operation::listing::Call;
use vesta::store::{Address, HistoryScope};

use crate::access::actor::{Actor, chart, clinician, person, store};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(every_way_lets_out_what_a_person_may_see);

/// What somebody may see, said without any of the code under test.
struct Case {
    who: Person,
    shows: fn(&Value) -> bool,
}

fn cases() -> [Case; 5] {
    [
        Case {
            who: person(Role::Patient, "Patient/p1", &[]),
            shows: |one| is_open(one) || of(one) == "p1",
        },
        Case {
            who: person(Role::Proxy, "RelatedPerson/r", &["p2", "p3"]),
            shows: |one| is_open(one) || ["p2", "p3"].contains(&of(one).as_str()),
        },
        // In care: p1, without what p1 labelled; of p2 the results that are shared.
        Case {
            who: clinician(),
            shows: |one| {
                let is_result = is(one, "Patient") || has_category(one, "laboratory");
                is_open(one)
                    || (of(one) == "p1" && !is_labelled(one))
                    || (of(one) == "p2" && is_result && !is_labelled(one))
            },
        },
        Case {
            who: person(Role::Practitioner, "Practitioner/d2", &[]),
            shows: is_open,
        },
        Case {
            who: person(Role::Auditor, "", &[]),
            shows: |_one| false,
        },
    ]
}

fn is(one: &Value, name: &str) -> bool {
    one["resourceType"] == name
}

fn is_open(one: &Value) -> bool {
    is(one, "Practitioner")
}

fn is_labelled(one: &Value) -> bool {
    one["meta"]["security"][0]["code"] == "R"
}

fn has_category(one: &Value, code: &str) -> bool {
    one["category"][0]["coding"][0]["code"] == code
}

/// The patient in whose record something is.
fn of(one: &Value) -> String {
    if is(one, "Patient") {
        return one["id"].as_str().unwrap().to_owned();
    }
    let subject = one["subject"]["reference"].as_str().unwrap_or_default();
    let patient = one["patient"]["reference"].as_str().unwrap_or(subject);
    patient.trim_start_matches("Patient/").to_owned()
}

fn resources() -> Vec<Value> {
    let doctor = |id: &str| json!({ "resourceType": "Practitioner", "id": id });
    let mut all = vec![doctor("d1"), doctor("d2")];
    for id in ["p1", "p2", "p3"] {
        let mut own = chart(id);
        if id == "p1" {
            own[0]["generalPractitioner"] = json!([{ "reference": "Practitioner/d1" }]);
        }
        all.extend(own);
        for (name, category) in [("lab", "laboratory"), ("vital", "vital-signs")] {
            for label in ["N", "R"] {
                all.push(json!({
                    "resourceType": "Observation", "id": format!("{name}-{label}-{id}"),
                    "meta": { "security": [{
                        "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                        "code": label,
                    }]},
                    "status": "final", "code": { "text": name },
                    "category": [{ "coding": [{ "code": category }] }],
                    "subject": { "reference": format!("Patient/{id}") },
                    "performer": [{ "reference": "Practitioner/d1" }],
                }));
            }
        }
    }
    // A group would show its members to each other.
    all.push(json!({
        "resourceType": "Group", "id": "g", "type": "person", "actual": true,
        "member": [
            { "entity": { "reference": "Patient/p1" } },
            { "entity": { "reference": "Patient/p3" } },
        ],
    }));
    for patient in ["p1", "p2"] {
        all.push(json!({
            "resourceType": "Consent", "id": format!("will-{patient}"), "status": "active",
            "scope": { "coding": [{ "code": "patient-privacy" }] },
            "category": [{ "coding": [{ "code": "59284-0" }] }],
            "patient": { "reference": format!("Patient/{patient}") },
            "policyRule": { "coding": [{ "code": "OPTIN" }] },
            "provision": { "type": "deny", "securityLabel": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                "code": "R",
            }]},
        }));
    }
    all
}

fn names(found: &SearchResponse) -> BTreeSet<String> {
    let all = found.matches.iter().chain(&found.included);
    let addresses = all.map(|one| &one.version.address);
    addresses
        .map(|one| format!("{}/{}", one.resource_type, one.id))
        .collect()
}

fn address(name: &str) -> Address {
    let (type_name, id) = name.split_once('/').unwrap();
    Address {
        resource_type: type_name.parse().unwrap(),
        id: id.to_owned(),
    }
}

/// Everything that is found on the pages of a search.
async fn pages(actor: &Actor<'_>, type_name: &str, query: &str) -> BTreeSet<String> {
    let scope = SearchScope::of_type(type_name.parse().unwrap());
    let Ok(grant) = actor.grant(Intent::Search(scope.resource_type)) else {
        return BTreeSet::new();
    };
    let (mut found, mut next) = (BTreeSet::new(), Some(query.to_owned()));
    while let Some(query) = next {
        let request = SearchRequest {
            scope: scope.clone(),
            query,
            form: String::new(),
            strictness: Strictness::Strict,
        };
        let page = search(actor.ctx, &grant, request).await.unwrap();
        found.extend(names(&page));
        let mut links = page.links.iter();
        next = links
            .find(|(relation, _)| *relation == "next")
            .map(|(_, query)| query.clone());
    }
    found
}

async fn by_address(actor: &Actor<'_>, wanted: &BTreeSet<String>, all: &[String]) {
    for name in all {
        assert_eq!(actor.reads(name).await, wanted.contains(name), "{name}");
        let address = address(name);
        let Ok(grant) = actor.grant(Intent::Read(address.resource_type)) else {
            continue;
        };
        let request = VreadRequest {
            address: address.clone(),
            version_id: "1".to_owned(),
        };
        let read = vread(actor.ctx, &grant, request).await;
        assert_eq!(read.is_ok(), wanted.contains(name), "{name}");
        let scope = HistoryScope::Instance(address);
        let request = HistoryRequest::read(actor.ctx, scope, "").unwrap();
        let versions = history(actor.ctx, &grant, request).await;
        let count = versions.map_or(0, |found| found.total);
        assert_eq!(count, u64::from(wanted.contains(name)), "{name}");
    }
}

async fn by_lists(actor: &Actor<'_>, wanted: &BTreeSet<String>) {
    let of_type = |name: &str| -> BTreeSet<String> {
        let prefix = format!("{name}/");
        wanted
            .iter()
            .filter(|one| one.starts_with(&prefix))
            .cloned()
            .collect()
    };
    for name in ["Observation", "Patient", "Consent", "Practitioner", "Group"] {
        for query in [
            "_count=2",
            "_count=2&_sort=_id",
            "_count=100&_total=accurate",
        ] {
            let found = pages(actor, name, query).await;
            assert_eq!(found, of_type(name), "{name}?{query}");
        }
        let scope = HistoryScope::Type(name.parse().unwrap());
        let request = HistoryRequest::read(actor.ctx, scope, "_count=100").unwrap();
        if let Ok(grant) = actor.grant(Intent::Read(name.parse().unwrap())) {
            let found = history(actor.ctx, &grant, request).await.unwrap();
            assert_eq!(found.total, of_type(name).len() as u64, "{name}");
        }
    }
    let scope = HistoryScope::System;
    let request = HistoryRequest::read(actor.ctx, scope, "_count=100").unwrap();
    let grant = actor.grant(Intent::ReadSystem).unwrap();
    let found = history(actor.ctx, &grant, request).await.unwrap();
    assert_eq!(found.total, wanted.len() as u64);
    assert_eq!(actor.sees().await, *wanted);
}

async fn by_relation(actor: &Actor<'_>, wanted: &BTreeSet<String>) {
    for (name, query) in [
        ("Observation", "_include=*&_include:iterate=*&_revinclude=*"),
        ("Patient", "_revinclude=*&_include=*"),
        (
            "Practitioner",
            "_revinclude=Observation:performer&_revinclude=Patient:general-practitioner",
        ),
        (
            "Patient",
            "_has:Observation:patient:performer=Practitioner/d1",
        ),
        (
            "Observation",
            "patient.general-practitioner=Practitioner/d1",
        ),
    ] {
        let found = pages(actor, name, query).await;
        let leaked: Vec<_> = found.difference(wanted).collect();
        assert!(leaked.is_empty(), "{name}?{query} lets out {leaked:?}");
    }
    // Nothing is learned of what is hidden by what it refers to.
    let hidden = "_has:Observation:patient:_security=R";
    let seen = wanted.iter().any(|one| one.contains("-R-"));
    assert_eq!(!pages(actor, "Patient", hidden).await.is_empty(), seen);
    for patient in ["p1", "p2", "p3"] {
        let name = format!("Patient/{patient}");
        let Ok(grant) = actor.grant(Intent::Search(Some("Patient".parse().unwrap()))) else {
            continue;
        };
        let call = Call {
            path: format!("{name}/$everything"),
            query: "_count=100".to_owned(),
            sent: Vec::new(),
        };
        let request = EverythingRequest {
            subject: Some(address(&name)),
            call,
        };
        let found = everything(actor.ctx, &grant, request).await;
        assert_eq!(found.is_ok(), wanted.contains(&name), "{name}");
        let found = found.map(|one| names(&one)).unwrap_or_default();
        let leaked: Vec<_> = found.difference(wanted).collect();
        assert!(leaked.is_empty(), "$everything lets out {leaked:?}");
        let call = Call {
            path: "Observation/$lastn".to_owned(),
            query: format!("patient={patient}&category=laboratory,vital-signs&max=9"),
            sent: Vec::new(),
        };
        let grant = actor.grant(Intent::Search(Some("Observation".parse().unwrap())));
        let found = lastn(actor.ctx, &grant.unwrap(), &call).await.unwrap();
        let suffix = format!("-{patient}");
        let lasting = wanted.iter().filter(|one| one.ends_with(&suffix));
        let lasting = lasting.filter(|one| one.contains("/lab-") || one.contains("/vital-"));
        assert_eq!(
            names(&found),
            lasting.cloned().collect(),
            "$lastn {patient}"
        );
    }
}

async fn every_way_lets_out_what_a_person_may_see(backend: Backend) {
    let server = TestServer::start(backend).await;
    let all = resources();
    store(&server, &all).await;
    let reaches = &server.context().reaches;
    let request = ShareRequest {
        patient_id: "p2".to_owned(),
        to: Recipient::Practitioner("d1".to_owned()),
        categories: vec![Category::Results],
        ends_ms: i64::MAX / 2,
        created_by: "p2".to_owned(),
    };
    let made = ledger::create(reaches.documents(), request).await.unwrap();
    reaches.note(&made.share);
    let name = |one: &Value| {
        let type_name = one["resourceType"].as_str().unwrap();
        format!("{type_name}/{}", one["id"].as_str().unwrap())
    };
    let every: Vec<String> = all.iter().map(name).collect();
    for case in cases() {
        let shown = all
            .iter()
            .filter(|one| !is(one, "Group") && (case.shows)(one));
        let wanted: BTreeSet<String> = shown.map(name).collect();
        let actor = Actor::of(&server, &case.who).await;
        by_address(&actor, &wanted, &every).await;
        by_lists(&actor, &wanted).await;
        by_relation(&actor, &wanted).await;
    }
}
