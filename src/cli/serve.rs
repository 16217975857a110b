//! `vesta serve`: run the server until it is told to stop.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Failure, Settings, logging};
use crate::config::Config;
use crate::server::Server;

/// Runs the command.
pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    let config = settings.decide()?;
    logging::start(&config)?;
    tokio::runtime::Runtime::new()?.block_on(serve(&config))
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let server = Server::start(config).await?;
    writeln!(
        std::io::stdout(),
        "vesta is listening on {}",
        server.base_url()
    )?;
    std::io::stdout().flush()?;
    until_stopped(server).await
}

/// Waits for SIGTERM or Ctrl-C and stops the server.
pub(super) async fn until_stopped(server: Server) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: requests under way are finished first");
    server.stop().await?;
    Ok(())
}
