//! Requests whose head cannot be read, by raw sockets: every refusal comes with an outcome.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::server::{Backend, TestServer};

/// Sends bytes and gives back status and body of the answer.
async fn send(server: &TestServer, request: &str) -> (u16, String) {
    let address = server.base.replace("http://", "").replace("/fhir", "");
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let sending = async {
        // The server may have answered and closed before all of it was sent.
        let _sent = writing.write_all(request.as_bytes()).await;
    };
    let mut answer = Vec::new();
    let ((), _read) = futures::join!(sending, reading.read_to_end(&mut answer));
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
    assert!(
        head.contains("content-type: application/fhir+json"),
        "{head}"
    );
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_comes_with_an_outcome() {
    let server = TestServer::start(Backend::Embedded).await;
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let many = "x-some: 1\r\n".repeat(200);
    let long = format!("x-long: {}\r\n", "x".repeat(600_000));
    for (request, status, says) in [
        (
            get(&format!("/fhir/Patient?name={}", "x".repeat(70_000)), ""),
            414,
            "_search",
        ),
        (get("/fhir/Patient", &many), 431, "headers"),
        (get("/fhir/Patient", &long), 431, "headers"),
        ("GET\r\n\r\n".to_owned(), 400, "HTTP/1.1"),
        (get("/fhir/Patient", "bad header\r\n"), 400, "HTTP/1.1"),
        // What handlers and layers answer stays theirs.
        (get("/fhir/Nothing", ""), 404, "resource type"),
        (get("/nowhere", ""), 404, "/fhir"),
        (get("/fhir/Patient/a%20b", ""), 400, "An id is"),
        (
            get("/fhir/metadata", "Accept: text/turtle\r\n"),
            406,
            "Accept",
        ),
        (
            get("/fhir/metadata", "").replace("GET", "BREW"),
            405,
            "method",
        ),
        (
            get("/fhir", "Content-Encoding: lzma\r\n").replace("GET", "POST"),
            415,
            "gzip",
        ),
    ] {
        let (answered, body) = send(&server, &request).await;
        assert_eq!(answered, status, "{body}");
        let outcome: Value = serde_json::from_str(&body).expect(&body);
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        assert!(body.contains(says), "{says:?} is not in {body}");
    }
}
