//! `vesta client`: register, show or disable the clients that may ask for access tokens.
//!
//! Servers go on meanwhile, and know of it at once.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::cli::{Failure, Settings, keys, logging};
use crate::server::control::Question;
use crate::smart::client::{Command, Registration};

/// What to do with clients.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Action {
    /// Register a client that acts by itself (SMART backend services), and print its id.
    Add {
        /// What it is called.
        #[arg(long)]
        name: String,
        /// A scope it may be given, such as system/Observation.rs; may stand several times.
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// A file with its public keys as a JWK set.
        #[arg(long)]
        jwks: PathBuf,
        /// Let it ask about the tokens of other clients, as a server of resources does.
        #[arg(long)]
        introspect: bool,
    },
    /// Show all clients.
    List,
    /// Refuse a client and every token it has from now on.
    Disable {
        /// Its id.
        client_id: String,
    },
}

/// Runs the command.
pub(super) fn run(action: Action, settings: &Settings) -> Result<(), Failure> {
    let config = settings.decide()?;
    logging::start(&config)?;
    let command = match action {
        Action::Add {
            name,
            scopes,
            jwks,
            introspect,
        } => Command::Add(Registration {
            name,
            scopes,
            jwks: read(&jwks)?,
            may_introspect: introspect,
        }),
        Action::List => Command::List,
        Action::Disable { client_id } => Command::Disable(client_id),
    };
    let question = Question::Client(Box::new(command));
    tokio::runtime::Runtime::new()?.block_on(keys::answer(&config, question))
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    Ok(text.map_err(|error| format!("{}: {error}", path.display()))?)
}
