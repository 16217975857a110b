//! What comes with the matches: <https://hl7.org/fhir/R4/search.html#revinclude>.

use serde_json::json;

use crate::search::{clinic, entries, found, link, put};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    referred_resources_come_once,
    referring_resources_come,
    iteration_goes_on_until_nothing_is_new,
    versions_canonicals_and_contained_resources,
    what_has_no_room_is_behind_the_next_link,
    malformed_includes_are_named,
);

async fn included(server: &TestServer, query: &str) -> Vec<String> {
    let mut included = entries(&found(server, query).await, "include");
    included.sort();
    included
}

async fn referred_resources_come_once(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let cases: [(&str, &[&str]); 6] = [
        (
            "Observation?_include=Observation:subject",
            &["Patient/ada", "Patient/bob"],
        ),
        ("Observation?_include=Observation:subject:Group", &[]),
        (
            "Observation?code=pulse&_include=Observation:encounter",
            &["Encounter/visit"],
        ),
        (
            "Observation?_id=a1&_include=*",
            &["Encounter/visit", "Patient/ada", "Practitioner/doc"],
        ),
        (
            "Observation?_id=a1&_include=Observation:*",
            &["Encounter/visit", "Patient/ada", "Practitioner/doc"],
        ),
        ("Observation?_id=a2&_include=Patient:organization", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(included(&server, query).await, expected, "{query}");
    }
    let both = found(
        &server,
        "?_type=Patient,Observation&_include=Observation:subject",
    )
    .await;
    assert_eq!(entries(&both, "match").len(), 5);
    assert!(
        entries(&both, "include").is_empty(),
        "matches are not included again"
    );
    assert_eq!(both["total"], 5);
}

async fn referring_resources_come(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let cases: [(&str, &[&str]); 4] = [
        (
            "Patient?_id=ada&_revinclude=Observation:subject",
            &["Observation/a1", "Observation/a2"],
        ),
        (
            "Patient?_id=bob&_revinclude=*",
            &["List/chosen", "Observation/b1"],
        ),
        ("Patient?_id=ada&_revinclude=Observation:subject:Group", &[]),
        (
            "Organization?_id=north&_revinclude=Organization:partof",
            &["Organization/south"],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(included(&server, query).await, expected, "{query}");
    }
}

async fn iteration_goes_on_until_nothing_is_new(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    let once = "Observation?_id=a2&_include=Observation:subject&_include=Patient:organization";
    assert_eq!(included(&server, once).await, ["Patient/ada"]);
    let iterated = "Observation?_id=a2&_include=Observation:subject\
        &_include:iterate=Patient:organization&_include:iterate=Organization:partof";
    let expected = ["Organization/north", "Organization/south", "Patient/ada"];
    assert_eq!(included(&server, iterated).await, expected);
    let back = "Organization?_id=north&_revinclude:iterate=Organization:partof\
        &_revinclude:iterate=Patient:organization&_revinclude:iterate=Observation:subject";
    let all = included(&server, back).await;
    assert_eq!(
        all,
        [
            "Observation/a1",
            "Observation/a2",
            "Observation/b1",
            "Organization/south",
            "Patient/ada",
            "Patient/bob",
        ]
    );
}

async fn versions_canonicals_and_contained_resources(backend: Backend) {
    let server = TestServer::start(backend).await;
    clinic(&server).await;
    put(
        &server,
        &json!({ "resourceType": "Patient", "id": "ada", "name": [{ "family": "Changed" }] }),
    )
    .await;
    let questionnaire = |id: &str, version: &str| {
        json!({ "resourceType": "Questionnaire", "id": id, "status": "active",
            "url": "http://q/1", "version": version })
    };
    put(&server, &questionnaire("q1", "1")).await;
    put(&server, &questionnaire("q2", "2")).await;
    put(
        &server,
        &json!({ "resourceType": "QuestionnaireResponse", "id": "r1", "status": "completed",
            "questionnaire": "http://q/1|1",
            "contained": [{ "resourceType": "Practitioner", "id": "p" }],
            "author": { "reference": "#p" },
            "subject": { "reference": "Patient/ada/_history/1" } }),
    )
    .await;
    let page = found(&server, "QuestionnaireResponse?_include=*").await;
    let mut shown = entries(&page, "include");
    shown.sort();
    assert_eq!(shown, ["Patient/ada", "Questionnaire/q1"]);
    let all = page["entry"].as_array().unwrap();
    let ada = all
        .iter()
        .find(|entry| entry["resource"]["id"] == "ada")
        .unwrap();
    assert_eq!(ada["resource"]["meta"]["versionId"], "1");
    assert_eq!(ada["resource"]["name"][0]["family"], "Ada");
    let back = "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire";
    assert_eq!(included(&server, back).await, ["QuestionnaireResponse/r1"]);
    // What names another version is not meant; what names none is.
    put(
        &server,
        &json!({ "resourceType": "QuestionnaireResponse", "id": "r2", "status": "completed",
            "questionnaire": "http://q/1" }),
    )
    .await;
    let back = "Questionnaire?_id=q2&_revinclude=QuestionnaireResponse:questionnaire";
    assert_eq!(included(&server, back).await, ["QuestionnaireResponse/r2"]);
    for (version, expected) in [
        (
            "1",
            &["QuestionnaireResponse/r1", "QuestionnaireResponse/r2"][..],
        ),
        ("2", &["QuestionnaireResponse/r2"]),
        ("3", &[]),
    ] {
        let chain = format!("QuestionnaireResponse?questionnaire.version={version}");
        let page = found(&server, &chain).await;
        let mut matched = entries(&page, "match");
        matched.sort();
        assert_eq!(matched, expected, "{chain}");
    }
}

async fn what_has_no_room_is_behind_the_next_link(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.limits.include_max = 2;
    })
    .await;
    clinic(&server).await;
    let query = "Patient?_count=1&_revinclude=Observation:subject&_revinclude=Encounter:subject";
    let mut page = found(&server, query).await;
    let (mut matched, mut shown, mut pages) = (Vec::new(), Vec::new(), 1);
    loop {
        assert!(entries(&page, "include").len() <= 2);
        matched.extend(entries(&page, "match"));
        shown.extend(entries(&page, "include"));
        let Some(next) = link(&page, "next").map(str::to_owned) else {
            break;
        };
        page = found(&server, &next).await;
        pages += 1;
    }
    assert_eq!(pages, 3);
    matched.sort();
    shown.sort();
    assert_eq!(matched, ["Patient/ada", "Patient/bob"]);
    assert_eq!(
        shown,
        [
            "Encounter/visit",
            "Observation/a1",
            "Observation/a2",
            "Observation/b1"
        ]
    );
}

async fn malformed_includes_are_named(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.limits.include_total_max = 1;
    })
    .await;
    clinic(&server).await;
    let cases = [
        ("Observation?_include=Observation", "structure", "_include"),
        (
            "Observation?_include=Observation:code",
            "structure",
            "reference parameter",
        ),
        (
            "Observation?_revinclude=Nothing:subject",
            "structure",
            "_revinclude",
        ),
        (
            "Observation?_include:exact=Observation:subject",
            "not-supported",
            "iterate",
        ),
    ];
    for (query, code, says) in cases {
        server.get(query).await.assert_refused(400, code, says);
    }
    let answer = server.get("Observation?_include=Observation:subject").await;
    answer.assert_refused(422, "too-costly", "include more than");
}
