//! vread: every version stays readable.

use http::StatusCode;
use serde_json::json;

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    every_version_stays_readable,
    what_is_no_version_is_not_found
);

async fn every_version_stays_readable(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("First")).await;
    let path = format!("Patient/{id}");
    let mut second = patient("Second");
    second["id"] = json!(id);
    assert_eq!(server.put(&path, &second).await.status, StatusCode::OK);
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    for (version, family) in [("1", "First"), ("2", "Second")] {
        let answer = server.get(&format!("{path}/_history/{version}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.header("etag"), format!("W/\"{version}\""));
        assert_eq!(answer.json()["meta"]["versionId"], version);
        assert_eq!(answer.json()["name"][0]["family"], family);
    }
    let tombstone = server.get(&format!("{path}/_history/3")).await;
    tombstone.assert_refused(410, "deleted", "version 3");
}

async fn what_is_no_version_is_not_found(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("First")).await);
    for version in ["2", "0", "-1", "x", "99999999999999999999"] {
        let answer = server.get(&format!("{path}/_history/{version}")).await;
        answer.assert_refused(404, "not-found", "version");
    }
    let answer = server.get("Patient/none/_history/1").await;
    answer.assert_refused(404, "not-found", "version");
}
