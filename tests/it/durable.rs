//! The real program, killed while clients write, and stopped by a signal.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::mongod::Mongod;
use crate::support::server::{Answer, HttpClient, bundle, client, entry, exchange, patient};

const KILLS: u64 = 3;
const WRITERS: usize = 4;
const WRITES_BEFORE_KILL: usize = 60;
const BUNDLE_ENTRIES: usize = 5;

/// The program, serving.
pub(crate) struct Program {
    child: Child,
    pub(crate) base: String,
}

impl Program {
    /// Starts it and waits until it says that it listens.
    fn start(directory: &Path) -> Self {
        Self::start_on(&format!("embedded:{}", directory.display()), directory)
    }

    /// As [`Self::start`], on any store; the master key is in `directory`.
    fn start_on(store: &str, directory: &Path) -> Self {
        Self::start_with(store, directory, &[])
    }

    /// As [`Self::start_on`], with settings from the environment.
    pub(crate) fn start_with(store: &str, directory: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vesta"))
            .args([
                "serve",
                "--access",
                "open",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "error",
            ])
            .args(["--store", store])
            .env("VESTA_KEYS__FILE", directory.join("master.key"))
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("vesta is listening on ");
        let base = base
            .unwrap_or_else(|| panic!("it said {line:?}"))
            .to_owned();
        Self { child, base }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop; how it ended.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }
}

async fn send(
    client: &HttpClient,
    method: Method,
    url: &str,
    body: &Value,
) -> Result<Answer, String> {
    let request = Request::builder().method(method).uri(url);
    let request = request.header("content-type", "application/fhir+json");
    let body = if body.is_null() {
        Bytes::new()
    } else {
        body.to_string().into()
    };
    exchange(client, request.body(Full::new(body)).unwrap()).await
}

/// `Type/id/_history/version` behind the base.
fn relative(location: &str) -> String {
    location.split_once("/fhir/").unwrap().1.to_owned()
}

/// Writes single resources and bundles by turns until the server is gone; every location that
/// was acknowledged goes to `acknowledged`.
async fn write_until_killed(base: String, number: usize, acknowledged: Arc<Mutex<Vec<String>>>) {
    static BUNDLES: AtomicUsize = AtomicUsize::new(0);
    let client = client();
    loop {
        let single = patient(&format!("Single{number}"));
        let Ok(answer) = send(&client, Method::POST, &format!("{base}/Patient"), &single).await
        else {
            return;
        };
        if is_lost(&answer) {
            return;
        }
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        acknowledged
            .lock()
            .unwrap()
            .push(relative(answer.header("location")));
        let family = format!("Bundle{}x", BUNDLES.fetch_add(1, Ordering::Relaxed));
        let entries = vec![entry("POST", "Patient", Some(&patient(&family))); BUNDLE_ENTRIES];
        let sent = bundle("transaction", &entries);
        let Ok(answer) = send(&client, Method::POST, &base, &sent).await else {
            return;
        };
        if is_lost(&answer) {
            return;
        }
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let body = answer.json();
        let entries = body["entry"].as_array().unwrap().iter();
        let locations = entries.map(|e| relative(e["response"]["location"].as_str().unwrap()));
        acknowledged.lock().unwrap().extend(locations);
    }
}

/// Whether the store was killed first, and the server had the time to say so.
fn is_lost(answer: &Answer) -> bool {
    answer.status == StatusCode::SERVICE_UNAVAILABLE
}

/// Looks for every acknowledged version and for half bundles.
async fn assert_all_there(program: &Program, acknowledged: &[String]) {
    let client = client();
    for location in acknowledged {
        let url = format!("{}/{location}", program.base);
        let get = send(&client, Method::GET, &url, &Value::Null);
        let answer = get.await.unwrap();
        let says = answer.text();
        assert_eq!(answer.status, StatusCode::OK, "{location}: {says}");
    }
    for (family, count) in bundles(&client, &program.base).await {
        assert_eq!(count, BUNDLE_ENTRIES, "half of {family} was written");
    }
}

