//! Writes under scopes: what is there and what will be must both be covered.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use http::Method;
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, bundle, entry, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, get_as, post_as, put_as, smart_server};

on_both_stores!(
    both_versions_of_a_write_are_checked,
    what_is_hidden_cannot_be_changed,
    entries_of_bundles_are_checked_each,
);

fn observation(id: &str, category: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "id": id,
        "identifier": [{ "system": "urn:test", "value": id }],
        "status": "final",
        "category": [{ "coding": [{ "code": category }] }],
        "code": { "text": "x" },
    })
}

struct Writer {
    server: TestServer,
    all: String,
    limited: String,
}

/// A server with a laboratory result and a vital sign, and a token on the former.
async fn writer(backend: Backend) -> Writer {
    let server = smart_server(backend).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.cruds"]);
    let all = client.token(&server, "system/*.cruds").await;
    let scope = "system/Observation.cruds?category=laboratory";
    let limited = client.token(&server, scope).await;
    for (id, category) in [("lab", "laboratory"), ("vital", "vital-signs")] {
        let (path, body) = (format!("Observation/{id}"), observation(id, category));
        assert_eq!(put_as(&server, &all, &path, &body).await.status, 201);
    }
    Writer {
        server,
        all,
        limited,
    }
}

impl Writer {
    async fn put(&self, path: &str, body: &Value) -> u16 {
        put_as(&self.server, &self.limited, path, body)
            .await
            .status
            .as_u16()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        post_as(&self.server, &self.limited, path, body).await
    }

    async fn send(&self, method: Method, url: &str, patch: Option<&Value>) -> u16 {
        let call = self.server.request(method, url);
        let mut call = call.header("authorization", &format!("Bearer {}", self.limited));
        if let Some(patch) = patch {
            call = call
                .header("content-type", "application/json-patch+json")
                .body(patch.to_string());
        }
        call.send().await.status.as_u16()
    }

    /// The vital sign is what it was, in its only version.
    async fn assert_untouched(&self) {
        let read = get_as(&self.server, &self.all, "Observation/vital").await;
        assert_eq!(read.json()["meta"]["versionId"], "1", "{}", read.text());
        assert_eq!(
            read.json()["category"][0]["coding"][0]["code"],
            "vital-signs"
        );
    }
}

async fn both_versions_of_a_write_are_checked(backend: Backend) {
    let writer = writer(backend).await;
    let (lab, vital) = (
        observation("lab", "laboratory"),
        observation("vital", "vital-signs"),
    );
    let mut changed = lab.clone();
    changed["status"] = json!("amended");
    assert_eq!(writer.put("Observation/lab", &changed).await, 200);
    assert_eq!(
        writer
            .put("Observation/lab", &observation("lab", "vital-signs"))
            .await,
        403
    );
    assert_eq!(
        writer
            .put("Observation/vital", &observation("vital", "laboratory"))
            .await,
        403
    );
    // Saying what is there already is no way to find out what it is.
    assert_eq!(writer.put("Observation/vital", &vital).await, 403);
    assert_eq!(
        writer
            .put("Observation/new", &observation("new", "laboratory"))
            .await,
        201
    );
    assert_eq!(
        writer
            .put("Observation/newer", &observation("newer", "vital-signs"))
            .await,
        403
    );
    assert_eq!(writer.post("Observation", &lab).await.status, 201);
    assert_eq!(writer.post("Observation", &vital).await.status, 403);
}

