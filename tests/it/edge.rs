//! The edge to the network: headers of every answer, proxies, limits on what one party may ask for
//! and on how slowly it may send, and who may see how the server is.
//!
//! Spec: RFC 7239, RFC 6585 section 4, RFC 8414 section 3.1.

use http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vesta::config::{AccessMode, Config};
use vesta::server::Server;

use crate::support::server::{Answer, Backend, TestServer, on_both_stores, patient};
use crate::support::smart::{
    ClientKey, SmartClient, assertion, fresh, get_as, issuer, now_s, post_form, smart_server,
};

on_both_stores!(a_client_has_what_a_minute_brings);

async fn smart_with(backend: Backend, change: fn(&mut Config)) -> TestServer {
    TestServer::start_with(backend, |config| {
        config.access = AccessMode::Smart;
        change(config);
    })
    .await
}

async fn ask(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    let url = format!("{}{path}", issuer(server));
    let mut call = server.request(Method::GET, &url);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_surface_has_the_headers() {
    let server = smart_server(Backend::Embedded).await;
    for path in [
        "/fhir/metadata",
        "/fhir/Patient/1",
        "/fhir/Nothing",
        "/nowhere",
        "/livez",
        "/readyz",
        "/metrics",
        "/oauth/token",
        "/oauth/jwks",
        "/.well-known/oauth-authorization-server",
        "/fhir/.well-known/smart-configuration",
        "/sign-in",
        "/account",
    ] {
        let answer = ask(&server, path, &[]).await;
        for (name, says) in [
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            let value = answer.header(name);
            assert!(value.contains(says), "{path}: {name}: {value}");
        }
        // Without encryption a browser must not be told to insist on it.
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_the_server_is_is_told_to_this_machine_only() {
    let server = smart_server(Backend::Embedded).await;
    for path in ["/readyz", "/metrics"] {
        assert_eq!(ask(&server, path, &[]).await.status, StatusCode::OK);
        for header in [
            ("x-forwarded-for", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
        ] {
            let answer = ask(&server, path, &[header]).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path} {header:?}");
        }
    }
    let alive = ask(&server, "/livez", &[("x-forwarded-for", "192.0.2.1")]).await;
    assert_eq!(alive.status, StatusCode::OK);
    let server = smart_with(Backend::Embedded, |config| {
        config.proxy.trusted = vec!["127.0.0.1".parse().unwrap()];
        config.operations.allowed = vec!["192.0.2.0/24".parse().unwrap()];
    })
    .await;
    for (address, status) in [("192.0.2.7", 200), ("203.0.113.7", 404), ("127.0.0.1", 404)] {
        let answer = ask(&server, "/metrics", &[("x-forwarded-for", address)]).await;
        assert_eq!(answer.status.as_u16(), status, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_unencrypted_to_the_proxy_is_refused() {
    let server = smart_with(Backend::Embedded, |config| {
        config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    for (headers, status) in [
        (
            &[
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-proto", "http"),
            ][..],
            403,
        ),
        (&[("x-forwarded-proto", "http")], 403),
        (&[("forwarded", "for=192.0.2.1;proto=http")], 403),
        (
            &[
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-proto", "https"),
            ],
            200,
        ),
        (&[], 200),
    ] {
        let answer = ask(&server, "/fhir/metadata", headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
    }
    // Who is no proxy is not believed.
    let server = smart_server(Backend::Embedded).await;
    let answer = ask(&server, "/fhir/metadata", &[("x-forwarded-proto", "http")]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_counted_apart_behind_a_proxy() {
    let server = smart_with(Backend::Embedded, |config| {
        config.proxy.trusted = vec!["127.0.0.1".parse().unwrap()];
        config.rate.address_units_per_minute_max = 2;
    })
    .await;
    let ask = async |from: &str| ask(&server, "/fhir/metadata", &[("x-forwarded-for", from)]).await;
    for from in [
        "192.0.2.1",
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8::1",
        "2001:db8::2",
    ] {
        assert_eq!(ask(from).await.status, StatusCode::OK, "{from}");
    }
    for from in ["192.0.2.1", "2001:db8::3"] {
        let refused = ask(from).await;
        refused.assert_refused(429, "throttled", "Try again in");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
    }
    // A client that writes the header itself stays who it is.
    let spoofed = ask("203.0.113.9, 192.0.2.1").await;
    spoofed.assert_refused(429, "throttled", "Try again in");
    assert_eq!(ask("2001:db8:0:1::1").await.status, StatusCode::OK);
}

async fn a_client_has_what_a_minute_brings(backend: Backend) {
    let server = smart_with(backend, |config| {
        config.rate.client_units_per_minute_max = 5;
    })
    .await;
    let one = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let other = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let first = one.token(&server, "system/*.rs").await;
    let second = one.token(&server, "system/Patient.rs").await;
    let answer = get_as(&server, &first, "Patient").await;
    assert_eq!(answer.status, StatusCode::OK);
    // Another token of the same client has no minute of its own.
    for token in [&first, &second] {
        let refused = get_as(&server, token, "Patient").await;
        refused.assert_refused(429, "throttled", "Try again in");
        assert!(!refused.header("retry-after").is_empty());
    }
    let free = other.token(&server, "system/*.rs").await;
    let answer = get_as(&server, &free, "Patient").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(server.get("metadata").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_uses_up_what_another_client_has() {
    let server = smart_with(Backend::Embedded, |config| {
        config.smart.client_requests_per_minute_max = 2;
    })
    .await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let forger = ClientKey::elliptic("k");
    for _ in 0..5 {
        let claims = json!({
            "iss": client.client_id, "sub": client.client_id, "exp": now_s() + 60, "jti": fresh(),
        });
        let mut header = jsonwebtoken::Header::new(forger.algorithm);
        header.kid = Some("k".to_owned());
        let signed = jsonwebtoken::encode(&header, &claims, &forger.encoding).unwrap();
        let mut form = assertion(&signed);
        form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
        let answer = post_form(&server, "/oauth/token", &form).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for _ in 0..2 {
        let answer = client.ask(&server, "system/*.rs").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let answer = client.ask(&server, "system/*.rs").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "60");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_sending_is_not_waited_for() {
    let server = TestServer::start_with(Backend::Embedded, |config| {
        config.limits.body_pause_seconds_max = 1;
    })
    .await;
    let address = server.base.replace("http://", "").replace("/fhir", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let body = patient("Slow").to_string();
    let head = format!(
        "POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n\
         Content-Length: {}\r\n\r\n{}",
        body.len(),
        body.get(..5).unwrap()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ended = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains("\"timeout\"") && answer.contains("1 seconds"),
        "{answer}"
    );
    let found = server.get("Patient?_summary=count").await.json();
    assert_eq!(found["total"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_with_a_path_is_found_behind_it() {
    let mut base = smart_server(Backend::Embedded).await;
    base.stop().await;
    let mut config = base.config.clone();
    config.base_url = Some("https://records.example.org/a/b".to_owned());
    config.store = config.store.replace("data", "elsewhere");
    let server = Server::start(&config).await.unwrap();
    let root = format!("http://{}", server.address());
    let known = "/.well-known/oauth-authorization-server";
    for (path, status) in [("/a/b", 200), ("/a/b/", 200), ("/a", 404), ("/b", 404)] {
        let answer = base.get(&format!("{root}{known}{path}")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        if status == 200 {
            let issuer = answer.json()["issuer"].clone();
            assert_eq!(issuer, "https://records.example.org/a/b");
            assert!(
                answer
                    .header("strict-transport-security")
                    .contains("max-age")
            );
        }
    }
    server.stop().await.unwrap();
}
