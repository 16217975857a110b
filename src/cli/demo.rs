//! `vesta demo`: the server on an embedded store with synthetic patients, to look around in.
//!
//! The patients are always the same, so a second start adds nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::access::{Grant, Intent, Session, check};
use crate::cli::generate::{self, GenerateSettings};
use crate::cli::{Failure, logging, serve};
use crate::config::{AccessMode, Config, Overrides};
use crate::fhir::json;
use crate::interaction::Context;
use crate::interaction::bundle::read_bundle;
use crate::interaction::transaction::{TransactionRequest, transaction};
use crate::server::Server;

/// The same patients on every start.
const SEED: u64 = 1;

/// The arguments of the command.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Where to listen [default: 127.0.0.1:8080].
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The directory of the store.
    #[arg(long, default_value = "vesta-demo")]
    directory: PathBuf,
    /// How many patients there are.
    #[arg(long, default_value_t = 20)]
    patients: u64,
}

/// Runs the command.
pub(super) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    let overrides = Overrides {
        listen: arguments.listen,
        store: Some(format!("embedded:{}", arguments.directory.display())),
        access: Some(AccessMode::Open),
        ..Overrides::default()
    };
    let config = Config::load(None, &overrides)?;
    logging::start(&config)?;
    tokio::runtime::Runtime::new()?.block_on(demo(arguments, &config))
}

async fn demo(arguments: &DemoArguments, config: &Config) -> Result<(), Failure> {
    let server = Server::start(config).await?;
    let ctx = server.context().clone();
    let grant = check(&Session::operator(), Intent::Bundle)?;
    let mut bundles = Vec::new();
    let settings = GenerateSettings {
        patients: arguments.patients,
        seed: SEED,
    };
    generate::generate(&settings, &mut |bundle| {
        bundles.push(bundle.json);
        Ok::<(), Failure>(())
    })?;
    for bundle in bundles {
        load(&ctx, &grant, &bundle).await?;
    }
    tell(server.base_url(), arguments)?;
    serve::until_stopped(server).await
}

async fn load(ctx: &Context, grant: &Grant, bundle: &[u8]) -> Result<(), Failure> {
    let limits = json::Limits {
        depth_max: ctx.settings.limits.depth_max,
    };
    let bundle = json::parse_resource(bundle, limits)?;
    let entries = || {
        let bundle = read_bundle(ctx, bundle.clone())?;
        bundle.entries.into_iter().collect()
    };
    let request = TransactionRequest {
        entries: entries()?,
        again: &entries,
        marks: Vec::new(),
    };
    transaction(ctx, grant, request).await?;
    Ok(())
}

fn tell(base_url: &str, arguments: &DemoArguments) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "vesta is listening on {base_url}")?;
    writeln!(out)?;
    writeln!(
        out,
        "{} synthetic patients are in {}:",
        arguments.patients,
        arguments.directory.display()
    )?;
    writeln!(
        out,
        "  all patients          {base_url}/Patient?_pretty=true"
    )?;
    writeln!(
        out,
        "  by name               {base_url}/Patient?name=a&_pretty=true"
    )?;
    writeln!(
        out,
        "  blood pressures       {base_url}/Observation?code=85354-9&_pretty=true"
    )?;
    writeln!(
        out,
        "  what the server does  {base_url}/metadata?_pretty=true"
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "Nobody has to sign in: access is open, on this machine only. Ctrl-C stops it."
    )?;
    out.flush()?;
    Ok(())
}
