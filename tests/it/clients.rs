//! Clients that are not ours work against the server: create, read, update, conditional requests,
//! search with paging, transactions.
//!
//! Their scripts are in `tests/clients`; each ends with `ok` or with what was not as it expected.

use std::process::Command;

use crate::support::clients;
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(fhirpy_works, fhirclient_works, fhir_kit_client_works);

async fn fhirpy_works(backend: Backend) {
    works(backend, || clients::python("fhirpy_client.py")).await;
}

async fn fhirclient_works(backend: Backend) {
    works(backend, || clients::python("fhirclient_client.py")).await;
}

async fn fhir_kit_client_works(backend: Backend) {
    works(backend, || clients::node("fhir_kit_client.mjs")).await;
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
