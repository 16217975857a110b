//! Chains, reverse chains and lists: <https://hl7.org/fhir/R4/search.html#chaining>.

use serde_json::json;

use crate::search::{clinic, matches, observation, put};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    chains_are_followed_to_any_depth,
    reverse_chains_nest_and_have_chains_inside,
    canonical_references_are_followed_back,
    criteria_of_a_write_may_be_chains,
    hierarchies_are_walked_up_and_down,
    lists_and_filters_choose,
    malformed_chains_are_named,
    a_chain_is_walked_from_either_end,
    a_runaway_chain_is_refused,
);

async fn assert_found(server: &TestServer, cases: &[(&str, &[&str])]) {
    for (query, expected) in cases {
        assert_eq!(matches(server, query).await, *expected, "{query}");
    }
}

async fn chains_are_followed_to_any_depth(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let of_ada: &[&str] = &["Observation/a1", "Observation/a2"];
    assert_found(
        &server,
        &[
            ("Observation?subject:Patient.name=ada", of_ada),
            ("Observation?subject.name=ada", of_ada),
            (
                "Observation?patient.name=ada,bob&code=pulse",
                &["Observation/a1", "Observation/b1"],
            ),
            ("Observation?patient.name:exact=Ada", of_ada),
            ("Observation?patient.name:exact=ada", &[]),
            ("Observation?patient.birthdate=lt1985", &["Observation/b1"]),
            ("Observation?patient.organization.name=south", of_ada),
            ("Observation?patient.organization.partof.name=north", of_ada),
            (
                "Observation?encounter.subject:Patient.gender=female",
                &["Observation/a1"],
            ),
            ("Observation?patient.name=nobody", &[]),
            ("Observation?patient._id=bob", &["Observation/b1"]),
            (
                "Patient?general-practitioner:Practitioner.name=doc&gender=female",
                &["Patient/ada"],
            ),
        ],
    )
    .await;
}

async fn reverse_chains_nest_and_have_chains_inside(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    assert_found(
        &server,
        &[
            (
                "Patient?_has:Observation:patient:code=weight",
                &["Patient/ada"],
            ),
            (
                "Patient?_has:Observation:patient:code=pulse,weight",
                &["Patient/ada", "Patient/bob"],
            ),
            ("Patient?_has:Observation:patient:code=none", &[]),
            (
                "Patient?_has:Observation:patient:performer:Practitioner.name=doc",
                &["Patient/ada"],
            ),
            (
                "Organization?_has:Patient:organization:_has:Observation:patient:code=weight",
                &["Organization/south"],
            ),
            (
                "Encounter?subject:Patient._has:Observation:patient:code=weight",
                &["Encounter/visit"],
            ),
            (
                "Patient?_has:Observation:patient:code=pulse&gender=male",
                &["Patient/bob"],
            ),
        ],
    )
    .await;
}

async fn canonical_references_are_followed_back(backend: Backend) {
    let server = TestServer::start(backend).await;
    for (id, version) in [("one", "1"), ("two", "2")] {
        let form = json!({ "resourceType": "Questionnaire", "id": id, "status": "active",
            "url": "http://forms/f", "version": version });
        put(&server, &form).await;
    }
    let other = json!({ "resourceType": "Questionnaire", "id": "other", "status": "active",
        "url": "http://forms/other" });
    put(&server, &other).await;
    for (id, form, status) in [
        ("any", "http://forms/f", "completed"),
        ("second", "http://forms/f|2#part", "amended"),
        ("part", "http://forms/other#part", "in-progress"),
        ("local", "Questionnaire/one", "stopped"),
    ] {
        let answers = json!({ "resourceType": "QuestionnaireResponse", "id": id,
            "questionnaire": form, "status": status });
        put(&server, &answers).await;
    }
    let by = |status: &str| {
        format!("Questionnaire?_has:QuestionnaireResponse:questionnaire:status={status}")
    };
    assert_found(
        &server,
        &[
            (
                &by("completed"),
                &["Questionnaire/one", "Questionnaire/two"],
            ),
            (&by("amended"), &["Questionnaire/two"]),
            (&by("in-progress"), &["Questionnaire/other"]),
            (&by("stopped"), &["Questionnaire/one"]),
            (&by("entered-in-error"), &[]),
            (
                "QuestionnaireResponse?questionnaire=http://forms/other",
                &["QuestionnaireResponse/part"],
            ),
            (
                "QuestionnaireResponse?questionnaire=http://forms/f",
                &["QuestionnaireResponse/any", "QuestionnaireResponse/second"],
            ),
            (
                "QuestionnaireResponse?questionnaire=http://forms/f|2",
                &["QuestionnaireResponse/second"],
            ),
            (
                "QuestionnaireResponse?questionnaire.version=2",
                &["QuestionnaireResponse/any", "QuestionnaireResponse/second"],
            ),
        ],
    )
    .await;
}

