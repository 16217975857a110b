//! update: new versions, resources under ids of the client's choice, and conditions.

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    an_update_makes_the_next_version,
    an_update_may_create,
    an_update_that_changes_nothing_keeps_the_version,
    if_match_guards_against_lost_updates,
    if_none_match_any_writes_only_what_is_not_there,
    the_id_must_be_the_one_in_the_url,
    no_update_is_lost_silently,
);

fn numbered(id: &str, number: usize) -> Value {
    let mut resource = patient(&format!("Family{number}"));
    resource["id"] = json!(id);
    resource
}

async fn an_update_makes_the_next_version(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Before")).await;
    let path = format!("Patient/{id}");
    for version in 2..5 {
        let answer = server.put(&path, &numbered(&id, version)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.header("etag"), format!("W/\"{version}\""));
        assert_eq!(answer.json()["meta"]["versionId"], version.to_string());
        assert_eq!(
            answer.header("location"),
            format!("{}/{path}/_history/{version}", server.base)
        );
        assert_eq!(server.get(&path).await.json(), answer.json());
    }
}

async fn an_update_may_create(backend: Backend) {
    let server = TestServer::start(backend).await;
    let answer = server
        .put("Patient/my-own.Id-1", &numbered("my-own.Id-1", 1))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header("etag"), "W/\"1\"");
    let location = format!("{}/Patient/my-own.Id-1/_history/1", server.base);
    assert_eq!(answer.header("location"), location);
    assert_eq!(
        server.get("Patient/my-own.Id-1").await.status,
        StatusCode::OK
    );
}

async fn an_update_that_changes_nothing_keeps_the_version(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Same")).await;
    let path = format!("Patient/{id}");
    let stored = server.get(&path).await.json();
    for _ in 0..2 {
        let answer = server.put(&path, &stored).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert_eq!(answer.json(), stored);
    }
    let history = server.get(&format!("{path}/_history")).await.json();
    assert_eq!(history["total"], 1);
}

async fn if_match_guards_against_lost_updates(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Guarded")).await;
    let path = format!("Patient/{id}");
    let put = async |tag: &str, number: usize| {
        let call = server
            .request(Method::PUT, &path)
            .json(&numbered(&id, number));
        call.header("if-match", tag).send().await
    };
    assert_eq!(put("W/\"1\"", 2).await.status, StatusCode::OK);
    put("W/\"1\"", 3)
        .await
        .assert_refused(412, "conflict", "current version is 2");
    put("nonsense", 3)
        .await
        .assert_refused(400, "invalid", "If-Match");
    assert_eq!(
        server.get(&path).await.json()["name"][0]["family"],
        "Family2"
    );
    let absent = server
        .request(Method::PUT, "Patient/absent")
        .json(&numbered("absent", 1));
    let answer = absent.header("if-match", "W/\"1\"").send().await;
    answer.assert_refused(412, "conflict", "no such resource");
}

async fn if_none_match_any_writes_only_what_is_not_there(backend: Backend) {
    let server = TestServer::start(backend).await;
    let put = async |number: usize| {
        let call = server
            .request(Method::PUT, "Patient/once")
            .json(&numbered("once", number));
        call.header("if-none-match", "*").send().await
    };
    assert_eq!(put(1).await.status, StatusCode::CREATED);
    put(2).await.assert_refused(412, "conflict", "exists");
    let answers = join_all((0..16).map(|number| {
        let call = server
            .request(Method::PUT, "Patient/raced")
            .json(&numbered("raced", number));
        call.header("if-none-match", "*").send()
    }));
    let answers = answers.await;
    let created = answers
        .iter()
        .filter(|a| a.status == StatusCode::CREATED)
        .count();
    let refused = answers
        .iter()
        .filter(|a| a.status == StatusCode::PRECONDITION_FAILED)
        .count();
    assert_eq!((created, refused), (1, 15), "{answers:?}");
}

async fn the_id_must_be_the_one_in_the_url(backend: Backend) {
    let server = TestServer::start(backend).await;
    let answer = server.put("Patient/a", &numbered("b", 1)).await;
    answer.assert_refused(400, "invalid", "Patient.id");
    let answer = server.put("Patient/a", &patient("NoId")).await;
    answer.assert_refused(400, "invalid", "Patient.id");
    let answer = server
        .put("Patient/not_an_id", &numbered("not_an_id", 1))
        .await;
    answer.assert_refused(400, "invalid", "id is 1 to 64");
}

/// Without `If-Match` every writer wins in turn; with it, one of those that read the same version.
async fn no_update_is_lost_silently(backend: Backend) {
    const WRITERS: usize = 32;
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Raced")).await;
    let path = format!("Patient/{id}");
    let writes = (0..WRITERS).map(|number| {
        let resource = numbered(&id, number);
        let (server, path) = (&server, &path);
        async move { server.put(path, &resource).await }
    });
    for answer in join_all(writes).await {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let history = server
        .get(&format!("{path}/_history?_count=100"))
        .await
        .json();
    let mut families: Vec<_> = history["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["name"][0]["family"].as_str().unwrap())
        .collect();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), WRITERS + 1, "{families:?}");
    let tag = server.get(&path).await.header("etag").to_owned();
    let guarded = (0..WRITERS).map(|number| {
        let call = server
            .request(Method::PUT, &path)
            .json(&numbered(&id, 1000 + number));
        call.header("if-match", &tag).send()
    });
    let answers = join_all(guarded).await;
    let won = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .count();
    let told = answers
        .iter()
        .filter(|a| a.status == StatusCode::PRECONDITION_FAILED)
        .count();
    assert_eq!((won, told), (1, WRITERS - 1));
}
