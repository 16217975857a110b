//! Contained resources, searched by themselves: <https://hl7.org/fhir/R4/search.html#contained>.

use serde_json::{Value, json};

use crate::search::{entries, found, link, matches, put};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    contained_resources_are_found_by_their_own_parameters,
    contained_resources_are_shown_by_themselves,
    pages_end_inside_of_containers,
    what_cannot_be_asked_of_contained_resources_is_refused,
);

fn medication(id: &str, code: &str, status: &str) -> Value {
    json!({ "resourceType": "Medication", "id": id, "status": status,
        "code": { "coding": [{ "system": "http://m", "code": code }] } })
}

fn request(id: &str, contained: &[Value]) -> Value {
    let used: Vec<_> = contained
        .iter()
        .map(|one| json!({ "reference": format!("#{}", one["id"].as_str().unwrap()) }))
        .collect();
    json!({ "resourceType": "MedicationRequest", "id": id, "status": "active",
        "intent": "order", "contained": contained, "supportingInformation": used,
        "medicationCodeableConcept": { "text": "see inside" },
        "subject": { "reference": "Patient/p" } })
}

async fn pharmacy(server: &TestServer) {
    put(server, &json!({ "resourceType": "Patient", "id": "p" })).await;
    put(server, &medication("own", "a", "active")).await;
    let two = [
        medication("m1", "a", "inactive"),
        medication("m2", "b", "active"),
    ];
    put(server, &request("two", &two)).await;
    put(server, &request("one", &[medication("m1", "a", "active")])).await;
    let organization = json!({ "resourceType": "Organization", "id": "o", "name": "Maker" });
    let mut made = medication("made", "c", "active");
    made["contained"] = json!([organization]);
    made["manufacturer"] = json!({ "reference": "#o" });
    put(server, &made).await;
}

async fn contained_resources_are_found_by_their_own_parameters(backend: Backend) {
    let server = TestServer::start(backend).await;
    pharmacy(&server).await;
    for (query, expected) in [
        ("Medication?code=a", &["Medication/own"][..]),
        ("Medication?code=a&_contained=false", &["Medication/own"]),
        (
            "Medication?code=a&_contained=true",
            &["MedicationRequest/one", "MedicationRequest/two"],
        ),
        (
            "Medication?code=http://m|a&_contained=both",
            &[
                "Medication/own",
                "MedicationRequest/one",
                "MedicationRequest/two",
            ],
        ),
        // Both conditions have to be met by one contained resource.
        (
            "Medication?code=a&status=active&_contained=true",
            &["MedicationRequest/one"],
        ),
        (
            "Medication?code=http://m|&status:not=active&_contained=true",
            &["MedicationRequest/two"],
        ),
        ("Medication?code:missing=true&_contained=true", &[]),
        (
            "Medication?_id=m2&_contained=true",
            &["MedicationRequest/two"],
        ),
        ("Medication?_id=own&_contained=true", &[]),
        (
            "Organization?name=mak&_contained=true&_containedType=container",
            &["Medication/made"],
        ),
        ("Organization?name=mak", &[]),
        ("Patient?_contained=true", &[]),
        (
            "?_type=Medication,Organization&_contained=true&_id=o",
            &["Medication/made"],
        ),
    ] {
        assert_eq!(matches(&server, query).await, expected, "{query}");
        let counted = found(&server, &format!("{query}&_summary=count")).await;
        assert_eq!(counted["total"], expected.len(), "{query}");
    }
    // What is no longer contained is no longer found.
    put(&server, &request("one", &[medication("m1", "c", "active")])).await;
    let query = "Medication?code=a&_contained=true";
    assert_eq!(matches(&server, query).await, ["MedicationRequest/two"]);
    let with_patient = format!("{query}&_include=MedicationRequest:patient");
    let page = found(&server, &with_patient).await;
    assert_eq!(entries(&page, "include"), ["Patient/p"], "{page}");
}

async fn contained_resources_are_shown_by_themselves(backend: Backend) {
    let server = TestServer::start(backend).await;
    pharmacy(&server).await;
    let query = "Medication?code=a&_contained=both&_containedType=contained";
    let page = found(&server, query).await;
    assert_eq!(page["total"], 3, "{page}");
    let urls: Vec<_> = page["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!(entry["resource"]["resourceType"], "Medication");
            let url = entry["fullUrl"].as_str().unwrap();
            url.rsplit_once("/fhir/").unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(
        urls,
        [
            "MedicationRequest/one#m1",
            "MedicationRequest/two#m1",
            "Medication/own"
        ]
    );
}

async fn pages_end_inside_of_containers(backend: Backend) {
    let server = TestServer::start(backend).await;
    for container in 0..4 {
        let inside: Vec<_> = (0..3)
            .map(|number| medication(&format!("m{number}"), "a", "active"))
            .collect();
        put(&server, &request(&format!("r{container}"), &inside)).await;
    }
    let query =
        "Medication?code=a&_contained=true&_containedType=contained&_count=2&_total=accurate";
    let mut page = found(&server, query).await;
    let mut seen = Vec::new();
    loop {
        assert_eq!(page["total"], 12, "{page}");
        let shown = page["entry"].as_array().unwrap();
        assert_eq!(shown.len(), 2, "{page}");
        seen.extend(shown.iter().map(|entry| entry["fullUrl"].to_string()));
        let Some(next) = link(&page, "next").map(str::to_owned) else {
            break;
        };
        page = found(&server, &next).await;
    }
    assert_eq!(seen.len(), 12);
    let last = seen.last().unwrap();
    assert!(last.ends_with("MedicationRequest/r0#m2\""), "{last}");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 12);
}

async fn what_cannot_be_asked_of_contained_resources_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    for query in [
        "Medication?_contained=true&_sort=code",
        "Medication?_contained=both&_list=1",
        "Medication?_contained=true&_has:MedicationRequest:medication:status=active",
        "Medication?_contained=true&_containedType=contained&_include=Medication:manufacturer",
        "Patient/1/MedicationRequest?_contained=true",
    ] {
        let answer = server.get(query).await;
        answer.assert_refused(400, "not-supported", "_contained");
    }
    for query in [
        "Medication?_contained=yes",
        "Medication?_containedType=inside",
    ] {
        server
            .get(query)
            .await
            .assert_refused(400, "structure", "_contained");
    }
    let refused = server.delete("Medication?code=a&_contained=true").await;
    refused.assert_refused(400, "not-supported", "_contained");
}
