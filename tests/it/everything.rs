//! `$everything` of a patient, of all patients and of an encounter.
//!
//! Spec: <https://hl7.org/fhir/R4/patient-operation-everything.html>,
//! <https://hl7.org/fhir/R4/encounter-operation-everything.html>.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    a_record_comes_whole_with_what_it_refers_to,
    nothing_of_other_patients_is_shown,
    dates_of_care_choose,
    types_and_the_last_update_choose,
    pages_show_everything_once_while_others_write,
    all_patients_are_shown_together,
    an_encounter_comes_with_what_belongs_to_it,
    parameters_come_in_a_body_too,
    what_is_not_there_or_not_understood_is_refused,
);

fn put(resource: &Value) -> Value {
    let kind = resource["resourceType"].as_str().unwrap();
    let id = resource["id"].as_str().unwrap();
    entry("PUT", &format!("{kind}/{id}"), Some(resource))
}

fn person(id: &str) -> Value {
    let mut resource = patient("Everything");
    resource["id"] = json!(id);
    resource["birthDate"] = json!("1950-01-01");
    resource
}

fn observation(id: &str, whose: &str, effective: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
        "subject": { "reference": format!("Patient/{whose}") },
        "effectiveDateTime": effective,
        "performer": [{ "reference": "PractitionerRole/r" }],
    })
}

