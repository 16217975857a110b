//! Every access leaves an event, and auditors and patients find it.
//!
//! Shapes: <https://profiles.ihe.net/ITI/BALP/>.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, bundle, entry, on_both_stores, patient};
use crate::support::smart::{ClientKey, SmartClient, get_as, post_as, put_as, smart_server};

on_both_stores!(
    every_interaction_leaves_its_event,
    what_was_refused_is_written_down_too,
    nobody_writes_events_of_the_servers_own,
    an_event_about_several_patients_tells_none_of_another,
    events_are_found_by_what_they_say,
);

struct Auditor<'a> {
    server: &'a TestServer,
    token: String,
}

impl Auditor<'_> {
    async fn get(&self, path: &str) -> Answer {
        get_as(self.server, &self.token, path).await
    }

    /// The events that a search finds, oldest first.
    async fn events(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("AuditEvent?_count=200{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let found = answer.json();
        let entries = found["entry"].as_array().cloned().unwrap_or_default();
        let mut events: Vec<_> = entries
            .into_iter()
            .map(|mut entry| entry["resource"].take())
            .collect();
        events.reverse();
        events
    }
}

async fn client(server: &TestServer) -> (SmartClient, Auditor<'_>) {
    let client = SmartClient::register(server, ClientKey::elliptic("k"), &["system/*.cruds"]);
    let token = client.token(server, "system/*.cruds").await;
    (client, Auditor { server, token })
}

/// What an event says, in one line.
fn line(event: &Value) -> String {
    let own = event["subtype"][1]["code"].as_str().unwrap();
    let mut said = vec![format!(
        "{own} {} {} {}",
        event["subtype"][0]["code"].as_str().unwrap(),
        event["action"].as_str().unwrap(),
        event["outcome"].as_str().unwrap()
    )];
    for entity in event["entity"].as_array().into_iter().flatten() {
        let role = entity["role"]["display"].as_str().unwrap_or_default();
        if let Some(reference) = entity["what"]["reference"].as_str() {
            said.push(format!("{role}={reference}"));
        }
        if let Some(query) = entity["query"].as_str() {
            let query = STANDARD.decode(query).unwrap();
            said.push(format!("{role}={}", String::from_utf8(query).unwrap()));
        }
    }
    said.join(" | ")
}

fn observation(subject: &str) -> Value {
    json!({
        "resourceType": "Observation", "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
        "subject": { "reference": subject },
    })
}

fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = json!(id);
    resource
}

