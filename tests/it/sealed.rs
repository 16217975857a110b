//! What the store's own files and collections show of a patient: nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use mongodb::bson::{RawDocumentBuf, doc};
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, entry, on_both_stores};

on_both_stores!(
    the_store_shows_nothing_of_a_patient,
    an_erased_patient_is_gone,
);

/// What must be nowhere, in any case of letters.
const SECRETS: [&str; 9] = [
    "Quetzalcoatlus",
    "Ignatiuszko",
    "MRN-7731-XQ",
    "http://hospital.example.org/unmistakable-system",
    "98765432101",
    "1953-07-19",
    "Wolkenkuckucksheim",
    "zebra-coded",
    "narrated-secret",
];

fn secret_patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "sealed",
        "text": {
            "status": "generated",
            "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">narrated-secret</div>"
        },
        "identifier": [{
            "system": "http://hospital.example.org/unmistakable-system", "value": "MRN-7731-XQ"
        }],
        "name": [{ "family": "Quetzalcoatlus", "given": ["Ignatiuszko"] }],
        "telecom": [{ "system": "phone", "value": "98765432101" }],
        "birthDate": "1953-07-19",
        "address": [{ "city": "Wolkenkuckucksheim" }]
    })
}

fn secret_observation() -> Value {
    json!({
        "resourceType": "Observation", "status": "final",
        "code": { "coding": [{ "system": "http://example.org/codes", "code": "zebra-coded" }] },
        "subject": { "reference": "Patient/sealed" }
    })
}

