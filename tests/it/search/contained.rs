//! Contained resources, searched by themselves: <https://hl7.org/fhir/R4/search.html#contained>.

use serde_json::{Value, json};

use crate::search::{entries, found, link, matches, put};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    contained_resources_are_found_by_their_own_parameters,
    contained_resources_are_shown_by_themselves,
    pages_end_inside_of_containers,
    a_container_that_changes_between_pages_repeats_and_loses_nothing,
    chains_look_into_containers,
    reverse_chains_look_into_containers,
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

/// `fullUrl` behind the base of each match, and the `next` link.
fn shown(page: &Value) -> (Vec<String>, Option<String>) {
    let urls = page["entry"].as_array().into_iter().flatten().map(|entry| {
        let url = entry["fullUrl"].as_str().unwrap();
        url.rsplit_once("/fhir/").unwrap().1.to_owned()
    });
    (urls.collect(), link(page, "next").map(str::to_owned))
}

async fn a_container_that_changes_between_pages_repeats_and_loses_nothing(backend: Backend) {
    let server = TestServer::start(backend).await;
    let inside = |ids: &[&str]| {
        let one = |id: &&str| medication(id, "a", "active");
        ids.iter().map(one).collect::<Vec<_>>()
    };
    put(&server, &request("older", &inside(&["a", "b", "c"]))).await;
    put(&server, &request("newer", &inside(&["d", "b", "c"]))).await;
    let query = "Medication?code=a&_contained=true&_containedType=contained&_count=2";
    let (first, next) = shown(&found(&server, query).await);
    let next = next.unwrap();
    assert_eq!(
        first,
        ["MedicationRequest/newer#b", "MedicationRequest/newer#c"]
    );
    // One more in front of what was shown, and one of those gone.
    put(&server, &request("newer", &inside(&["a", "c", "d"]))).await;
    let (second, last) = shown(&found(&server, &next).await);
    assert_eq!(
        second,
        ["MedicationRequest/newer#d", "MedicationRequest/older#a"]
    );
    let (third, _) = shown(&found(&server, &last.unwrap()).await);
    assert_eq!(
        third,
        ["MedicationRequest/older#b", "MedicationRequest/older#c"]
    );
    // A container that is gone takes nothing from the next one.
    let deleted = server.delete("MedicationRequest/newer").await;
    assert_eq!(deleted.status.as_u16(), 204);
    let (rest, _) = shown(&found(&server, &next).await);
    assert_eq!(
        rest,
        ["MedicationRequest/older#a", "MedicationRequest/older#b"]
    );
}

/// A request for the contained medication `m`, beside others that are only mentioned.
fn compounded(id: &str, contained: &[Value]) -> Value {
    let mut whole = request(id, contained);
    let object = whole.as_object_mut().unwrap();
    object.remove("medicationCodeableConcept");
    object.insert("medicationReference".into(), json!({ "reference": "#m" }));
    whole
}

