//! Signing in with an outside OpenID provider: npm's `oidc-provider`, run on this machine.
//!
//! OpenID Connect Core 1.0 sections 3.1.2 and 3.1.3.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use http::{Method, StatusCode};
use tokio::net::TcpListener;
use vesta::config::{AccessMode, Config};

use crate::support::clients;
use crate::support::mail::path;
use crate::support::people::{Browser, user};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(people_sign_in_elsewhere);

/// A provider that runs while this lives.
struct Provider {
    issuer: String,
    child: Child,
    /// Kept open: a provider that cannot write its warnings ends.
    _output: BufReader<ChildStdout>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Starts a provider for a server at an address.
async fn provider(redirect_uri: String) -> Provider {
    let started = tokio::task::spawn_blocking(move || {
        let mut command = clients::node("oidc_provider.mjs").unwrap_or_else(|e| panic!("{e}"));
        let mut child = command
            .arg(redirect_uri)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut issuer = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut issuer).unwrap();
        let issuer = issuer.trim().to_owned();
        Provider {
            issuer,
            child,
            _output: output,
        }
    });
    started.await.unwrap()
}

/// A server that knows a provider, which knows the server.
async fn both(backend: Backend) -> (TestServer, Provider) {
    // The provider has to know the port before the server listens on it.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let provider = provider(format!("http://{address}/sign-in/provider/callback")).await;
    let issuer = provider.issuer.clone();
    let server = TestServer::start_with(backend, |config: &mut Config| {
        config.access = AccessMode::Smart;
        config.listen = address;
        config.openid.issuer = Some(issuer);
        config.openid.name = "St. Mary's".to_owned();
        config.openid.client_id = Some("vesta".to_owned());
        config.openid.client_secret = Some("vesta-secret-of-this-test".to_owned());
        config.openid.scopes = vec!["profile".to_owned()];
        config.openid.roles = vec![
            "doctors=practitioner".to_owned(),
            "people=patient".to_owned(),
        ];
    });
    (server.await, provider)
}

/// Goes to the provider as somebody, who agrees there to what they are asked; where the provider
/// sends the browser back to.
async fn at_provider(server: &TestServer, start: &str, account: &str) -> String {
    let mut cookies = Vec::<String>::new();
    let mut url = start.to_owned();
    for _ in 0..12 {
        let is_form = url.contains("/interaction/");
        let method = if is_form { Method::POST } else { Method::GET };
        let mut call = server
            .request(method, &url)
            .header("cookie", &cookies.join("; "));
        if is_form {
            call = call.body(format!("account={account}"));
            call = call.header("content-type", "application/x-www-form-urlencoded");
        }
        let answer = call.send().await;
        for value in answer.headers.get_all("set-cookie") {
            let pair = value
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .to_owned();
            let name = pair.split_once('=').unwrap().0.to_owned() + "=";
            cookies.retain(|cookie| !cookie.starts_with(&name));
            cookies.push(pair);
        }
        let place = answer.header("location").to_owned();
        assert!(
            !place.is_empty(),
            "{url}: {} {}",
            answer.status,
            answer.text()
        );
        if place.contains("/sign-in/provider/callback") {
            return path(&place);
        }
        url = if place.starts_with('/') {
            let (scheme, rest) = start.split_once("://").unwrap();
            format!("{scheme}://{}{place}", rest.split('/').next().unwrap())
        } else {
            place
        };
    }
    panic!("the provider goes in a circle");
}

#[expect(
    clippy::cognitive_complexity,
    clippy::too_many_lines,
    reason = "one story, told in the order in which it happens"
)]
async fn people_sign_in_elsewhere(backend: Backend) {
    let (server, _provider) = both(backend).await;
    let mut browser = Browser::new(&server);
    let page = browser.open("/sign-in?next=/account/security").await.text();
    assert!(page.contains("Sign in with St. Mary&#39;s"), "{page}");
    let away = browser
        .open("/sign-in/provider?next=/account/security")
        .await;
    let start = away.header("location").to_owned();
    assert!(start.contains("code_challenge_method=S256"), "{start}");
    assert!(start.contains("nonce="), "{start}");
    let back = at_provider(&server, &start, "patient-7").await;
    // Another browser cannot be signed in with this one's answer, nor with a forged one.
    let mut other = Browser::new(&server);
    assert_eq!(other.open(&back).await.status, StatusCode::GONE);
    other.open("/sign-in").await;
    assert_eq!(other.open(&back).await.status, StatusCode::GONE);
    let (_, query) = back.split_once('?').unwrap();
    for forged in [
        "state=x&code=y".to_owned(),
        query.replace("state=", "state=0"),
        String::new(),
    ] {
        let answer = browser
            .open(&format!("/sign-in/provider/callback?{forged}"))
            .await;
        assert_eq!(answer.status, StatusCode::GONE, "{forged}");
    }
    assert_eq!(browser.session(), None);
    let answer = browser.open(&back).await;
    assert_eq!(
        answer.header("location"),
        "/account/security",
        "{}",
        answer.text()
    );
    assert!(user(&server, &["list"]).contains("active patient Patient/7 \"Person patient-7\""));
    assert_eq!(browser.open(&back).await.status, StatusCode::GONE);

    // A clinician needs a second factor, which the provider says nothing of.
    let away = browser
        .open("/sign-in/provider")
        .await
        .header("location")
        .to_owned();
    let back = at_provider(&server, &away, "doctor-3").await;
    let answer = browser.open(&back).await;
    assert_eq!(
        answer.header("location"),
        "/second-factor/new",
        "{}",
        answer.text()
    );
    // Somebody without a role here gets no account.
    let away = browser
        .open("/sign-in/provider")
        .await
        .header("location")
        .to_owned();
    let back = at_provider(&server, &away, "stranger-1").await;
    let answer = browser.open(&back).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert!(answer.text().contains("has not given you a role"));
    assert_eq!(user(&server, &["list"]).lines().count(), 2);
    // The same person comes back to the same account, until it is disabled.
    let mut again = Browser::new(&server);
    let away = again
        .open("/sign-in/provider")
        .await
        .header("location")
        .to_owned();
    let back = at_provider(&server, &away, "patient-7").await;
    assert_eq!(again.open(&back).await.header("location"), "/account");
    let listed = user(&server, &["list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let line = listed
        .lines()
        .find(|line| line.contains("Patient/7"))
        .unwrap();
    user(&server, &["disable", line.split(' ').next().unwrap()]);
    assert_eq!(again.open("/account").await.status, StatusCode::SEE_OTHER);
    let away = again
        .open("/sign-in/provider")
        .await
        .header("location")
        .to_owned();
    let back = at_provider(&server, &away, "patient-7").await;
    assert_eq!(again.open(&back).await.status, StatusCode::UNAUTHORIZED);
}
