//! Clients whose public keys are at a URL of theirs.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, post_form, smart_server};

on_both_stores!(
    keys_are_fetched_and_kept_as_long_as_they_may,
    keys_that_may_not_be_kept_are_fetched_anew,
    keys_that_cannot_be_fetched_let_nobody_in,
);

/// A place that publishes keys, and counts how often they are fetched.
#[derive(Clone)]
struct Publisher {
    url: String,
    answer: Arc<Mutex<String>>,
    fetched: Arc<AtomicUsize>,
}

impl Publisher {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let publisher = Self {
            url: format!("http://{}/keys", listener.local_addr().unwrap()),
            answer: Arc::default(),
            fetched: Arc::default(),
        };
        let own = publisher.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 4_096];
                let _read = stream.read(&mut asked).await.unwrap();
                own.fetched.fetch_add(1, Ordering::SeqCst);
                let answer = own.answer.lock().unwrap().clone();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        publisher
    }

    fn publish(&self, keys: &[&Value], caching: &str) {
        let body = json!({ "keys": keys }).to_string();
        *self.answer.lock().unwrap() = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: {caching}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }
}

fn register(server: &TestServer, publisher: &Publisher, key: ClientKey) -> SmartClient {
    SmartClient::register_by_url(server, key, &["system/*.rs"], &publisher.url)
}

async fn ask(server: &TestServer, client: &SmartClient) -> Answer {
    client.ask(server, "system/*.rs").await
}

async fn keys_are_fetched_and_kept_as_long_as_they_may(backend: Backend) {
    let server = smart_server(backend).await;
    let publisher = Publisher::start().await;
    let client = register(&server, &publisher, ClientKey::elliptic("one"));
    publisher.publish(&[&client.key.public], "max-age=600");
    for _ in 0..3 {
        let answer = ask(&server, &client).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    assert_eq!(publisher.fetched(), 1);
}

async fn keys_that_may_not_be_kept_are_fetched_anew(backend: Backend) {
    let server = smart_server(backend).await;
    let publisher = Publisher::start().await;
    let mut client = register(&server, &publisher, ClientKey::rsa("one"));
    publisher.publish(&[&client.key.public], "no-store");
    assert_eq!(ask(&server, &client).await.status, StatusCode::OK);
    // The client has another key from now on: the old one is good no longer.
    let new = ClientKey::elliptic("two");
    publisher.publish(&[&new.public], "no-store");
    assert_eq!(ask(&server, &client).await.status, StatusCode::UNAUTHORIZED);
    client.key = new;
    assert_eq!(ask(&server, &client).await.status, StatusCode::OK);
    assert_eq!(publisher.fetched(), 3);
}

async fn keys_that_cannot_be_fetched_let_nobody_in(backend: Backend) {
    let server = smart_server(backend).await;
    let publisher = Publisher::start().await;
    let client = register(&server, &publisher, ClientKey::elliptic("one"));
    for answer in [
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
        "nonsense",
    ] {
        answer.clone_into(&mut publisher.answer.lock().unwrap());
        let refused = ask(&server, &client).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{answer}");
        assert!(!refused.text().contains("127.0.0.1"), "{}", refused.text());
    }
    // Without a signature none are fetched at all.
    let before = publisher.fetched();
    let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
    form.push(("client_id".to_owned(), client.client_id.clone()));
    let refused = post_form(&server, "/oauth/token", &form).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(publisher.fetched(), before);
}