#[expect(
    clippy::too_many_lines,
    reason = "one story, told in the order in which it happens"
)]
async fn every_interaction_leaves_its_event(backend: Backend) {
    let server = smart_server(backend).await;
    let (client, auditor) = client(&server).await;
    let token = auditor.token.clone();
    let ada = with_id(patient("Lovelace"), "ada");
    let o1 = with_id(observation("Patient/ada"), "o1");
    assert_eq!(
        put_as(&server, &token, "Patient/ada", &ada).await.status,
        201
    );
    assert_eq!(
        put_as(&server, &token, "Observation/o1", &o1).await.status,
        201
    );
    for path in [
        "Patient/ada",
        "Observation/o1",
        "Observation/o1/_history/1",
        "Observation/o1/_history",
        "Observation?patient=Patient/ada&_include=Observation:subject",
        "Observation?subject:Patient.name=Lovelace&_summary=count",
        "Patient/ada/$everything",
        "metadata",
    ] {
        assert_eq!(auditor.get(path).await.status, 200, "{path}");
    }
    let batch = bundle(
        "batch",
        &[
            entry("GET", "Observation/o1", None),
            entry("GET", "Patient?_id=ada", None),
        ],
    );
    assert_eq!(post_as(&server, &token, "", &batch).await.status, 200);
    let deleted = server
        .request(Method::DELETE, "Observation/o1")
        .header("authorization", &format!("Bearer {token}"))
        .send()
        .await;
    assert!(deleted.status.is_success());
    let events = auditor.events("").await;
    let lines: Vec<String> = events.iter().map(line).collect();
    let observation = "Patient=Patient/ada | Domain Resource=Observation/o1/_history/1";
    for expected in [
        "update update U 0 | Patient=Patient/ada".to_owned(),
        format!("update update U 0 | {observation}"),
        "read read R 0 | Patient=Patient/ada".to_owned(),
        format!("read read R 0 | {observation}"),
        format!("vread vread R 0 | {observation}"),
        format!("history history R 0 | {observation}"),
        format!(
            "search search E 0 | {observation} | \
             Query=Observation?patient=Patient/ada&_include=Observation:subject"
        ),
        "search search E 0 | Query=Observation?subject:Patient.name=Lovelace&_summary=count"
            .to_owned(),
        format!("bundle transaction E 0 | {observation} | Query=Patient?_id=ada"),
        "delete delete D 0 | Patient=Patient/ada | Domain Resource=Observation/o1/_history/2"
            .to_owned(),
    ] {
        let count = lines.iter().filter(|line| **line == expected).count();
        assert_eq!(count, 1, "{expected}\n{}", lines.join("\n"));
    }
    // What is made of the journal meanwhile is in her record too, and may have left with it.
    let everything = lines.iter().filter(|line| {
        line.starts_with("operation operation E 0 | Patient=Patient/ada | ")
            && line.contains("Domain Resource=Observation/o1/_history/1")
    });
    assert_eq!(everything.count(), 1, "{}", lines.join("\n"));
    let read = events.iter().find(|one| line(one).starts_with("read"));
    let agents = &read.unwrap()["agent"];
    assert_eq!(agents[0]["who"]["identifier"]["value"], client.client_id);
    assert_eq!(agents[0]["network"]["address"], "127.0.0.1");
    assert_eq!(agents[0]["requestor"], true);
    assert_eq!(agents[1]["network"]["address"], server.base);
    let written = auditor.get("Provenance?target=Observation/o1").await.json();
    assert_eq!(written["total"], 2, "{written}");
    let verified = server.vesta(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

async fn what_was_refused_is_written_down_too(backend: Backend) {
    let server = smart_server(backend).await;
    let (_client, auditor) = client(&server).await;
    let other = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/Patient.r"]);
    let narrow = other.token(&server, "system/Patient.r").await;
    assert_eq!(server.get("Patient/ada").await.status, 401);
    assert_eq!(get_as(&server, "x", "Patient/ada").await.status, 401);
    assert_eq!(get_as(&server, &narrow, "Observation/o1").await.status, 403);
    assert_eq!(get_as(&server, &narrow, "Patient/nobody").await.status, 404);
    let refused = get_as(&server, &narrow, "Patient?name=Ada").await;
    assert_eq!(refused.status, 403);
    let request = refused.header("x-request-id").to_owned();
    let events = auditor.events("&outcome=4").await;
    let lines: Vec<_> = events
        .iter()
        .map(|one| format!("{} | {}", line(one), one["outcomeDesc"].as_str().unwrap()))
        .collect();
    for (expected, count) in [
        (
            "read read R 4 | Domain Resource=Patient/ada | 401 Unauthorized",
            2,
        ),
        (
            "read read R 4 | Domain Resource=Observation/o1 | 403 Forbidden",
            1,
        ),
        (
            "read read R 4 | Domain Resource=Patient/nobody | 404 Not Found",
            1,
        ),
        (
            "search search E 4 | Query=Patient?name=Ada | 403 Forbidden",
            1,
        ),
    ] {
        let found = lines.iter().filter(|line| *line == expected).count();
        assert_eq!(found, count, "{expected}\n{}", lines.join("\n"));
    }
    let named = events
        .iter()
        .filter(|one| one.to_string().contains(&request))
        .count();
    assert_eq!(named, 1);
}

async fn nobody_writes_events_of_the_servers_own(backend: Backend) {
    let server = smart_server(backend).await;
    let (_client, auditor) = client(&server).await;
    let events = auditor.events("").await;
    let id = events[0]["id"].as_str().unwrap();
    let path = format!("AuditEvent/{id}");
    let mut changed = events[0].clone();
    changed["outcome"] = json!("8");
    let put = put_as(&server, &auditor.token, &path, &changed).await;
    put.assert_refused(403, "forbidden", "does not cover");
    let forged = "0000000000000000000000000000-0000000000000001-0000";
    let forged_path = format!("AuditEvent/{forged}");
    let put = put_as(
        &server,
        &auditor.token,
        &forged_path,
        &with_id(changed, forged),
    )
    .await;
    put.assert_refused(403, "forbidden", "does not cover");
    let bearer = format!("Bearer {}", auditor.token);
    let deleted = server
        .request(Method::DELETE, &path)
        .header("authorization", &bearer)
        .send()
        .await;
    deleted.assert_refused(403, "forbidden", "does not cover");
    let meta = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "meta", "valueMeta": { "tag": [{ "code": "x" }] } }
    ] });
    let meta = post_as(&server, &auditor.token, &format!("{path}/$meta-add"), &meta).await;
    meta.assert_refused(403, "forbidden", "does not cover");
    assert_eq!(auditor.get(&path).await.json()["outcome"], "0");
}

