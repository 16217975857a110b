//! The envelope of a batch or transaction: a condition that cannot be heeded is refused.
//!
//! Spec: <https://hl7.org/fhir/R4/bundle.html>.

use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    a_condition_that_cannot_be_heeded_is_refused,
    what_a_bundle_says_itself_is_validated,
    in_a_batch_the_problems_stay_with_their_entry,
    a_part_of_a_resource_cannot_replace_it,
    a_criterion_that_cannot_be_decoded_matches_nobody,
);

fn put(resource: &Value) -> Value {
    let mut resource = resource.clone();
    resource["id"] = json!("a");
    entry("PUT", "Patient/a", Some(&resource))
}

fn with_condition(mut entry: Value, name: &str, value: &Value) -> Value {
    entry["request"][name] = value.clone();
    entry
}

async fn a_condition_that_cannot_be_heeded_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let post = entry("POST", "Patient", Some(&patient("X")));
    let delete = entry("DELETE", "Patient/a", None);
    let get = entry("GET", "Patient/a", None);
    let put = put(&patient("X"));
    let tag = json!("W/\"7\"");
    for (entry, member, value) in [
        (&post, "ifNoneExists", json!("identifier=x|1")),
        (&post, "ifNoneExist", json!(["identifier=x|1"])),
        (&post, "ifMatch", tag.clone()),
        (&post, "ifNoneMatch", json!("*")),
        (&put, "ifMatch", json!(7)),
        (&put, "if_Match", tag.clone()),
        (&put, "ifNoneExist", json!("identifier=x|1")),
        (
            &put,
            "_ifMatch",
            json!({ "extension": [{ "url": "http://x.org", "valueString": "x" }] }),
        ),
        (&delete, "ifModifiedSince", json!("2026-01-31T10:00:00Z")),
        (&get, "ifMatch", tag.clone()),
        (
            &put,
            "modifierExtension",
            json!([{ "url": "http://x.org", "valueString": "x" }]),
        ),
    ] {
        let sent = with_condition(entry.clone(), member, &value);
        let named = member.trim_start_matches('_');
        let refused = server.post("", &bundle("transaction", &[sent])).await;
        assert_eq!(refused.status, 400, "{member}: {}", refused.text());
        assert!(
            refused
                .text()
                .contains(&format!("Bundle.entry[0].request.{named}")),
            "{}",
            refused.text()
        );
    }
    assert_eq!(server.get("_history").await.json()["total"], 0);
}

async fn what_a_bundle_says_itself_is_validated(backend: Backend) {
    let server = TestServer::start(backend).await;
    let post = entry("POST", "Patient", Some(&patient("X")));
    for (member, value) in [
        ("total", json!(-1)),
        ("entries", json!([])),
        ("timestamp", json!("yesterday")),
        ("implicitRules", json!("http://example.org/rules")),
    ] {
        for kind in ["batch", "transaction"] {
            let mut sent = bundle(kind, std::slice::from_ref(&post));
            sent[member] = value.clone();
            if member == "entries" {
                sent[member] = json!([{ "request": { "method": "GET", "url": "Patient" } }]);
            }
            let refused = server.post("", &sent).await;
            assert!(refused.status.is_client_error(), "{}", refused.text());
            assert!(refused.text().contains(&format!("Bundle.{member}")));
        }
    }
    let mut moded = post.clone();
    moded["search"] = json!({ "mode": "guess" });
    let refused = server.post("", &bundle("transaction", &[moded])).await;
    assert!(
        refused.text().contains("Bundle.entry[0].search.mode"),
        "{}",
        refused.text()
    );
    assert_eq!(server.get("_history").await.json()["total"], 0);
}

async fn in_a_batch_the_problems_stay_with_their_entry(backend: Backend) {
    let server = TestServer::start(backend).await;
    let post = entry("POST", "Patient", Some(&patient("X")));
    let wrong = with_condition(post.clone(), "ifNoneExists", &json!("identifier=x|1"));
    let mut unknown = post.clone();
    unknown["bogus"] = json!(1);
    let answer = server
        .post("", &bundle("batch", &[wrong, post, unknown]))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let response = |index: usize| body["entry"][index]["response"].to_string();
    assert!(response(0).contains("ifNoneExists") && response(0).contains("400"));
    assert!(response(1).contains("201"));
    assert!(response(2).contains("Bundle.entry[2].bogus"));
    assert_eq!(server.get("_history").await.json()["total"], 1);
}

async fn a_part_of_a_resource_cannot_replace_it(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Whole")).await;
    let part = server.get(&format!("Patient/{id}?_elements=gender")).await;
    let refused = server.put(&format!("Patient/{id}"), &part.json()).await;
    refused.assert_refused(422, "business-rule", "SUBSETTED");
    let mut ruled = patient("Ruled");
    ruled["implicitRules"] = json!("http://example.org/rules");
    let refused = server.post("Patient", &ruled).await;
    refused.assert_refused(422, "not-supported", "Patient.implicitRules");
    assert_eq!(server.get("_history").await.json()["total"], 1);
}

async fn a_criterion_that_cannot_be_decoded_matches_nobody(backend: Backend) {
    let server = TestServer::start(backend).await;
    let mut other = patient("Other");
    other["name"][0]["given"] = json!(["Zo\u{fffd}"]);
    let id = server.create(&other).await;
    for criteria in ["given=Zo%EB", "given=Zo%", "given=Zo%E"] {
        let refused = server.delete(&format!("Patient?{criteria}")).await;
        refused.assert_refused(400, "structure", "The parameter given");
        let searched = server
            .request(http::Method::POST, "Patient/_search")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(criteria)
            .send()
            .await;
        searched.assert_refused(400, "structure", "The parameter given");
        let conditional = server
            .request(http::Method::POST, "Patient")
            .header("if-none-exist", criteria)
            .json(&patient("New"));
        let refused = conditional.send().await;
        refused.assert_refused(400, "structure", "The parameter given");
        let deletion = entry("DELETE", &format!("Patient?{criteria}"), None);
        let refused = server.post("", &bundle("transaction", &[deletion])).await;
        refused.assert_refused(400, "structure", "The parameter given");
    }
    let history = server
        .get("_history?_since=2026-01-01T00:00:00+01:00")
        .await;
    history.assert_refused(400, "structure", "%2B");
    assert_eq!(server.get(&format!("Patient/{id}")).await.status, 200);
    assert_eq!(server.get("_history").await.json()["total"], 1);
}
