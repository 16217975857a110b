//! Clients of the authorization server: keys, assertions, tokens, and requests that carry them.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use vesta::clock::{Clock, SystemClock};
use vesta::config::AccessMode;

use crate::support::server::{Answer, Backend, TestServer};

/// A server that wants access tokens.
pub(crate) async fn smart_server(backend: Backend) -> TestServer {
    TestServer::start_with(backend, |config| config.access = AccessMode::Smart).await
}

/// A key that signs assertions.
pub(crate) struct ClientKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) encoding: EncodingKey,
    pub(crate) public: Value,
}

impl ClientKey {
    /// EC on P-384, which signs with ES384.
    pub(crate) fn elliptic(kid: &str) -> Self {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new());
        let encoding = EncodingKey::from_ec_der(made.unwrap().as_ref());
        Self::of(Algorithm::ES384, encoding, kid)
    }

    /// RSA of 2048 bits, which signs with RS384.
    pub(crate) fn rsa(kid: &str) -> Self {
        let der = KeyPair::generate(KeySize::Rsa2048)
            .unwrap()
            .as_der()
            .unwrap();
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        Self::of(Algorithm::RS384, encoding, kid)
    }

    fn of(algorithm: Algorithm, encoding: EncodingKey, kid: &str) -> Self {
        let mut public = Jwk::from_encoding_key(&encoding, algorithm).unwrap();
        public.common.key_id = Some(kid.to_owned());
        Self {
            algorithm,
            encoding,
            public: serde_json::to_value(&public).unwrap(),
        }
    }

    pub(crate) fn kid(&self) -> &str {
        self.public["kid"].as_str().unwrap()
    }
}

/// A registered client.
pub(crate) struct SmartClient {
    pub(crate) client_id: String,
    pub(crate) key: ClientKey,
    token_endpoint: String,
}

/// Seconds since the epoch.
pub(crate) fn now_s() -> i64 {
    SystemClock.now_ms() / 1_000
}

/// A text that was not used before.
pub(crate) fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The server above the FHIR base.
pub(crate) fn issuer(server: &TestServer) -> &str {
    server.base.strip_suffix("/fhir").unwrap()
}

impl SmartClient {
    /// Registers a client through the command line, as an operator does.
    pub(crate) fn register(server: &TestServer, key: ClientKey, scopes: &[&str]) -> Self {
        Self::register_with(server, key, scopes, &[])
    }

    /// As [`SmartClient::register`], with further options.
    pub(crate) fn register_with(
        server: &TestServer,
        key: ClientKey,
        scopes: &[&str],
        options: &[&str],
    ) -> Self {
        let path = server.directory().join(format!("{}.jwks", fresh()));
        std::fs::write(&path, json!({ "keys": [key.public] }).to_string()).unwrap();
        let path = path.display().to_string();
        let options = [&["--jwks", &path], options].concat();
        Self::add(server, key, scopes, &options)
    }

    /// Registers a client whose keys are at a URL.
    pub(crate) fn register_by_url(
        server: &TestServer,
        key: ClientKey,
        scopes: &[&str],
        url: &str,
    ) -> Self {
        Self::add(server, key, scopes, &["--jwks-uri", url])
    }

    fn add(server: &TestServer, key: ClientKey, scopes: &[&str], options: &[&str]) -> Self {
        let mut arguments = vec!["client", "add", "--name", "a test"];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        arguments.extend(options);
        let output = server.vesta(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let text = String::from_utf8(output.stdout).unwrap();
        let client_id = text.trim().strip_prefix("client_id: ").unwrap();
        Self {
            client_id: client_id.to_owned(),
            key,
            token_endpoint: format!("{}/oauth/token", issuer(server)),
        }
    }

    /// The claims of a good assertion.
    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.token_endpoint,
            "exp": now_s() + 240,
            "jti": fresh(),
        })
    }

    /// Signs claims as an assertion.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.key.algorithm);
        header.kid = Some(self.key.kid().to_owned());
        jsonwebtoken::encode(&header, claims, &self.key.encoding).unwrap()
    }

    /// A good assertion as the parameters of a form.
    pub(crate) fn credentials(&self) -> Vec<(String, String)> {
        assertion(&self.sign(&self.claims()))
    }

    /// Asks for a token.
    pub(crate) async fn ask(&self, server: &TestServer, scope: &str) -> Answer {
        let mut form = self.credentials();
        form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
        form.push(("scope".to_owned(), scope.to_owned()));
        post_form(server, "/oauth/token", &form).await
    }

    /// A token with a scope.
    pub(crate) async fn token(&self, server: &TestServer, scope: &str) -> String {
        let answer = self.ask(server, scope).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// An assertion as the parameters of a form.
pub(crate) fn assertion(signed: &str) -> Vec<(String, String)> {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    vec![
        ("client_assertion_type".to_owned(), kind.to_owned()),
        ("client_assertion".to_owned(), signed.to_owned()),
    ]
}

/// Posts a form to an endpoint of the authorization server.
pub(crate) async fn post_form(
    server: &TestServer,
    path: &str,
    form: &[(String, String)],
) -> Answer {
    post_form_as(server, path, form, None).await
}

/// As [`post_form`], with a bearer's token.
pub(crate) async fn post_form_as(
    server: &TestServer,
    path: &str,
    form: &[(String, String)],
    bearer: Option<&str>,
) -> Answer {
    let url = format!("{}{path}", issuer(server));
    let call = server
        .request(Method::POST, &url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(vesta::fhir::query::encode(form));
    match bearer {
        Some(token) => {
            call.header("authorization", &format!("Bearer {token}"))
                .send()
                .await
        }
        None => call.send().await,
    }
}

/// Gets a path as the bearer of a token.
pub(crate) async fn get_as(server: &TestServer, token: &str, path: &str) -> Answer {
    let call = server.request(Method::GET, path);
    call.header("authorization", &format!("Bearer {token}"))
        .send()
        .await
}

/// Posts a resource as the bearer of a token.
pub(crate) async fn post_as(server: &TestServer, token: &str, path: &str, body: &Value) -> Answer {
    let call = server.request(Method::POST, path).json(body);
    call.header("authorization", &format!("Bearer {token}"))
        .send()
        .await
}

/// Puts a resource as the bearer of a token.
pub(crate) async fn put_as(server: &TestServer, token: &str, path: &str, body: &Value) -> Answer {
    let call = server.request(Method::PUT, path).json(body);
    call.header("authorization", &format!("Bearer {token}"))
        .send()
        .await
}
