//! Guessing passwords and credentials: counted whatever the guesser writes of itself.

use http::{Method, StatusCode};

use crate::support::people::{Browser, add_user};
use crate::support::server::{Backend, TestServer};
use crate::support::smart::issuer;

/// Sends a wrong password for a name, with a header that says from where.
async fn guess(server: &TestServer, name: &str, header: (&str, &str)) -> u16 {
    let mut browser = Browser::new(server);
    browser.open("/sign-in").await;
    let fields = [
        ("csrf", browser.csrf.as_str()),
        ("name", name),
        ("password", "wrong-guess"),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let cookies: Vec<_> = browser
        .cookies
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let answer = server
        .request(Method::POST, &format!("{}/sign-in", issuer(server)))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", &cookies.join("; "))
        .header(header.0, header.1)
        .body(vesta::fhir::query::encode(&fields))
        .send()
        .await;
    assert!(!answer.status.is_success() && !answer.status.is_redirection());
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_address_gives_no_new_tries() {
    let server = TestServer::start_with(Backend::Embedded, |config| {
        config.access = vesta::config::AccessMode::Smart;
        config.account.address_tries_max = 4;
    })
    .await;
    add_user(&server, "ada@example.org", "patient", &[]);
    let mut last = 0;
    for number in 0..8 {
        let header = if number % 2 == 0 {
            "x-forwarded-for"
        } else {
            "x-real-ip"
        };
        let name = format!("somebody-{number}@example.org");
        last = guess(&server, &name, (header, &format!("192.0.2.{number}"))).await;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS.as_u16());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_each_client_waits_for_itself() {
    let server = TestServer::start_with(Backend::Embedded, |config| {
        config.access = vesta::config::AccessMode::Smart;
        config.account.address_tries_max = 4;
        config.proxy.trusted = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut last = 0;
    for number in 0..8 {
        let name = format!("somebody-{number}@example.org");
        last = guess(&server, &name, ("x-forwarded-for", "192.0.2.1")).await;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS.as_u16());
    let other = guess(&server, "x@example.org", ("x-forwarded-for", "192.0.2.2")).await;
    assert_ne!(other, StatusCode::TOO_MANY_REQUESTS.as_u16());
}
