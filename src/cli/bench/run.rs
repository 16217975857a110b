//! A run: what is measured in which order, each workload in turn with its ceilings.
//!
//! The turns are short, so that whatever else the machine does meets both alike.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;

use crate::cli::Failure;
use crate::cli::bench::BenchArguments;
use crate::cli::bench::bare::{self, BatchWriter};
use crate::cli::bench::data::{self, Material};
use crate::cli::bench::drive::{Sample, drive};
use crate::cli::bench::place::{Place, Role};
use crate::cli::bench::process::{self, Process};
use crate::cli::bench::ready::Ready;
use crate::cli::bench::report::{Report, Row};
use crate::cli::bench::single::Singles;
use crate::cli::bench::traffic::{Call, Calls, Connection, FHIR_JSON, send_alone};
use crate::cli::bench::workload::Workload;
use crate::cli::bench::{search, taken, token};
use crate::clock::{Clock, SystemClock};
use crate::config::AccessMode;
use crate::server::open;
use crate::store::Method::Put;
use crate::store::Store;
use crate::store::batch::Batch;

/// Turns that a workload and its ceilings take.
pub(super) const TURNS: u32 = 5;

/// Bundles, and batches of the ceiling, that are under way at once.
const BUNDLES_AT_ONCE: usize = 4;

/// What lies between the first requests of two connections, so that none follows another.
const SPREAD: usize = 7919;

/// Requests before the first turn of a workload.
const WARM_UP: usize = 512;

/// Starts of the server that are timed.
const STARTS: usize = 5;

/// Runs all workloads that the arguments name.
pub(super) async fn run(arguments: &BenchArguments) -> Result<Report, Failure> {
    let place = Place::new(arguments.store.as_deref())?;
    let done = Run::new(arguments, &place).await;
    let report = match done {
        Ok(run) => run.all().await,
        Err(failure) => Err(failure),
    };
    place.clear().await?;
    report
}

struct Run<'a> {
    arguments: &'a BenchArguments,
    place: &'a Place,
    material: Material,
    ready: Ready,
    bare: Arc<dyn Store>,
    server: Process,
    report: Report,
}

impl<'a> Run<'a> {
    /// Generates, imports, reads back, and starts an empty server.
    async fn new(arguments: &'a BenchArguments, place: &'a Place) -> Result<Self, Failure> {
        let material = data::make(arguments.patients)?;
        let files = place.directory().join("bundles");
        material.write(&files)?;
        let elapsed_s = process::import(place, &files)?;
        let mut report = Report {
            store: place.kind().to_owned(),
            resources: material.resources,
            connections: arguments.connections,
            cores: std::thread::available_parallelism()?.get(),
            ..Report::default()
        };
        if taken(arguments, Workload::Import) {
            let sample = Sample::whole(elapsed_s);
            let row = Row::new(Workload::Import, sample, material.count());
            report.workloads.push(row);
        }
        let ready = Ready::read(&place.config(Role::Imported), material.resources).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let bare = open::open_store(&place.config(Role::Bare), &clock).await?;
        let server = Process::server(place, Role::Server)?;
        report.remember("empty, idle", server.memory());
        Ok(Self {
            arguments,
            place,
            material,
            ready,
            bare,
            server,
            report,
        })
    }

    async fn all(mut self) -> Result<Report, Failure> {
        self.load().await?;
        self.report.remember("after loading", self.server.memory());
        self.reads().await?;
        let singles = Singles::new(&self.ready, &self.bare, self.arguments.connections);
        for workload in [Workload::Create, Workload::Update] {
            if taken(self.arguments, workload) {
                let turn = self.turn();
                let row = singles.measure(workload, &self.server, turn).await?;
                self.report.workloads.push(row);
            }
        }
        self.report
            .remember("after all workloads", self.server.memory());
        self.bare.close().await?;
        self.starts().await
    }

    fn turn(&self) -> Duration {
        Duration::from_secs_f64(self.arguments.seconds / f64::from(TURNS))
    }

