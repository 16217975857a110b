//! More than the server takes on: answered and ended instead of kept waiting.

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    a_request_too_many_is_told_to_come_again,
    a_head_that_does_not_end_is_not_waited_for,
);

async fn a_request_too_many_is_told_to_come_again(backend: Backend) {
    let none = |config: &mut vesta::config::Config| config.limits.requests_at_once_max = 0;
    let server = TestServer::start_with(backend, none).await;
    let answer = server.get("metadata").await;
    answer.assert_refused(503, "transient", "Try again");
    assert_eq!(answer.header("retry-after"), "2");
    let alive = server.get(&server.base.replace("/fhir", "/livez")).await;
    assert_eq!(alive.status, StatusCode::OK);
}

async fn a_head_that_does_not_end_is_not_waited_for(backend: Backend) {
    let short = |config: &mut vesta::config::Config| config.limits.request_head_seconds_max = 1;
    let server = TestServer::start_with(backend, short).await;
    let address = server.base.replace("http://", "").replace("/fhir", "");
    for head in [
        "",
        "GET",
        "PRI * HTTP",
        "GET /fhir HTTP/1.1\r\nHost: ",
        // The second request on a connection.
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET",
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Without the limit this never ends.
        let _ended = stream.read_to_end(&mut rest).await;
        let answer = String::from_utf8_lossy(&rest);
        let is_answered = head.contains("livez");
        assert_eq!(answer.starts_with("HTTP/1.1 200"), is_answered, "{answer}");
    }
}
