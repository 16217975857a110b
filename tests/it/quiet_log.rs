//! What the log never shows, at its most talkative: nothing of a patient, no secret, no token.
//!
//! A real process logs at `trace` while everything that carries something odd is sent to it, good
//! and bad; then its log is searched for each of those oddities.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use http::Method;
use serde_json::{Value, json};

use crate::support::people::{Browser, PASSWORD, add_user};
use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, issuer, smart_server};

on_both_stores!(nothing_of_a_patient_and_no_secret_is_logged);

/// What stands in everything that is sent, whatever is around it.
const MARK: &str = "qzqx";

/// Starts the program on the store of a server that was stopped.
fn spawn(server: &mut TestServer) -> Child {
    let key = server.config.keys.file.clone().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_vesta"))
        .args(["serve", "--listen", "127.0.0.1:0", "--access", "smart"])
        .env("VESTA_KEYS__FILE", key)
        .env("VESTA_STORE", &server.config.store)
        .env("VESTA_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let base = line.trim().strip_prefix("vesta is listening on ").unwrap();
    base.clone_into(&mut server.base);
    child
}

/// Ends the program in good order, and gives back its log.
async fn log_of(mut child: Child, reading: std::thread::JoinHandle<String>) -> String {
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    tokio::task::spawn_blocking(move || {
        child.wait().unwrap();
        reading.join().unwrap()
    })
    .await
    .unwrap()
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "Qzqx-id-1", "birthDate": "1911-02-03",
        "identifier": [{ "system": "urn:qzqx:system", "value": "Qzqx-identifier" }],
        "name": [{ "family": "Qzqxfamily", "given": ["Qzqxgiven"] }],
        "address": [{ "line": ["Qzqx street"], "city": "Qzqxcity" }],
    })
}

fn observation() -> Value {
    json!({
        "resourceType": "Observation", "id": "Qzqx-seen-1", "status": "final",
        "code": { "coding": [{ "system": "urn:qzqx:codes", "code": "qzqx-code" }] },
        "subject": { "reference": "Patient/Qzqx-id-1" }, "valueString": "Qzqx value",
    })
}

const FHIR: &str = "application/fhir+json";
const FORM: &str = "application/x-www-form-urlencoded";
const PATCH: &str = "application/json-patch+json";

const READS: [&str; 15] = [
    "Patient/Qzqx-id-1",
    "Patient/Qzqx-nobody",
    "Patient/Qzqx%20id",
    "Qzqxtype",
    "Patient/Qzqx-id-1/_history",
    "Patient/Qzqx-id-1/_history/qzqx",
    "Patient?name=Qzqxfamily&_sort=birthdate",
    "Patient?name=Qzqxfamily&birthdate=qzqx",
    "Observation?code=urn:qzqx:codes|qzqx-code&subject:Patient.name=qzqx",
    "Patient?qzqx-parameter=Qzqx",
    "Patient?_filter=qzqx%20qzqx",
    "Patient?_cursor=qzqx",
    "Patient/Qzqx-id-1/$everything",
    "Observation/$lastn?patient=Qzqx-id-1",
    "Patient/Qzqx-id-1/Observation?code=qzqx-code",
];

/// What cannot be read, as method, path, type and body.
const BROKEN: [(&str, &str, &str, &str); 6] = [
    ("POST", "Patient", FHIR, "{\"qzqx broken"),
    ("POST", "Patient", "application/fhir+xml", "<Qzqx><broken"),
    ("POST", "Patient", "text/qzqx", "Qzqx"),
    (
        "PATCH",
        "Patient/Qzqx-id-1",
        PATCH,
        "[{\"op\":\"add\",\"path\":\"/qzqx\",\"value\":\"Q\"}]",
    ),
    (
        "POST",
        "Patient/_search",
        FORM,
        "identifier=urn:qzqx:system|Qzqx-identifier",
    ),
    ("DELETE", "Observation?code=qzqx-none", FHIR, ""),
];

