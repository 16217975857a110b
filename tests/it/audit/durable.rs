//! Nothing is answered before its event is durable; what cannot be written is not answered.

use std::sync::Arc;
use std::time::Duration;

use vesta::audit::event::{Act, Event};
use vesta::audit::journal::{Journal, JournalSettings};
use vesta::audit::ledger::Ledger;
use vesta::audit::verify::verify;
use vesta::clock::Clock;
use vesta::seal::blind::BlindKey;
use vesta::seal::random::SystemRandom;

use crate::support::random::Random;
use crate::support::server::{Backend, TestServer, patient};
use crate::support::stores::OpenStore;

on_every_store!(events_that_wait_together_are_written_together);

/// Where there is no room for an event, nothing leaves; reads go on as soon as there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_journal_nothing_is_answered() {
    let mut server = TestServer::start_with(Backend::Embedded, |config| {
        config.audit.open_mode = true;
        config.embedded.records_bytes_max = Some(2 << 20);
    })
    .await;
    let id = server.create(&patient("Lovelace")).await;
    let path = format!("Patient/{id}");
    let mut random = Random::new(7);
    let mut refused = None;
    for _ in 0..2_000 {
        // Each search leaves an event with its query, until there is no room for one.
        let text: String = (0..4_000)
            .map(|_| char::from(b'a' + random.byte(26)))
            .collect();
        let answer = server.get(&format!("Patient?name={text}")).await;
        if answer.status == 503 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    refused.assert_refused(503, "transient", "written down first");
    assert_eq!(refused.header("retry-after"), "2");
    assert!(!refused.text().contains("Lovelace"));
    // There may be room for a few smaller events yet.
    let mut read = server.get(&path).await;
    for _ in 0..2_000 {
        if read.status == 503 {
            break;
        }
        read = server.get(&path).await;
    }
    read.assert_refused(503, "transient", "written down first");
    assert!(!read.text().contains("Lovelace"));
    server.config.embedded.records_bytes_max = None;
    server.restart().await;
    assert_eq!(server.get(&path).await.status, 200);
}

fn journal(open: &OpenStore, is_kept: bool) -> (Arc<Ledger>, Arc<Journal>) {
    let ledger = Arc::new(Ledger::new(
        Arc::clone(&open.store),
        &BlindKey::from_root(&[7; 32]),
        Arc::new(SystemRandom),
        Arc::clone(&open.clock) as Arc<dyn Clock>,
    ));
    let settings = JournalSettings {
        is_kept,
        checkpoint_interval: Duration::from_hours(1),
    };
    let journal = Journal::start(Arc::clone(&ledger), settings);
    (ledger, Arc::new(journal))
}

async fn events_that_wait_together_are_written_together(open: OpenStore) {
    const WAITING: usize = 200;
    let (ledger, journal) = journal(&open, true);
    let records = (0..WAITING).map(|_| journal.record(Event::success(Act::Read)));
    for done in futures::future::join_all(records).await {
        done.unwrap();
    }
    let report = verify(&ledger, None).await.unwrap();
    assert_eq!(report.events, WAITING as u64);
    assert!(report.blocks < 10, "{} blocks", report.blocks);
    // Each process has a lane of its own.
    let (_, other) = self::journal(&open, true);
    other.record(Event::success(Act::Read)).await.unwrap();
    let (_, none) = self::journal(&open, false);
    none.record(Event::success(Act::Read)).await.unwrap();
    let report = verify(&ledger, None).await.unwrap();
    assert_eq!((report.lanes, report.events), (2, WAITING as u64 + 1));
    assert!(report.is_intact());
}
