//! `vesta client`: register, show or disable the clients that may ask for access tokens.
//!
//! Servers go on meanwhile, and know of it at once.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::{Failure, Settings, keys, logging};
use crate::server::control::Question;
use crate::smart::client::{ClientKind, Command};
use crate::smart::registration::Registration;

/// What to do with clients.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Action {
    /// Register a client, and print its id, and its secret where it has one.
    Add(Box<Addition>),
    /// Show all clients.
    List,
    /// Refuse a client and every token it has from now on.
    Disable {
        /// Its id.
        client_id: String,
    },
    /// Let in a client that registered itself.
    Approve {
        /// Its id.
        client_id: String,
    },
}

/// What a client is registered with.
#[derive(Debug, Clone, Args)]
pub(super) struct Addition {
    /// What it is called.
    #[arg(long)]
    name: String,
    /// How it proves itself: public (not at all, as in a browser), secret, or keys.
    #[arg(long, default_value = "keys")]
    kind: ClientKind,
    /// A scope it may be given, such as patient/*.rs or launch/patient; may stand several times.
    #[arg(long = "scope", required = true)]
    scopes: Vec<String>,
    /// Where answers to authorization requests may go, exactly; may stand several times.
    #[arg(long = "redirect-uri")]
    redirect_uris: Vec<String>,
    /// Where an EHR launches it.
    #[arg(long)]
    launch_uri: Option<String>,
    /// A file with its public keys as a JWK set.
    #[arg(long)]
    jwks: Option<PathBuf>,
    /// The URL of its public keys instead.
    #[arg(long, conflicts_with = "jwks")]
    jwks_uri: Option<String>,
    /// Let it ask about the tokens of other clients, as a server of resources does.
    #[arg(long)]
    introspect: bool,
}

impl Addition {
    fn registration(self) -> Result<Registration, Failure> {
        Ok(Registration {
            name: self.name,
            kind: self.kind,
            scopes: self.scopes,
            redirect_uris: self.redirect_uris,
            launch_uri: self.launch_uri,
            jwks: self.jwks.as_deref().map(read).transpose()?,
            jwks_uri: self.jwks_uri,
            may_introspect: self.introspect,
            is_waiting: false,
        })
    }
}

/// Runs the command.
pub(super) fn run(action: Action, settings: &Settings) -> Result<(), Failure> {
    let config = settings.decide()?;
    logging::start(&config)?;
    let command = match action {
        Action::Add(addition) => Command::Add(addition.registration()?),
        Action::List => Command::List,
        Action::Disable { client_id } => Command::Disable(client_id),
        Action::Approve { client_id } => Command::Approve(client_id),
    };
    let question = Question::Client(Box::new(command));
    tokio::runtime::Runtime::new()?.block_on(keys::answer(&config, question))
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    Ok(text.map_err(|error| format!("{}: {error}", path.display()))?)
}
