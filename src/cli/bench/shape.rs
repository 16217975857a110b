//! `vesta bench search`: every shape of search beside its ceiling, at several sizes.
//!
//! The database is loaded anew for every size; what is asked for has the same answers in all of
//! them, so that growth is the database's. How to read the tables: `docs/operations.md`.

mod data;
mod list;
mod measure;
mod report;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::cli::Failure;
use crate::cli::bench::place::{Place, Role};
use crate::cli::bench::process::{self, Process};
use crate::cli::bench::shape::measure::Measuring;
use crate::cli::bench::shape::report::{Report, Size};

/// Generated resources of a patient, about.
const PER_PATIENT: usize = 163;

/// The arguments of the command.
#[derive(Debug, Args)]
pub(super) struct SearchArguments {
    /// Where the stores of the run are made: embedded:DIRECTORY or a mongodb:// URI, whose database
    /// only lends its name. They are deleted afterwards [default: a temporary directory].
    #[arg(long)]
    store: Option<String>,
    /// How many resources are stored, about; several sizes parted by commas.
    #[arg(long, value_delimiter = ',', default_value = "20000")]
    sizes: Vec<usize>,
    /// Seconds that each shape and each ceiling runs.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How many connections ask at once; several numbers parted by commas.
    #[arg(long, value_delimiter = ',', default_value = "8,64")]
    connections: Vec<usize>,
    /// Where the figures go as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only these shapes [default: all].
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// Runs the command.
pub(super) async fn run(arguments: &SearchArguments) -> Result<(), Failure> {
    let mut report = Report {
        cores: std::thread::available_parallelism()?.get(),
        ..Report::default()
    };
    for size in &arguments.sizes {
        let place = Place::new(arguments.store.as_deref())?.with_words();
        place.kind().clone_into(&mut report.store);
        let measured = at_size(arguments, &place, *size).await;
        place.clear().await?;
        report.sizes.push(measured?);
    }
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    let mut out = std::io::stdout();
    out.write_all(report.table().as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Loads a database of a size and asks it for every shape.
async fn at_size(
    arguments: &SearchArguments,
    place: &Place,
    resources: usize,
) -> Result<Size, Failure> {
    let files = place.directory().join("bundles");
    fs::create_dir_all(&files)?;
    let asked = data::write(&files)?;
    let patients = resources.saturating_sub(asked) / PER_PATIENT;
    let generated = crate::cli::bench::data::write(patients as u64, &files)?;
    let started = Instant::now();
    process::import(place, &files)?;
    let load_s = started.elapsed().as_secs_f64();
    fs::remove_dir_all(&files)?;
    let stored_bytes = place.copy_imported(Role::Server)?;
    let server = Process::server(place, place.copied_role(Role::Server))?;
    let ceiling = Process::ceiling(place)?;
    let measuring = Measuring {
        server: &server,
        ceiling: &ceiling,
        seconds: arguments.seconds,
    };
    let mut size = Size {
        resources: asked + generated,
        load_s,
        stored_bytes,
        ..Size::default()
    };
    let is_wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    for shape in list::shapes().iter().filter(|one| is_wanted(one.name)) {
        for count in &arguments.connections {
            size.shapes.push(measuring.shape(shape, *count).await?);
        }
        let alone = measuring.alone(shape.name, &shape.paths).await?;
        size.alone.push(alone);
    }
    for request in list::ALONE {
        if arguments.only.is_empty() {
            let path = request.replace('|', "%7C");
            size.alone.push(measuring.alone(request, &[path]).await?);
        }
    }
    server.stop().await?;
    ceiling.stop().await?;
    Ok(size)
}