async fn criteria_of_a_write_may_be_chains(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let criteria = "code=weight&subject:Patient.name=ada";
    let again = observation("ignored", "weight", "ada", &json!({}));
    let call = server.request(http::Method::POST, "Observation");
    let call = call.header("if-none-exist", criteria).json(&again);
    let answer = call.send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut changed = observation(
        "a2",
        "weight",
        "ada",
        &json!({ "issued": "2020-01-01T00:00:00Z" }),
    );
    changed["status"] = json!("amended");
    let answer = server
        .put(&format!("Observation?{criteria}"), &changed)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let visit = "Encounter?_has:Observation:encounter:code=pulse";
    assert_eq!(server.delete(visit).await.status, 204);
    assert_found(
        &server,
        &[
            ("Encounter", &[]),
            ("Observation?status=amended", &["Observation/a2"]),
        ],
    )
    .await;
}

async fn hierarchies_are_walked_up_and_down(backend: Backend) {
    let server = TestServer::start(backend).await;
    for (id, parent) in [
        ("site", None),
        ("house", Some("Location/site")),
        ("ward", Some("Location/house")),
        ("room", Some("Location/ward")),
        ("other", None),
        ("left", Some("Location/right")),
        ("right", Some("Location/left")),
        ("annex", Some("http://elsewhere/Location/site")),
    ] {
        let mut location = json!({"resourceType": "Location", "id": id});
        if let Some(parent) = parent {
            location["partOf"] = json!({"reference": parent});
        }
        put(&server, &location).await;
    }
    for (id, place) in [
        ("p1", "house"),
        ("p2", "room"),
        ("p3", "other"),
        ("p4", "left"),
    ] {
        put(
            &server,
            &json!({"resourceType": "Procedure", "id": id, "status": "completed",
                "subject": {"display": "x"},
                "location": {"reference": format!("Location/{place}")}}),
        )
        .await;
    }
    let within: &[&str] = &["Procedure/p1", "Procedure/p2"];
    assert_found(
        &server,
        &[
            ("Procedure?location:below=Location/site", within),
            ("Procedure?location:below=site", within),
            ("Procedure?location:below=Location/ward", &["Procedure/p2"]),
            ("Procedure?location:below=Location/nowhere", &[]),
            (
                "Procedure?location:below=Location/ward,Location/other",
                &["Procedure/p2", "Procedure/p3"],
            ),
            ("Procedure?location:above=Location/room", within),
            ("Procedure?location:above=Location/ward", &["Procedure/p1"]),
            ("Procedure?location:below=Location/right", &["Procedure/p4"]),
            ("Procedure?location:above=Location/right", &["Procedure/p4"]),
            (
                "Location?partof:below=Location/house",
                &["Location/room", "Location/ward"],
            ),
            (
                "Location?partof:below=http://elsewhere/Location/site",
                &["Location/annex"],
            ),
            (
                "Location?_has:Procedure:location:location:below=Location/site",
                &["Location/house", "Location/room"],
            ),
        ],
    )
    .await;
    let refused = server.get("Procedure?subject:Patient.link:below=1").await;
    refused.assert_refused(400, "not-supported", "does not take");
}

