//! `vesta keys`: show or change the keys that seal the records.
//!
//! Servers go on meanwhile. One that has an embedded store open does what is asked of it; any other
//! store is opened here, and its servers read the new master key when they meet it.
//! Why and when: `docs/security.md`.

use std::io::Write;
use std::sync::Arc;

use clap::Subcommand;

use crate::cli::{Failure, Settings, logging, require_store};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::server::control::{self, Control, Question};
use crate::server::{self, open};

/// What to do with the keys.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Action {
    /// Make the master key file and the index root of a new store.
    Init,
    /// Make a new master key, wrap every data key with it, drop the old one.
    Rotate,
    /// Show how many data keys there are, by the master key that wraps them.
    Status,
}

/// Runs the command.
pub(super) fn run(action: Action, settings: &Settings) -> Result<(), Failure> {
    let config = settings.decide()?;
    logging::start(&config)?;
    let work = async {
        if !matches!(action, Action::Init) {
            require_store(&config).await?;
        }
        match action {
            Action::Init => init(&config).await,
            Action::Rotate => answer(&config, Question::Rotate).await,
            Action::Status => answer(&config, Question::Status).await,
        }
    };
    tokio::runtime::Runtime::new()?.block_on(work)
}

async fn init(config: &Config) -> Result<(), Failure> {
    let opened = open::open(config, Arc::new(SystemClock)).await?;
    opened.ctx.records.close().await?;
    let file = open::master_key_file(config);
    match config.keys.master {
        Some(_) => writeln!(std::io::stdout(), "the master key is given by value")?,
        None => writeln!(std::io::stdout(), "the master key is in {}", file.display())?,
    }
    Ok(())
}

/// Has a question answered by the server that has the store open, or else here.
pub(super) async fn answer(config: &Config, question: Question) -> Result<(), Failure> {
    let lines = match control::ask(config, question.clone()).await {
        Some(answered) => answered?,
        None => answer_here(config, question).await?,
    };
    let mut out = std::io::stdout();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

async fn answer_here(config: &Config, question: Question) -> Result<Vec<String>, Failure> {
    let opened = open::open(config, Arc::new(SystemClock)).await?;
    let control = Control {
        config: config.clone(),
        keys: Arc::clone(&opened.keys),
        documents: Arc::clone(&opened.documents),
        journal: Arc::clone(&opened.journal),
        accounts: server::accounts(config, &opened)?,
        clock: Arc::clone(&opened.ctx.clock),
    };
    let answered = control.answer(question).await;
    opened.ctx.records.close().await?;
    Ok(answered?)
}
