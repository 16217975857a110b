//! `vesta user`: the people who sign in, as an operator sees to them.
//!
//! Servers go on meanwhile, and know of it at once.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::access::person::Role;
use crate::account::administration::{Command, NewPerson};
use crate::cli::{Failure, Settings, keys, logging};
use crate::server::control::Question;

/// What to do with people; each is named by what they sign in with.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Action {
    /// Add somebody, and print the id of the person; without a password, an invitation as well.
    Add(Box<NewUser>),
    /// Show everybody: sign-in name, state, role, resource, name.
    List,
    /// Shut somebody out from now on, with every session and token they have.
    Disable {
        /// Who.
        sign_in_name: String,
    },
    /// Let somebody in again.
    Enable {
        /// Who.
        sign_in_name: String,
    },
    /// End a password and all sessions, and print a link by which another one is chosen.
    ResetPassword {
        /// Who.
        sign_in_name: String,
        /// Forget the second factors too, because phone or passkey are lost.
        #[arg(long)]
        with_factors: bool,
    },
    /// Give somebody another role; all their sessions end.
    SetRole {
        /// Who.
        sign_in_name: String,
        /// patient, proxy, practitioner, administrator or auditor.
        role: Role,
        #[command(flatten)]
        described: Described,
    },
    /// Confirm which resource describes somebody.
    Confirm {
        /// Who.
        sign_in_name: String,
        /// The resource, such as Patient/1.
        #[arg(long)]
        fhir_user: String,
    },
    /// Print a link by which a patient connects the account they have, or make, with a record.
    Invite {
        /// The record, Patient/ and its id.
        #[arg(long)]
        fhir_user: String,
    },
}

/// Somebody to add.
#[derive(Debug, Clone, Args)]
pub(super) struct NewUser {
    /// What they sign in with: a name or an e-mail address.
    sign_in_name: String,
    /// What they are called.
    #[arg(long)]
    name: String,
    /// patient, proxy, practitioner, administrator or auditor.
    #[arg(long)]
    role: Role,
    /// Where mail goes, when the sign-in name is no address.
    #[arg(long)]
    email: Option<String>,
    /// A file with their password in its first line.
    #[arg(long)]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    described: Described,
}

/// Who somebody is in the records.
#[derive(Debug, Clone, Args)]
pub(super) struct Described {
    /// The resource that describes them, such as Patient/1 or Practitioner/1.
    #[arg(long)]
    fhir_user: Option<String>,
    /// The id of a patient for whom a proxy acts; may stand several times.
    #[arg(long)]
    acts_for: Vec<String>,
}

/// Runs the command.
pub(super) fn run(action: Action, settings: &Settings) -> Result<(), Failure> {
    let config = settings.decide()?;
    logging::start(&config)?;
    let question = Question::User(Box::new(command(action)?));
    tokio::runtime::Runtime::new()?.block_on(keys::answer(&config, question))
}

fn command(action: Action) -> Result<Command, Failure> {
    Ok(match action {
        Action::Add(new) => Command::Add(NewPerson {
            sign_in_name: new.sign_in_name,
            name: new.name,
            role: new.role,
            email: new.email,
            fhir_user: new.described.fhir_user,
            acts_for: new.described.acts_for,
            password: new.password_file.as_deref().map(first_line).transpose()?,
        }),
        Action::List => Command::List,
        Action::Disable { sign_in_name } => Command::Disable(sign_in_name),
        Action::Enable { sign_in_name } => Command::Enable(sign_in_name),
        Action::ResetPassword {
            sign_in_name,
            with_factors,
        } => Command::Reset {
            sign_in_name,
            with_factors,
        },
        Action::SetRole {
            sign_in_name,
            role,
            described,
        } => Command::SetRole {
            sign_in_name,
            role,
            fhir_user: described.fhir_user,
            acts_for: described.acts_for,
        },
        Action::Confirm {
            sign_in_name,
            fhir_user,
        } => Command::Confirm {
            sign_in_name,
            fhir_user,
        },
        Action::Invite { fhir_user } => Command::Invite { fhir_user },
    })
}

fn first_line(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
