//! transaction: all or nothing, links between entries, conditions inside.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    all_entries_are_written_and_answered_in_order,
    one_bad_entry_leaves_nothing_written,
    links_between_entries_are_rewritten_everywhere,
    conditional_references_are_resolved,
    the_same_conditional_create_twice_is_one_resource,
    conditions_work_inside,
    overlapping_identities_are_refused,
    two_writers_on_the_same_criteria_are_refused,
    a_create_that_finds_what_another_entry_deletes_is_refused,
    two_resources_of_one_name_are_refused,
    links_in_patches_are_rewritten,
    reads_see_what_the_transaction_wrote,
    a_read_that_fails_refuses_the_whole,
    what_many_reads_answer_with_is_bounded,
    references_mean_resources_of_their_own_server,
    links_are_heeded_in_every_form_or_refused,
    a_condition_that_does_not_hold_is_shown_in_its_place,
    twenty_thousand_entries_pass,
    criteria_in_other_words_are_the_same,
    many_conditional_references_find_their_entries,
);

const URN: &str = "urn:uuid:0b7d5f3e-6a52-4a6e-9d55-3ad0e4c6a001";

fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = json!(id);
    resource
}

fn identified(value: &str) -> Value {
    let mut resource = patient("Identified");
    resource["identifier"] = json!([{ "system": "http://example.org/mrn", "value": value }]);
    resource
}

fn basic(reference: &str) -> Value {
    json!({
        "resourceType": "Basic", "code": { "text": "x" }, "subject": { "reference": reference }
    })
}

fn named(mut entry: Value, full_url: &str) -> Value {
    entry["fullUrl"] = json!(full_url);
    entry
}

async fn transact(server: &TestServer, entries: &[Value]) -> Answer {
    server.post("", &bundle("transaction", entries)).await
}

