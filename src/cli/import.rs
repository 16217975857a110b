//! `vesta import`: files and directories of JSON, NDJSON and HL7 v2 messages, plain or gzipped,
//! into a store.
//!
//! A Bundle is imported whole or not at all, and is marked in the same commit: a second run finds
//! the mark and changes nothing. Lines of NDJSON are updates by id, which change nothing the second
//! time. No server is needed, and none may have an embedded store open.
//!
//! A Bundle is a message that says what to do, unless `--store-bundles` makes it a record like any
//! other: then what it says is neither done nor taken apart.

mod carry;
mod messages;
mod source;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use futures::StreamExt;
use futures::stream;
use indicatif::{ProgressBar, ProgressStyle};

use crate::access::{Intent, Session, check};
use crate::cli::import::carry::{Carrier, Report};
use crate::cli::import::source::Source;
use crate::cli::{Failure, Settings, logging};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::config::hl7v2::{Acknowledge, Hl7v2Config};
use crate::ingest::Ingest;
use crate::server::{base_url, open};

/// The arguments of the command.
#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// Files and directories.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Store a Bundle that is a whole file as a resource, instead of carrying it out (transaction,
    /// batch) or taking its resources (any other).
    #[arg(long)]
    store_bundles: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Files imported at once, once those that others refer to are in.
const FILES_AT_ONCE_MAX: usize = 4;

/// Runs the command.
pub(super) fn run(arguments: &ImportArguments) -> Result<(), Failure> {
    let config = arguments.settings.decide()?;
    logging::start(&config)?;
    let sources = source::find(&arguments.paths)?;
    let stores_bundles = arguments.store_bundles;
    tokio::runtime::Runtime::new()?.block_on(import(&config, sources, stores_bundles))
}

async fn import(
    config: &Config,
    sources: Vec<Source>,
    stores_bundles: bool,
) -> Result<(), Failure> {
    let opened = open::open(config, Arc::new(SystemClock)).await?;
    base_url::settle(&*opened.store, config, &*opened.ctx.clock).await?;
    let grant = check(&Session::operator(), Intent::Bundle)?;
    let bytes = sources.iter().map(|source| source.bytes).sum();
    // What became of each message is told of, whatever senders are told.
    let messages = Hl7v2Config {
        acknowledge: Acknowledge::Applied,
        ..config.hl7v2.clone()
    };
    let documents = Arc::clone(&opened.documents);
    let carrier = Carrier {
        ctx: opened.ctx.clone(),
        ingest: Arc::new(Ingest::new(opened.ctx.clone(), documents, &messages)?),
        grant,
        stores_bundles,
        bar: progress_bar(bytes)?,
    };
    let started = Instant::now();
    let report = carry_all(&carrier, sources).await;
    carrier.bar.finish_and_clear();
    opened.ctx.records.close().await?;
    tell(&report, started.elapsed())
}

/// Files that others refer to go first, one after the other.
async fn carry_all(carrier: &Carrier, sources: Vec<Source>) -> Report {
    let (first, rest): (Vec<_>, Vec<_>) = sources.into_iter().partition(|s| s.is_referred_to);
    let mut report = Report::default();
    for source in &first {
        report.add(carrier.carry(source).await);
    }
    let work = rest.iter().map(|source| carrier.carry(source));
    let mut reports = stream::iter(work).buffer_unordered(FILES_AT_ONCE_MAX);
    while let Some(one) = reports.next().await {
        report.add(one);
    }
    report
}

fn progress_bar(bytes: u64) -> Result<ProgressBar, Failure> {
    let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} (about {eta} left)";
    let bar = ProgressBar::new(bytes);
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(250));
    Ok(bar)
}

fn tell(report: &Report, elapsed: Duration) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let seconds = elapsed.as_secs_f64().max(0.001);
    let each = f64::from(u32::try_from(report.written).unwrap_or(u32::MAX));
    writeln!(
        out,
        "imported {} resources and {} messages in {seconds:.1} s ({:.0} a second); {} were there already, \
         {} files had been imported before",
        report.written,
        report.messages,
        each / seconds,
        report.unchanged,
        report.files_known,
    )?;
    for problem in &report.problems {
        writeln!(std::io::stderr(), "{problem}")?;
    }
    if report.failed > 0 {
        return Err(format!("{} files or lines were not imported", report.failed).into());
    }
    Ok(())
}
