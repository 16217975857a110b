//! The reindex that follows a new search parameter: the work in the background, and its state.
//!
//! What a step is, and why it can end anywhere, is in [`crate::access::records::reindex`].

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::access::records::reindex::ReindexStep;
use crate::access::{Grant, Intent, Session, check};
use crate::config::reindex::ReindexConfig;
use crate::interaction::Context;
use crate::outcome::Outcome;

/// Works until the server stops: looks for search parameters that other processes put into force,
/// and indexes what is stored by new ones, no faster than the settings say.
pub async fn run(ctx: Context, config: ReindexConfig, mut stopped: watch::Receiver<bool>) {
    loop {
        let wait = match turn(&ctx, &config).await {
            Ok(wait) => wait,
            Err(outcome) => {
                let source = outcome.source.as_deref().unwrap_or("none given");
                tracing::warn!(source, "indexing anew failed and is tried again");
                Duration::from_millis(config.poll_ms)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.wait_for(|is_stopping| *is_stopping) => return,
        }
    }
}

/// One turn, and how long to wait for the next one.
async fn turn(ctx: &Context, config: &ReindexConfig) -> Result<Duration, Outcome> {
    let poll = Duration::from_millis(config.poll_ms);
    ctx.records.refresh_parameters().await?;
    if config.resources_per_second_max == 0 {
        return Ok(poll);
    }
    let pending = ctx.records.reindex_progress().await?.pending;
    if pending.is_empty() {
        return Ok(poll);
    }
    let grant = check(&Session::operator(), Intent::Reindex)?;
    let started = Instant::now();
    let limit = config.step_resources_max;
    match ctx
        .records
        .reindex_step(&grant, limit, config.settle_ms)
        .await?
    {
        ReindexStep::Idle | ReindexStep::Elsewhere => Ok(poll),
        ReindexStep::Walked(count) => {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let due = f64::from(count) / f64::from(config.resources_per_second_max);
            Ok(Duration::from_secs_f64(due).saturating_sub(started.elapsed()))
        }
    }
}

/// The state as a `Parameters` resource.
pub async fn status(ctx: &Context, _grant: &Grant) -> Result<Vec<u8>, Outcome> {
    ctx.records.refresh_parameters().await?;
    let progress = ctx.records.reindex_progress().await?;
    let mut parameters = Vec::new();
    for one in ctx.records.custom_parameters() {
        parameters.push(serde_json::json!({
            "name": "search-parameter",
            "part": [
                { "name": "type", "valueCode": one.resource_type.name() },
                { "name": "code", "valueCode": one.code },
                { "name": "url", "valueUri": one.url },
                { "name": "complete", "valueBoolean": one.is_complete },
            ],
        }));
    }
    for name in &progress.pending {
        parameters.push(serde_json::json!({ "name": "pending", "valueCode": name }));
    }
    if let Some(name) = &progress.resource_type {
        parameters.push(serde_json::json!({
            "name": "under-way",
            "part": [
                { "name": "type", "valueCode": name },
                { "name": "done", "valueDecimal": progress.done },
                { "name": "total", "valueDecimal": progress.total },
            ],
        }));
    }
    let is_complete = progress.pending.is_empty();
    parameters.push(serde_json::json!({ "name": "complete", "valueBoolean": is_complete }));
    let answer = serde_json::json!({ "resourceType": "Parameters", "parameter": parameters });
    Ok(answer.to_string().into_bytes())
}
