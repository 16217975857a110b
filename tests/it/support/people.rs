//! People who sign in: accounts made as an operator makes them, and browsers without scripts that
//! keep cookies and send the forms of pages.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use totp_rs::{Builder, Secret};
use vesta::clock::Clock;

use crate::support::server::{Answer, TestServer};
use crate::support::smart::{fresh, issuer};

/// A password that is good enough.
pub(crate) const PASSWORD: &str = "teal-otter-quietly-dancing";

/// Runs `vesta user` and gives back what it prints.
pub(crate) fn user(server: &TestServer, arguments: &[&str]) -> String {
    let all: Vec<&str> = std::iter::once("user")
        .chain(arguments.iter().copied())
        .collect();
    let output = server.vesta(&all);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Adds somebody with [`PASSWORD`]; `more` are further options.
pub(crate) fn add_user(server: &TestServer, sign_in_name: &str, role: &str, more: &[&str]) {
    let path = server.directory().join(format!("{}.password", fresh()));
    std::fs::write(&path, format!("{PASSWORD}\n")).unwrap();
    let path = path.display().to_string();
    let fixed = [
        "add",
        sign_in_name,
        "--role",
        role,
        "--password-file",
        &path,
    ];
    let name = ["--name", "Ada Lovelace"];
    user(server, &[&fixed[..], &name, more].concat());
}

/// A browser without scripts.
pub(crate) struct Browser<'a> {
    server: &'a TestServer,
    pub(crate) cookies: BTreeMap<String, String>,
    /// What the forms of the last page carry.
    pub(crate) csrf: String,
}

impl<'a> Browser<'a> {
    /// A browser that was nowhere yet.
    pub(crate) fn new(server: &'a TestServer) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
            csrf: String::new(),
        }
    }

    /// Opens a page; redirects are for the test to follow.
    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    /// Sends a form with what the last page gave it.
    pub(crate) async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let fields = [&[("csrf", csrf.as_str())], fields].concat();
        self.send_raw(path, &fields).await
    }

    /// Sends a form as it is.
    pub(crate) async fn send_raw(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let pairs: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let body = vesta::fhir::query::encode(&pairs);
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(&mut self, method: Method, path: &str, form: Option<String>) -> Answer {
        let url = format!("{}{path}", issuer(self.server));
        let mut call = self.server.request(method, &url);
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        if !cookies.is_empty() {
            call = call.header("cookie", &cookies.join("; "));
        }
        if let Some(form) = form {
            call = call
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form);
        }
        let answer = call.send().await;
        for value in answer.headers.get_all("set-cookie") {
            self.keep(value.to_str().unwrap());
        }
        if let Some(csrf) = field(&answer, "csrf") {
            self.csrf = csrf;
        }
        answer
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, rest) = cookie.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        assert!(rest.contains("HttpOnly"), "{cookie}");
        assert!(rest.contains("SameSite=Lax"), "{cookie}");
        if rest.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Tries to sign in with name and password.
    pub(crate) async fn try_sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.open("/sign-in").await;
        self.send("/sign-in", &[("name", name), ("password", password)])
            .await
    }

    /// Signs in somebody whom [`add_user`] has made and who needs no second factor.
    pub(crate) async fn sign_in(&mut self, name: &str) {
        let answer = self.try_sign_in(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        assert_eq!(answer.header("location"), "/account");
    }

    /// Opens a link and chooses a password there.
    pub(crate) async fn choose_password(&mut self, link: &str, password: &str) -> Answer {
        let page = self.open(link).await;
        assert_eq!(page.status, StatusCode::OK, "{link}: {}", page.text());
        let (path, token) = link.split_once("?t=").unwrap();
        let fields = [("t", token), ("password", password), ("again", password)];
        self.send(path, &fields).await
    }

    /// The token of its session.
    pub(crate) fn session(&self) -> Option<&str> {
        self.cookies.get("vesta-session").map(String::as_str)
    }
}

/// The value that a page gives a field.
pub(crate) fn field(answer: &Answer, name: &str) -> Option<String> {
    let text = answer.text();
    let (_, rest) = text.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The secret that a page shows, to be put into an authenticator app.
pub(crate) fn secret_of(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text.split_once("<span class=\"secret\">").unwrap();
    rest.split_once('<').unwrap().0.replace(' ', "")
}

/// The code that an authenticator app shows at a moment.
pub(crate) fn authenticator(secret: &str, now_ms: i64) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(now_ms / 1_000).unwrap())
        .to_string()
}

/// Signs in somebody whom [`add_user`] has made and whose role needs a second factor, which they
/// set up; the secret of their app.
pub(crate) async fn enrol(browser: &mut Browser<'_>, name: &str, clock: &dyn Clock) -> String {
    let answer = browser.try_sign_in(name, PASSWORD).await;
    assert_eq!(answer.header("location"), "/second-factor/new");
    let secret = secret_of(&browser.open("/second-factor/new").await);
    let code = authenticator(&secret, clock.now_ms());
    let shown = browser.send("/second-factor/new", &[("code", &code)]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
    secret
}
