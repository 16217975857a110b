//! What an answer shows, whichever way it was asked for, and who may keep it.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#elements>,
//! <https://hl7.org/fhir/R4/http.html#search>.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    a_form_says_how_the_answer_looks,
    a_read_inside_a_bundle_shows_the_part_asked_for,
    searches_and_operations_inside_a_bundle,
    no_answer_is_kept_or_guessed_at,
    a_write_is_answered_whatever_encoding_is_forbidden,
    conditions_are_read_as_http_has_them,
    the_history_of_many_resources_at_a_time,
    a_patch_says_what_it_may_be,
    all_problems_are_listed_with_one_status,
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
    let id = server.create(&patient("Found")).await;
    let entries = [
        entry("POST", "Patient/_search?family=Found", None),
        entry("GET", "metadata", None),
        entry("POST", "Patient/x/$erase", None),
        entry("GET", "Patient/$nothing", None),
        entry("GET", "Patient/$everything?_count=1", None),
        entry("GET", &format!("Patient/{id}/$everything"), None),
        entry(
            "GET",
            "Observation/$lastn?subject=Patient/none&code=x",
            None,
        ),
        entry("GET", &format!("Patient/{id}/$meta"), None),
        entry("GET", "Patient/$meta", None),
        entry("GET", "Patient/none/$everything", None),
    ];
    let answer = server.post("", &bundle("batch", &entries)).await.json();
    assert_eq!(answer["entry"][0]["resource"]["total"], 1, "{answer}");
    let says = |index: usize| answer["entry"][index]["response"].to_string();
    assert!(says(1).contains("CapabilityStatement is not"), "{answer}");
    assert!(says(2).contains("called by GET"), "{answer}");
    assert!(says(3).contains("GET calls $everything"), "{answer}");
    for place in [4, 5] {
        let listed = &answer["entry"][place]["resource"]["entry"];
        assert_eq!(listed[0]["resource"]["id"], *id, "{answer}");
    }
    assert_eq!(answer["entry"][6]["resource"]["total"], 0, "{answer}");
    for place in [7, 8] {
        let made = &answer["entry"][place]["resource"];
        assert_eq!(made["resourceType"], "Parameters", "{answer}");
    }
    assert!(says(9).contains("404"), "{answer}");
    let whole = bundle("transaction", &entries[4..9]);
    let answer = server.post("", &whole).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let listed = &answer.json()["entry"][0]["resource"]["entry"];
    assert_eq!(listed[0]["resource"]["id"], *id);
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

async fn a_write_is_answered_whatever_encoding_is_forbidden(backend: Backend) {
    let server = TestServer::start(backend).await;
    for encoding in ["identity;q=0", "*;q=0", "compress, identity;q=0.0"] {
        let call = server
            .request(Method::POST, "Patient")
            .json(&patient("Encoded"));
        let answer = call.header("accept-encoding", encoding).send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{encoding}");
    }
    let id = server.create(&patient("Pretty")).await;
    let xml = server
        .get(&format!("Patient/{id}?_format=xml&_pretty=true"))
        .await;
    assert!(xml.text().contains("\n  <name>"), "{}", xml.text());
}

async fn conditions_are_read_as_http_has_them(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut resource = patient("Matched");
    resource["id"] = json!("m");
    let put = || server.request(Method::PUT, "Patient/m").json(&resource);
    let absent = put().header("if-match", "*").send().await;
    absent.assert_refused(412, "conflict", "no such resource");
    assert_eq!(put().send().await.status, StatusCode::CREATED);
    let present = put().header("if-match", "*").send().await;
    assert_eq!(present.status, StatusCode::OK, "{}", present.text());
    let create = || server.request(Method::POST, "Patient").json(&resource);
    let twice = create()
        .header("if-none-exist", "identifier=x|1")
        .header("if-none-exist", "identifier=x|2");
    twice.send().await.assert_refused(400, "invalid", "twice");
    let twice = create().header("content-type", "application/fhir+xml");
    twice.send().await.assert_refused(400, "invalid", "twice");
}

