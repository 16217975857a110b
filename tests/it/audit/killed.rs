//! A server that is killed: every answer that a client got has its event.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;

use crate::durable::Program;
use crate::support::mongod::TestDatabase;
use crate::support::server::{Backend, HttpClient, client, exchange, on_both_stores, patient};

on_both_stores!(every_answer_has_its_event);

const READERS: usize = 8;
const READS_BEFORE_KILL: usize = 200;
const SETTINGS: [(&str, &str); 1] = [("VESTA_AUDIT__OPEN_MODE", "true")];

async fn every_answer_has_its_event(backend: Backend) {
    let directory = TempDir::new().unwrap();
    let database = match backend {
        Backend::Embedded => None,
        Backend::Mongo => Some(TestDatabase::new().await),
    };
    let store = match &database {
        None => format!("embedded:{}", directory.path().display()),
        Some(database) => database.uri(),
    };
    let program = Program::start_with(&store, directory.path(), &SETTINGS);
    let base = program.base.clone();
    let url = format!("{base}/Patient/ada");
    let mut ada = patient("Lovelace");
    ada["id"] = "ada".into();
    let put = Request::builder().method(Method::PUT).uri(&url);
    let put = put.header("content-type", "application/fhir+json");
    let put = put.body(Full::new(ada.to_string().into())).unwrap();
    assert_eq!(exchange(&client(), put).await.unwrap().status, 201);
    let answered = Arc::new(Mutex::new(Vec::new()));
    let readers = (0..READERS).map(|number| {
        tokio::spawn(read_until_killed(
            url.clone(),
            number,
            Arc::clone(&answered),
        ))
    });
    let readers: Vec<_> = readers.collect();
    while answered.lock().unwrap().len() < READS_BEFORE_KILL {
        tokio::task::yield_now().await;
    }
    program.kill();
    for reader in join_all(readers).await {
        reader.unwrap();
    }
    let program = Program::start_with(&store, directory.path(), &SETTINGS);
    let written = request_ids(&program.base).await;
    program.kill();
    let answered = answered.lock().unwrap();
    let lost: Vec<_> = answered
        .iter()
        .filter(|id| !written.contains(*id))
        .collect();
    assert!(lost.is_empty(), "{} of {} lost", lost.len(), answered.len());
}

async fn read_until_killed(url: String, number: usize, answered: Arc<Mutex<Vec<String>>>) {
    let client = client();
    for count in 0.. {
        let id = format!("r{number}-{count}");
        let request = Request::builder().uri(&url).header("x-request-id", &id);
        let Ok(answer) = exchange(&client, request.body(Full::default()).unwrap()).await else {
            return;
        };
        if answer.status != 200 {
            return;
        }
        answered.lock().unwrap().push(id);
    }
}

/// The ids of all requests that there is an event of.
async fn request_ids(base: &str) -> BTreeSet<String> {
    let client = client();
    let mut ids = BTreeSet::new();
    let mut next = Some(format!("{base}/AuditEvent?patient=Patient/ada&_count=500"));
    while let Some(url) = next {
        let page = get(&client, &url).await;
        for entry in page["entry"].as_array().into_iter().flatten() {
            for entity in entry["resource"]["entity"].as_array().into_iter().flatten() {
                if entity["type"]["code"] == "XrequestId" {
                    let id = entity["what"]["identifier"]["value"].as_str().unwrap();
                    ids.insert(id.to_owned());
                }
            }
        }
        let links = page["link"].as_array().unwrap();
        let link = links.iter().find(|link| link["relation"] == "next");
        next = link.map(|link| link["url"].as_str().unwrap().to_owned());
    }
    ids
}

async fn get(client: &HttpClient, url: &str) -> Value {
    let request = Request::builder().uri(url).body(Full::default()).unwrap();
    let answer = exchange(client, request).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}