/// Good and bad requests, each with something that must not be seen.
fn requests() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let transaction = json!({ "resourceType": "Patient", "id": "Qzqx-id-2" });
    let transaction = [
        entry("PUT", "Patient/Qzqx-id-2", Some(&transaction)),
        entry("GET", "Patient?name=Qzqxfamily", None),
    ];
    let batch = [
        entry("GET", "Qzqxtype/Qzqx-id-1", None),
        entry("GET", "Patient?qzqx-parameter=Qzqxvalue", None),
        entry("DELETE", "Patient/Qzqx-nobody", None),
    ];
    let mut wrong = patient();
    wrong["gender"] = json!("qzqx-gender");
    wrong["qzqx-member"] = json!("Qzqx");
    let mut all = vec![
        ("PUT", "Patient/Qzqx-id-1", FHIR, patient().to_string()),
        (
            "PUT",
            "Observation/Qzqx-seen-1",
            FHIR,
            observation().to_string(),
        ),
        ("PUT", "Observation/Qzqx-seen-1", FHIR, wrong.to_string()),
        ("POST", "Patient", FHIR, patient().to_string()),
        ("POST", "Patient", FHIR, wrong.to_string()),
        (
            "POST",
            "",
            FHIR,
            bundle("transaction", &transaction).to_string(),
        ),
        ("POST", "", FHIR, bundle("batch", &batch).to_string()),
    ];
    all.extend(READS.map(|path| ("GET", path, FHIR, String::new())));
    all.extend(BROKEN.map(|(method, path, kind, body)| (method, path, kind, body.to_owned())));
    all.push(("POST", "Patient/Qzqx-id-1/$erase", FHIR, String::new()));
    all.push(("GET", "Patient/Qzqx-id-1", FHIR, String::new()));
    all
}

async fn send_all(server: &TestServer, token: &str) {
    for (method, path, kind, body) in requests() {
        let bearer = format!("Bearer {token}");
        for bearer in [bearer.as_str(), "Bearer qzqx.token.wrong", "Basic qzqx"] {
            let call = server
                .request(method.parse().unwrap(), path)
                .body(body.clone());
            let call = call
                .header("authorization", bearer)
                .header("content-type", kind);
            let answer = call
                .header("if-none-exist", "identifier=Qzqx-none")
                .send()
                .await;
            assert_ne!(
                answer.status.as_u16(),
                500,
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
    // Many at once, so that the store has conflicts to speak of.
    let same = async || {
        let call = server.request(Method::POST, "Patient").json(&patient());
        let call = call.header("authorization", &format!("Bearer {token}"));
        call.header("if-none-exist", "identifier=urn:qzqx:system|Qzqx-once")
            .send()
            .await
    };
    let put = async || {
        let call = server
            .request(Method::PUT, "Patient/Qzqx-same")
            .json(&json!({
                "resourceType": "Patient", "id": "Qzqx-same", "name": [{ "family": "Qzqx" }],
            }));
        call.header("authorization", &format!("Bearer {token}"))
            .send()
            .await
    };
    futures::future::join_all((0..8).map(|_| same())).await;
    futures::future::join_all((0..8).map(|_| put())).await;
}

async fn sign_in(server: &TestServer) {
    add_user(server, "qzqx@example.org", "patient", &[]);
    let mut browser = Browser::new(server);
    browser
        .try_sign_in("qzqx@example.org", "Qzqx-wrong-password")
        .await;
    browser
        .try_sign_in("nobody-qzqx@example.org", PASSWORD)
        .await;
    browser.try_sign_in("qzqx@example.org", PASSWORD).await;
    browser.open("/account?qzqx=qzqx").await;
    let session = browser.session().map(ToOwned::to_owned);
    assert!(session.is_some(), "somebody is signed in");
}

async fn nothing_of_a_patient_and_no_secret_is_logged(backend: Backend) {
    let mut server = smart_server(backend).await;
    server.stop().await;
    let mut child = spawn(&mut server);
    let mut stderr = child.stderr.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut log = Vec::new();
        stderr.read_to_end(&mut log).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    });
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.cruds"]);
    let token = client.token(&server, "system/*.cruds").await;
    let assertion = client.sign(&client.claims());
    send_all(&server, &token).await;
    sign_in(&server).await;
    let odd = format!("{}/qzqx/Qzqx?qzqx=qzqx", issuer(&server));
    server.get(&odd).await;
    let log = log_of(child, reading).await;
    // It did speak, and of every request.
    assert!(log.matches("answered").count() > 60, "{log}");
    let lower = log.to_lowercase();
    let place = lower
        .find(MARK)
        .and_then(|at| log.get(at.saturating_sub(300)..(at + 300).min(log.len())));
    assert_eq!(place, None);
    let parts = [&token, &assertion].map(|jwt| jwt.split('.').nth(2).unwrap().to_owned());
    for secret in [PASSWORD, &parts[0], &parts[1], "1911-02-03", "Lovelace"] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}