/// Two patients, with what care leaves behind.
async fn filled(backend: Backend) -> TestServer {
    let server = TestServer::start(backend).await;
    let mut a = person("a");
    a["generalPractitioner"] = json!([{ "reference": "Practitioner/p" }]);
    a["managingOrganization"] = json!({ "reference": "Organization/o" });
    let mut focused = observation("a2", "a", "2020-06-01");
    focused["focus"] = json!([{ "reference": "Patient/b" }]);
    focused["encounter"] = json!({ "reference": "Encounter/ea" });
    let narrative = json!({
        "resourceType": "Condition", "id": "ca", "subject": { "reference": "Patient/a" },
        "onsetDateTime": "2010", "abatementDateTime": "2015",
    });
    let all = [
        a,
        person("b"),
        json!({ "resourceType": "Practitioner", "id": "p", "name": [{ "family": "P" }] }),
        json!({ "resourceType": "Practitioner", "id": "alone", "name": [{ "family": "Q" }] }),
        json!({
            "resourceType": "PractitionerRole", "id": "r",
            "practitioner": { "reference": "Practitioner/p" },
            "organization": { "reference": "Organization/o" },
        }),
        json!({
            "resourceType": "Organization", "id": "o", "name": "O",
            "partOf": { "reference": "Organization/top" },
        }),
        json!({ "resourceType": "Organization", "id": "top", "name": "Top" }),
        json!({ "resourceType": "Medication", "id": "m", "status": "active" }),
        json!({ "resourceType": "Location", "id": "l", "name": "L" }),
        json!({ "resourceType": "Binary", "id": "bin", "contentType": "text/plain",
                "data": "eA==" }),
        observation("a1", "a", "2010-03-01"),
        focused,
        observation("b1", "b", "2020-06-01"),
        narrative,
        json!({
            "resourceType": "Coverage", "id": "cov", "status": "active",
            "beneficiary": { "reference": "Patient/a" },
            "payor": [{ "reference": "Organization/o" }],
        }),
        json!({
            "resourceType": "Encounter", "id": "ea", "status": "finished",
            "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                       "code": "AMB" },
            "subject": { "reference": "Patient/a" },
            "period": { "start": "2020-05-01", "end": "2020-07-01" },
            "diagnosis": [{ "condition": { "reference": "Condition/ca" } }],
            "location": [{ "location": { "reference": "Location/l" } }],
        }),
        json!({
            "resourceType": "MedicationRequest", "id": "mr", "status": "active",
            "intent": "order", "subject": { "reference": "Patient/a" },
            "medicationReference": { "reference": "Medication/m" },
            "authoredOn": "2020-06-02",
        }),
        json!({
            "resourceType": "DocumentReference", "id": "doc", "status": "current",
            "subject": { "reference": "Patient/a" }, "date": "2021-01-01T00:00:00Z",
            "content": [{ "attachment": { "url": "Binary/bin" } }],
        }),
    ];
    let entries: Vec<_> = all.iter().map(put).collect();
    let answer = server.post("", &bundle("transaction", &entries)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    server
}

const OF_A: [&str; 8] = [
    "Condition/ca",
    "Coverage/cov",
    "DocumentReference/doc",
    "Encounter/ea",
    "MedicationRequest/mr",
    "Observation/a1",
    "Observation/a2",
    "Patient/a",
];

const AROUND_A: [&str; 7] = [
    "Binary/bin",
    "Location/l",
    "Medication/m",
    "Organization/o",
    "Organization/top",
    "Practitioner/p",
    "PractitionerRole/r",
];

fn name(entry: &Value) -> String {
    let resource = &entry["resource"];
    let kind = resource["resourceType"].as_str().unwrap();
    format!("{kind}/{}", resource["id"].as_str().unwrap())
}

/// Types and ids of the entries with a mode, in their order.
fn shown(page: &Value, mode: &str) -> Vec<String> {
    assert_eq!(page["resourceType"], "Bundle", "{page}");
    let entries = page["entry"].as_array().cloned().unwrap_or_default();
    let of_mode = entries.iter().filter(|one| one["search"]["mode"] == mode);
    of_mode.map(name).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

async fn get(server: &TestServer, path: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

fn next(page: &Value) -> Option<String> {
    let links = page["link"].as_array().unwrap();
    let next = links.iter().find(|link| link["relation"] == "next")?;
    Some(next["url"].as_str().unwrap().to_owned())
}

async fn a_record_comes_whole_with_what_it_refers_to(backend: Backend) {
    let server = filled(backend).await;
    let page = get(&server, "Patient/a/$everything").await;
    assert_eq!(page["type"], "searchset");
    assert_eq!(page["total"], OF_A.len());
    assert_eq!(page["entry"][0]["resource"]["id"], "a", "the patient first");
    assert_eq!(sorted(shown(&page, "match")), OF_A);
    assert_eq!(sorted(shown(&page, "include")), AROUND_A);
    assert!(next(&page).is_none());
    let xml = server.get("Patient/a/$everything?_format=xml").await;
    assert_eq!(xml.status, StatusCode::OK);
    assert!(
        xml.text().contains("<Medication><id value=\"m\"/>"),
        "{}",
        xml.text()
    );
    let cut = get(&server, "Patient/a/$everything?_elements=status").await;
    assert!(cut["entry"][0]["resource"].get("birthDate").is_none());
}

async fn nothing_of_other_patients_is_shown(backend: Backend) {
    let server = filled(backend).await;
    let page = get(&server, "Patient/b/$everything").await;
    let matches = sorted(shown(&page, "match"));
    // What is about a patient by its focus alone is in no compartment of theirs.
    assert_eq!(matches, ["Observation/b1", "Patient/b"]);
    let included = sorted(shown(&page, "include"));
    let around = ["Organization/o", "Organization/top", "Practitioner/p"];
    assert_eq!(included.get(..3).unwrap(), around);
    assert_eq!(included.get(3..).unwrap(), ["PractitionerRole/r"]);
}

async fn dates_of_care_choose(backend: Backend) {
    let server = filled(backend).await;
    let always = ["Coverage/cov", "Patient/a"];
    let early = ["Condition/ca", "Observation/a1"];
    let summer = ["Encounter/ea", "MedicationRequest/mr", "Observation/a2"];
    let cases: [(&str, Vec<&str>); 6] = [
        ("start=2020-06&end=2020-06", summer.to_vec()),
        (
            "start=2020-06-02&end=2020-06-02",
            vec![summer[0], summer[1]],
        ),
        ("end=2012", early.to_vec()),
        ("start=2012&end=2012", vec![early[0]]),
        ("start=2021", vec!["DocumentReference/doc"]),
        ("end=2009-12-31", vec![]),
    ];
    for (query, mut expected) in cases {
        let page = get(&server, &format!("Patient/a/$everything?{query}")).await;
        expected.extend(always);
        expected.sort_unstable();
        assert_eq!(sorted(shown(&page, "match")), expected, "{query}");
    }
    let page = get(&server, "Patient/a/$everything?start=2021").await;
    let included = shown(&page, "include");
    assert!(included.contains(&"Binary/bin".to_owned()));
    assert!(!included.contains(&"Medication/m".to_owned()));
}

async fn types_and_the_last_update_choose(backend: Backend) {
    let server = filled(backend).await;
    let page = get(
        &server,
        "Patient/a/$everything?_type=Observation,Medication",
    )
    .await;
    assert_eq!(page["total"], 2);
    let observations = ["Observation/a1", "Observation/a2"];
    assert_eq!(sorted(shown(&page, "match")), observations);
    assert_eq!(shown(&page, "include"), ["Medication/m"]);
    let before = get(&server, "Observation/a1").await;
    let changed = observation("a1", "a", "2010-03-02");
    let after = server.put("Observation/a1", &changed).await.json();
    let since = after["meta"]["lastUpdated"].as_str().unwrap();
    assert_ne!(before["meta"]["lastUpdated"], since);
    let page = get(&server, &format!("Patient/a/$everything?_since={since}")).await;
    assert_eq!(shown(&page, "match"), ["Observation/a1"]);
    assert!(shown(&page, "include").is_empty());
}

async fn pages_show_everything_once_while_others_write(backend: Backend) {
    let server = filled(backend).await;
    let mut url = Some("Patient/a/$everything?_count=4&_pretty=true".to_owned());
    let (mut matches, mut included) = (Vec::new(), Vec::new());
    let mut pages = 0;
    let mut back = None;
    while let Some(here) = url {
        let page = get(&server, &here).await;
        assert_eq!(page["total"], OF_A.len());
        assert!(page["entry"].as_array().unwrap().len() <= 4);
        matches.extend(shown(&page, "match"));
        included.extend(shown(&page, "include"));
        pages += 1;
        let more = observation(&format!("later{pages}"), "a", "2020-06-01");
        server
            .put(&format!("Observation/later{pages}"), &more)
            .await;
        let moved = observation("a2", "a", &format!("202{pages}-06-01"));
        server.put("Observation/a2", &moved).await;
        url = next(&page);
        if let Some(url) = &url {
            assert!(url.contains("_pretty=true"), "{url}");
            assert!(!url.contains("_count"), "{url}");
            back = Some(url.clone());
        }
    }
    assert_eq!(pages, 4);
    assert_eq!(sorted(matches), OF_A);
    assert_eq!(sorted(included), AROUND_A);
    let elsewhere = back.unwrap().replace("Patient/a", "Patient/b");
    let refused = server.get(&elsewhere).await;
    refused.assert_refused(400, "structure", "_cursor");
    let counted = get(&server, "Patient/a/$everything?_count=0").await;
    assert_eq!(counted["total"], OF_A.len() + 4);
    assert!(counted.get("entry").is_none());
}

async fn all_patients_are_shown_together(backend: Backend) {
    let server = filled(backend).await;
    let page = get(&server, "Patient/$everything").await;
    let mut expected: BTreeSet<String> = OF_A.iter().map(|&one| one.to_owned()).collect();
    expected.extend(["Observation/b1".to_owned(), "Patient/b".to_owned()]);
    assert_eq!(page["total"], expected.len());
    let matches: BTreeSet<String> = shown(&page, "match").into_iter().collect();
    assert_eq!(matches, expected);
    assert_eq!(sorted(shown(&page, "include")), AROUND_A);
    let page = get(&server, "Patient/$everything?_type=Patient&_count=1").await;
    let first = shown(&page, "match");
    let second = shown(&get(&server, &next(&page).unwrap()).await, "match");
    assert_eq!(sorted([first, second].concat()), ["Patient/a", "Patient/b"]);
}

async fn an_encounter_comes_with_what_belongs_to_it(backend: Backend) {
    let server = filled(backend).await;
    let page = get(&server, "Encounter/ea/$everything").await;
    assert_eq!(shown(&page, "match"), ["Encounter/ea", "Observation/a2"]);
    let expected = [
        "Condition/ca",
        "Location/l",
        "Organization/o",
        "Organization/top",
        "Patient/a",
        "Practitioner/p",
        "PractitionerRole/r",
    ];
    let included = sorted(shown(&page, "include"));
    // The practitioner of the patient is one step too far, that of the role is not.
    assert_eq!(included, expected);
}

async fn parameters_come_in_a_body_too(backend: Backend) {
    let server = filled(backend).await;
    let parameters = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "start", "valueDate": "2020-06-01" },
        { "name": "end", "valueDate": "2020-06-30" },
        { "name": "_type", "valueCode": "Observation" },
        { "name": "_type", "valueCode": "Encounter" },
        { "name": "_count", "valueInteger": 1 },
    ]});
    let answer = server.post("Patient/a/$everything", &parameters).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let page = answer.json();
    assert_eq!(page["total"], 2);
    let second = get(&server, &next(&page).unwrap()).await;
    let both = [shown(&page, "match"), shown(&second, "match")].concat();
    assert_eq!(sorted(both), ["Encounter/ea", "Observation/a2"]);
    let own = page["link"][0].clone();
    assert_eq!(own["relation"], "self");
    let again = get(&server, own["url"].as_str().unwrap()).await;
    assert_eq!(again["total"], 2);
    let bare = server.request(Method::POST, "Patient/b/$everything");
    assert_eq!(bare.send().await.json()["total"], 2);
    let xml = "<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"_type\"/>\
               <valueCode value=\"Coverage\"/></parameter></Parameters>";
    let by_xml = server.request(Method::POST, "Patient/a/$everything");
    let by_xml = by_xml.header("content-type", "application/fhir+xml");
    assert_eq!(by_xml.body(xml).send().await.json()["total"], 1);
    let wrong = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "start", "valuePeriod": { "start": "2020" } } ]});
    let refused = server.post("Patient/a/$everything", &wrong).await;
    refused.assert_refused(400, "invalid", "primitive");
    let refused = server.post("Patient/a/$everything", &patient("X")).await;
    refused.assert_refused(400, "invalid", "Parameters");
}

