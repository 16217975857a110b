//! Single durable writes: creates, and updates that leave a version in the history.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::access::sequence::SequenceSource;
use crate::cli::Failure;
use crate::cli::bench::bare::{self, Creator, Updater};
use crate::cli::bench::drive::Sample;
use crate::cli::bench::process::Process;
use crate::cli::bench::ready::{Observation, Ready};
use crate::cli::bench::report::Row;
use crate::cli::bench::run::{TURNS, send};
use crate::cli::bench::traffic::{Call, Calls, FHIR_JSON};
use crate::cli::bench::workload::Workload;
use crate::store::Store;

/// Where a number goes that makes each body another one.
const PLACE_OF_NUMBER: &str = "<number>";

/// The node number of the bare store's sequences; no process of the run has one as high.
const NODE: u8 = 255;

/// What single writes are made of.
pub(super) struct Singles<'a> {
    patterns: Arc<[Observation]>,
    bare: &'a Arc<dyn Store>,
    writers: usize,
}

/// The JSON of an observation before and behind a number.
struct Body {
    id: String,
    before: String,
    behind: String,
}

impl<'a> Singles<'a> {
    /// Writes copies of these observations, with so many connections or writers.
    pub(super) fn new(ready: &Ready, bare: &'a Arc<dyn Store>, writers: usize) -> Self {
        Self {
            patterns: ready.observations.clone().into(),
            bare,
            writers,
        }
    }

    /// Measures one of the two.
    pub(super) async fn measure(
        &self,
        workload: Workload,
        server: &Process,
        turn: Duration,
    ) -> Result<Row, Failure> {
        let calls = self.calls(workload);
        let (mut over_http, mut writing) = (Sample::default(), Sample::default());
        let mut reading = Sample::default();
        let mut creators = self.creators();
        let (mut writers, mut readers) = (self.updaters(false), self.updaters(true));
        for _ in 0..TURNS {
            over_http.add(send(server, self.writers, &calls, Some(turn)).await?);
            if workload == Workload::Create {
                creators = keep(&mut writing, bare::write(creators, Some(turn)).await?);
            } else {
                readers = keep(&mut reading, bare::write(readers, Some(turn)).await?);
                writers = keep(&mut writing, bare::write(writers, Some(turn)).await?);
            }
        }
        let row = Row::new(workload, over_http, 1.0);
        Ok(if workload == Workload::Create {
            row.beside("bare store, document ready", &writing, 1.0)
        } else {
            row.beside("bare store, one get, document ready", &reading, 1.0)
                .beside("bare store, document ready", &writing, 1.0)
        })
    }

    fn calls(&self, workload: Workload) -> Calls {
        let bodies: Vec<_> = self.patterns.iter().filter_map(Body::of).collect();
        let (number, writers) = (AtomicU64::new(0), self.writers);
        Arc::new(move |place, sent| {
            let body = bodies.get(own(place, sent, writers, bodies.len()))?;
            let number = number.fetch_add(1, Ordering::Relaxed);
            Some(if workload == Workload::Create {
                body.create(number)
            } else {
                body.update(number)
            })
        })
    }

    fn creators(&self) -> Vec<Creator> {
        let sequences = Arc::new(SequenceSource::new(NODE));
        let writers = (0..self.writers).map(|place| Creator {
            store: Arc::clone(self.bare),
            patterns: Arc::clone(&self.patterns),
            sequences: Arc::clone(&sequences),
            place,
            written: 0,
        });
        writers.collect()
    }

    /// Those that read have other documents than those that do not.
    fn updaters(&self, is_reader: bool) -> Vec<Updater> {
        let first = if is_reader { self.writers } else { 0 };
        let writers = (0..self.writers).map(|place| {
            let own = self.patterns.iter().skip(first + place);
            let own = own.step_by(self.writers * 2);
            Updater {
                store: Arc::clone(self.bare),
                is_reader,
                own: own.map(|pattern| pattern.put.clone()).collect(),
                written: 0,
            }
        });
        writers.collect()
    }
}

/// Adds what was measured, and hands on who measured it.
fn keep<W>(sum: &mut Sample, (workers, sample): (Vec<W>, Sample)) -> Vec<W> {
    sum.add(sample);
    workers
}

/// Which pattern is whose: no two writers have the same, as long as there are enough.
fn own(place: usize, sent: usize, writers: usize, count: usize) -> usize {
    let rounds = (count / writers.max(1)).max(1);
    (place + sent % rounds * writers) % count.max(1)
}

impl Body {
    fn of(pattern: &Observation) -> Option<Self> {
        let mut resource = pattern.json.clone();
        let object = resource.as_object_mut()?;
        let id = object.get("id").and_then(Value::as_str)?.to_owned();
        object.insert("note".to_owned(), json!([{"text": PLACE_OF_NUMBER}]));
        let text = resource.to_string();
        let (before, behind) = text.split_once(PLACE_OF_NUMBER)?;
        Some(Self {
            id,
            before: before.to_owned(),
            behind: behind.to_owned(),
        })
    }

    fn create(&self, number: u64) -> Call {
        Call {
            method: Method::POST,
            path: "/fhir/Observation".to_owned(),
            body: self.text(number),
            content_type: FHIR_JSON,
            token: None,
        }
    }

    fn update(&self, number: u64) -> Call {
        Call {
            method: Method::PUT,
            path: format!("/fhir/Observation/{}", self.id),
            body: self.text(number),
            content_type: FHIR_JSON,
            token: None,
        }
    }

    fn text(&self, number: u64) -> Bytes {
        format!("{}{number}{}", self.before, self.behind).into()
    }
}
