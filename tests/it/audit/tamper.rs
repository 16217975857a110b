//! What is changed, removed, moved or cut off under the journal is found and named.

use std::sync::Arc;
use std::time::Duration;

use vesta::audit::event::{Act, Agent, Event};
use vesta::audit::journal::{Journal, JournalSettings};
use vesta::audit::ledger::Ledger;
use vesta::audit::verify::{KnownCheckpoint, Report, verify};
use vesta::clock::Clock;
use vesta::seal::blind::BlindKey;
use vesta::seal::random::SystemRandom;
use vesta::store::batch::{Document, DocumentPut, Expected};

use crate::support::stores::OpenStore;

on_every_store!(
    what_is_as_it_was_written_passes,
    a_changed_block_is_named,
    a_removed_block_is_named,
    blocks_that_changed_places_are_named,
    an_end_cut_off_is_named,
    a_removed_lane_is_named,
    checkpoints_are_looked_after_too,
    a_query_that_was_changed_or_removed_is_named,
);

const EVENTS: usize = 6;

/// A journal with some blocks, and a checkpoint behind them.
struct Written {
    open: OpenStore,
    journal: Journal,
    ledger: Arc<Ledger>,
}

async fn written(open: OpenStore) -> Written {
    let ledger = Ledger::new(
        Arc::clone(&open.store),
        &BlindKey::from_root(&[7; 32]),
        Arc::new(SystemRandom),
        Arc::clone(&open.clock) as Arc<dyn Clock>,
    );
    let ledger = Arc::new(ledger);
    let journal = Journal::start(
        Arc::clone(&ledger),
        JournalSettings {
            is_kept: true,
            checkpoint_interval: Duration::from_hours(1),
        },
    );
    let written = Written {
        open,
        journal,
        ledger,
    };
    written.add(EVENTS).await;
    written.journal.checkpoint().await.unwrap().unwrap();
    written
}

impl Written {
    /// Writes events, each of which is a block because nothing else waits.
    async fn add(&self, count: usize) {
        for number in 0..count {
            let event = Event {
                query: Some(format!("family=Ada{number}")),
                ..Event::success(Act::Search)
            };
            let event = event
                .by(Agent::person("p1", "practitioner", Some("Practitioner/1")))
                .of_patient("ada");
            self.journal.record(event).await.unwrap();
        }
    }

    async fn documents(&self, collection: &str) -> Vec<Document> {
        let found = self.open.store.find_documents(collection, None, 100).await;
        found.unwrap()
    }

    async fn set(&self, collection: &str, id: &str, body: Option<Vec<u8>>) {
        let put = DocumentPut {
            collection: collection.to_owned(),
            id: id.to_owned(),
            expected: Expected::Anything,
            body,
            expires_ms: None,
        };
        self.open.store.put_documents(vec![put]).await.unwrap();
    }

    async fn report(&self) -> Report {
        verify(&self.ledger, None).await.unwrap()
    }

    async fn findings(&self) -> Vec<String> {
        let report = self.report().await;
        report.findings.iter().map(ToString::to_string).collect()
    }
}

fn changed(body: &[u8], at: usize) -> Vec<u8> {
    let mut body = body.to_vec();
    body[at] ^= 1;
    body
}

async fn what_is_as_it_was_written_passes(open: OpenStore) {
    let written = written(open).await;
    written.add(2).await;
    let report = written.report().await;
    assert_eq!(report.findings, []);
    assert_eq!((report.lanes, report.blocks, report.events), (1, 8, 8));
    assert_eq!(report.checkpoints, 1);
    let known = report.newest.unwrap();
    written.journal.checkpoint().await.unwrap().unwrap();
    let later = verify(&written.ledger, Some(known.clone())).await.unwrap();
    assert!(later.is_intact(), "{:?}", later.findings);
    assert_eq!(later.newest.unwrap().number, known.number + 1);
}

async fn a_changed_block_is_named(open: OpenStore) {
    let written = written(open).await;
    let blocks = written.documents("journal").await;
    // In front, in what is sealed, at the end.
    for (at, block) in [0, 70, blocks[2].body.len() - 1].iter().zip(&blocks) {
        written
            .set("journal", &block.id, Some(changed(&block.body, *at)))
            .await;
        assert_eq!(
            written.findings().await,
            [format!("changed: block {}", block.id)],
            "byte {at}"
        );
        written
            .set("journal", &block.id, Some(block.body.clone()))
            .await;
    }
    assert!(written.report().await.is_intact());
}

