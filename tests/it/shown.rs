//! What an answer shows, whichever way it was asked for, and who may keep it.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#elements>, <https://hl7.org/fhir/R4/http.html#search>.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    a_form_says_how_the_answer_looks,
    a_read_inside_a_bundle_shows_the_part_asked_for,
    searches_and_operations_inside_a_bundle,
    no_answer_is_kept_or_guessed_at,
);

async fn a_form_says_how_the_answer_looks(backend: Backend) {
    let server = TestServer::start(backend).await;
    server.create(&patient("Formed")).await;
    let search = async |form: &'static str| {
        let call = server.request(Method::POST, "Patient/_search");
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        call.body(form).send().await
    };
    let part = search("family=Formed&_elements=gender").await;
    let resource = &part.json()["entry"][0]["resource"];
    assert_eq!(resource["name"], json!(null), "{resource}");
    assert_eq!(resource["meta"]["tag"][0]["code"], "SUBSETTED");
    let count = search("family=Formed&_summary=count").await.json();
    assert_eq!(
        (count["total"].clone(), count["entry"].clone()),
        (json!(1), json!(null))
    );
    let xml = search("family=Formed&_format=xml").await;
    assert!(
        xml.header("content-type")
            .starts_with("application/fhir+xml")
    );
    assert!(xml.text().contains("<Bundle xmlns"), "{}", xml.text());
    let pretty = search("family=Formed&_pretty=true").await;
    assert!(pretty.text().contains("\n  \"type\""), "{}", pretty.text());
    search("family=Formed&_format=ttl")
        .await
        .assert_refused(406, "not-supported", "_format");
}

async fn a_read_inside_a_bundle_shows_the_part_asked_for(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Part")).await;
    let entries = [
        entry("GET", &format!("Patient/{id}?_elements=gender"), None),
        entry("GET", "Patient?_elements=gender", None),
        entry("GET", &format!("Patient/{id}"), None),
    ];
    for kind in ["batch", "transaction"] {
        let answer = server.post("", &bundle(kind, &entries)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let body = answer.json();
        let matched = body["entry"][1]["resource"]["entry"][0]["resource"].clone();
        for part in [body["entry"][0]["resource"].clone(), matched] {
            assert_eq!(part["name"], json!(null), "{body}");
            assert_eq!(part["meta"]["tag"][0]["code"], "SUBSETTED", "{body}");
        }
        assert_eq!(
            body["entry"][2]["resource"]["name"][0]["family"], "Part",
            "{body}"
        );
    }
}

async fn searches_and_operations_inside_a_bundle(backend: Backend) {
    let server = TestServer::start(backend).await;
    server.create(&patient("Found")).await;
    let entries = [
        entry("POST", "Patient/_search?family=Found", None),
        entry("GET", "metadata", None),
        entry("POST", "Patient/x/$erase", None),
        entry("GET", "Patient/$everything", None),
    ];
    let answer = server.post("", &bundle("batch", &entries)).await.json();
    assert_eq!(answer["entry"][0]["resource"]["total"], 1, "{answer}");
    let says = |index: usize| answer["entry"][index]["response"].to_string();
    assert!(says(1).contains("CapabilityStatement is not"), "{answer}");
    assert!(says(2).contains("Operations are not"), "{answer}");
    assert!(says(3).contains("Operations are not"), "{answer}");
    let refused = server.delete("?_id=a").await;
    refused.assert_refused(400, "not-supported", "name a type");
}

async fn no_answer_is_kept_or_guessed_at(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Kept")).await;
    for path in [&format!("Patient/{id}"), "Patient", "metadata", "Nothing"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}
