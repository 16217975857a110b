//! `vesta user`: add, show, disable or enable the people who sign in.
//!
//! Servers go on meanwhile, and know of it at once.

use std::path::PathBuf;

use clap::Subcommand;

use crate::access::person::Role;
use crate::account::administration::{Command, NewPerson};
use crate::cli::{Failure, Settings, keys, logging};
use crate::server::control::Question;

/// What to do with people.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Action {
    /// Add somebody, and print the id of the person.
    Add {
        /// What they sign in with: a name or an e-mail address.
        sign_in_name: String,
        /// What they are called.
        #[arg(long)]
        name: String,
        /// patient, proxy, practitioner, administrator or auditor.
        #[arg(long)]
        role: Role,
        /// Where mail goes.
        #[arg(long)]
        email: Option<String>,
        /// The resource that describes them, such as Patient/1 or Practitioner/1.
        #[arg(long)]
        fhir_user: Option<String>,
        /// The id of a patient for whom a proxy acts; may stand several times.
        #[arg(long)]
        acts_for: Vec<String>,
        /// A file with their password in its first line.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Show everybody.
    List,
    /// Shut somebody out from now on, with every session and token they have.
    Disable {
        /// What they sign in with.
        sign_in_name: String,
    },
    /// Let somebody in again.
    Enable {
        /// What they sign in with.
        sign_in_name: String,
    },
}

/// Runs the command.
pub(super) fn run(action: Action, settings: &Settings) -> Result<(), Failure> {
    let config = settings.decide()?;
    logging::start(&config)?;
    let command = match action {
        Action::Add {
            sign_in_name,
            name,
            role,
            email,
            fhir_user,
            acts_for,
            password_file,
        } => Command::Add(NewPerson {
            sign_in_name,
            name,
            role,
            email,
            fhir_user,
            acts_for,
            password: password_file.as_ref().map(first_line).transpose()?,
        }),
        Action::List => Command::List,
        Action::Disable { sign_in_name } => Command::Disable(sign_in_name),
        Action::Enable { sign_in_name } => Command::Enable(sign_in_name),
    };
    let question = Question::User(Box::new(command));
    tokio::runtime::Runtime::new()?.block_on(keys::answer(&config, question))
}

fn first_line(path: &PathBuf) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
