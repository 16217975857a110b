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
use vesta::store::batch::{DocumentPut, Expected, KEYS, Put};
use vesta::store::embedded::{EmbeddedSettings, EmbeddedStore};
use vesta::store::{Address, Store, Version};

use crate::store::sample::{address, commit, create, found, key, next, replace, version};
use crate::support::stores::NOW_MS;

const DIRECTORY: &str = "VESTA_TEST_WRITER_DIRECTORY";
const ROUND: &str = "VESTA_TEST_WRITER_ROUND";
const WRITERS: i64 = 4;
const CREATES: i64 = 3;

/// How many batches each (round, writer) was told are written.
type Acknowledged = BTreeMap<(i64, i64), i64>;

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, EmbeddedSettings::default()).unwrap()
}

/// Ids and sequences of what one writer writes in one round.
#[derive(Clone, Copy)]
struct Plot {
    round: i64,
    writer: i64,
}

impl Plot {
    fn sequence(self, batch: i64, place: i64) -> i64 {
        ((self.round * WRITERS + self.writer) * 1_000_000 + batch) * 10 + place + 1
    }

    fn created(self, batch: i64, place: i64) -> Version {
        let Self { round, writer } = self;
        let text = format!("Observation/o-{round}-{writer}-{batch}-{place}");
        version(&text, self.sequence(batch, place))
    }

    fn updated(self) -> Address {
        address(&format!("Patient/p-{}-{}", self.round, self.writer))
    }

    /// The puts of a batch: some creates, and the next version of the writer's patient.
    fn batch(self, batch: i64, patient: Option<&Version>) -> (Vec<Put>, Version) {
        let mut puts: Vec<_> = (0..CREATES)
            .map(|place| {
                let created = self.created(batch, place);
                let all = key(1, b"all");
                create(&created, &[all, key(2, &created.sequence.to_be_bytes())])
            })
            .collect();
        let mark = key(3, &batch.to_be_bytes());
        let new = match patient {
            None => {
                let text = format!("Patient/{}", self.updated().id);
                let new = version(&text, self.sequence(0, 8));
                puts.push(create(&new, &[mark]));
                new
            }
            Some(old) => {
                let new = next(old);
                puts.push(replace(old, &new, &[mark]));
                new
            }
        };
        (puts, new)
    }
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

/// How many batches of a plot are in the store; each of them has to be whole.
async fn whole_batches(store: &EmbeddedStore, plot: Plot) -> i64 {
    let patient = store.get(&plot.updated()).await.unwrap();
    let batches = patient.map_or(0, |patient| patient.version_id);
    for batch in 0..batches {
        for place in 0..CREATES {
            let created = plot.created(batch, place);
            let read = store.get(&created.address).await.unwrap();
            assert_eq!(read.as_ref(), Some(&created));
            let ids = found(
                store,
                Predicate::Key(key(2, &created.sequence.to_be_bytes())),
            )
            .await;
            assert_eq!(ids, [created.address.id]);
        }
        let version = store.get_version(&plot.updated(), batch + 1).await.unwrap();
        let body = version.unwrap().body.unwrap();
        assert!(body.ends_with(format!(" version {}", batch + 1).as_bytes()));
    }
    for place in 0..CREATES {
        let half = plot.created(batches, place).address;
        assert_eq!(store.get(&half).await.unwrap(), None);
    }
    batches
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
