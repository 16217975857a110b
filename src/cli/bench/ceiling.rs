//! The ceiling of reads: bare axum around a constant, one get, one find or one count.
//!
//! A process of its own, like the server beside which it is measured. Plans are made on the first
//! request for each query and kept, so that nothing but walking and opening is measured.

mod by_hand;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::StatusCode;
use tokio::net::TcpListener;

use crate::access::records::Stored;
use crate::access::{Grant, Intent, Session, check};
use crate::cli::Failure;
use crate::cli::bench::search::PAGE;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::interaction::Context;
use crate::interaction::search::{self, Strictness};
use crate::outcome::Outcome;
use crate::search::lower::COUNT_LIMIT;
use crate::search::plan::{Order, Plan, Window};
use crate::server::open;
use crate::store::Address;

/// Bytes of the constant: what a resource has, about.
const CONSTANT_BYTES: usize = 1024;

#[derive(Clone)]
struct Ceiling {
    ctx: Context,
    grant: Grant,
    plans: Arc<RwLock<HashMap<String, Arc<Plan>>>>,
}

/// A failure only has to be seen: the run ends with it.
type Refused = (StatusCode, String);

/// What is sent, or why nothing is.
type Answer = Result<Bytes, Refused>;

/// Serves until it is told to stop.
pub(super) async fn serve(config: &Config) -> Result<(), Failure> {
    let opened = open::open(config, Arc::new(SystemClock)).await?;
    let state = Ceiling {
        ctx: opened.ctx.clone(),
        grant: check(&Session::operator(), Intent::ReadSystem)?,
        plans: Arc::default(),
    };
    let constant = Bytes::from(vec![b' '; CONSTANT_BYTES]);
    let router = Router::new()
        .route("/constant", get(async move || constant.clone()))
        .route("/fhir/{type}/{id}", get(read))
        .route("/fhir/{type}", get(find))
        .route("/by-hand/chain", get(by_hand::chain))
        .route("/by-hand/has", get(by_hand::has))
        .route("/by-hand/whole", get(by_hand::whole))
        .route("/by-hand/chart", get(by_hand::chart))
        .with_state(state);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "vesta is listening on http://{address}/")?;
    std::io::stdout().flush()?;
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
    });
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served?,
        _ = terminate.recv() => {}
    }
    opened.ctx.records.close().await?;
    Ok(())
}

async fn read(State(state): State<Ceiling>, Path((name, id)): Path<(String, String)>) -> Answer {
    let resource_type = name.parse().map_err(|_unknown| nothing())?;
    let address = Address { resource_type, id };
    let found = state.ctx.records.get(&state.grant, &address).await;
    Ok(found.map_err(failed)?.ok_or_else(nothing)?.json)
}

async fn find(
    State(state): State<Ceiling>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = query.unwrap_or_default();
    let plan = state.plan(&name, &query).await?;
    let records = &state.ctx.records;
    if query.ends_with("_summary=count") {
        let counted = records.count(&state.grant, &plan, u64::MAX).await;
        return Ok(counted.map_err(failed)?.to_string().into());
    }
    let window = Window {
        order: Order::NewestFirst,
        after: None,
        high_water: None,
        limit: PAGE,
        examined_max: usize::MAX,
        bytes_max: usize::MAX,
    };
    let page = records.find(&state.grant, &plan, &window).await;
    Ok(bodies(&page.map_err(failed)?.matches))
}

/// Documents one behind the other.
fn bodies(matches: &[Stored]) -> Bytes {
    let mut body = Vec::with_capacity(matches.iter().map(|one| one.json.len()).sum());
    for stored in matches {
        body.extend_from_slice(&stored.json);
    }
    body.into()
}

impl Ceiling {
    async fn plan(&self, name: &str, text: &str) -> Result<Arc<Plan>, Refused> {
        let key = format!("{name}?{text}");
        let known = self
            .plans
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(plan) = known {
            return Ok(plan);
        }
        let resource_type = name.parse().map_err(|_unknown| nothing())?;
        let query = search::parse(&self.ctx, resource_type, text, Strictness::Strict);
        let lowered = query.map_err(failed)?.lower(&self.ctx.records.indexer());
        let mut counts = Vec::new();
        for candidate in lowered.candidates() {
            let counted = self
                .ctx
                .records
                .count(&self.grant, &candidate.plan, COUNT_LIMIT);
            counts.push(counted.await.map_err(failed)?);
        }
        let plan = Arc::new(lowered.plan(&counts));
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        plans.insert(key, Arc::clone(&plan));
        Ok(plan)
    }
}

fn nothing() -> Refused {
    (StatusCode::NOT_FOUND, "nothing here".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(outcome: Outcome) -> Refused {
    (StatusCode::INTERNAL_SERVER_ERROR, outcome.to_string())
}
