//! `vesta audit`: look whether the journal of who did what is as it was written.
//!
//! A server that has the store open is asked, and goes on meanwhile. What is looked at, and what
//! cannot be seen by it: `docs/audit.md`.

use clap::Subcommand;

use crate::audit::verify::KnownCheckpoint;
use crate::cli::{Failure, Settings, keys, logging, require_store};
use crate::server::control::Question;

/// What to do with the journal.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Action {
    /// Walk all of it, and name what was changed, removed, reordered or cut off.
    Verify {
        /// A checkpoint that an earlier run printed, as NUMBER:HASH, kept somewhere else since.
        #[arg(long, value_parser = checkpoint)]
        since: Option<KnownCheckpoint>,
    },
}

/// Runs the command.
pub(super) fn run(action: Action, settings: &Settings) -> Result<(), Failure> {
    let config = settings.decide()?;
    logging::start(&config)?;
    let Action::Verify { since } = action;
    let question = Question::Audit(since);
    tokio::runtime::Runtime::new()?.block_on(async {
        require_store(&config).await?;
        keys::answer(&config, question).await
    })
}

fn checkpoint(text: &str) -> Result<KnownCheckpoint, String> {
    let read = || {
        let (number, hash) = text.split_once(':')?;
        Some(KnownCheckpoint {
            number: number.parse().ok()?,
            hash: hash.to_owned(),
        })
    };
    read().ok_or_else(|| "a checkpoint is written as NUMBER:HASH".to_owned())
}
