//! `vesta generate`, `vesta import` and loading real bundles: the main job, on both stores.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::packs;
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    generated_patients_are_imported_once,
    ndjson_is_imported_line_by_line,
    ndjson_that_was_imported_leaves_later_changes_alone,
    synthea_bundles_load_and_counts_agree,
);

/// Patients of each Synthea set that the test loads; the whole pack takes minutes in a debug build.
const PATIENTS_PER_SET: usize = 2;

fn import(server: &TestServer, path: &Path) -> String {
    let output = server.vesta(&["import", path.to_str().unwrap()]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn total(server: &TestServer, name: &str) -> u64 {
    let bundle = server.get(&format!("{name}?_summary=count")).await.json();
    bundle["total"].as_u64().unwrap()
}

async fn generated_patients_are_imported_once(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    let out = server.directory().join("patients");
    let out_text = out.to_str().unwrap().to_owned();
    let made = server.vesta(&[
        "generate",
        "--patients",
        "3",
        "--seed",
        "7",
        "--out",
        &out_text,
    ]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    server.stop().await;
    assert!(!import(&server, &out).contains("imported 0 resources"));
    assert!(import(&server, &out).contains("imported 0 resources"));
    server.restart().await;
    assert_eq!(total(&server, "Patient").await, 3);
    let history = server.get("Patient/_history").await.json();
    assert_eq!(history["total"], 3, "a second import wrote something");
}

async fn ndjson_is_imported_line_by_line(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    server.stop().await;
    let file = server.directory().join("patients.ndjson");
    let good = r#"{"resourceType":"Patient","id":"a","gender":"male"}"#;
    let other = r#"{"resourceType":"Patient","id":"b"}"#;
    let bad = r#"{"resourceType":"Patient","id":"c","gender":"x"}"#;
    std::fs::write(&file, format!("{good}\n{bad}\n\n{other}\n")).unwrap();
    let output = server.vesta(&["import", file.to_str().unwrap()]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(errors.contains("patients.ndjson:2"), "{errors}");
    server.restart().await;
    assert_eq!(total(&server, "Patient").await, 2);
    assert_eq!(server.get("Patient/a").await.json()["gender"], "male");
}

async fn ndjson_that_was_imported_leaves_later_changes_alone(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    let good = server.directory().join("good.ndjson");
    let a = r#"{"resourceType":"Patient","id":"a","gender":"male"}"#;
    let b = r#"{"resourceType":"Patient","id":"b","gender":"male"}"#;
    std::fs::write(&good, format!("{a}\n")).unwrap();
    let mixed = server.directory().join("mixed.ndjson");
    let bad = r#"{"resourceType":"Patient","id":"c","gender":"x"}"#;
    std::fs::write(&mixed, format!("{b}\n{bad}\n")).unwrap();
    // What is stored already in the same words is marked as well.
    let same = serde_json::from_str(a).unwrap();
    server.put("Patient/a", &same).await;
    server.stop().await;
    import(&server, &good);
    server.vesta(&["import", mixed.to_str().unwrap()]);
    server.restart().await;
    for id in ["a", "b"] {
        let path = format!("Patient/{id}");
        let mut changed = server.get(&path).await.json();
        assert_eq!(changed["gender"], "male");
        changed["gender"] = "female".into();
        server.put(&path, &changed).await;
    }
    server.stop().await;
    assert!(import(&server, &good).contains("imported 0 resources"));
    server.vesta(&["import", mixed.to_str().unwrap()]);
    server.restart().await;
    for id in ["a", "b"] {
        let patient = server.get(&format!("Patient/{id}")).await.json();
        assert_eq!(patient["gender"], "female", "{id}");
        assert_eq!(patient["meta"]["versionId"], "2", "{id}");
    }
}

/// Files by name.
type Files = Vec<(String, Vec<u8>)>;

/// Of each set the shared files, then some patients, the smallest first.
fn chosen_bundles() -> Option<Vec<Files>> {
    let mut sets: BTreeMap<String, Files> = BTreeMap::new();
    let is_there = packs::for_each_file("synthea", "json", |path, bytes| {
        let (set, name) = path.rsplit_once('/').unwrap();
        sets.entry(set.to_owned())
            .or_default()
            .push((name.to_owned(), bytes.to_vec()));
    });
    if !is_there {
        return None;
    }
    let mut chosen = Vec::new();
    for (_, mut files) in sets {
        let is_shared = |name: &str| name.contains("hospital") || name.contains("practitioner");
        files.sort_by_key(|(name, bytes)| (!is_shared(name), bytes.len()));
        let shared = files.iter().filter(|(name, _)| is_shared(name)).count();
        files.truncate(shared + PATIENTS_PER_SET);
        chosen.push(files);
    }
    Some(chosen)
}

async fn synthea_bundles_load_and_counts_agree(backend: Backend) {
    // A store each: the sets know the same hospitals, and one of them makes them unconditionally.
    for bundles in chosen_bundles().unwrap_or_default() {
        load_set(&TestServer::start(backend).await, bundles).await;
    }
}

async fn load_set(server: &TestServer, bundles: Vec<(String, Vec<u8>)>) {
    let mut created: BTreeMap<String, u64> = BTreeMap::new();
    for (name, bytes) in &bundles {
        let call = server.request(http::Method::POST, "");
        let call = call
            .header("content-type", "application/fhir+json")
            .body(bytes.clone());
        let answer = call.send().await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let sent: Value = serde_json::from_slice(bytes).unwrap();
        let answers = answer.json();
        let pairs = sent["entry"].as_array().unwrap().iter();
        for (entry, response) in pairs.zip(answers["entry"].as_array().unwrap()) {
            let status = response["response"]["status"].as_str().unwrap();
            assert!(status.starts_with("20"), "{name}: {response}");
            if status.starts_with("201") {
                let name = entry["resource"]["resourceType"].as_str().unwrap();
                *created.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    for (name, count) in created {
        assert_eq!(total(server, &name).await, count, "{name}");
    }
}
