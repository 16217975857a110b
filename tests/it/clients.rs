//! Clients that are not ours work against the server: create, read, update, conditional requests,
//! search with paging, transactions.
//!
//! Their scripts are in `tests/clients`; each ends with `ok` or with what was not as it expected.

use std::process::Command;

use crate::support::clients;
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    fhirpy_works,
    fhirclient_works,
    fhir_kit_client_works,
    hl7_and_hl7apy_send,
);

async fn fhirpy_works(backend: Backend) {
    works(backend, || clients::python("fhirpy_client.py")).await;
}

async fn fhirclient_works(backend: Backend) {
    works(backend, || clients::python("fhirclient_client.py")).await;
}

async fn fhir_kit_client_works(backend: Backend) {
    works(backend, || clients::node("fhir_kit_client.mjs")).await;
}

/// Fifty connections of two senders, each of whose patients ends as its last message says.
async fn hl7_and_hl7apy_send(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.hl7v2.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let address = server.mllp();
    let ran = tokio::task::spawn_blocking(move || {
        let command = clients::python("hl7_senders.py");
        let mut command = command.unwrap_or_else(|reason| panic!("{reason}"));
        let arguments = [address.ip().to_string(), address.port().to_string()];
        command.args(arguments).output().unwrap()
    });
    let output = ran.await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(output.stdout, b"ok\n", "{errors}");
    let patients = server
        .get("Patient?given=Person5&_total=accurate&_count=1")
        .await
        .json();
    assert_eq!(patients["total"], 50);
    let messages = server
        .get("Provenance?_total=accurate&_count=1")
        .await
        .json();
    assert_eq!(messages["total"], 300);
}

/// Runs a client's script on a server of its own.
async fn works(backend: Backend, script: fn() -> Result<Command, String>) {
    let server = TestServer::start(backend).await;
    let base = server.base.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let mut command = script().unwrap_or_else(|reason| panic!("{reason}"));
        command.arg(base).output().unwrap()
    });
    let output = ran.await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(output.stdout, b"ok\n", "{errors}");
}
