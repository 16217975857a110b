//! An embedded store whose process is killed while it writes.
//!
//! The child is this test binary again, told by its environment to write until it is killed. It
//! says on stdout what the store acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use vesta::search::plan::Predicate;
use vesta::store::Store;
use vesta::store::batch::{DocumentPut, Expected, KEYS};
use vesta::store::embedded::{EmbeddedSettings, EmbeddedStore};

use crate::store::plot::{CREATES, Plot, WRITERS, whole_batches};
use crate::store::sample::{commit, found, key};
use crate::support::stores::NOW_MS;

const DIRECTORY: &str = "VESTA_TEST_WRITER_DIRECTORY";
const ROUND: &str = "VESTA_TEST_WRITER_ROUND";

/// How many batches each (round, writer) was told are written.
type Acknowledged = BTreeMap<(i64, i64), i64>;

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, EmbeddedSettings::default()).unwrap()
}

#[test]
fn writer_child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let round = std::env::var_os(ROUND).unwrap();
    let round = round.to_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Arc::new(open(&PathBuf::from(directory)));
        let writers = (0..WRITERS).map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(write_for_ever(store, Plot { round, writer }))
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

async fn write_for_ever(store: Arc<EmbeddedStore>, plot: Plot) {
    let put = DocumentPut {
        collection: KEYS.to_owned(),
        id: plot.updated().id,
        expected: Expected::Absent,
        body: Some(b"wrapped".to_vec()),
        expires_ms: None,
    };
    store.put_documents(vec![put]).await.unwrap();
    let mut patient = None;
    for batch in 0.. {
        let (puts, new) = plot.batch(batch, patient.as_ref());
        commit(&*store, puts).await.unwrap();
        println!("\nacknowledged {} {}", plot.writer, batch + 1);
        patient = Some(new);
    }
}

fn start_child(directory: &Path, round: i64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::kill::writer_child", "--nocapture"]);
    command
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Lets a child write until it was told of `acknowledgements`, then kills it.
fn write_and_kill(
    directory: &Path,
    round: i64,
    acknowledgements: usize,
    acknowledged: &mut Acknowledged,
) {
    let mut child = start_child(directory, round);
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = 0;
    for line in output.lines() {
        let line = line.unwrap();
        let Some(rest) = line.strip_prefix("acknowledged ") else {
            continue;
        };
        // The last line may be cut off.
        let Some((writer, batches)) = rest.split_once(' ') else {
            continue;
        };
        if let (Ok(writer), Ok(batches)) = (writer.parse(), batches.parse::<i64>()) {
            let most = acknowledged.entry((round, writer)).or_default();
            *most = (*most).max(batches);
            seen += 1;
        }
        if seen == acknowledgements {
            child.kill().unwrap();
        }
    }
    assert!(seen >= acknowledgements, "the child ended after {seen}");
    child.wait().unwrap();
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let directory = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::new();
    for (round, acknowledgements) in (0..).zip([1, 30, 77, 150, 11]) {
        write_and_kill(directory.path(), round, acknowledgements, &mut acknowledged);
        let store = open(directory.path());
        store.check().await.unwrap();
        let mut stored = 0;
        for round in 0..=round {
            for writer in 0..WRITERS {
                let plot = Plot { round, writer };
                let batches = whole_batches(&store, plot).await;
                let told = acknowledged.get(&(round, writer)).copied().unwrap_or(0);
                assert!(
                    batches == told || batches == told + 1,
                    "{batches} of {told}"
                );
                stored += batches;
                let key = store.get_document(KEYS, &plot.updated().id, NOW_MS).await;
                assert!(key.unwrap().is_some() || told == 0);
            }
        }
        let all = found(&store, Predicate::Key(key(1, b"all"))).await;
        assert_eq!(all.len(), usize::try_from(stored * CREATES).unwrap());
        store.close().await.unwrap();
    }
}
