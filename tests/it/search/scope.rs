//! Searches of everything, of compartments, and by POST: <https://hl7.org/fhir/R4/http.html#search>.

use http::Method;
use serde_json::json;

use crate::search::{clinic, entries, found, link, matches, put};
use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores};

on_both_stores!(
    the_system_is_searched_by_types,
    compartments_are_searched,
    what_cannot_be_searched_is_refused,
    a_form_is_in_no_link,
    a_batch_searches_everywhere,
);

async fn the_system_is_searched_by_types(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let all = found(&server, "?_count=100").await;
    assert_eq!(entries(&all, "match").len(), 10);
    assert_eq!(all["total"], 10);
    let two = matches(&server, "?_type=Patient,Practitioner").await;
    assert_eq!(two, ["Patient/ada", "Patient/bob", "Practitioner/doc"]);
    let named = matches(&server, "?_type=Patient,Practitioner&name=ada,doc").await;
    assert_eq!(named, ["Patient/ada", "Practitioner/doc"]);
    let by_id = matches(&server, "?_type=Patient,Observation&_id=ada,a1,visit").await;
    assert_eq!(by_id, ["Observation/a1", "Patient/ada"]);
    let recent = matches(&server, "?_lastUpdated=gt2000&_type=Encounter").await;
    assert_eq!(recent, ["Encounter/visit"]);
    let page = found(&server, "?_type=Patient,Observation&_count=2").await;
    let second = found(&server, link(&page, "next").unwrap()).await;
    let third = found(&server, link(&second, "next").unwrap()).await;
    let mut all: Vec<String> = [&page, &second, &third]
        .iter()
        .flat_map(|page| entries(page, "match"))
        .collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
    assert_eq!(link(&third, "next"), None);
}

async fn compartments_are_searched(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    put(
        &server,
        &json!({ "resourceType": "Observation", "id": "d1", "status": "final",
            "code": { "text": "x" }, "device": { "reference": "Device/pump" } }),
    )
    .await;
    put(
        &server,
        &json!({ "resourceType": "Appointment", "id": "meet", "status": "booked",
            "participant": [{ "status": "accepted",
                "actor": { "reference": "RelatedPerson/mum" } }] }),
    )
    .await;
    let cases: [(&str, &[&str]); 9] = [
        (
            "Patient/ada/Observation",
            &["Observation/a1", "Observation/a2"],
        ),
        ("Patient/ada/Observation?code=pulse", &["Observation/a1"]),
        (
            "Patient/ada/*",
            &[
                "Encounter/visit",
                "Observation/a1",
                "Observation/a2",
                "Patient/ada",
            ],
        ),
        (
            "Patient/ada/*?_type=Encounter,Patient",
            &["Encounter/visit", "Patient/ada"],
        ),
        ("Encounter/visit/Observation", &["Observation/a1"]),
        ("Encounter/visit/*", &["Encounter/visit", "Observation/a1"]),
        ("Practitioner/doc/Observation", &["Observation/a1"]),
        ("Device/pump/Observation", &["Observation/d1"]),
        ("RelatedPerson/mum/Appointment", &["Appointment/meet"]),
    ];
    for (query, expected) in cases {
        assert_eq!(matches(&server, query).await, expected, "{query}");
    }
    let page = found(&server, "Patient/ada/*?_count=3").await;
    let next = link(&page, "next").unwrap();
    assert!(next.contains("/Patient/ada/*?"), "{next}");
    assert_eq!(entries(&found(&server, next).await, "match").len(), 1);
    let elsewhere = next.replace("/Patient/ada/", "/Patient/bob/");
    server
        .get(&elsewhere)
        .await
        .assert_refused(400, "structure", "_cursor");
}

async fn what_cannot_be_searched_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let cases = [
        ("?_type=Patient,Nothing", 400, "structure", "_type"),
        (
            "?_type=Patient,Observation&birthdate=2000",
            400,
            "not-supported",
            "birthdate",
        ),
        ("Patient?_type=Patient", 400, "not-supported", "_type"),
        ("Patient/ada/Practitioner", 400, "invalid", "compartment"),
        ("Organization/north/Patient", 404, "not-found", "nothing"),
        ("Patient/ada/Nothing", 404, "not-found", "nothing"),
    ];
    for (query, status, code, says) in cases {
        server.get(query).await.assert_refused(status, code, says);
    }
}

async fn a_form_is_in_no_link(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let post = async |path: &str, form: &str| {
        let call = server.request(Method::POST, path).body(form.to_owned());
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let answer = call.send().await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
        answer.json()
    };
    let page = post("Observation/_search?code=pulse", "patient.name=ada").await;
    assert_eq!(entries(&page, "match"), ["Observation/a1"]);
    assert!(
        !page["link"].to_string().contains("ada"),
        "{}",
        page["link"]
    );
    let again = found(&server, link(&page, "self").unwrap()).await;
    assert_eq!(entries(&again, "match"), ["Observation/a1"]);
    let page = post("_search?_type=Patient", "name=bob").await;
    assert_eq!(entries(&page, "match"), ["Patient/bob"]);
    let page = post("Patient/ada/Observation/_search", "code=weight").await;
    assert_eq!(entries(&page, "match"), ["Observation/a2"]);
}

async fn a_batch_searches_everywhere(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let urls = [
        "?_type=Organization",
        "Patient/ada/Observation",
        "Patient?name=bob",
    ];
    let gets: Vec<_> = urls.iter().map(|url| entry("GET", url, None)).collect();
    let answer = server.post("", &bundle("batch", &gets)).await;
    let totals: Vec<_> = answer.json()["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["total"].as_u64())
        .collect();
    assert_eq!(totals, [Some(2), Some(2), Some(1)]);
}
