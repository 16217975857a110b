//! A feed whose server is killed: nothing acknowledged is lost, nothing is applied twice.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use http_body_util::Full;
use tempfile::TempDir;

use super::message;
use crate::support::mllp::Sender;
use crate::support::server::{client, exchange};

const CONNECTIONS: usize = 6;
const MESSAGES: usize = 60;
const ACKNOWLEDGED_BEFORE_KILL: usize = 90;
const RESUME_TIME_MAX: Duration = Duration::from_mins(1);

/// The program, serving on the store in a directory.
struct Program {
    child: Child,
    base: String,
}

impl Program {
    fn start(directory: &Path, mllp: SocketAddr, acknowledge: &str) -> Self {
        let store = format!("embedded:{}", directory.join("data").display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_vesta"))
            .args(["serve", "--access", "open", "--listen", "127.0.0.1:0"])
            .args(["--log", "error", "--store", &store])
            .env("VESTA_KEYS__FILE", directory.join("master.key"))
            .env("VESTA_HL7V2__LISTEN", mllp.to_string())
            .env("VESTA_HL7V2__ACKNOWLEDGE", acknowledge)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let base = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { child, base }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How often each message was applied.
    async fn applied(&self) -> HashMap<String, usize> {
        let url = format!("{}/Provenance?_count=1000", self.base);
        let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
        let answer = exchange(&client(), request).await.unwrap().json();
        let mut applied = HashMap::new();
        for entry in answer["entry"].as_array().into_iter().flatten() {
            let id = &entry["resource"]["entity"][0]["what"]["identifier"]["value"];
            *applied.entry(id.as_str().unwrap().to_owned()).or_default() += 1;
        }
        applied
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Messages of different connections are about the same patients.
fn change(connection: usize, number: usize) -> String {
    let patient = number % 5;
    message(
        "ADT^A08",
        &format!("{connection}-{number}"),
        &format!("PID|1||{patient}^^^HOSP^MR||Doe^From{connection}At{number}"),
    )
}

/// Sends until the server is gone; what was acknowledged.
async fn send_all(mllp: SocketAddr, connection: usize, acknowledged: Arc<Mutex<HashSet<String>>>) {
    let mut sender = Sender::connect(mllp).await;
    for number in 0..MESSAGES {
        if !sender.try_send(&change(connection, number)).await {
            return;
        }
        let Some(answer) = sender.receive().await else {
            return;
        };
        assert!(answer.contains("MSA|AA|"), "{answer}");
        acknowledged
            .lock()
            .unwrap()
            .insert(format!("{connection}-{number}"));
    }
}

async fn survives(acknowledge: &str) {
    let directory = TempDir::new().unwrap();
    let mllp = free_address();
    let mut program = Program::start(directory.path(), mllp, acknowledge);
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    let sending: Vec<_> = (0..CONNECTIONS)
        .map(|connection| tokio::spawn(send_all(mllp, connection, Arc::clone(&acknowledged))))
        .collect();
    while acknowledged.lock().unwrap().len() < ACKNOWLEDGED_BEFORE_KILL {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    program.kill();
    for sent in join_all(sending).await {
        sent.unwrap();
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let program = Program::start(directory.path(), mllp, acknowledge);
    // What was kept and not applied is applied by and by.
    let started = Instant::now();
    let mut applied = program.applied().await;
    while !acknowledged.iter().all(|id| applied.contains_key(id)) {
        assert!(
            started.elapsed() < RESUME_TIME_MAX,
            "{acknowledged:?} {applied:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        applied = program.applied().await;
    }
    // The senders do not know what was acknowledged last, and send everything again.
    let sending: Vec<_> = (0..CONNECTIONS)
        .map(|connection| tokio::spawn(send_all(mllp, connection, Arc::default())))
        .collect();
    for sent in join_all(sending).await {
        sent.unwrap();
    }
    let started = Instant::now();
    let mut applied = program.applied().await;
    while applied.len() < CONNECTIONS * MESSAGES {
        assert!(
            started.elapsed() < RESUME_TIME_MAX,
            "{} applied",
            applied.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        applied = program.applied().await;
    }
    let twice: Vec<_> = applied.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_when_applied_survives_a_kill() {
    survives("applied").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_on_receipt_survives_a_kill() {
    survives("received").await;
}
