//! Locations by where they are: <https://hl7.org/fhir/R4/location.html#search>.

use serde_json::{Value, json};

use crate::search::matches;
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    locations_are_found_within_a_great_circle,
    a_position_or_distance_that_is_none_is_refused,
);

fn location(id: &str, position: Option<(f64, f64)>) -> Value {
    let mut location = json!({ "resourceType": "Location", "id": id, "name": id });
    if let Some((latitude, longitude)) = position {
        location["position"] = json!({ "latitude": latitude, "longitude": longitude });
    }
    location
}

async fn locations_are_found_within_a_great_circle(backend: Backend) {
    let server = TestServer::start(backend).await;
    for (id, position) in [
        ("berlin", Some((52.52, 13.405))),
        ("potsdam", Some((52.3906, 13.0645))),
        ("suva", Some((-18.1416, 178.4419))),
        ("apia", Some((-13.8333, -171.7667))),
        ("pole", Some((89.9, 10.0))),
        ("behind", Some((89.9, -170.0))),
        ("nowhere", None),
    ] {
        let path = format!("Location/{id}");
        let answer = server.put(&path, &location(id, position)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let visit = json!({ "resourceType": "Encounter", "id": "visit", "status": "planned",
        "class": { "code": "AMB" },
        "location": [{ "location": { "reference": "Location/potsdam" } }] });
    assert_eq!(server.put("Encounter/visit", &visit).await.status, 201);
    for (query, expected) in [
        // 27.2 km apart.
        ("Location?near=52.52|13.405|27.1|km", &["berlin"][..]),
        ("Location?near=52.52|13.405|27.3|km", &["berlin", "potsdam"]),
        ("Location?near=52.52|13.405|27.3", &["berlin", "potsdam"]),
        ("Location?near=52.52|13.405", &["berlin", "potsdam"]),
        ("Location?near=52.52|13.405|27100|m", &["berlin"]),
        (
            "Location?near=52.52|13.405|17|[mi_us]",
            &["berlin", "potsdam"],
        ),
        ("Location?near=52.52|13.405|16|[mi_us]", &["berlin"]),
        ("Location?near=52.52|13.405|0", &["berlin"]),
        // Across the antimeridian: 1,146 km.
        ("Location?near=-18.1416|178.4419|1100", &["suva"]),
        ("Location?near=-18.1416|178.4419|1200", &["apia", "suva"]),
        ("Location?near=-13.8333|-171.7667|1200", &["apia", "suva"]),
        // Across the pole: 22.2 km.
        ("Location?near=89.9|10|22", &["pole"]),
        ("Location?near=89.9|10|23", &["behind", "pole"]),
        ("Location?near=90|0|12", &["behind", "pole"]),
        (
            "Location?near=0|0|21000&name=pole,suva,nowhere",
            &["pole", "suva"],
        ),
        (
            "Location?near=90|0|12,52.52|13.405|1",
            &["behind", "berlin", "pole"],
        ),
        ("Location?near=52.52|13.405&name=potsdam", &["potsdam"]),
        ("Location?near:missing=true", &["nowhere"]),
        ("Encounter?location.near=52.52|13.405|30", &["visit"]),
        ("Encounter?location.near=52.52|13.405|20", &[]),
    ] {
        let found = matches(&server, query).await;
        let ids: Vec<_> = found
            .iter()
            .filter_map(|one| Some(one.split_once('/')?.1))
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
}

async fn a_position_or_distance_that_is_none_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    for (value, named) in [
        ("52.52", "latitude|longitude|distance|units"),
        ("a|1", "latitude"),
        ("91|1", "latitude"),
        ("1|181", "longitude"),
        ("1|1|-1", "distance"),
        ("1|1|far", "distance"),
        ("1|1|1|kg", "[mi_us]"),
        ("1|1|1|miles", "[mi_us]"),
    ] {
        let answer = server.get(&format!("Location?near={value}")).await;
        assert_eq!(answer.status, 400, "{value}");
        assert!(answer.text().contains(named), "{value}: {}", answer.text());
    }
    assert_eq!(server.get("Patient?near=1|1").await.status, 400);
}
