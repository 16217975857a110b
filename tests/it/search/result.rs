//! How a result is wanted: <https://hl7.org/fhir/R4/search.html#return>.

use crate::search::{clinic, entries, found, link};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    totals_and_counts,
    parts_of_resources,
    an_explanation_names_no_value,
    the_self_link_says_what_was_understood,
);

async fn totals_and_counts(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.limits.total_max = 1;
    })
    .await;
    clinic(&server).await;
    let cases = [
        ("Observation?_total=none&_count=1", None, 1),
        ("Observation?_total=accurate&_count=1", Some(3), 1),
        ("Observation?_count=1", None, 1),
        ("Observation?_count=0", Some(3), 0),
        ("Observation?_summary=count", Some(3), 0),
        ("Observation?_id=a1", Some(1), 1),
    ];
    for (query, total, shown) in cases {
        let page = found(&server, query).await;
        assert_eq!(page["total"].as_u64(), total, "{query}");
        assert_eq!(entries(&page, "match").len(), shown, "{query}");
    }
}

async fn parts_of_resources(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let page = found(&server, "Patient?_id=ada&_elements=birthDate").await;
    let ada = &page["entry"][0]["resource"];
    assert_eq!(ada["birthDate"], "1990-05-01");
    assert!(ada.get("name").is_none());
    assert!(ada["meta"]["tag"].to_string().contains("SUBSETTED"));
    for summary in ["true", "text", "data", "false"] {
        let page = found(&server, &format!("Patient?_id=ada&_summary={summary}")).await;
        assert_eq!(entries(&page, "match"), ["Patient/ada"], "{summary}");
    }
    assert_eq!(
        entries(&found(&server, "Patient?_contained=false").await, "match").len(),
        2
    );
    let inside = found(&server, "Patient?_contained=true").await;
    assert_eq!(inside["total"], 0, "{inside}");
}

async fn an_explanation_names_no_value(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let page = found(&server, "Patient?name=ada&gender=female&_explain=true").await;
    let all = page["entry"].as_array().unwrap();
    let told = all
        .iter()
        .find(|entry| entry["search"]["mode"] == "outcome")
        .unwrap();
    let text = told["resource"].to_string();
    for expected in [
        "walked, by index: ",
        "Patient:name",
        "Patient:gender",
        // Both patients are of the name or the gender that is walked.
        "candidates examined: 1",
        "time: ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("ada"), "{text}");
    server
        .get("Patient?_explain=maybe")
        .await
        .assert_refused(400, "structure", "_explain");
}

async fn the_self_link_says_what_was_understood(backend: Backend) {
    let server = TestServer::start(backend).await;
    let call = server.request(http::Method::GET, "Patient?name=x&nothing=y&_sort=family");
    let page = call
        .header("prefer", "handling=lenient")
        .send()
        .await
        .json();
    let own = link(&page, "self").unwrap();
    assert!(own.ends_with("/Patient?name=x&_sort=family"), "{own}");
    assert!(page["entry"].to_string().contains("ignored"));
    let page = found(&server, "?_type=Patient&name=x").await;
    let own = link(&page, "self").unwrap();
    assert!(own.ends_with("/fhir?_type=Patient&name=x"), "{own}");
}