async fn a_removed_block_is_named(open: OpenStore) {
    let written = written(open).await;
    let blocks = written.documents("journal").await;
    let lane = blocks[0].id.split('-').next().unwrap().to_owned();
    written.set("journal", &blocks[2].id, None).await;
    written.set("journal", &blocks[3].id, None).await;
    let removed = format!("removed: events 2 to 3 of lane {lane}");
    assert_eq!(written.findings().await, std::slice::from_ref(&removed));
    written.set("journal", &blocks[0].id, None).await;
    let first = format!("removed: events 0 to 0 of lane {lane}");
    assert_eq!(written.findings().await, [first, removed]);
}

async fn blocks_that_changed_places_are_named(open: OpenStore) {
    let written = written(open).await;
    let blocks = written.documents("journal").await;
    let (one, other) = (&blocks[1], &blocks[4]);
    written
        .set("journal", &one.id, Some(other.body.clone()))
        .await;
    written
        .set("journal", &other.id, Some(one.body.clone()))
        .await;
    assert_eq!(
        written.findings().await,
        [
            format!(
                "reordered: block {} stands in the place of {}",
                other.id, one.id
            ),
            format!(
                "reordered: block {} stands in the place of {}",
                one.id, other.id
            ),
        ]
    );
}

async fn an_end_cut_off_is_named(open: OpenStore) {
    let written = written(open).await;
    let blocks = written.documents("journal").await;
    let lane = blocks[0].id.split('-').next().unwrap().to_owned();
    for block in &blocks[4..] {
        written.set("journal", &block.id, None).await;
    }
    let cut = format!("truncated: events 4 to 5 of lane {lane}");
    assert_eq!(written.findings().await, [cut]);
    // Whoever also takes the checkpoint away is betrayed by one that is kept elsewhere.
    let newest = written.report().await.newest;
    let checkpoints = written.documents("journal_checkpoint").await;
    written
        .set("journal_checkpoint", &checkpoints[0].id, None)
        .await;
    assert!(written.report().await.is_intact());
    let report = verify(&written.ledger, newest).await.unwrap();
    assert_eq!(
        report
            .findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["removed: checkpoint 1"]
    );
    // And by the process that wrote it, as long as it lives.
    written.add(1).await;
    written.journal.checkpoint().await.unwrap().unwrap();
    let gone = format!("removed: events 4 to 5 of lane {lane}");
    assert_eq!(written.findings().await, [gone]);
}

async fn a_removed_lane_is_named(open: OpenStore) {
    let written = written(open).await;
    let blocks = written.documents("journal").await;
    let lane = blocks[0].id.split('-').next().unwrap().to_owned();
    for block in &blocks {
        written.set("journal", &block.id, None).await;
    }
    let cut = format!("truncated: events 0 to 5 of lane {lane}");
    assert_eq!(written.findings().await, [cut]);
    written.set("journal", "x", Some(vec![1])).await;
    let added = "added: document x is no block".to_owned();
    assert!(written.findings().await.contains(&added));
}

async fn checkpoints_are_looked_after_too(open: OpenStore) {
    let written = written(open).await;
    for _ in 0..2 {
        written.add(1).await;
        written.journal.checkpoint().await.unwrap().unwrap();
    }
    let stored = written.documents("journal_checkpoint").await;
    // The newest comes first.
    let [third, second, first] = &stored[..] else {
        panic!("{} checkpoints", stored.len())
    };
    let collection = "journal_checkpoint";
    for (document, at, number) in [(third, 0, 3), (second, 0, 2), (first, 10, 1)] {
        written
            .set(collection, &document.id, Some(changed(&document.body, at)))
            .await;
        let named = format!("changed: checkpoint {number}");
        let findings = written.findings().await;
        assert!(findings.contains(&named), "{findings:?}");
        written
            .set(collection, &document.id, Some(document.body.clone()))
            .await;
    }
    written.set(collection, &second.id, None).await;
    assert_eq!(written.findings().await, ["removed: checkpoint 2"]);
    written.set(collection, &first.id, None).await;
    assert_eq!(
        written.findings().await,
        ["removed: checkpoint 2", "removed: checkpoint 1"]
    );
    let other = KnownCheckpoint {
        number: 3,
        hash: "00".to_owned(),
    };
    let report = verify(&written.ledger, Some(other)).await.unwrap();
    assert_eq!(report.findings[0].to_string(), "changed: checkpoint 3");
}

async fn a_query_that_was_changed_or_removed_is_named(open: OpenStore) {
    let written = written(open).await;
    let queries = written.documents("journal_query").await;
    assert_eq!(queries.len(), EVENTS);
    let body = changed(&queries[1].body, 20);
    written
        .set("journal_query", &queries[1].id, Some(body))
        .await;
    let findings = written.findings().await;
    let named = format!("changed: the queries of block {}", queries[1].id);
    assert!(findings.contains(&named), "{findings:?}");
    written.set("journal_query", &queries[1].id, None).await;
    assert_eq!(
        written.findings().await,
        [format!(
            "removed: the query of event {}-0000",
            queries[1].id
        )]
    );
}
