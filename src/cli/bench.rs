//! `vesta bench`: how fast a server is, beside the ceiling of each workload in the same run.
//!
//! The data is generated, the server is a process of its own, and the load comes over HTTP from
//! this process: it shares the cores, as the ceilings do, so it is the ratios that tell.
//! How to read the table: `docs/operations.md`.

mod bare;
mod ceiling;
mod data;
mod drive;
mod place;
mod process;
mod ready;
mod report;
mod run;
mod search;
mod shape;
mod single;
mod token;
mod traffic;
mod workload;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::bench::report::Report;
use crate::cli::bench::shape::SearchArguments;
use crate::cli::bench::workload::Workload;
use crate::cli::{Failure, Settings, logging};
use crate::config::{AccessMode, Config, Overrides};

/// The arguments of the command.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct BenchArguments {
    #[command(subcommand)]
    special: Option<Special>,
    /// Where the stores of the run are made: embedded:DIRECTORY or a mongodb:// URI, whose database
    /// only lends its name. They are deleted afterwards [default: a temporary directory].
    #[arg(long)]
    store: Option<String>,
    /// How many patients are generated, of about 150 resources each.
    #[arg(long, default_value_t = 200)]
    patients: u64,
    /// Seconds that each workload and each ceiling runs.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Connections, and writers of the ceilings.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// With `smart`, reads and searches are also measured on a server that decides access by tokens
    /// and keeps a journal, beside the open one, each on a copy of the same store.
    #[arg(long, default_value = "open")]
    access: AccessMode,
    /// Where the figures go as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Serve the reads of the ceiling on this store instead: how a run starts its second process.
    #[arg(long, hide = true)]
    ceiling: bool,
    /// Which workloads run [default: all].
    workloads: Vec<Workload>,
}

/// What is measured in a way of its own.
#[derive(Debug, Subcommand)]
enum Special {
    /// Every shape of search beside its ceiling, at several sizes of the database.
    Search(SearchArguments),
}

/// Runs the command.
pub(super) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    if arguments.ceiling {
        let settings = Settings {
            store: arguments.store.clone(),
            ..Settings::default()
        };
        let config = settings.decide()?;
        logging::start(&config)?;
        return runtime.block_on(ceiling::serve(&config));
    }
    let overrides = Overrides {
        log: Some("warn".to_owned()),
        ..Overrides::default()
    };
    logging::start(&Config::load(None, &overrides)?)?;
    if let Some(Special::Search(arguments)) = &arguments.special {
        return runtime.block_on(shape::run(arguments));
    }
    let report = runtime.block_on(run::run(arguments))?;
    tell(arguments, &report)
}

/// Whether a workload was asked for.
fn taken(arguments: &BenchArguments, workload: Workload) -> bool {
    arguments.workloads.is_empty() || arguments.workloads.contains(&workload)
}

fn tell(arguments: &BenchArguments, report: &Report) -> Result<(), Failure> {
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_vec_pretty(report)?)?;
    }
    let mut out = std::io::stdout();
    out.write_all(report.table().as_bytes())?;
    out.flush()?;
    Ok(())
}