#[expect(
    clippy::too_many_lines,
    reason = "one story, told in the order in which it happens"
)]
async fn chains_look_into_containers(backend: Backend) {
    let server = TestServer::start(backend).await;
    put(&server, &json!({ "resourceType": "Patient", "id": "p" })).await;
    let sugar = json!({ "resourceType": "Substance", "id": "sugar", "code": { "text": "Sugar",
        "coding": [{ "system": "http://s", "code": "sugar" }] } });
    put(&server, &sugar).await;
    put(&server, &medication("own", "a", "active")).await;
    let mut stored = request("stored", &[medication("m", "b", "active")]);
    stored
        .as_object_mut()
        .unwrap()
        .remove("medicationCodeableConcept");
    stored["medicationReference"] = json!({ "reference": "Medication/own" });
    put(&server, &stored).await;
    let mut mixed = medication("m", "a", "active");
    mixed["ingredient"] = json!([{ "itemReference": { "reference": "Substance/sugar" } }]);
    mixed["manufacturer"] = json!({ "reference": "#maker" });
    let maker = json!({ "resourceType": "Organization", "id": "maker", "name": "Maker" });
    let other = medication("other", "c", "inactive");
    put(&server, &compounded("mixed", &[mixed, maker, other])).await;
    let observation = json!({ "resourceType": "Observation", "id": "seen", "status": "final",
        "code": { "text": "x" }, "subject": { "reference": "#who" },
        "contained": [{ "resourceType": "Patient", "id": "who", "name": [{ "family": "Inside" }] }] });
    put(&server, &observation).await;
    let both = ["MedicationRequest/mixed", "MedicationRequest/stored"];
    let mixed = ["MedicationRequest/mixed"];
    let cases: [(&str, &[&str]); 20] = [
        ("MedicationRequest?medication.code=a", &both),
        (
            "MedicationRequest?medication.code=a&patient=p&status=active",
            &both,
        ),
        (
            "MedicationRequest?medication.ingredient=Substance/sugar",
            &mixed,
        ),
        (
            "MedicationRequest?medication.ingredient:Substance.code=sugar",
            &mixed,
        ),
        (
            "MedicationRequest?medication.ingredient:Substance.code=salt",
            &[],
        ),
        ("MedicationRequest?medication.manufacturer.name=mak", &mixed),
        ("MedicationRequest?medication.manufacturer.name=other", &[]),
        (
            "MedicationRequest?medication.manufacturer:missing=true",
            &["MedicationRequest/stored"],
        ),
        (
            "MedicationRequest?medication.status=active&medication.code=a",
            &both,
        ),
        // Contained, but not what the reference leads to.
        ("MedicationRequest?medication.code=c", &[]),
        ("MedicationRequest?medication.code=b", &[]),
        // Ids within a container are no logical ids.
        ("MedicationRequest?medication._id=m", &[]),
        (
            "MedicationRequest?medication._id=own",
            &["MedicationRequest/stored"],
        ),
        ("MedicationRequest?_filter=medication.code%20eq%20a", &both),
        ("Observation?patient.name=inside", &["Observation/seen"]),
        (
            "Observation?subject:Patient.family=inside&status=final",
            &["Observation/seen"],
        ),
        ("Observation?subject.name=outside", &[]),
        ("Medication?_contained=true&manufacturer.name=mak", &mixed),
        ("Medication?_contained=both&manufacturer.name=other", &[]),
        (
            "MedicationRequest?medication._has:MedicationRequest:medication:status=active",
            &both,
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(matches(&server, query).await, expected, "{query}");
        let counted = found(&server, &format!("{query}&_summary=count")).await;
        assert_eq!(counted["total"], expected.len(), "{query}");
    }
    let sorted = found(&server, "MedicationRequest?medication.code=a&_sort=_id").await;
    assert_eq!(entries(&sorted, "match"), both);
    put(
        &server,
        &compounded("mixed", &[medication("m", "z", "active")]),
    )
    .await;
    let query = "MedicationRequest?medication.code=a";
    assert_eq!(matches(&server, query).await, ["MedicationRequest/stored"]);
}

async fn reverse_chains_look_into_containers(backend: Backend) {
    let server = TestServer::start(backend).await;
    for id in ["p", "q"] {
        put(&server, &json!({ "resourceType": "Patient", "id": id })).await;
    }
    let seen = |id: &str, code: &str, patient: &str| {
        json!({ "resourceType": "Observation", "id": id, "status": "final",
            "code": { "coding": [{ "code": code }] },
            "subject": { "reference": format!("Patient/{patient}") } })
    };
    put(&server, &seen("own", "pulse", "q")).await;
    let report = json!({ "resourceType": "DiagnosticReport", "id": "r", "status": "final",
        "code": { "text": "x" }, "result": [{ "reference": "#o" }, { "reference": "#n" }],
        "contained": [seen("o", "pulse", "p"), seen("n", "weight", "q")] });
    put(&server, &report).await;
    let cases: [(&str, &[&str]); 4] = [
        (
            "Patient?_has:Observation:subject:code=pulse",
            &["Patient/p", "Patient/q"],
        ),
        (
            "Patient?_has:Observation:patient:code=weight",
            &["Patient/q"],
        ),
        ("Patient?_has:Observation:patient:code=height", &[]),
        (
            "Patient?_has:Observation:subject:code=weight&_has:Observation:subject:code=pulse",
            &["Patient/q"],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(matches(&server, query).await, expected, "{query}");
    }
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