fn statuses(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let entries = body["entry"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            entry["response"]["status"]
                .as_str()
                .unwrap()
                .get(..3)
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// `Type/id` of an entry that was written.
fn written(answer: &Answer, index: usize) -> String {
    let body = answer.json();
    let location = body["entry"][index]["response"]["location"]
        .as_str()
        .unwrap()
        .to_owned();
    let (resource, _version) = location.split_once("/_history/").unwrap();
    resource
        .rsplitn(3, '/')
        .take(2)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .join("/")
}

async fn all_entries_are_written_and_answered_in_order(backend: Backend) {
    let server = TestServer::start(backend).await;
    server
        .put("Patient/old", &with_id(patient("Old"), "old"))
        .await;
    server
        .put("Patient/gone", &with_id(patient("Gone"), "gone"))
        .await;
    let patch = json!({ "resourceType": "Binary", "contentType": "application/json-patch+json",
        // [{"op":"remove","path":"/name"}]
        "data": "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL25hbWUifV0=" });
    let answer = transact(
        &server,
        &[
            entry("GET", "Patient/new", None),
            entry("PUT", "Patient/new", Some(&with_id(patient("New"), "new"))),
            entry("POST", "Patient", Some(&patient("Posted"))),
            entry("PATCH", "Patient/old", Some(&patch)),
            entry("DELETE", "Patient/gone", None),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["type"], "transaction-response");
    assert_eq!(statuses(&answer), ["200", "201", "201", "200", "204"]);
    assert_eq!(body["entry"][0]["resource"]["name"][0]["family"], "New");
    assert!(server.get("Patient/old").await.json().get("name").is_none());
    assert_eq!(server.get("Patient/gone").await.status, StatusCode::GONE);
    assert_eq!(
        server.get(&written(&answer, 2)).await.status,
        StatusCode::OK
    );
}

async fn one_bad_entry_leaves_nothing_written(backend: Backend) {
    let server = TestServer::start(backend).await;
    server
        .put("Patient/kept", &with_id(patient("Kept"), "kept"))
        .await;
    let good = entry("POST", "Patient", Some(&patient("Never")));
    let invalid = json!({ "resourceType": "Patient", "gender": "unheard-of" });
    let mut guarded = entry(
        "PUT",
        "Patient/kept",
        Some(&with_id(patient("Changed"), "kept")),
    );
    guarded["request"]["ifMatch"] = json!("W/\"9\"");
    for (bad, status, place) in [
        (
            entry("POST", "Patient", Some(&invalid)),
            422,
            "Bundle.entry[1].resource.gender",
        ),
        (guarded, 412, "Bundle.entry[1]"),
        (
            entry("POST", "Patient", Some(&basic("Patient/kept"))),
            400,
            "Bundle.entry[1]",
        ),
        (
            entry("PATCH", "Patient/none", Some(&invalid)),
            404,
            "Bundle.entry[1]",
        ),
        (
            entry("BREW", "Patient", None),
            400,
            "Bundle.entry[1].request.method",
        ),
        (
            entry("POST", "Basic", Some(&basic("Patient?identifier=none"))),
            412,
            "Bundle.entry[1]",
        ),
    ] {
        let delete = entry("DELETE", "Patient/kept", None);
        let first = if status == 412 { good.clone() } else { delete };
        let answer = transact(&server, &[first, bad, good.clone()]).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert!(
            answer.json()["issue"].to_string().contains(place),
            "{}",
            answer.text()
        );
        let history = server.get("_history").await.json();
        assert_eq!(history["total"], 1, "{history}");
    }
}

async fn links_between_entries_are_rewritten_everywhere(backend: Backend) {
    const OID: &str = "urn:oid:1.2.3.4.5";
    let server = TestServer::start(backend).await;
    let mut observation = basic(URN);
    observation["text"] = json!({
        "status": "generated",
        "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{URN}\">x</a></div>")
    });
    observation["extension"] = json!([
        { "url": "http://example.org/uri", "valueUri": OID },
        { "url": "http://example.org/canonical", "valueCanonical": URN },
        { "url": "http://example.org/text", "valueString": URN },
        { "url": "http://example.org/ref", "valueReference": { "reference": OID } }
    ]);
    observation["identifier"] = json!([{ "system": "urn:ietf:rfc:3986", "value": URN }]);
    let answer = transact(
        &server,
        &[
            named(entry("POST", "Basic", Some(&observation)), OID),
            named(entry("POST", "Patient", Some(&patient("Linked"))), URN),
            named(
                entry("POST", "Basic", Some(&basic("Patient/relative"))),
                "http://elsewhere.example.org/fhir/Basic/1",
            ),
            named(
                entry("POST", "Patient", Some(&patient("Relative"))),
                "http://elsewhere.example.org/fhir/Patient/relative",
            ),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let (own, linked) = (written(&answer, 0), written(&answer, 1));
    let stored = server.get(&own).await.json();
    assert_eq!(stored["subject"]["reference"], linked.as_str());
    assert!(
        stored["text"]["div"]
            .as_str()
            .unwrap()
            .contains(&format!("href=\"{linked}\""))
    );
    assert_eq!(stored["extension"][0]["valueUri"], own.as_str());
    assert_eq!(stored["extension"][1]["valueCanonical"], linked.as_str());
    assert_eq!(
        stored["extension"][2]["valueString"], URN,
        "a text is no link"
    );
    assert_eq!(
        stored["extension"][3]["valueReference"]["reference"],
        own.as_str()
    );
    assert_eq!(
        stored["identifier"][0]["value"], URN,
        "an identifier is no link"
    );
    let second = server.get(&written(&answer, 2)).await.json();
    assert_eq!(second["subject"]["reference"], written(&answer, 3).as_str());
    let found = server.get(&format!("Basic?subject={linked}")).await.json();
    assert_eq!(
        found["total"], 1,
        "the index has the new reference: {found}"
    );
}

async fn conditional_references_are_resolved(backend: Backend) {
    let server = TestServer::start(backend).await;
    let stored = server.create(&identified("stored")).await;
    let reference = |value: &str| {
        basic(&format!(
            "Patient?identifier=http://example.org/mrn|{value}"
        ))
    };
    let answer = transact(
        &server,
        &[
            entry("POST", "Basic", Some(&reference("stored"))),
            entry("POST", "Basic", Some(&reference("bundled"))),
            entry("POST", "Patient", Some(&identified("bundled"))),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let first = server.get(&written(&answer, 0)).await.json();
    assert_eq!(first["subject"]["reference"], format!("Patient/{stored}"));
    let second = server.get(&written(&answer, 1)).await.json();
    assert_eq!(second["subject"]["reference"], written(&answer, 2).as_str());
    let none = transact(&server, &[entry("POST", "Basic", Some(&reference("none")))]).await;
    none.assert_refused(412, "conflict", "matches nothing");
    server.create(&identified("stored")).await;
    let several = transact(
        &server,
        &[entry("POST", "Basic", Some(&reference("stored")))],
    )
    .await;
    several.assert_refused(412, "conflict", "several");
}

async fn the_same_conditional_create_twice_is_one_resource(backend: Backend) {
    let server = TestServer::start(backend).await;
    let conditional = |full_url: &str| {
        let mut entry = named(entry("POST", "Patient", Some(&identified("1"))), full_url);
        entry["request"]["ifNoneExist"] = json!("identifier=http://example.org/mrn|1");
        entry
    };
    let other = "urn:uuid:0b7d5f3e-6a52-4a6e-9d55-3ad0e4c6a002";
    let entries = [
        conditional(URN),
        conditional(other),
        entry("POST", "Basic", Some(&basic(other))),
    ];
    let answer = transact(&server, &entries).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(statuses(&answer), ["201", "200", "201"]);
    assert_eq!(written(&answer, 0), written(&answer, 1));
    let basic = server.get(&written(&answer, 2)).await.json();
    assert_eq!(basic["subject"]["reference"], written(&answer, 0).as_str());
    let again = transact(&server, &entries).await;
    assert_eq!(statuses(&again), ["200", "200", "201"], "{}", again.text());
    assert_eq!(written(&again, 0), written(&answer, 0));
    assert_eq!(server.get("Patient").await.json()["total"], 1);
}

async fn conditions_work_inside(backend: Backend) {
    let server = TestServer::start(backend).await;
    server.create(&identified("update")).await;
    server.create(&identified("delete")).await;
    let by = |value: &str| format!("Patient?identifier=http://example.org/mrn|{value}");
    let mut changed = identified("update");
    changed["birthDate"] = json!("1970-01-31");
    let answer = transact(
        &server,
        &[
            entry("PUT", &by("update"), Some(&changed)),
            entry("PUT", &by("new"), Some(&identified("new"))),
            entry("DELETE", &by("delete"), None),
            entry("DELETE", &by("none"), None),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(statuses(&answer), ["200", "201", "204", "204"]);
    assert_eq!(
        server.get("Patient?birthdate=1970-01-31").await.json()["total"],
        1
    );
    assert_eq!(server.get(&by("delete")).await.json()["total"], 0);
}

async fn overlapping_identities_are_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    server
        .put("Patient/a", &with_id(identified("a"), "a"))
        .await;
    let put = entry("PUT", "Patient/a", Some(&with_id(patient("X"), "a")));
    let by_criteria = "Patient?identifier=http://example.org/mrn|a";
    for other in [
        put.clone(),
        entry("DELETE", "Patient/a", None),
        entry("DELETE", by_criteria, None),
        entry("PUT", by_criteria, Some(&identified("a"))),
    ] {
        let filler = entry("POST", "Patient", Some(&patient("Filler")));
        let answer = transact(&server, &[put.clone(), filler, other]).await;
        answer.assert_refused(400, "invalid", "Entries 0 and 2");
        answer.assert_refused(400, "invalid", "Bundle.entry[0]");
        answer.assert_refused(400, "invalid", "Bundle.entry[2]");
    }
    assert_eq!(server.get("_history").await.json()["total"], 1);
}

async fn criteria_in_other_words_are_the_same(backend: Backend) {
    let server = TestServer::start(backend).await;
    let conditional = |criteria: &str| {
        let mut post = entry("POST", "Patient", Some(&identified("once")));
        post["request"]["ifNoneExist"] = json!(criteria);
        post
    };
    let words = [
        "identifier=http://example.org/mrn|once&active:not=false&birthdate:missing=true",
        "birthdate:missing=true&active:not=false&identifier=http%3A%2F%2Fexample.org%2Fmrn%7Conce",
        "identifier=http://example.org/mrn|once,http://example.org/mrn|once&_count=1\
         &active:not=false&birthdate:missing=true&active:not=false",
    ];
    let answer = transact(&server, &words.map(conditional)).await;
    assert_eq!(
        statuses(&answer),
        ["201", "200", "200"],
        "{}",
        answer.text()
    );
    assert_eq!(server.get("Patient").await.json()["total"], 1);
    // At once, each in a transaction of its own.
    let words = [
        "identifier=http://example.org/mrn|race,http://example.org/mrn|other",
        "identifier=http://example.org/mrn|other,http%3A%2F%2Fexample.org%2Fmrn%7Crace",
    ];
    let race = |number: usize| {
        let mut post = entry("POST", "Patient", Some(&identified("race")));
        post["request"]["ifNoneExist"] = json!(words[number % words.len()]);
        post
    };
    let entries: Vec<_> = (0..16).map(|number| [race(number)]).collect();
    let answers = entries.iter().map(|one| transact(&server, one));
    for answer in futures::future::join_all(answers).await {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let found = server
        .get("Patient?identifier=http://example.org/mrn%7Crace")
        .await;
    assert_eq!(found.json()["total"], 1);
}

async fn many_conditional_references_find_their_entries(backend: Backend) {
    const ENTRIES: usize = 400;
    let server = TestServer::start(backend).await;
    let mut entries = Vec::new();
    for number in 0..ENTRIES {
        let patient = identified(&format!("n{number}"));
        entries.push(entry("POST", "Patient", Some(&patient)));
        let reference = format!(
            "Patient?identifier=http://example.org/mrn|n{}",
            ENTRIES - 1 - number
        );
        entries.push(entry("POST", "Basic", Some(&basic(&reference))));
    }
    let answer = transact(&server, &entries).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    for number in [0, 7, ENTRIES - 1] {
        let basic = server.get(&written(&answer, 2 * number + 1)).await.json();
        let meant = written(&answer, 2 * (ENTRIES - 1 - number));
        assert_eq!(basic["subject"]["reference"], meant.as_str());
    }
    // What is not decided by one key: names, and several of one name.
    let named = |family: &str| entry("POST", "Patient", Some(&patient(family)));
    let to = |criteria: &str| {
        entry(
            "POST",
            "Basic",
            Some(&basic(&format!("Patient?{criteria}"))),
        )
    };
    let found = transact(
        &server,
        &[named("Alpha"), named("Beta"), to("name:contains=lph")],
    )
    .await;
    let basic = server.get(&written(&found, 2)).await.json();
    assert_eq!(basic["subject"]["reference"], written(&found, 0).as_str());
    let several = transact(
        &server,
        &[named("Gamma"), named("Gamma"), to("family=Gamma")],
    )
    .await;
    several.assert_refused(412, "conflict", "several");
}

async fn two_writers_on_the_same_criteria_are_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let criteria = "identifier=http://example.org/mrn|once&active=true";
    let put = |query: &str| {
        entry(
            "PUT",
            &format!("Patient?{query}"),
            Some(&identified("once")),
        )
    };
    let mut post = entry("POST", "Patient", Some(&identified("once")));
    post["request"]["ifNoneExist"] = json!(criteria);
    let same = "active=true&identifier=http%3A%2F%2Fexample.org%2Fmrn%7Conce&_count=1";
    let delete = entry("DELETE", &format!("Patient?{criteria}"), None);
    for (first, second) in [
        (put(criteria), put(same)),
        (post.clone(), put(same)),
        (put(same), post.clone()),
        (delete.clone(), post.clone()),
        (post, delete),
    ] {
        let filler = entry("POST", "Patient", Some(&patient("Filler")));
        let answer = transact(&server, &[first, filler, second]).await;
        answer.assert_refused(400, "invalid", "Entries 0 and 2");
    }
    assert_eq!(server.get("_history").await.json()["total"], 0);
}

async fn a_create_that_finds_what_another_entry_deletes_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&identified("there")).await;
    let mut post = entry("POST", "Patient", Some(&identified("there")));
    post["request"]["ifNoneExist"] = json!("identifier=http://example.org/mrn|there");
    let delete = entry("DELETE", &format!("Patient/{id}"), None);
    let answer = transact(&server, &[delete.clone(), post.clone()]).await;
    answer.assert_refused(400, "invalid", "Entries 0 and 1");
    let answer = transact(&server, &[post, delete]).await;
    answer.assert_refused(400, "invalid", "Entries 0 and 1");
    assert_eq!(
        server.get(&format!("Patient/{id}")).await.status,
        StatusCode::OK
    );
}

async fn two_resources_of_one_name_are_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let post = |full_url: &str| named(entry("POST", "Patient", Some(&patient("X"))), full_url);
    let url = "http://a.example.org/Patient/1";
    for (first, second) in [(URN, URN), (url, url)] {
        let reader = entry("POST", "Basic", Some(&basic("Patient/1")));
        let answer = transact(&server, &[post(first), reader, post(second)]).await;
        answer.assert_refused(400, "invalid", "Entries 0 and 2");
        answer.assert_refused(400, "invalid", "Bundle.entry[2].fullUrl");
    }
    assert_eq!(server.get("_history").await.json()["total"], 0);
}

async fn links_in_patches_are_rewritten(backend: Backend) {
    let server = TestServer::start(backend).await;
    let stored = server.create(&identified("stored")).await;
    for id in ["json", "path"] {
        let body = json!({ "resourceType": "Basic", "id": id, "code": { "text": "x" } });
        server.put(&format!("Basic/{id}"), &body).await;
    }
    let author = "Patient?identifier=http://example.org/mrn|stored";
    let operations = json!([
        { "op": "add", "path": "/subject", "value": { "reference": URN } },
        { "op": "add", "path": "/author", "value": { "reference": author } }
    ]);
    let data = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        operations.to_string(),
    );
    let binary = json!({ "resourceType": "Binary", "data": data,
        "contentType": "application/json-patch+json" });
    let add = |name: &str, reference: &str| {
        json!({ "name": "operation", "part": [
            { "name": "type", "valueCode": "add" },
            { "name": "path", "valueString": "Basic" },
            { "name": "name", "valueString": name },
            { "name": "value", "valueReference": { "reference": reference } }
        ] })
    };
    let parameters = json!({ "resourceType": "Parameters",
        "parameter": [add("subject", URN), add("author", author)] });
    let entries = [
        entry("PATCH", "Basic/json", Some(&binary)),
        entry("PATCH", "Basic/path", Some(&parameters)),
        named(entry("POST", "Patient", Some(&patient("Linked"))), URN),
    ];
    let answer = transact(&server, &entries).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    for id in ["json", "path"] {
        let patched = server.get(&format!("Basic/{id}")).await.json();
        assert_eq!(
            patched["subject"]["reference"],
            written(&answer, 2).as_str()
        );
        assert_eq!(patched["author"]["reference"], format!("Patient/{stored}"));
    }
}

async fn reads_see_what_the_transaction_wrote(backend: Backend) {
    let server = TestServer::start(backend).await;
    let search = entry(
        "GET",
        "Patient?identifier=http://example.org/mrn|seen",
        None,
    );
    let put = entry("PUT", "Patient/put", Some(&with_id(patient("Put"), "put")));
    let answer = transact(
        &server,
        &[
            search,
            entry("POST", "Patient", Some(&identified("seen"))),
            put,
            entry("GET", "Patient/put", None),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["entry"][0]["resource"]["total"], 1);
    assert_eq!(statuses(&answer), ["200", "201", "201", "200"]);
}

async fn a_read_that_fails_refuses_the_whole(backend: Backend) {
    let server = TestServer::start(backend).await;
    server
        .put("Patient/old", &with_id(patient("Old"), "old"))
        .await;
    let write = entry("POST", "Patient", Some(&patient("Never")));
    let delete = entry("DELETE", "Patient/old", None);
    for (url, status) in [
        ("Patient/none", 404),
        ("Patient?bogus=1", 400),
        ("Patient/old", 410),
        ("Patient/$everything?nothing=1", 400),
        ("Patient/$nothing", 400),
    ] {
        let get = entry("GET", url, None);
        let refused = transact(&server, &[write.clone(), delete.clone(), get.clone()]).await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.text());
        let place = "Bundle.entry[2].request.url";
        assert!(refused.text().contains(place), "{}", refused.text());
        if status != 410 {
            assert_eq!(transact(&server, &[get]).await.status.as_u16(), status);
        }
    }
    assert_eq!(server.get("_history").await.json()["total"], 1);
}

async fn what_many_reads_answer_with_is_bounded(backend: Backend) {
    let small = |config: &mut vesta::config::Config| config.limits.answer_bytes_max = 2000;
    let server = TestServer::start_with(backend, small).await;
    let mut large = with_id(patient("Large"), "large");
    large["name"][0]["text"] = json!("x".repeat(800));
    server.put("Patient/large", &large).await;
    let get = entry("GET", "Patient/large", None);
    let write = entry("POST", "Patient", Some(&patient("Never")));
    let many = vec![get.clone(); 4];
    let batch = server.post("", &bundle("batch", &many)).await;
    assert_eq!(
        statuses(&batch),
        ["200", "200", "413", "413"],
        "{}",
        batch.text()
    );
    let entries = [vec![write], many].concat();
    transact(&server, &entries)
        .await
        .assert_refused(413, "too-long", "2000 bytes");
    assert_eq!(server.get("_history").await.json()["total"], 1);
}

async fn references_mean_resources_of_their_own_server(backend: Backend) {
    let server = TestServer::start(backend).await;
    let at = |entry: Value, root: &str, path: &str| named(entry, &format!("{root}/{path}"));
    let (a, b) = ("http://a.org/fhir", "http://b.org/fhir");
    let post = entry("POST", "Patient", Some(&patient("X")));
    let reader = entry("POST", "Basic", Some(&basic("Patient/77x")));
    let answer = transact(
        &server,
        &[
            at(post.clone(), a, "Patient/77x"),
            at(post, b, "Patient/77x"),
            at(reader.clone(), a, "Basic/1"),
            at(reader.clone(), b, "Basic/1"),
            named(reader, URN),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let mut subjects = Vec::new();
    for index in 2..5 {
        let stored = server.get(&written(&answer, index)).await.json();
        subjects.push(stored["subject"]["reference"].as_str().unwrap().to_owned());
    }
    let own = "Patient/77x".to_owned();
    assert_eq!(subjects, [written(&answer, 0), written(&answer, 1), own]);
}

async fn links_are_heeded_in_every_form_or_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let stored = server.create(&identified("stored")).await;
    let by_base = format!(
        "{}/Patient?identifier=http://example.org/mrn|stored",
        server.base
    );
    let mut resource = basic(&format!("{URN}/_history/1"));
    resource["author"] = json!({ "reference": by_base });
    resource["extension"] = json!([
        { "url": "http://x.org", "valueCanonical": format!("{URN}|2") },
        { "url": "http://x.org", "valueUuid": URN },
    ]);
    let post = named(entry("POST", "Patient", Some(&patient("X"))), URN);
    let answer = transact(
        &server,
        &[post.clone(), entry("POST", "Basic", Some(&resource))],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let target = written(&answer, 0);
    let read = server.get(&written(&answer, 1)).await.json();
    assert_eq!(read["subject"]["reference"], format!("{target}/_history/1"));
    assert_eq!(read["author"]["reference"], format!("Patient/{stored}"));
    assert_eq!(
        read["extension"][0]["valueCanonical"],
        format!("{target}|2")
    );
    assert_eq!(read["extension"][1]["valueUuid"], URN);
    let unknown = URN.replace("a001", "a999");
    let dangling = entry("POST", "Basic", Some(&basic(&unknown)));
    transact(&server, &[post, dangling])
        .await
        .assert_refused(422, "invalid", &unknown);
}

async fn a_condition_that_does_not_hold_is_shown_in_its_place(backend: Backend) {
    let server = TestServer::start(backend).await;
    server.put("Patient/a", &with_id(patient("A"), "a")).await;
    let mut delete = entry("DELETE", "Patient/a", None);
    delete["request"]["ifMatch"] = json!("W/\"7\"");
    transact(&server, &[delete.clone()]).await.assert_refused(
        412,
        "conflict",
        "Bundle.entry[0].request.ifMatch",
    );
    delete["request"]["ifMatch"] = json!("*");
    assert_eq!(transact(&server, &[delete.clone()]).await.status, 200);
    assert_eq!(server.get("Patient/a").await.status, StatusCode::GONE);
}

async fn twenty_thousand_entries_pass(backend: Backend) {
    const ENTRIES: usize = 20_000;
    let patient_as_everyone = |config: &mut vesta::config::Config| {
        config.limits.request_seconds_max = 900;
    };
    let server = TestServer::start_with(backend, patient_as_everyone).await;
    let mut entries = vec![named(
        entry("POST", "Patient", Some(&patient("Large"))),
        URN,
    )];
    entries.resize(ENTRIES, entry("POST", "Basic", Some(&basic(URN))));
    let call = server
        .request(Method::POST, "")
        .json(&bundle("transaction", &entries));
    let answer = call.send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["entry"].as_array().unwrap().len(), ENTRIES);
    let history = server.get("_history?_count=1").await.json();
    assert_eq!(history["total"], ENTRIES);
    let last = server.get(&written(&answer, ENTRIES - 1)).await.json();
    assert_eq!(last["subject"]["reference"], written(&answer, 0).as_str());
}
