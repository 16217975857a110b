//! Forms that other sites send in somebody's name: every form of every page refuses them.
//!
//! The forms are read from the sources that mount them, so that a new one cannot be forgotten.
//! Spec: OWASP Cross-Site Request Forgery Prevention.

use std::fs;
use std::path::Path;

use http::Method;

use crate::support::people::{Browser, add_user};
use crate::support::server::{Answer, Backend, TestServer};
use crate::support::smart::{issuer, smart_server};

/// Paths of pages that take forms.
fn forms() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portal");
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for rest in text.split(".route(").skip(1) {
            let route = rest.split(';').next().unwrap();
            let path = route
                .trim_start()
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next());
            if let Some(path) = path.filter(|_| route.contains("post(")) {
                found.push(path.replace(['{', '}'], ""));
            }
        }
    }
    assert!(found.iter().any(|path| path == "/sign-in"), "{found:?}");
    found
}

async fn send(
    server: &TestServer,
    browser: &Browser<'_>,
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let url = format!("{}{path}", issuer(server));
    let cookies: Vec<_> = browser
        .cookies
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let mut call = server
        .request(Method::POST, &url)
        .header("cookie", &cookies.join("; "))
        .body(body.to_owned());
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_form_is_taken_from_another_site() {
    let server = smart_server(Backend::Embedded).await;
    add_user(&server, "ada@example.org", "patient", &[]);
    let mut browser = Browser::new(&server);
    browser.sign_in("ada@example.org").await;
    browser.open("/account").await;
    let mut stranger = Browser::new(&server);
    stranger.open("/sign-in").await;
    let session = browser.session().unwrap().to_owned();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let (own, foreign) = (
        format!("csrf={}", browser.csrf),
        format!("csrf={}", stranger.csrf),
    );
    for path in forms() {
        for (what, body, headers) in [
            ("nothing", "", &[form][..]),
            ("an empty token", "csrf=", &[form]),
            ("the token of somebody else", &foreign, &[form]),
            ("a text", &own, &[("content-type", "text/plain")]),
            (
                "another origin",
                &own,
                &[form, ("origin", "https://evil.example.com")],
            ),
            (
                "no origin from another site",
                &own,
                &[form, ("origin", "null"), ("sec-fetch-site", "cross-site")],
            ),
            (
                "another site",
                &own,
                &[form, ("sec-fetch-site", "cross-site")],
            ),
        ] {
            let answer = send(&server, &browser, &path, body, headers).await;
            let status = answer.status.as_u16();
            assert!((400..500).contains(&status), "{path} with {what}: {status}");
        }
    }
    // Nothing of it ended or changed the session.
    assert_eq!(browser.open("/account").await.status, 200);
    assert_eq!(browser.session(), Some(session.as_str()));
}
