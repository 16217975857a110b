//! People who sign in: accounts made as an operator makes them, and browsers without scripts that
//! keep cookies and send the forms of pages.

use std::collections::BTreeMap;

use http::{Method, StatusCode};

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