    /// Loads the bundles into the server and the same documents into the bare store.
    async fn load(&mut self) -> Result<(), Failure> {
        let address = self.server.address();
        let (shared, mut batches) = self.ready.batches(&self.material.sizes);
        self.bare.commit(shared).await?;
        for (_name, bundle) in &self.material.shared {
            send_alone(address, post(bundle.clone())).await?;
        }
        let turns = usize::try_from(TURNS)?;
        let per_turn = self.material.bundles.len().div_ceil(turns).max(1);
        let (mut over_http, mut bare) = (Sample::default(), Sample::default());
        for bundles in self.material.bundles.chunks(per_turn) {
            let rest = batches.split_off(bundles.len().min(batches.len()));
            let ready = std::mem::replace(&mut batches, rest);
            over_http.add(self.send_bundles(bundles.to_vec()).await?);
            bare.add(self.write_batches(ready).await?);
        }
        if taken(self.arguments, Workload::Bundles) {
            let per_step = self.material.per_bundle();
            let row = Row::new(Workload::Bundles, over_http, per_step);
            let row = row.beside("bare store, documents ready", &bare, per_step);
            self.report.workloads.insert(0, row);
        }
        Ok(())
    }

    async fn send_bundles(&self, bundles: Vec<Bytes>) -> Result<Sample, Failure> {
        let waiting = Mutex::new(bundles);
        let calls: Calls = Arc::new(move |_place, _sent| {
            let mut waiting = waiting.lock().ok()?;
            waiting.pop().map(post)
        });
        send(&self.server, BUNDLES_AT_ONCE, &calls, None).await
    }

    async fn write_batches(&self, batches: Vec<Batch>) -> Result<Sample, Failure> {
        let batches = Arc::new(Mutex::new(batches));
        let writers = (0..BUNDLES_AT_ONCE).map(|_| BatchWriter {
            store: Arc::clone(&self.bare),
            batches: Arc::clone(&batches),
        });
        let (_writers, sample) = bare::write(writers.collect(), None).await?;
        Ok(sample)
    }

    /// Reads by id and searches, beside the ceiling's process.
    async fn reads(&mut self) -> Result<(), Failure> {
        let ceiling = Process::ceiling(self.place)?;
        let smart = self.smart().await?;
        for workload in Workload::ALL {
            let paths = if workload == Workload::Read {
                self.instances()
            } else {
                search::paths(workload, &self.ready)
            };
            if paths.is_empty() || !taken(self.arguments, workload) {
                continue;
            }
            let paths: Arc<[String]> = paths.into();
            if let Some((smart, token)) = &smart {
                let row = self.guarded(workload, (smart, token), &paths).await?;
                self.report.workloads.push(row);
            }
            let row = self.read(workload, &ceiling, paths).await?;
            self.report.workloads.push(row);
        }
        if let Some((smart, _token)) = smart {
            self.report.remember("in smart mode", smart.memory());
            smart.stop().await?;
        }
        ceiling.stop().await
    }

    /// A server that wants tokens, and one for it, when access is to be measured.
    async fn smart(&self) -> Result<Option<(Process, Arc<str>)>, Failure> {
        if self.arguments.access == AccessMode::Open {
            return Ok(None);
        }
        self.place.copy_imported(Role::Smart)?;
        let smart = Process::smart_server(self.place)?;
        let token = token::get(self.place, &smart).await?;
        Ok(Some((smart, token)))
    }

    /// A workload with tokens and journal, beside the same without.
    async fn guarded(
        &self,
        workload: Workload,
        (smart, token): (&Process, &Arc<str>),
        paths: &Arc<[String]>,
    ) -> Result<Row, Failure> {
        let open = gets(paths);
        let token = Arc::clone(token);
        let with_token = Arc::clone(&open);
        let guarded: Calls =
            Arc::new(move |place, sent| with_token(place, sent).map(|call| call.with(&token)));
        let (count, turn) = (self.arguments.connections, Some(self.turn()));
        let (mut guarded_sample, mut open_sample) = (Sample::default(), Sample::default());
        send(smart, 1, &first(&guarded), None).await?;
        send(&self.server, 1, &first(&open), None).await?;
        for _ in 0..TURNS {
            guarded_sample.add(send(smart, count, &guarded, turn).await?);
            open_sample.add(send(&self.server, count, &open, turn).await?);
        }
        let mut row = Row::new(workload, guarded_sample, 1.0);
        row.workload.push_str(", access smart");
        Ok(row.beside("the same, access open", &open_sample, 1.0))
    }

