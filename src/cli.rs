//! The command line: one file per subcommand.
//!
//! Raw arguments become decided settings before any work starts. A contract other programs rely on:
//! names, options and the line `vesta is listening on ...` do not change.

mod audit;
mod bench;
mod client;
mod demo;
pub mod dictionary;
pub mod distill;
pub mod generate;
mod import;
mod keys;
mod logging;
mod reindex;
mod serve;
mod user;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::rest::RestConfig;
use crate::config::{AccessMode, Config, ConfigError, Overrides};
use crate::conformance::registry::Registry;
use crate::fhir::json;
use crate::interaction::capabilities::{self, StatementParts};
use crate::server::open;

/// A FHIR R4 server with a personal health record on top of it.
#[derive(Debug, Parser)]
#[command(name = "vesta", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is told to stop (SIGTERM, Ctrl-C).
    Serve(Settings),
    /// Run a server with synthetic patients, to look around in.
    Demo(demo::DemoArguments),
    /// Load files into a store.
    Import(import::ImportArguments),
    /// Index what is stored anew: after a change of `base_url`, or in place of a running server.
    Reindex(reindex::ReindexArguments),
    /// Write synthetic patients as transaction Bundles.
    Generate(generate::GenerateArguments),
    /// Measure a server beside the ceilings of its workloads.
    Bench(bench::BenchArguments),
    /// Show or change the keys that seal the records.
    Keys {
        #[command(subcommand)]
        action: keys::Action,
        #[command(flatten)]
        settings: Settings,
    },
    /// Register, show or disable the clients that may ask for access tokens.
    Client {
        #[command(subcommand)]
        action: client::Action,
        #[command(flatten)]
        settings: Settings,
    },
    /// Look whether the journal of who did what is as it was written.
    Audit {
        #[command(subcommand)]
        action: audit::Action,
        #[command(flatten)]
        settings: Settings,
    },
    /// Add, show, disable or enable people who sign in.
    User {
        #[command(subcommand)]
        action: user::Action,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print the CapabilityStatement of the server.
    CapabilityStatement,
    /// Train the dictionary that bodies are compressed with.
    Dictionary {
        /// Where it goes.
        #[arg(long)]
        out: PathBuf,
    },
    /// Make `profiles/` again from HL7's package hl7.fhir.r4.examples.
    Distill {
        /// The package, as `npm pack hl7.fhir.r4.examples@4.0.1` fetches it.
        package: PathBuf,
        /// Where the tables go.
        #[arg(long, default_value = "profiles")]
        out: PathBuf,
    },
}

/// Settings that stand on the command line of every command that opens a store.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// Where to listen [default: 127.0.0.1:8080].
    #[arg(long, global = true)]
    pub listen: Option<SocketAddr>,
    /// embedded:PATH or a mongodb:// URI [default: embedded:vesta-data].
    #[arg(long, global = true)]
    pub store: Option<String>,
    /// The address clients use, when it is not the one listened on.
    #[arg(long, global = true)]
    pub base_url: Option<String>,
    /// How access is decided: `smart` by access tokens, `open` asks nobody for anything, on
    /// loopback only [default: smart].
    #[arg(long, global = true)]
    pub access: Option<AccessMode>,
    /// A configuration file in TOML.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// What the log shows, in the syntax of `RUST_LOG` [default: info].
    #[arg(long, global = true)]
    pub log: Option<String>,
}

impl Settings {
    /// Puts the settings together with environment, file and defaults.
    pub fn decide(&self) -> Result<Config, ConfigError> {
        let overrides = Overrides {
            listen: self.listen,
            store: self.store.clone(),
            base_url: self.base_url.clone(),
            access: self.access,
            log: self.log.clone(),
        };
        Config::load(self.config.clone(), &overrides)
    }
}

/// Refuses to go on where there is no store yet: what only looks at one, or changes what is in it,
/// would otherwise make an empty one by a misspelt name.
async fn require_store(config: &Config) -> Result<(), Failure> {
    if open::has_store(config).await? {
        return Ok(());
    }
    let text = match config.store.strip_prefix("embedded:") {
        Some(path) => format!(
            "there is no store in {path}: name the directory of one with --store embedded:PATH; \
             `vesta serve`, `vesta import` and `vesta keys init` make a new one"
        ),
        // A connection string may hold a password.
        None => "there is no store in this database: name that of one at the end of --store \
                 mongodb://HOST/DATABASE; `vesta serve`, `vesta import` and `vesta keys init` make \
                 a new one"
            .to_owned(),
    };
    Err(text.into())
}

/// Any failure, as it is shown on standard error.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the command line takes, for what has to agree with it.
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    match carry_out(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when standard error is closed.
            writeln!(std::io::stderr(), "vesta: {failure}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(settings) => serve::run(&settings),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Generate(arguments) => Ok(generate::run(&arguments)?),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Reindex(arguments) => reindex::run(&arguments),
        Command::Keys { action, settings } => keys::run(action, &settings),
        Command::Client { action, settings } => client::run(action, &settings),
        Command::Audit { action, settings } => audit::run(action, &settings),
        Command::User { action, settings } => user::run(action, &settings),
        Command::CapabilityStatement => print_capability_statement(),
        Command::Dictionary { out } => {
            dictionary::run(&out)?;
            Ok(())
        }
        Command::Distill { package, out } => {
            distill::run(&package, &out)?;
            Ok(())
        }
    }
}

/// The statement of the program with default settings, whatever store it will run on.
fn print_capability_statement() -> Result<(), Failure> {
    let registry = Registry::load()?;
    let json = capabilities::statement(StatementParts {
        registry: &registry,
        base_url: None,
        rest: &RestConfig::default(),
        has_words: false,
        access: Config::default().access,
        oauth_endpoints: &[],
    })?;
    let mut out = std::io::stdout();
    out.write_all(&json::pretty(&json))?;
    writeln!(out)?;
    Ok(())
}