async fn what_is_hidden_cannot_be_changed(backend: Backend) {
    let writer = writer(backend).await;
    let out =
        json!([{ "op": "replace", "path": "/category/0/coding/0/code", "value": "vital-signs" }]);
    assert_eq!(
        writer
            .send(Method::PATCH, "Observation/lab", Some(&out))
            .await,
        403
    );
    let probe = json!([{ "op": "test", "path": "/status", "value": "final" }]);
    assert_eq!(
        writer
            .send(Method::PATCH, "Observation/vital", Some(&probe))
            .await,
        404
    );
    // What may not be seen is deleted as if it were not there: nothing happens.
    assert_eq!(
        writer.send(Method::DELETE, "Observation/vital", None).await,
        204
    );
    let by_criteria = "Observation?identifier=urn:test|vital";
    assert_eq!(writer.send(Method::DELETE, by_criteria, None).await, 204);
    assert_eq!(
        writer.send(Method::PATCH, by_criteria, Some(&probe)).await,
        404
    );
    let moved = observation("vital", "laboratory");
    assert_eq!(writer.put(by_criteria, &moved).await, 403);
    let meta = json!({
        "resourceType": "Parameters",
        "parameter": [{ "name": "meta", "valueMeta": { "tag": [{ "code": "t" }] } }],
    });
    assert_eq!(
        writer
            .post("Observation/vital/$meta-add", &meta)
            .await
            .status,
        404
    );
    assert_eq!(
        writer.post("Observation/lab/$meta-add", &meta).await.status,
        200
    );
    writer.assert_untouched().await;
    // What was deleted is not taken over either.
    let call = writer.server.request(Method::DELETE, "Observation/vital");
    let call = call.header("authorization", &format!("Bearer {}", writer.all));
    assert_eq!(call.send().await.status, 204);
    assert_eq!(writer.put("Observation/vital", &moved).await, 403);
}

async fn entries_of_bundles_are_checked_each(backend: Backend) {
    let writer = writer(backend).await;
    let lab = observation("lab2", "laboratory");
    let vital = observation("vital", "laboratory");
    let patient = json!({ "resourceType": "Patient" });
    let entries = [
        entry("PUT", "Observation/lab2", Some(&lab)),
        entry("PUT", "Observation/vital", Some(&vital)),
        entry("POST", "Patient", Some(&patient)),
        entry("GET", "Observation/vital", None),
        entry("GET", "Observation/lab", None),
        entry("GET", "Patient", None),
        entry("GET", "Observation?_summary=count", None),
        entry("DELETE", "Observation/vital", None),
    ];
    let answer = writer.post("", &bundle("batch", &entries)).await.json();
    let answers = answer["entry"].as_array().unwrap();
    let statuses: Vec<_> = answers
        .iter()
        .map(|one| {
            one["response"]["status"]
                .as_str()
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(
        statuses,
        ["201", "403", "403", "404", "200", "403", "200", "204"]
    );
    writer.assert_untouched().await;
    // One entry that is not covered, and nothing of a transaction happens.
    for bad in [
        entry("PUT", "Observation/vital", Some(&vital)),
        entry("POST", "Patient", Some(&patient)),
        entry(
            "POST",
            "Observation",
            Some(&observation("x", "vital-signs")),
        ),
        entry("GET", "Observation/vital", None),
        entry("GET", "Patient", None),
    ] {
        let good = entry(
            "PUT",
            "Observation/lab3",
            Some(&observation("lab3", "laboratory")),
        );
        let answer = writer
            .post("", &bundle("transaction", &[good, bad.clone()]))
            .await;
        assert!(
            [403, 404].contains(&answer.status.as_u16()),
            "{bad}: {}",
            answer.text()
        );
        let read = get_as(&writer.server, &writer.all, "Observation/lab3").await;
        assert_eq!(read.status, 404, "{bad}");
    }
    // A reference by criteria does not tell of what may not be seen.
    let mut referring = observation("lab4", "laboratory");
    referring["derivedFrom"] = json!([{ "reference": "Observation?identifier=urn:test|vital" }]);
    let entries = [entry("POST", "Observation", Some(&referring))];
    let answer = writer.post("", &bundle("transaction", &entries)).await;
    answer.assert_refused(412, "conflict", "matches nothing");
    writer.assert_untouched().await;
}
