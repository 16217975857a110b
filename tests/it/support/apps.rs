//! Apps that people let in: registered as an operator does, sent through the pages by a browser
//! without scripts, and their tokens.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use oauth2::url::Url;
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Value, json};

use crate::support::people::{Browser, add_user, field};
use crate::support::server::{Answer, TestServer};
use crate::support::smart::{
    ClientKey, SmartClient, get_as, issuer, post_form, put_as, smart_server,
};

/// Where apps of tests are answered.
pub(crate) const REDIRECT: &str = "https://app.example.org/callback";

/// Where they are launched.
pub(crate) const LAUNCH: &str = "https://app.example.org/launch";

/// Everything that a patient's app is registered with.
pub(crate) const SCOPES: [&str; 9] = [
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "offline_access",
    "online_access",
    "patient/*.cruds",
    "user/*.cruds",
];

/// An app.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) client_id: String,
    pub(crate) secret: Option<String>,
}

/// What came back from an authorization request.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) place: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Back {
    /// Reads the place that a browser is sent to.
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        let url = Url::parse(answer.header("location")).unwrap();
        let parameters = url.query_pairs().into_owned().collect();
        let mut place = url;
        place.set_query(None);
        Self {
            place: place.into(),
            parameters,
        }
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

impl App {
    /// Registers an app of a kind, with scopes.
    pub(crate) fn register(server: &TestServer, kind: &str, scopes: &[&str]) -> Self {
        Self::register_with(server, kind, scopes, &[])
    }