async fn the_history_of_many_resources_at_a_time(backend: Backend) {
    let server = TestServer::start(backend).await;
    for id in ["a", "b"] {
        for family in ["First", "Second"] {
            let mut resource = patient(family);
            resource["id"] = json!(id);
            server.put(&format!("Patient/{id}"), &resource).await;
        }
    }
    for scope in ["_history", "Patient/_history"] {
        let all = server.get(&format!("{scope}?_at=2000")).await.json();
        assert_eq!(all["total"], 0, "{all}");
        // Far ahead of now, what is current is what was written last.
        let first = server
            .get(&format!("{scope}?_at=2999&_count=1"))
            .await
            .json();
        assert_eq!(first["total"], 2, "{first}");
        let next = first["link"][1]["url"].as_str().unwrap().to_owned();
        let second = server.get(&next).await.json();
        let entry = |page: &serde_json::Value| page["entry"][0]["fullUrl"].clone();
        assert_ne!(entry(&first), entry(&second));
        assert_eq!(second["entry"].as_array().unwrap().len(), 1);
        let count = server.get(&format!("{scope}?_summary=count")).await.json();
        assert_eq!(
            (&count["total"], &count["entry"]),
            (&json!(4), &json!(null))
        );
        let cursor = next.split_once("_cursor=").unwrap().1;
        server
            .get(&format!("Group/_history?_cursor={cursor}"))
            .await
            .assert_refused(400, "structure", "_cursor");
        server
            .get(&format!("{scope}?_cursor=AAAAAAAAAAEAAAAAAAAAAQAAAAAAAAAB"))
            .await
            .assert_refused(400, "structure", "_cursor");
    }
}

async fn a_patch_says_what_it_may_be(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Patched")).await;
    let patch = |content_type: &'static str, body: &'static str| {
        let call = server.request(Method::PATCH, &format!("Patient/{id}"));
        call.header("content-type", content_type).body(body)
    };
    let refused = patch("text/plain", "x").send().await;
    refused.assert_refused(415, "not-supported", "application/json-patch+json");
    assert!(refused.header("accept-patch").contains("json-patch"));
    let options = server.request(Method::OPTIONS, "Patient/x").send().await;
    assert!(options.header("accept-patch").contains("json-patch"));
    let empty = r#"[{"op":"add","path":"/contact","value":[]},
        {"op":"add","path":"/contact/-","value":{}},
        {"op":"add","path":"/contact/0/gender","value":"other"}]"#;
    let answer = patch("application/json", empty).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["contact"][0]["gender"], "other");
}

async fn all_problems_are_listed_with_one_status(backend: Backend) {
    let server = TestServer::start(backend).await;
    let sent = json!({ "resourceType": "Patient", "name": [], "bogus": 1, "gender": "x" });
    let refused = server.post("Patient", &sent).await;
    for place in ["Patient.name", "Patient.bogus", "Patient.gender"] {
        refused.assert_refused(422, "structure", "");
        assert!(refused.text().contains(place), "{}", refused.text());
    }
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\"><bogus value=\"1\"><deep/></bogus>\
               <gender value=\"x\"/><other/></Patient>";
    let call = server.request(Method::POST, "Patient");
    let call = call
        .header("content-type", "application/fhir+xml")
        .body(xml);
    let refused = call.send().await;
    for place in ["Patient.bogus", "Patient.gender", "Patient.other"] {
        assert_eq!(refused.status.as_u16(), 422, "{}", refused.text());
        assert!(refused.text().contains(place), "{}", refused.text());
    }
    let empty = json!({});
    let refused = server.post("Patient", &empty).await;
    refused.assert_refused(400, "structure", "resourceType is missing");
    let refused = server.post("Patient", &json!([])).await;
    refused.assert_refused(400, "structure", "must be a JSON object");
}
