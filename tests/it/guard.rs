//! An open server and the pages of other sites: forms they post, names they rebind.

use http::{Method, StatusCode};

use crate::support::server::{Answer, Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    a_page_of_another_site_is_refused,
    pages_that_may_call_are_let_in,
);

const FOREIGN: &str = "https://pages.example.com";

/// Posts a form as a page can, without asking first.
async fn erase(server: &TestServer, id: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = server.request(Method::POST, &format!("Patient/{id}/$erase"));
    call = call.header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

async fn a_page_of_another_site_is_refused(backend: Backend) {
    let server = TestServer::start(backend).await;
    let id = server.create(&patient("Ada")).await;
    for headers in [
        &[("origin", FOREIGN)][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("host", "rebound.example.com")],
    ] {
        let answer = erase(&server, &id, headers).await;
        answer.assert_refused(403, "forbidden", "");
    }
    let path = format!("Patient/{id}");
    let call = server.request(Method::GET, &path);
    let rebound = call.header("host", "rebound.example.com:8080").send().await;
    rebound.assert_refused(403, "forbidden", "this machine");
    let metrics = server.base.replace("/fhir", "/metrics");
    let call = server.request(Method::GET, &metrics);
    let rebound = call.header("host", "rebound.example.com").send().await;
    assert_eq!(rebound.status, StatusCode::FORBIDDEN);
    assert_eq!(server.get(&path).await.status, StatusCode::OK);
}

async fn pages_that_may_call_are_let_in(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.rest.cors_origins = vec![FOREIGN.to_owned()];
    })
    .await;
    let path = format!("Patient/{}", server.create(&patient("Ada")).await);
    let own = server.base.replace("/fhir", "");
    for headers in [
        &[("origin", FOREIGN), ("sec-fetch-site", "cross-site")][..],
        &[("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
        &[("origin", "http://localhost:3000")],
        &[("sec-fetch-site", "none")],
        &[("host", "localhost")],
    ] {
        let mut call = server.request(Method::GET, &path);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        assert_eq!(call.send().await.status, StatusCode::OK, "{headers:?}");
    }
}