    /// As [`App::register`], with further options.
    pub(crate) fn register_with(
        server: &TestServer,
        kind: &str,
        scopes: &[&str],
        options: &[&str],
    ) -> Self {
        let mut arguments = vec!["client", "add", "--name", "Heart Diary", "--kind", kind];
        arguments.extend(["--redirect-uri", REDIRECT]);
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        arguments.extend(options);
        let output = server.vesta(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name).map(ToOwned::to_owned))
        };
        Self {
            client_id: line("client_id: ").unwrap(),
            secret: line("client_secret: "),
        }
    }

    /// A good authorization request.
    pub(crate) fn request(&self, server: &TestServer, scope: &str) -> BTreeMap<String, String> {
        let pairs = [
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", REDIRECT),
            ("scope", scope),
            ("state", "af0ifjsldkj"),
            ("aud", &server.base),
            ("code_challenge", &challenge()),
            ("code_challenge_method", "S256"),
        ];
        let pairs = pairs.into_iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// A good token request for a code.
    pub(crate) fn exchange(&self, code: &str) -> Vec<(String, String)> {
        let mut form = pairs(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ]);
        form.extend(self.credentials());
        form
    }

    /// A refresh.
    pub(crate) fn refresh(&self, token: &str, scope: Option<&str>) -> Vec<(String, String)> {
        let mut form = pairs(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
        form.extend(scope.map(|scope| ("scope".to_owned(), scope.to_owned())));
        form.extend(self.credentials());
        form
    }

    /// Its credentials as parameters of a form.
    pub(crate) fn credentials(&self) -> Vec<(String, String)> {
        let mut form = pairs(&[("client_id", &self.client_id)]);
        let secret = self.secret.clone();
        form.extend(secret.map(|secret| ("client_secret".to_owned(), secret)));
        form
    }

    /// Its credentials as HTTP Basic has them.
    pub(crate) fn basic(&self) -> String {
        let secret = self.secret.as_deref().unwrap_or_default();
        let text = format!("{}:{secret}", self.client_id);
        format!("Basic {}", STANDARD.encode(text))
    }

    /// What the token endpoint answers to the code that a signed-in browser gets by agreeing.
    pub(crate) async fn connect(
        &self,
        server: &TestServer,
        browser: &mut Browser<'_>,
        scope: &str,
    ) -> Value {
        let back = self.agree(server, browser, scope, &[]).await;
        let answer = post_form(server, "/oauth/token", &self.exchange(back.get("code"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// Sends a signed-in browser through the pages; it agrees, but for the fields that are changed.
    pub(crate) async fn agree(
        &self,
        server: &TestServer,
        browser: &mut Browser<'_>,
        scope: &str,
        changes: &[(&str, &str)],
    ) -> Back {
        let page = self
            .ask(server, browser, &self.request(server, scope))
            .await;
        Back::of(&send_consent(browser, &page, changes).await)
    }

    /// Opens the consent page of a request; its path and content.
    pub(crate) async fn ask(
        &self,
        _server: &TestServer,
        browser: &mut Browser<'_>,
        request: &BTreeMap<String, String>,
    ) -> ConsentPage {
        let answer = browser.open(&path(request)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        let path = answer.header("location").to_owned();
        assert!(path.starts_with("/oauth/consent/"), "{path}");
        let answer = browser.open(&path).await;
        ConsentPage { path, answer }
    }
}

/// A page on which a person agrees.
#[derive(Debug)]
pub(crate) struct ConsentPage {
    pub(crate) path: String,
    pub(crate) answer: Answer,
}

/// Sends the form of a consent page as it is shown, but for some fields: an empty value leaves one
/// out.
pub(crate) async fn send_consent(
    browser: &mut Browser<'_>,
    page: &ConsentPage,
    changes: &[(&str, &str)],
) -> Answer {
    assert_eq!(page.answer.status, StatusCode::OK, "{}", page.answer.text());
    let text = page.answer.text();
    let mut fields: Vec<(String, String)> = Vec::new();
    for part in text.split("type=\"checkbox\"").skip(1) {
        let tag = part.split('>').next().unwrap();
        let name = tag
            .split("name=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        if tag.contains(" checked") {
            fields.push((name.to_owned(), "on".to_owned()));
        }
    }
    fields.push(("lasts".to_owned(), "year".to_owned()));
    fields.push(("answer".to_owned(), "allow".to_owned()));
    for (name, _) in changes {
        fields.retain(|(known, _)| known != name);
    }
    let given = changes.iter().filter(|(_, value)| !value.is_empty());
    fields.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert!(field(&page.answer, "csrf").is_some());
    browser.send(&page.path, &fields).await
}

/// The path of an authorization request.
pub(crate) fn path(request: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = request.clone().into_iter().collect();
    format!("/oauth/authorize?{}", vesta::fhir::query::encode(&pairs))
}

/// What every app of tests proves itself by.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Its challenge.
pub(crate) fn challenge() -> String {
    let verifier = PkceCodeVerifier::new(VERIFIER.to_owned());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    challenge.as_str().to_owned()
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The claims of a token, not verified.
pub(crate) fn claims(token: &Value) -> Value {
    let body = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

/// A server with two patients and their observations; the patient `moll` has an account, `ada`.
pub(crate) async fn clinic(backend: crate::support::server::Backend) -> TestServer {
    let server = smart_server(backend).await;
    fill(&server).await;
    server
}

/// Puts the records of a clinic into a server, and makes the account of its patient.
pub(crate) async fn fill(server: &TestServer) {
    let loader = SmartClient::register(server, ClientKey::elliptic("load"), &["system/*.cruds"]);
    let token = loader.token(server, "system/*.cruds").await;
    let observation = |patient: &str, category: &str| {
        json!({
            "resourceType": "Observation",
            "status": "final",
            "category": [{ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                "code": category,
            }] }],
            "code": { "text": "something" },
            "subject": { "reference": format!("Patient/{patient}") },
        })
    };
    let person = |id: &str, given: &str, family: &str| {
        json!({
            "resourceType": "Patient",
            "id": id,
            "name": [{ "given": [given], "family": family }],
            "birthDate": "1722-01-27",
        })
    };
    let mut moll = person("moll", "Moll", "Flanders");
    moll["generalPractitioner"] = json!([{ "reference": "Practitioner/house" }]);
    for (path, mut body) in [
        (
            "Practitioner/house",
            json!({ "resourceType": "Practitioner" }),
        ),
        ("Patient/moll", moll),
        ("Patient/defoe", person("defoe", "Daniel", "Defoe")),
        ("Observation/m1", observation("moll", "laboratory")),
        ("Observation/m2", observation("moll", "vital-signs")),
        ("Observation/d1", observation("defoe", "laboratory")),
        (
            "Encounter/e1",
            json!({
                "resourceType": "Encounter",
                "status": "finished",
                "class": { "code": "AMB" },
                "subject": { "reference": "Patient/moll" },
            }),
        ),
        (
            "Immunization/i1",
            json!({
                "resourceType": "Immunization",
                "status": "completed",
                "vaccineCode": { "text": "smallpox" },
                "patient": { "reference": "Patient/moll" },
                "occurrenceDateTime": "1799-05-14",
            }),
        ),
    ] {
        body["id"] = json!(path.split('/').nth(1).unwrap());
        let put = put_as(server, &token, path, &body).await;
        assert_eq!(put.status, StatusCode::CREATED, "{path}: {}", put.text());
    }
    add_user(server, "ada", "patient", &["--fhir-user", "Patient/moll"]);
}

/// A browser in which the patient of a clinic is signed in.
pub(crate) async fn patient_browser(server: &TestServer) -> Browser<'_> {
    let mut browser = Browser::new(server);
    browser.sign_in("ada").await;
    browser
}

/// Posts a form with an `Authorization` header.
pub(crate) async fn post_form_with(
    server: &TestServer,
    path: &str,
    form: &[(String, String)],
    (name, value): (&'static str, &str),
) -> Answer {
    let url = format!("{}{path}", issuer(server));
    server
        .request(Method::POST, &url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header(name, value)
        .body(vesta::fhir::query::encode(form))
        .send()
        .await
}

/// Whether a token opens a path.
pub(crate) async fn opens(server: &TestServer, token: &Value, path: &str) -> u16 {
    let answer = get_as(server, token.as_str().unwrap(), path).await;
    answer.status.as_u16()
}

/// Asserts an OAuth error.
pub(crate) fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.json()["error"], code, "{}", answer.text());
    assert!(answer.header("cache-control").contains("no-store"));
}