async fn what_is_not_there_or_not_understood_is_refused(backend: Backend) {
    let server = filled(backend).await;
    let cases = [
        ("start=yesterday", "structure", "start"),
        ("start=2020&start=2021", "structure", "once"),
        ("start=2021&end=2020", "invalid", "before"),
        ("_since=2020", "structure", "instant"),
        ("_type=Nonsense", "structure", "_type"),
        ("_count=-1", "structure", "_count"),
        ("code=8867-4", "not-supported", "parameters"),
        ("_sort=date", "not-supported", "parameters"),
        ("_cursor=abc", "structure", "_cursor"),
        ("_cursor=abc&start=2020", "invalid", "beside"),
    ];
    for (query, code, says) in cases {
        for path in ["Patient/a", "Encounter/ea", "Patient"] {
            let refused = server.get(&format!("{path}/$everything?{query}")).await;
            refused.assert_refused(400, code, says);
        }
    }
    let unknown = server.get("Patient/nobody/$everything").await;
    unknown.assert_refused(404, "not-found", "Patient");
    let unknown = server.get("Encounter/none/$everything").await;
    unknown.assert_refused(404, "not-found", "Encounter");
    for path in ["Observation/a1/$everything", "Encounter/$everything"] {
        let refused = server.get(path).await;
        refused.assert_refused(404, "not-found", "only");
    }
    let deleted = server.delete("Observation/b1").await;
    assert!(deleted.status.is_success());
    let page = get(&server, "Patient/b/$everything").await;
    assert_eq!(shown(&page, "match"), ["Patient/b"]);
    assert!(server.delete("Patient/b").await.status.is_success());
    let gone = server.get("Patient/b/$everything").await;
    gone.assert_refused(410, "deleted", "deleted");
    let entries = [entry("GET", "Patient/a/$everything", None)];
    let answer = server.post("", &bundle("batch", &entries)).await.json();
    assert_eq!(answer["entry"][0]["response"]["status"], "200 OK");
}
