//! `vesta reindex`: index what is stored anew, without a server.
//!
//! For search parameters that came at run time it goes on where a server stopped. After a change
//! of `base_url`, or of how index entries are made, everything is indexed anew. An embedded store
//! has to be let go of by its server first.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::access::records::reindex::ReindexStep;
use crate::access::{Grant, Intent, Session, check};
use crate::cli::{Failure, Settings, logging, require_store};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::server::open;

/// The arguments of the command.
#[derive(Debug, Args)]
pub(super) struct ReindexArguments {
    /// Only resources of this type; may be given several times.
    #[arg(long = "type")]
    types: Vec<String>,
    /// Only types that have this search parameter, by its code or URL.
    #[arg(long)]
    parameter: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// How long to wait while another process has the walk.
const WAIT: Duration = Duration::from_secs(1);

/// Runs the command.
pub(super) fn run(arguments: &ReindexArguments) -> Result<(), Failure> {
    let config = arguments.settings.decide()?;
    logging::start(&config)?;
    tokio::runtime::Runtime::new()?.block_on(reindex(arguments, &config))
}

async fn reindex(arguments: &ReindexArguments, config: &Config) -> Result<(), Failure> {
    require_store(config).await?;
    let opened = open::open(config, Arc::new(SystemClock)).await?;
    let ctx = &opened.ctx;
    let grant = check(&Session::operator(), Intent::Reindex)?;
    let types = chosen(arguments, ctx)?;
    ctx.records.start_reindex(&grant, &types).await?;
    let walked = walk(ctx, &grant, config.reindex.step_resources_max).await;
    ctx.records.close().await?;
    writeln!(std::io::stdout(), "indexed {} resources anew", walked?)?;
    Ok(())
}

/// The types that the arguments name, all when they name none.
fn chosen(arguments: &ReindexArguments, ctx: &Context) -> Result<Vec<ResourceType>, Failure> {
    let mut types = Vec::new();
    for name in &arguments.types {
        let known: Result<ResourceType, _> = name.parse();
        types.push(known.map_err(|_unknown| format!("R4 has no resource type {name}"))?);
    }
    if types.is_empty() {
        types.extend(ResourceType::all());
    }
    if let Some(wanted) = &arguments.parameter {
        let indexer = ctx.records.indexer();
        types.retain(|resource_type| {
            let mut all = indexer.registry().search_parameters(*resource_type).iter();
            all.any(|one| one.code == *wanted || one.url == *wanted)
        });
    }
    if types.is_empty() {
        return Err("none of these types has such a search parameter".into());
    }
    Ok(types)
}

async fn walk(ctx: &Context, grant: &Grant, step: usize) -> Result<u64, Failure> {
    let style = "{bar:30} {pos}/{len} {per_sec} {msg} (about {eta} left)";
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut walked = 0;
    loop {
        match ctx.records.reindex_step(grant, step, 0).await? {
            ReindexStep::Walked(count) => walked += u64::try_from(count)?,
            ReindexStep::Elsewhere => tokio::time::sleep(WAIT).await,
            ReindexStep::Idle => break,
        }
        let progress = ctx.records.reindex_progress().await?;
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.resource_type.unwrap_or_default());
    }
    bar.finish_and_clear();
    Ok(walked)
}
