//! A real server on a fresh store, and a client that speaks plain HTTP to it.

use std::process::{Command, Output};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use vesta::clock::{Clock, SystemClock};
use vesta::config::{AccessMode, Config};
use vesta::server::Server;

use crate::support::mongod::TestDatabase;

/// Which store a server runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Embedded,
    Mongo,
}

/// A running server with a store of its own.
pub(crate) struct TestServer {
    pub(crate) base: String,
    pub(crate) config: Config,
    clock: Arc<dyn Clock>,
    server: Option<Server>,
    client: HttpClient,
    directory: TempDir,
    database: Option<TestDatabase>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl TestServer {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |_config| {}).await
    }

    /// Starts a server whose settings were changed.
    pub(crate) async fn start_with(backend: Backend, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_at(backend, change, Arc::new(SystemClock)).await
    }

    /// As [`TestServer::start_with`], with a clock of the test's.
    pub(crate) async fn start_at(
        backend: Backend,
        change: impl FnOnce(&mut Config),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let directory = TempDir::new().unwrap();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            access: AccessMode::Open,
            ..Config::default()
        };
        config.keys.file = Some(directory.path().join("vesta.key"));
        let database = match backend {
            Backend::Embedded => {
                config.store = format!("embedded:{}", directory.path().join("data").display());
                None
            }
            Backend::Mongo => {
                let database = TestDatabase::new().await;
                config.store = database.uri();
                Some(database)
            }
        };
        change(&mut config);
        let server = Server::start_with(&config, Arc::clone(&clock));
        let server = server.await.unwrap();
        Self {
            base: server.base_url().to_owned(),
            config,
            clock,
            server: Some(server),
            client: client(),
            directory,
            database,
        }
    }

    /// Stops the server and starts it again on the same store.
    pub(crate) async fn restart(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await.unwrap();
        }
        let server = Server::start_with(&self.config, Arc::clone(&self.clock));
        let server = server.await.unwrap();
        server.base_url().clone_into(&mut self.base);
        self.server = Some(server);
    }

    /// Stops the server and leaves its store.
    pub(crate) async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await.unwrap();
        }
    }

    /// Runs the program with the store and the keys of this server, which may be running.
    pub(crate) fn vesta(&self, arguments: &[&str]) -> Output {
        let key = self.config.keys.file.as_ref().unwrap();
        Command::new(env!("CARGO_BIN_EXE_vesta"))
            .args(arguments)
            .env("VESTA_KEYS__FILE", key)
            .env("VESTA_STORE", &self.config.store)
            .env("VESTA_LOG", "warn")
            .output()
            .unwrap()
    }

    /// What its interactions work with.
    pub(crate) fn context(&self) -> &vesta::interaction::Context {
        self.server.as_ref().unwrap().context()
    }

    /// Who did what.
    pub(crate) fn journal(&self) -> &vesta::audit::journal::Journal {
        self.server.as_ref().unwrap().journal()
    }

    /// Where it listens, whatever its base URL is.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    /// Where it listens for MLLP.
    pub(crate) fn mllp(&self) -> std::net::SocketAddr {
        self.server.as_ref().unwrap().mllp_address().unwrap()
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Its database, when it runs on MongoDB.
    pub(crate) fn database(&self) -> Option<&TestDatabase> {
        self.database.as_ref()
    }

    /// Begins a request for a path below the FHIR base, or for an absolute URL.
    pub(crate) fn request(&self, method: Method, path: &str) -> Call<'_> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else if path.is_empty() || path.starts_with('?') {
            format!("{}{path}", self.base)
        } else {
            format!("{}/{path}", self.base)
        };
        Call {
            server: self,
            method,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path).json(body).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PUT, path).json(body).send().await
    }

    /// Creates a resource and gives back its id.
    pub(crate) async fn create(&self, resource: &Value) -> String {
        let name = resource["resourceType"].as_str().unwrap();
        let answer = self.post(name, resource).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

/// A request being put together.
pub(crate) struct Call<'a> {
    server: &'a TestServer,
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/fhir+json")
            .body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body)).unwrap();
        exchange(&self.server.client, request).await.unwrap()
    }
}

/// What sends requests.
pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends a request; why there is no answer otherwise.
pub(crate) async fn exchange(
    client: &HttpClient,
    request: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    let response = client
        .request(request)
        .await
        .map_err(|error| error.to_string())?;
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

/// A patient with this family name.
pub(crate) fn patient(family: &str) -> Value {
    json!({ "resourceType": "Patient", "name": [{ "family": family }] })
}

/// An entry of a Bundle.
pub(crate) fn entry(method: &str, url: &str, resource: Option<&Value>) -> Value {
    let mut entry = json!({ "request": { "method": method, "url": url } });
    if let Some(resource) = resource {
        entry["resource"] = resource.clone();
    }
    entry
}

/// A Bundle to post.
pub(crate) fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that the request was refused with this status, issue code and text.
    pub(crate) fn assert_refused(&self, status: u16, code: &str, says: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let issues = outcome["issue"].as_array().unwrap();
        let said = issues.iter().any(|issue| {
            let text = issue["diagnostics"].as_str().unwrap_or_default();
            issue["code"] == code
                && (text.contains(says) || issue["expression"].to_string().contains(says))
        });
        assert!(said, "no issue {code:?} says {says:?}: {outcome}");
    }
}

/// Runs cases (`async fn(Backend)`) on every store.
macro_rules! on_both_stores {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::support::server::Backend::Embedded).await;
                }
            )+
        }
        mod mongo {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::support::server::Backend::Mongo).await;
                }
            )+
        }
    };
}
pub(crate) use on_both_stores;
