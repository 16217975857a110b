//! `vesta keys`: show or change the keys that seal the records.
//!
//! Rotation wraps every data key again, page by page. Servers on MongoDB go on meanwhile and read
//! the new master key when they meet it; an embedded store has to be let go of by its server first.
//! Why and when: `docs/security.md`.

use std::io::Write;
use std::sync::Arc;

use clap::Subcommand;

use crate::cli::{Failure, Settings, logging};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::server::open::{self, Master, Opened};

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
    tokio::runtime::Runtime::new()?.block_on(carry_out(action, &config))
}

async fn carry_out(action: Action, config: &Config) -> Result<(), Failure> {
    let opened = open::open(config, Arc::new(SystemClock)).await?;
    let done = match action {
        Action::Init => init(config),
        Action::Status => status(&opened).await,
        Action::Rotate => rotate(config, &opened).await,
    };
    opened.ctx.records.close().await?;
    done
}

fn init(config: &Config) -> Result<(), Failure> {
    let file = open::master_key_file(config);
    match config.keys.master {
        Some(_) => writeln!(std::io::stdout(), "the master key is given by value")?,
        None => writeln!(std::io::stdout(), "the master key is in {}", file.display())?,
    }
    Ok(())
}

async fn status(opened: &Opened) -> Result<(), Failure> {
    let status = opened.keys.status().await?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "data keys: {} (and {} erased)",
        status.keys, status.erased
    )?;
    for (generation, keys) in status.wrapped_by {
        writeln!(out, "wrapped by master key {generation}: {keys}")?;
    }
    Ok(())
}

async fn rotate(config: &Config, opened: &Opened) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let now_ms = opened.ctx.clock.now_ms();
    let master = open::open_master_key(config, now_ms)?;
    if let Master::File(file) = &master {
        let generation = file.add_generation(now_ms)?;
        writeln!(out, "made master key {generation}")?;
    }
    let progress = opened.keys.rotate_master(&|_progress| {}).await?;
    writeln!(
        out,
        "wrapped {} of {} data keys again",
        progress.rewrapped, progress.examined
    )?;
    if let Master::File(file) = &master {
        let status = opened.keys.status().await?;
        let used: Vec<_> = status.wrapped_by.keys().copied().collect();
        for generation in file.drop_unused(&used, now_ms)? {
            writeln!(out, "dropped master key {generation}")?;
        }
    }
    Ok(())
}
