//! `vesta generate`, `vesta import` and loading real bundles: the main job, on both stores.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use vesta::fhir::json as fhir_json;
use vesta::fhir::xml;

use crate::support::packs;
use crate::support::server::{Answer, Backend, TestServer, bundle, entry, on_both_stores};
use crate::validation::is_invalid_example;

on_both_stores!(
    generated_patients_are_imported_once,
    ndjson_is_imported_line_by_line,
    ndjson_that_was_imported_leaves_later_changes_alone,
    synthea_bundles_load_and_counts_agree,
    synthea_bundles_load_as_xml_and_as_files,
    official_examples_load_in_every_way,
    bundles_are_stored_whole_where_that_is_wanted,
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

/// Resources of one Bundle of examples.
const EXAMPLES_AT_ONCE: usize = 100;

/// A resource in XML.
fn as_xml(server: &TestServer, json: &[u8]) -> Vec<u8> {
    let limits = fhir_json::Limits { depth_max: 64 };
    let resource = fhir_json::parse_resource(json, limits).unwrap();
    let shapes = server.context().registry.shapes();
    xml::to_vec(resource.object(), shapes).unwrap()
}

async fn post(server: &TestServer, content_type: &str, body: Vec<u8>) -> Answer {
    let call = server.request(http::Method::POST, "");
    let call = call.header("content-type", content_type).body(body);
    let answer = call.header("prefer", "return=minimal").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// How many resources of each type there are.
async fn assert_totals(server: &TestServer, expected: &BTreeMap<String, u64>) {
    for (name, count) in expected {
        assert_eq!(total(server, name).await, *count, "{name}");
    }
}

/// Imports files into the store of a server that is stopped meanwhile.
async fn import_files(server: &mut TestServer, files: &[(String, Vec<u8>)]) {
    server.stop().await;
    let directory = server.directory().join("files");
    std::fs::create_dir(&directory).unwrap();
    for (name, bytes) in files {
        std::fs::write(directory.join(name), bytes).unwrap();
    }
    import(server, &directory);
    server.restart().await;
}

/// The official examples that are R4, as they are sent; `None` without their pack.
fn examples() -> Option<Vec<Value>> {
    let mut examples = Vec::new();
    let is_there = packs::for_each_file("fhir-r4-examples", "json", |path, bytes| {
        if !is_invalid_example(path) {
            examples.push(serde_json::from_slice(bytes).unwrap());
        }
    });
    assert!(!is_there || examples.len() > 800, "{}", examples.len());
    is_there.then_some(examples)
}

async fn official_examples_load_in_every_way(backend: Backend) {
    let Some(examples) = examples() else {
        return;
    };
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for example in &examples {
        let name = example["resourceType"].as_str().unwrap();
        *expected.entry(name.to_owned()).or_default() += 1;
    }
    let posts = |some: &[Value]| {
        let post = |example: &Value| {
            let name = example["resourceType"].as_str().unwrap();
            entry("POST", name, Some(example))
        };
        let entries: Vec<_> = some.iter().map(post).collect();
        bundle("batch", &entries).to_string().into_bytes()
    };
    for content_type in ["application/fhir+json", "application/fhir+xml"] {
        let server = TestServer::start(backend).await;
        for some in examples.chunks(EXAMPLES_AT_ONCE) {
            let mut body = posts(some);
            if content_type.ends_with("xml") {
                body = as_xml(&server, &body);
            }
            let answers = post(&server, content_type, body).await.json();
            let answers = answers["entry"].as_array().unwrap();
            for (example, answer) in some.iter().zip(answers) {
                let (name, id) = (&example["resourceType"], &example["id"]);
                assert_eq!(
                    answer["response"]["status"], "201 Created",
                    "{name}/{id}: {answer}"
                );
            }
        }
        assert_totals(&server, &expected).await;
    }
    let mut server = TestServer::start(backend).await;
    let lines: Vec<u8> = examples
        .iter()
        .flat_map(|example| format!("{example}\n").into_bytes())
        .collect();
    import_files(&mut server, &[("examples.ndjson".to_owned(), lines)]).await;
    assert_totals(&server, &expected).await;
    examples_load_as_files(backend, &examples, &expected).await;
}

/// A file for each example; Bundles are examples themselves, and some cannot be carried out.
async fn examples_load_as_files(
    backend: Backend,
    examples: &[Value],
    expected: &BTreeMap<String, u64>,
) {
    let mut server = TestServer::start(backend).await;
    server.stop().await;
    let directory = server.directory().join("examples");
    std::fs::create_dir(&directory).unwrap();
    for (number, example) in examples.iter().enumerate() {
        let path = directory.join(format!("{number}.json"));
        std::fs::write(path, example.to_string()).unwrap();
    }
    let output = server.vesta(&["import", "--store-bundles", directory.to_str().unwrap()]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    server.restart().await;
    assert_totals(&server, expected).await;
}

async fn bundles_are_stored_whole_where_that_is_wanted(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    server.stop().await;
    let file = server.directory().join("bundle.json");
    let patient = serde_json::json!({"resourceType": "Patient", "id": "a"});
    let mut sent = bundle("transaction", &[entry("PUT", "Patient/a", Some(&patient))]);
    sent["id"] = "whole".into();
    std::fs::write(&file, sent.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let imported = |options: &[&str]| {
        let output = server.vesta(&[&["import", file], options].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for said in ["imported 1 resources", "imported 0 resources"] {
        assert!(imported(&["--store-bundles"]).contains(said));
    }
    // What it says was not done, and can still be.
    assert!(imported(&[]).contains("imported 1 resources"));
    server.restart().await;
    assert_eq!(total(&server, "Patient").await, 1);
    let stored = server.get("Bundle/whole").await.json();
    assert_eq!(stored["entry"], sent["entry"]);
}

async fn synthea_bundles_load_as_xml_and_as_files(backend: Backend) {
    // Of the smallest set the shared files and one patient: XML takes its time in a debug build.
    let size = |set: &Files| set.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let sets = chosen_bundles().unwrap_or_default();
    if let Some(mut bundles) = sets.into_iter().min_by_key(size) {
        bundles.pop();
        let by_xml = TestServer::start(backend).await;
        for (_, bytes) in &bundles {
            let body = as_xml(&by_xml, bytes);
            post(&by_xml, "application/fhir+xml", body).await;
        }
        let mut by_file = TestServer::start(backend).await;
        import_files(&mut by_file, &bundles).await;
        let types: Vec<_> = [
            "Patient",
            "Encounter",
            "Observation",
            "Claim",
            "Organization",
        ]
        .into();
        for name in types {
            let count = total(&by_xml, name).await;
            assert!(count > 0, "{name}");
            assert_eq!(total(&by_file, name).await, count, "{name}");
        }
    }
}
