//! The log: lines on standard error, filtered as configured.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::Config;

/// Starts logging; called once, before anything is logged.
pub(super) fn start(config: &Config) -> Result<(), super::Failure> {
    let filter = EnvFilter::try_new(&config.log)?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .try_init()
}