async fn lists_and_filters_choose(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    assert_found(
        &server,
        &[
            ("Patient?_list=chosen", &["Patient/bob"]),
            ("Observation?_list=chosen", &["Observation/a2"]),
            ("Observation?_list=chosen&code=pulse", &[]),
            ("Observation?_list=absent", &[]),
            ("Patient?_filter=name%20sw%20ad", &["Patient/ada"]),
            ("Patient?_filter=name%20eq%20%22Ada%22%20or%20gender%20eq%20male", &[
                "Patient/ada",
                "Patient/bob",
            ]),
            ("Patient?_filter=not(gender%20eq%20male)", &["Patient/ada"]),
            ("Patient?_filter=gender%20ne%20male", &["Patient/ada"]),
            ("Patient?_filter=birthdate%20ge%201985%20and%20gender%20eq%20female", &[
                "Patient/ada",
            ]),
            // And binds closer than or.
            (
                "Patient?_filter=name%20co%20%22bo%22%20or%20name%20co%20%22ad%22%20and%20gender%20eq%20male",
                &["Patient/bob"],
            ),
            (
                "Patient?_filter=(name%20co%20%22bo%22%20or%20name%20co%20%22ad%22)%20and%20gender%20eq%20female",
                &["Patient/ada"],
            ),
            ("Patient?_filter=general-practitioner%20pr%20true", &["Patient/ada"]),
            ("Observation?_filter=patient.name%20co%20%22ada%22%20and%20code%20eq%20pulse", &[
                "Observation/a1",
            ]),
        ],
    )
    .await;
}

async fn malformed_chains_are_named(backend: Backend) {
    let server = TestServer::start(backend).await;
    let cases = [
        ("Observation?code.name=x", "structure", "no reference"),
        (
            "Observation?subject:Practitioner.name=x",
            "structure",
            "cannot refer to",
        ),
        (
            "Observation?subject:Nothing.name=x",
            "structure",
            "resource type",
        ),
        (
            "Observation?subject.nothing=x",
            "not-supported",
            "not a search parameter",
        ),
        (
            "Observation?nothing.name=x",
            "not-supported",
            "no parameter",
        ),
        (
            "Patient?_has:Observation:code:code=x",
            "structure",
            "refers to Patient",
        ),
        (
            "Patient?_has:Observation=x",
            "structure",
            "_has:Observation:patient:code",
        ),
        (
            "Observation?patient.birthdate=x",
            "structure",
            "patient.birthdate",
        ),
        (
            "Patient?_list=$current-problems",
            "not-supported",
            "functional",
        ),
        ("Patient?_filter=name", "structure", "_filter"),
        ("Patient?_filter=(name%20eq%20x", "structure", "not closed"),
        (
            "Patient?_filter=name%20eq%20x%20y",
            "structure",
            "behind its end",
        ),
        ("Patient?_filter=name%20gt%20x", "structure", "does not fit"),
        ("Patient?_filter=name%20ew%20x", "not-supported", "ew"),
    ];
    for (query, code, says) in cases {
        server.get(query).await.assert_refused(400, code, says);
    }
    let deep = format!("Organization?{}name=x", "partof.".repeat(12));
    server
        .get(&deep)
        .await
        .assert_refused(400, "too-costly", "steps");
}

/// More targets than are walked without a look at the other end.
async fn a_chain_is_walked_from_either_end(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    for number in 0..110 {
        let id = format!("p{number}");
        put(
            &server,
            &json!({ "resourceType": "Patient", "id": id, "gender": "female" }),
        )
        .await;
        let more = json!({ "valueString": "x" });
        put(
            &server,
            &observation(&format!("o{number}"), "pulse", &id, &more),
        )
        .await;
    }
    let one = matches(&server, "Observation?patient.gender=female&code=weight").await;
    assert_eq!(one, ["Observation/a2"]);
    let one = matches(
        &server,
        "Patient?_has:Observation:patient:code=pulse&name=bob",
    )
    .await;
    assert_eq!(one, ["Patient/bob"]);
    let all = matches(&server, "Observation?patient.gender=female&_count=200").await;
    assert_eq!(all.len(), 112);
}

async fn a_runaway_chain_is_refused(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.limits.chain_targets_max = 1;
    })
    .await;
    clinic(&server).await;
    let answer = server.get("Observation?patient.name=ada,bob").await;
    answer.assert_refused(422, "too-costly", "step of a chain");
    let one = matches(&server, "Observation?patient.name=bob").await;
    assert_eq!(one, ["Observation/b1"]);
}