async fn an_event_about_several_patients_tells_none_of_another(backend: Backend) {
    let server = smart_server(backend).await;
    let (_client, auditor) = client(&server).await;
    for id in ["ada", "bob"] {
        let written = with_id(patient("Lovelace"), id);
        let path = format!("Patient/{id}");
        assert_eq!(
            put_as(&server, &auditor.token, &path, &written)
                .await
                .status,
            201
        );
    }
    let found = auditor.get("Patient?family=Lovelace").await;
    assert_eq!(found.json()["total"], 2);
    let of_ada = auditor.events("&patient=Patient/ada&subtype=search").await;
    let lines: Vec<_> = of_ada.iter().map(line).collect();
    assert_eq!(lines, ["search search E 0 | Patient=Patient/ada"]);
    let request = found.header("x-request-id");
    let of_request = auditor
        .events(&format!("&entity:identifier={request}"))
        .await;
    drop(of_request);
    let all = auditor.events("&subtype=search").await;
    let all: BTreeSet<String> = all
        .iter()
        .filter(|one| one.to_string().contains(request))
        .map(line)
        .collect();
    assert_eq!(
        all.into_iter().collect::<Vec<_>>(),
        [
            "search search E 0 | Patient=Patient/ada",
            "search search E 0 | Patient=Patient/bob",
            "search search E 0 | Query=Patient?family=Lovelace",
        ]
    );
}

async fn events_are_found_by_what_they_say(backend: Backend) {
    let server = smart_server(backend).await;
    let (_client, auditor) = client(&server).await;
    let ada = with_id(patient("Lovelace"), "ada");
    assert_eq!(
        put_as(&server, &auditor.token, "Patient/ada", &ada)
            .await
            .status,
        201
    );
    assert_eq!(auditor.get("Patient/ada").await.status, 200);
    let events = auditor.events("").await;
    let recorded = events[0]["recorded"].as_str().unwrap();
    let (today, _time) = recorded.split_once('T').unwrap();
    // The searches here are events about her as well, so each asks for one act.
    for (query, finds) in [
        ("&patient=Patient/ada&subtype=read", 1),
        ("&patient=Patient/ada&subtype=update", 1),
        ("&patient=Patient/bob&subtype=read", 0),
        ("&entity=Patient/ada&subtype=read", 1),
        ("&patient=Patient/ada&action=R", 1),
        ("&patient=Patient/ada&action=U", 1),
        ("&patient=Patient/ada&action=D", 0),
        ("&patient=Patient/ada&type=rest&subtype=read", 1),
        ("&patient=Patient/ada&address=127.0.0.1&subtype=read", 1),
        ("&patient=Patient/ada&outcome=0&subtype=read", 1),
        ("&patient=Patient/ada&outcome=4", 0),
        ("&subtype=110120", 1),
    ] {
        assert_eq!(auditor.events(query).await.len(), finds, "{query}");
    }
    let dated = format!("&patient=Patient/ada&subtype=read&date={today}");
    assert_eq!(auditor.events(&dated).await.len(), 1);
    let within = auditor
        .get("Patient/ada/AuditEvent?subtype=read")
        .await
        .json();
    assert_eq!(within["entry"].as_array().unwrap().len(), 1);
}
