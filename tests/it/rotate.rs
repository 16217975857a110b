//! `vesta keys` beside a running server: the master key is rotated while clients read and write.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::server::{Backend, TestServer, client, exchange, on_both_stores, patient};

on_both_stores!(
    the_master_key_is_rotated_under_reads_and_writes,
    settings_may_stand_before_and_behind_the_action,
);

const CLIENTS: usize = 4;
const ROTATIONS: usize = 3;

/// Writes patients and reads them back until told to stop; the paths of all of them.
async fn write_and_read(base: String, is_over: Arc<AtomicBool>) -> Vec<String> {
    let client = client();
    let mut written = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        // Each patient has a data key of its own, which the write makes.
        let id = uuid::Uuid::new_v4();
        let path = format!("Patient/{id}");
        let body = format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
        let put = Request::builder().method(Method::PUT);
        let put = put.uri(format!("{base}/{path}"));
        let put = put.header("content-type", "application/fhir+json");
        let put = put.body(Full::new(body.into())).unwrap();
        let answer = exchange(&client, put).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        written.push(path);
        for path in written.iter().rev().take(3) {
            let get = Request::builder().uri(format!("{base}/{path}"));
            let get = get.body(Full::default()).unwrap();
            let answer = exchange(&client, get).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        }
    }
    written
}

fn keys(server: &TestServer, action: &str) -> String {
    let output = server.vesta(&["keys", action]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Drops all but the last generation, as rotation does once they are settled.
fn drop_former_generations(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let last = text.lines().last().unwrap();
    assert_eq!(
        text.lines().filter(|line| !line.starts_with('#')).count(),
        ROTATIONS + 1
    );
    fs::write(file, format!("{last}\n")).unwrap();
}

async fn the_master_key_is_rotated_under_reads_and_writes(backend: Backend) {
    let mut server = TestServer::start_with(backend, |config| {
        // Keys are unwrapped again and again, not remembered.
        config.keys.cached_max = 1;
    })
    .await;
    let early = server.create(&patient("Early")).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (base, is_over) = (server.base.clone(), Arc::clone(&is_over));
            tokio::spawn(write_and_read(base, is_over))
        })
        .collect();
    for _ in 1..ROTATIONS {
        let said = keys(&server, "rotate");
        assert!(said.contains("made master key"), "{said}");
    }
    is_over.store(true, Ordering::SeqCst);
    let written = join_all(clients).await.into_iter();
    let written: Vec<_> = written.flat_map(Result::unwrap).collect();
    assert!(!written.is_empty());
    // One that was being stored as the walk passed it is wrapped again by the next rotation.
    keys(&server, "rotate");
    let status = keys(&server, "status");
    assert_eq!(status.matches("wrapped by").count(), 1, "{status}");
    let counted = format!("data keys: {} ", written.len() + 1);
    assert!(status.starts_with(&counted), "{status}");

    server.stop().await;
    drop_former_generations(server.config.keys.file.as_ref().unwrap());
    server.restart().await;
    let early = format!("Patient/{early}");
    for path in written.iter().chain([&early]) {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    }
    let found = server.get("Patient?family=Early").await.json();
    assert_eq!(found["total"], 1);
}

async fn settings_may_stand_before_and_behind_the_action(backend: Backend) {
    let mut server = TestServer::start(backend).await;
    let store = server.config.store.clone();
    let said = keys(&server, "status");
    for arguments in [
        ["keys", "status", "--store", &store],
        ["keys", "--store", &store, "status"],
    ] {
        let output = server.vesta(&arguments);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), said);
    }
    server.stop().await;
    assert_eq!(keys(&server, "status"), said, "without a server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_is_for_its_owner_and_two_questions() {
    let mut server = TestServer::start(Backend::Embedded).await;
    let socket = server.directory().join("data/control.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for question in [
        "Patient/1\n".to_owned(),
        "x".repeat(1000) + "\n",
        "rotate now\n".to_owned(),
    ] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        stream.write_all(question.as_bytes()).await.unwrap();
        let mut said = String::new();
        // Who is not listened to the end may find the connection reset.
        if stream.read_to_string(&mut said).await.is_ok() {
            assert_eq!(said, "failed: this cannot be asked here");
        }
    }
    // Nothing was rotated, and who asks nothing keeps nobody else waiting for long.
    drop(UnixStream::connect(&socket).await.unwrap());
    let status = keys(&server, "status");
    assert_eq!(status.matches("wrapped by").count(), 1, "{status}");
    server.stop().await;
    assert!(!socket.exists());
}