/// Writes in every way there is: update, create, transaction, patch, conditional create, search.
async fn write_secrets(server: &TestServer) {
    let created = server.put("Patient/sealed", &secret_patient()).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    server.create(&secret_observation()).await;
    let entries = [entry("POST", "Observation", Some(&secret_observation()))];
    let sent = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    assert_eq!(server.post("", &sent).await.status, StatusCode::OK);
    let patch = json!([{ "op": "add", "path": "/name/0/use", "value": "official" }]);
    let call = server
        .request(Method::PATCH, "Patient/sealed")
        .body(patch.to_string());
    let answer = call
        .header("content-type", "application/json-patch+json")
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let call = server
        .request(Method::POST, "Patient")
        .json(&secret_patient());
    let answer = call
        .header(
            "if-none-exist",
            "family=Quetzalcoatlus&birthdate=1953-07-19",
        )
        .send();
    assert_eq!(answer.await.status, StatusCode::OK);
    for query in ["family=quetzal", "address-city=Wolken", "phone=98765432101"] {
        let found = server.get(&format!("Patient?{query}")).await.json();
        assert_eq!(found["total"], 1, "{query}");
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// What the store consists of: names and raw bytes.
async fn raw(server: &TestServer) -> Vec<(String, Vec<u8>)> {
    // The control socket is no file.
    let files = files(server.directory()).into_iter();
    let files = files.filter(|path| path.is_file());
    let mut raw: Vec<_> = files
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    let Some(database) = server.database() else {
        return raw;
    };
    let client = mongodb::Client::with_uri_str(database.uri()).await.unwrap();
    let name = client.default_database().unwrap().name().to_owned();
    for name in [format!("{name}_keys"), name] {
        let database = client.database(&name);
        for collection in database.list_collection_names().await.unwrap() {
            let documents = database.collection::<RawDocumentBuf>(&collection);
            let mut cursor = documents.find(doc! {}).await.unwrap();
            while cursor.advance().await.unwrap() {
                raw.push((
                    format!("{name}.{collection}"),
                    cursor.current().as_bytes().to_vec(),
                ));
            }
        }
    }
    raw
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    let secret = secret.as_bytes();
    bytes
        .windows(secret.len())
        .any(|window| window.eq_ignore_ascii_case(secret))
}

async fn the_store_shows_nothing_of_a_patient(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    write_secrets(&server).await;
    let key = server.config.keys.file.clone().unwrap();
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for stopped in [false, true] {
        if stopped {
            server.stop().await;
        }
        let raw = raw(&server).await;
        let bytes: usize = raw.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes > 1000, "the store is somewhere else");
        for (name, bytes) in &raw {
            for secret in SECRETS {
                assert!(!contains(bytes, secret), "{name} shows {secret}");
            }
        }
    }
}

async fn erase_again(server: &TestServer) {
    let call = server.request(Method::POST, "Patient/sealed/$erase");
    let again = call.send().await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
}

async fn an_erased_patient_is_gone(backend: Backend) {
    let server = TestServer::start(backend).await;
    write_secrets(&server).await;
    let answer = server
        .request(Method::POST, "Patient/sealed/$erase")
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    for path in [
        "Patient/sealed",
        "Patient/sealed/_history/1",
        "Patient/sealed/_history/2",
    ] {
        let answer = server.get(path).await;
        let status = answer.status.as_u16();
        assert!(
            status == 404 || status == 410,
            "{path}: {status} {}",
            answer.text()
        );
    }
    for path in [
        "Patient/sealed/_history",
        "Patient/_history",
        "_history",
        "Observation/_history",
    ] {
        let answer = server.get(path).await;
        let status = answer.status.as_u16();
        assert!(
            [200, 404, 410].contains(&status),
            "{path}: {status} {}",
            answer.text()
        );
        for secret in SECRETS {
            assert!(!answer.text().contains(secret), "{path} shows {secret}");
        }
        if status == 200 {
            let page = answer.json();
            let entries = page["entry"].as_array().cloned().unwrap_or_default();
            assert!(
                entries.iter().all(|entry| entry.get("resource").is_none()),
                "{page}"
            );
        }
    }
    for search in [
        "Patient?family=Quetzalcoatlus",
        "Patient?identifier=MRN-7731-XQ",
        "Patient?_id=sealed",
        "Observation?code=zebra-coded",
        "Observation?subject=Patient/sealed",
    ] {
        let found = server.get(search).await;
        assert_eq!(found.status, StatusCode::OK, "{search}: {}", found.text());
        assert_eq!(found.json()["total"], 0, "{search}");
    }
    erase_again(&server).await;
    let never = server
        .request(Method::POST, "Patient/none/$erase")
        .send()
        .await;
    never.assert_refused(404, "not-found", "Patient");
    let wrong = server
        .request(Method::POST, "Observation/x/$erase")
        .send()
        .await;
    wrong.assert_refused(400, "invalid", "Patient");
}

fn copy_records(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("records.sqlite") {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// A backup of the records made before the erasure is put back after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_the_records_does_not_bring_an_erased_patient_back() {
    let mut server = TestServer::start(Backend::Embedded).await;
    write_secrets(&server).await;
    server.stop().await;
    let (data, backup) = (
        server.directory().join("data"),
        server.directory().join("backup"),
    );
    copy_records(&data, &backup);
    server.restart().await;
    let answer = server
        .request(Method::POST, "Patient/sealed/$erase")
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    server.stop().await;
    for path in files(&data) {
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("records.sqlite")
        {
            fs::remove_file(path).unwrap();
        }
    }
    copy_records(&backup, &data);
    server.restart().await;
    for path in ["Patient/sealed", "Patient/sealed/_history/1"] {
        let answer = server.get(path).await;
        let status = answer.status.as_u16();
        assert!(
            status == 404 || status == 410,
            "{path}: {status} {}",
            answer.text()
        );
    }
    for path in ["Patient/sealed/_history", "Patient?family=Quetzalcoatlus"] {
        let answer = server.get(path).await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text());
        for secret in SECRETS {
            let shown = answer.text().replace("family=Quetzalcoatlus", "");
            assert!(!shown.contains(secret), "{path} shows {secret}");
        }
    }
}
