//! The order of matches: <https://hl7.org/fhir/R4/search.html#sort>.

use serde_json::{Value, json};

use crate::search::{entries, found, link, put};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    matches_come_in_the_wanted_order,
    pages_are_cut_from_one_list,
    what_cannot_be_sorted_is_refused,
);

fn person(id: &str, family: Option<&str>, birth_date: Option<&str>, gender: &str) -> Value {
    let mut resource = json!({ "resourceType": "Patient", "id": id, "gender": gender });
    if let Some(family) = family {
        resource["name"] = json!([{ "family": family }]);
    }
    if let Some(birth_date) = birth_date {
        resource["birthDate"] = json!(birth_date);
    }
    resource
}

async fn people(server: &TestServer) {
    let people = [
        person("p1", Some("Öster"), Some("1990-01-01"), "male"),
        person("p2", Some("Abel"), Some("1970"), "female"),
        person("p3", None, Some("1990-01-01"), "female"),
        person("p4", Some("zorn"), None, "male"),
        person("p5", Some("Pavel"), Some("1980-06"), "female"),
    ];
    for one in &people {
        put(server, one).await;
    }
}

async fn order(server: &TestServer, query: &str) -> Vec<String> {
    let ids = entries(&found(server, query).await, "match").into_iter();
    ids.map(|name| name.replace("Patient/", "").replace("Observation/", ""))
        .collect()
}

async fn matches_come_in_the_wanted_order(backend: Backend) {
    let server = TestServer::start(backend).await;
    people(&server).await;
    for (id, value) in [("o1", "9.5"), ("o2", "10"), ("o3", "-1")] {
        let text = format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},
                "valueQuantity":{{"value":{value}}}}}"#
        );
        put(&server, &serde_json::from_str(&text).unwrap()).await;
    }
    let cases: [(&str, &[&str]); 10] = [
        ("Patient", &["p5", "p4", "p3", "p2", "p1"]),
        ("Patient?_sort=family", &["p2", "p1", "p5", "p4", "p3"]),
        ("Patient?_sort=-family", &["p4", "p5", "p1", "p2", "p3"]),
        (
            "Patient?_sort=birthdate,_id",
            &["p2", "p5", "p1", "p3", "p4"],
        ),
        (
            "Patient?_sort=-birthdate,-_id",
            &["p3", "p1", "p5", "p2", "p4"],
        ),
        (
            "Patient?_sort=gender,family",
            &["p2", "p5", "p3", "p1", "p4"],
        ),
        ("Patient?_sort=_id", &["p1", "p2", "p3", "p4", "p5"]),
        (
            "Patient?_sort=-_lastUpdated,-_id",
            &["p5", "p4", "p3", "p2", "p1"],
        ),
        ("Observation?_sort=value-quantity", &["o3", "o1", "o2"]),
        ("Observation?_sort=-value-quantity", &["o2", "o1", "o3"]),
    ];
    for (query, expected) in cases {
        assert_eq!(order(&server, query).await, expected, "{query}");
    }
}

async fn pages_are_cut_from_one_list(backend: Backend) {
    let server = TestServer::start(backend).await;
    people(&server).await;
    let first = found(&server, "Patient?_sort=family&_count=2").await;
    assert_eq!(first["total"], 5);
    assert_eq!(link(&first, "previous"), None);
    // What comes or changes now has no part in this walk; what goes is left out.
    put(&server, &person("p6", Some("Aaron"), None, "male")).await;
    put(&server, &person("p2", Some("Zz"), None, "male")).await;
    assert_eq!(server.delete("Patient/p4").await.status.as_u16(), 204);
    let second = found(&server, link(&first, "next").unwrap()).await;
    let third = found(&server, link(&second, "next").unwrap()).await;
    assert_eq!(entries(&first, "match"), ["Patient/p2", "Patient/p1"]);
    assert_eq!(entries(&second, "match"), ["Patient/p5"]);
    assert_eq!(entries(&third, "match"), ["Patient/p3"]);
    assert_eq!(link(&third, "next"), None);
    let back = found(&server, link(&third, "previous").unwrap()).await;
    assert_eq!(entries(&back, "match"), ["Patient/p5"]);
    let start = found(&server, link(&third, "first").unwrap()).await;
    assert_eq!(entries(&start, "match"), ["Patient/p2", "Patient/p1"]);
    let whole = found(&server, "Patient?_sort=family").await;
    assert_eq!(link(&whole, "next"), None);
    assert_eq!(entries(&whole, "match").len(), 5);
}

async fn what_cannot_be_sorted_is_refused(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.limits.sort_candidates_max = 3;
    })
    .await;
    people(&server).await;
    for query in [
        "Patient?_sort=nothing",
        "Patient?_sort=",
        "Observation?_sort=code-value-date",
    ] {
        server
            .get(query)
            .await
            .assert_refused(400, "structure", "_sort");
    }
    let answer = server.get("Patient?_sort=family").await;
    answer.assert_refused(422, "too-costly", "cannot be sorted");
    assert_eq!(
        order(&server, "Patient?_sort=family&gender=male").await,
        ["p1", "p4"]
    );
}