/// How many patients there are of every bundle, by walking the whole search.
async fn bundles(client: &HttpClient, base: &str) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    let mut url = Some(format!("{base}/Patient?family=Bundle&_count=500"));
    while let Some(here) = url {
        let page = send(client, Method::GET, &here, &Value::Null)
            .await
            .unwrap();
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let page = page.json();
        for entry in page["entry"].as_array().unwrap_or(&Vec::new()) {
            let family = entry["resource"]["name"][0]["family"].as_str().unwrap();
            *found.entry(family.to_owned()).or_default() += 1;
        }
        let links = page["link"].as_array().unwrap();
        let next = links.iter().find(|link| link["relation"] == "next");
        url = next.map(|link| link["url"].as_str().unwrap().to_owned());
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_kills() {
    let directory = TempDir::new().unwrap();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..KILLS {
        let program = Program::start(directory.path());
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let acknowledged = Arc::clone(&acknowledged);
                tokio::spawn(write_until_killed(
                    program.base.clone(),
                    number,
                    acknowledged,
                ))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(400 + round * 130)).await;
        program.kill();
        for writer in writers {
            writer.await.unwrap();
        }
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() > 10,
        "too few writes: {}",
        acknowledged.len()
    );
    let program = Program::start(directory.path());
    assert_all_there(&program, &acknowledged).await;
    assert_eq!(program.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_kills_of_mongod_and_server_together() {
    let directory = TempDir::new().unwrap();
    let mongod = Mongod::start_private().await;
    let store = mongod.uri("vesta");
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..KILLS {
        let program = Program::start_on(&store, directory.path());
        let before = acknowledged.lock().unwrap().len();
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let acknowledged = Arc::clone(&acknowledged);
                let base = program.base.clone();
                tokio::spawn(write_until_killed(base, number, acknowledged))
            })
            .collect();
        while acknowledged.lock().unwrap().len() < before + WRITES_BEFORE_KILL {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        mongod.kill();
        program.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        mongod.start().await;
    }
    let program = Program::start_on(&store, directory.path());
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert_all_there(&program, &acknowledged).await;
    assert_eq!(program.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_stops_with_nothing_lost() {
    let directory = TempDir::new().unwrap();
    let program = Program::start(directory.path());
    let client = client();
    let base = program.base.clone();
    let url = format!("{base}/Patient");
    let resource = patient("Terminated");
    let writes = (0..8).map(|_| send(&client, Method::POST, &url, &resource));
    for answer in join_all(writes).await {
        assert_eq!(answer.unwrap().status, StatusCode::CREATED);
    }
    // The client's connections are idle and still open.
    assert_eq!(program.terminate(), Some(0));
    let program = Program::start(directory.path());
    let url = format!("{}/Patient?family=Terminated", program.base);
    let found = send(&client, Method::GET, &url, &Value::Null)
        .await
        .unwrap();
    assert_eq!(found.json()["total"], 8);
    assert_eq!(program.terminate(), Some(0));
}

const WALKED_PATIENTS: usize = 300;

/// How many resources of the type under way are indexed anew, and whether all are.
async fn walked(client: &HttpClient, base: &str) -> (u64, bool) {
    let url = format!("{base}/$reindex-status");
    let answer = send(client, Method::GET, &url, &Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let status = answer.json();
    let parameters = status["parameter"].as_array().unwrap();
    let named = |name: &str| parameters.iter().find(|one| one["name"] == name);
    let done = named("under-way").map_or(0, |one| {
        let parts = one["part"].as_array().unwrap();
        let done = parts.iter().find(|part| part["name"] == "done").unwrap();
        done["valueDecimal"].as_u64().unwrap()
    });
    (done, named("complete").unwrap()["valueBoolean"] == true)
}

/// How many patients the new parameter finds, and whether the answer says it may be incomplete.
async fn found_by_colour(client: &HttpClient, base: &str) -> (u64, bool) {
    let url = format!("{base}/Patient?colour=blue&_count=1");
    let answer = send(client, Method::GET, &url, &Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let warns = answer.text().contains("\"incomplete\"");
    (answer.json()["total"].as_u64().unwrap(), warns)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_that_was_killed_goes_on_where_it_was() {
    let directory = TempDir::new().unwrap();
    let store = format!("embedded:{}", directory.path().display());
    let slow = [
        ("VESTA_REINDEX__RESOURCES_PER_SECOND_MAX", "20"),
        ("VESTA_REINDEX__STEP_RESOURCES_MAX", "10"),
        ("VESTA_REINDEX__POLL_MS", "20"),
        ("VESTA_REINDEX__SETTLE_MS", "0"),
    ];
    let program = Program::start_with(&store, directory.path(), &slow);
    let client = client();
    let mut seeing = patient("Walked");
    seeing["extension"] =
        serde_json::json!([{ "url": "http://example.org/eyes", "valueString": "blue" }]);
    let entries = vec![entry("POST", "Patient", Some(&seeing)); WALKED_PATIENTS];
    let all = bundle("batch", &entries);
    let answer = send(&client, Method::POST, &program.base, &all).await;
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    let definition = serde_json::json!({
        "resourceType": "SearchParameter", "id": "colour", "status": "active",
        "url": "http://example.org/SearchParameter/colour", "name": "Colour",
        "description": "Of the eyes", "code": "colour", "base": ["Patient"], "type": "string",
        "expression":
            "Patient.extension.where(url='http://example.org/eyes').value.ofType(string)",
    });
    let url = format!("{}/SearchParameter/colour", program.base);
    let answer = send(&client, Method::PUT, &url, &definition).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let mut before = walked(&client, &program.base).await;
    while before.0 == 0 && !before.1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        before = walked(&client, &program.base).await;
    }
    assert!(!before.1, "the walk was over before it could be killed");
    program.kill();

    // As slow as before, it would begin anew with less than it had done.
    let program = Program::start_with(&store, directory.path(), &slow);
    let (done, is_complete) = walked(&client, &program.base).await;
    assert!(is_complete || done >= before.0, "{done} of {before:?}");
    let (found, warns) = found_by_colour(&client, &program.base).await;
    assert!(found >= before.0, "what was indexed is found: {found}");
    assert_eq!(warns, !is_complete);
    assert_eq!(program.terminate(), Some(0));

    let fast = [
        ("VESTA_REINDEX__POLL_MS", "20"),
        ("VESTA_REINDEX__SETTLE_MS", "0"),
    ];
    let program = Program::start_with(&store, directory.path(), &fast);
    while !walked(&client, &program.base).await.1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let all = u64::try_from(WALKED_PATIENTS).unwrap();
    assert_eq!(found_by_colour(&client, &program.base).await, (all, false));
    assert_eq!(program.terminate(), Some(0));
}
