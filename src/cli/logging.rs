//! The log: lines on standard error, filtered as configured.
//!
//! Below `info` only this program's own lines are shown, whatever is configured: libraries show
//! headers and addresses there, with tokens and names in them.
//! Of a panic the log has the place only: what it says may be of a record.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Config;

/// What the targets of this program's lines begin with.
const OWN: &str = "vesta";

/// Starts logging; called once, before anything is logged.
pub(super) fn start(config: &Config) -> Result<(), super::Failure> {
    let filter = EnvFilter::try_new(&config.log)?;
    let is_terminal = std::io::stderr().is_terminal();
    let own = filter_fn(|event| {
        *event.level() <= Level::INFO || event.target().split("::").next() == Some(OWN)
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter).with_filter(own))
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a bug: something panicked");
    }));
    Ok(())
}
