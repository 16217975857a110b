//! read: the current version, the conditional forms, and HEAD.

use http::{Method, StatusCode};

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores, patient};

on_both_stores!(
    a_read_shows_the_resource_and_its_version,
    a_reader_that_has_the_version_is_told_so,
    tags_count_before_dates_and_may_be_none_of_ours,
    head_answers_as_get_without_the_body,
    what_never_was_is_404_and_what_was_deleted_is_410,
);

async fn a_read_shows_the_resource_and_its_version(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Reader")).await;
    let answer = server.get(&format!("Patient/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert!(answer.header("last-modified").ends_with(" GMT"));
    assert!(
        answer
            .header("content-type")
            .starts_with("application/fhir+json")
    );
    let body = answer.json();
    assert_eq!(body["id"], id.as_str());
    assert_eq!(body["meta"]["versionId"], "1");
    assert!(body["meta"]["lastUpdated"].as_str().unwrap().ends_with('Z'));
    assert_eq!(body["name"][0]["family"], "Reader");
}

async fn a_reader_that_has_the_version_is_told_so(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Reader")).await);
    let written = server.get(&path).await.header("last-modified").to_owned();
    let with = async |headers: &[(&str, &str)]| {
        let mut call = server.request(Method::GET, &path);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send().await
    };
    let answer = with(&[("if-none-match", "W/\"1\"")]).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert_eq!(
        with(&[("if-none-match", "W/\"2\"")]).await.status,
        StatusCode::OK
    );
    assert_eq!(
        with(&[("if-none-match", "W/\"7\", \"1\"")]).await.status,
        StatusCode::NOT_MODIFIED
    );
    assert_eq!(
        with(&[("if-modified-since", &written)]).await.status,
        StatusCode::NOT_MODIFIED
    );
    let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT";
    assert_eq!(
        with(&[("if-modified-since", long_ago)]).await.status,
        StatusCode::OK
    );
    assert_eq!(
        with(&[("if-modified-since", "yesterday")]).await.status,
        StatusCode::OK
    );
}

async fn tags_count_before_dates_and_may_be_none_of_ours(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Reader")).await);
    let written = server.get(&path).await.header("last-modified").to_owned();
    for (tag, status) in [("W/\"9\"", 200), ("\"abc\"", 200), ("*", 304)] {
        let call = server
            .request(Method::GET, &path)
            .header("if-none-match", tag);
        let answer = call.header("if-modified-since", &written).send().await;
        assert_eq!(answer.status.as_u16(), status, "{tag}");
        let mut entry = entry("GET", &path, None);
        entry["request"]["ifNoneMatch"] = tag.into();
        let answer = server.post("", &bundle("batch", &[entry])).await.json();
        let answered = answer["entry"][0]["response"]["status"].as_str().unwrap();
        assert!(answered.starts_with(&status.to_string()), "{answer}");
    }
}

async fn head_answers_as_get_without_the_body(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Reader")).await);
    let get = server.get(&path).await;
    let head = server.request(Method::HEAD, &path).send().await;
    assert_eq!(head.status, StatusCode::OK);
    assert!(head.body.is_empty());
    for name in ["etag", "last-modified", "content-type", "content-length"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let absent = server.request(Method::HEAD, "Patient/none").send().await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert!(absent.body.is_empty());
}

async fn what_never_was_is_404_and_what_was_deleted_is_410(backend: Backend) {
    let server = TestServer::start(backend).await;
    let path = format!("Patient/{}", server.create(&patient("Reader")).await);
    server
        .get("Patient/none")
        .await
        .assert_refused(404, "not-found", "Patient");
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    server
        .get(&path)
        .await
        .assert_refused(410, "deleted", "version 2");
}