    async fn read(
        &self,
        workload: Workload,
        ceiling: &Process,
        paths: Arc<[String]>,
    ) -> Result<Row, Failure> {
        let same = gets(&paths);
        let constant: Calls = Arc::new(|_, _| Some(Call::get("/constant".to_owned())));
        let count = self.arguments.connections;
        let turn = Some(self.turn());
        let (mut over_http, mut bare) = (Sample::default(), Sample::default());
        let mut nothing = Sample::default();
        // Once over the queries, so that plans are made and caches are warm.
        let once = first(&same);
        send(ceiling, 1, &once, None).await?;
        send(&self.server, 1, &once, None).await?;
        for _ in 0..TURNS {
            over_http.add(send(&self.server, count, &same, turn).await?);
            bare.add(send(ceiling, count, &same, turn).await?);
            if workload == Workload::Read {
                nothing.add(send(ceiling, count, &constant, turn).await?);
            }
        }
        let row = Row::new(workload, over_http, 1.0);
        Ok(match workload {
            Workload::Read => row.beside("axum, one get and open", &bare, 1.0).beside(
                "axum, a constant",
                &nothing,
                1.0,
            ),
            Workload::Count => row.beside("axum, one count", &bare, 1.0),
            _ => row.beside("axum, one find and open", &bare, 1.0),
        })
    }

    fn instances(&self) -> Vec<String> {
        // What was created by a condition has another id on the server.
        let puts = self.ready.puts.iter();
        let versions = puts.map(|put| &put.version).filter(|v| v.method == Put);
        versions
            .map(|v| format!("{}/{}", v.address.resource_type, v.address.id))
            .collect()
    }

    /// Stops the server and starts it again, several times, on what it has stored.
    async fn starts(mut self) -> Result<Report, Failure> {
        let first = self.instances().into_iter().next();
        let path = format!("/fhir/{}", first.ok_or("nothing is stored")?);
        let mut sample = Sample::default();
        for _ in 0..STARTS {
            self.server.stop().await?;
            let started = Instant::now();
            self.server = Process::server(self.place, Role::Server)?;
            send_alone(self.server.address(), Call::get(path.clone())).await?;
            let mut one = Sample::whole(started.elapsed().as_secs_f64());
            one.cpu_s = self.server.cpu_s();
            sample.add(one);
        }
        if taken(self.arguments, Workload::Start) {
            let row = Row::new(Workload::Start, sample, 1.0);
            self.report.workloads.push(row);
        }
        self.report
            .remember("started again, idle", self.server.memory());
        self.server.stop().await?;
        Ok(self.report)
    }
}

/// Sends calls over so many connections.
pub(super) async fn send(
    process: &Process,
    count: usize,
    calls: &Calls,
    time_max: Option<Duration>,
) -> Result<Sample, Failure> {
    let connections = Connection::open_all(process.address(), count, calls).await?;
    let before_s = process.cpu_s();
    let (_connections, mut sample) = drive(connections, time_max).await?;
    sample.cpu_s = process.cpu_s() - before_s;
    Ok(sample)
}

/// Each connection asks for one path after the other.
fn gets(paths: &Arc<[String]>) -> Calls {
    let paths = Arc::clone(paths);
    Arc::new(move |place, sent| {
        let at = (place * SPREAD + sent) % paths.len();
        paths.get(at).map(|path| Call::get(format!("/fhir/{path}")))
    })
}

/// The first of some calls.
fn first(calls: &Calls) -> Calls {
    let calls = Arc::clone(calls);
    Arc::new(move |place, sent| calls(place, sent).filter(|_| sent < WARM_UP))
}

fn post(bundle: Bytes) -> Call {
    Call {
        method: Method::POST,
        path: "/fhir".to_owned(),
        body: bundle,
        content_type: FHIR_JSON,
        token: None,
    }
}
