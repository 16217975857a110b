//! The server: every part put together, listening, and stopped gracefully.
//!
//! [`Server::start`] opens the store and listens; [`Server::stop`] lets requests under way finish,
//! then closes the store. Tests start servers the same way.

pub mod base_url;
pub mod control;
mod listen;
pub mod open;
mod router;
mod tls;
mod unparsed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusRecorder;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::records::erasure::SWEEP_INTERVAL;
use crate::account::accounts::Accounts;
use crate::audit::event::{Act, Agent, Event};
use crate::audit::journal::Journal;
use crate::audit::ledger::JournalError;
use crate::clock::{Clock, SystemClock};
use crate::config::{AccessMode, Config};
use crate::http::rates::Rates;
use crate::http::state::{AppParts, AppState};
use crate::ingest::Ingest;
use crate::interaction::Context;
use crate::mllp;
use crate::operation::audit_events::{self, AuditEvents};
use crate::operation::reindex;
use crate::server::control::Control;
use crate::server::listen::Door;
use crate::server::open::Opened;
use crate::server::tls::Tls;
use crate::smart::authority::{Authority, AuthorityParts, SessionWatch};

/// How long measurements wait to be summed up, at most.
const SUM_UP_INTERVAL: Duration = Duration::from_secs(5);

/// How often is looked whether another signing key is due.
const TEND_INTERVAL: Duration = Duration::from_hours(6);

/// A server that listens.
pub struct Server {
    address: SocketAddr,
    base_url: String,
    ctx: Context,
    journal: Arc<Journal>,
    stopping: watch::Sender<bool>,
    listener: JoinHandle<()>,
    control: Option<JoinHandle<()>>,
    reindexer: JoinHandle<()>,
    /// What takes HL7 v2 messages in, and over which listener.
    messages: Vec<JoinHandle<()>>,
    mllp_address: Option<SocketAddr>,
    grace: Duration,
}

/// Why a server does not start or stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A setting is missing or does not fit.
    #[error("{0}")]
    Setting(String),
    /// The store or its keys cannot be opened.
    #[error("{0}")]
    Store(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Server {
    /// Opens everything and listens.
    pub async fn start(config: &Config) -> Result<Self, ServerError> {
        Self::start_with(config, Arc::new(SystemClock)).await
    }

    /// As [`Server::start`], with a clock of the caller's.
    pub async fn start_with(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, ServerError> {
        warn_when_open(config);
        let address = config.listen;
        let failed = |source| ServerError::Listen { address, source };
        let tls = Tls::open(config)?;
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let config = Config {
            listen: address,
            ..config.clone()
        };
        let parts = open::open(&config, clock).await?;
        base_url::settle(&*parts.store, &config, &*parts.ctx.clock).await?;
        let recorder = Arc::clone(&parts.recorder);
        let accounts = accounts(&config, &parts)?;
        let is_smart = config.access == AccessMode::Smart;
        let ingest = ingest(&config, &parts).await?;
        let events = events(&parts);
        let state = AppState::new(AppParts {
            ctx: parts.ctx.clone(),
            access: config.access,
            authority: authority(&config, &parts, &accounts),
            journal: Arc::clone(&parts.journal),
            accounts: is_smart.then(|| Arc::clone(&accounts)),
            ingest: Arc::clone(&ingest),
            events: Arc::clone(&events),
            rates: Arc::new(Rates::new(&config.rate, config.access)),
            recorder: parts.recorder,
            capability_statement: parts.capability_statement,
        });
        let router = router::router(&state, &config);
        let (stopping, stopped) = watch::channel(false);
        note(&parts.journal, Act::Start).await?;
        let control = Control {
            config: config.clone(),
            keys: parts.keys,
            accounts,
            documents: parts.documents,
            journal: Arc::clone(&parts.journal),
            clock: Arc::clone(&parts.ctx.clock),
        };
        let control = control::listen(control, stopped.clone());
        let (mllp_address, messages) = take_messages(&config, ingest, &stopped).await?;
        let reindexing = reindex::run(parts.ctx.clone(), config.reindex.clone(), stopped.clone());
        tokio::spawn(sweep_erasures(parts.ctx.clone(), stopped.clone()));
        tokio::spawn(make_events(events, &config, stopped.clone()));
        tokio::spawn(sum_up(recorder, stopped.clone()));
        look_after(state.authority.as_ref(), tls.as_ref(), &stopped);
        let door = Door::new(&config, tls);
        let serving = listen::serve(listener, router, door, stopped);
        Ok(Self {
            address,
            base_url: config.fhir_base(),
            ctx: parts.ctx,
            journal: parts.journal,
            stopping,
            listener: tokio::spawn(serving),
            control,
            reindexer: tokio::spawn(reindexing),
            messages,
            mllp_address,
            grace: Duration::from_secs(config.limits.shutdown_seconds_max),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for MLLP, when it does.
    pub fn mllp_address(&self) -> Option<SocketAddr> {
        self.mllp_address
    }

    /// The FHIR base URL.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What its interactions work with.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// Who did what.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Stops: no new connections, requests under way finish, the store is closed.
    pub async fn stop(self) -> Result<(), ServerError> {
        self.stopping.send_replace(true);
        if tokio::time::timeout(self.grace, self.listener)
            .await
            .is_err()
        {
            tracing::warn!("requests were still under way when the grace period ended");
        }
        for task in self.messages {
            if tokio::time::timeout(self.grace, task).await.is_err() {
                tracing::warn!("messages were still under way when the grace period ended");
            }
        }
        if let Some(control) = self.control
            && control.await.is_err()
        {
            tracing::warn!("the control socket did not close in good order");
        }
        if let Err(error) = self.reindexer.await {
            tracing::error!(%error, "indexing anew ended badly");
        }
        if let Err(error) = note(&self.journal, Act::Stop).await {
            tracing::error!(%error, "the journal was not closed in good order");
        }
        self.ctx.records.close().await.map_err(|outcome| {
            ServerError::Store(
                outcome
                    .source
                    .unwrap_or_else(|| "closing failed".to_owned()),
            )
        })
    }
}

/// What makes resources of the journal.
fn events(parts: &Opened) -> Arc<AuditEvents> {
    let journal = Arc::clone(&parts.journal);
    Arc::new(AuditEvents::new(parts.ctx.clone(), journal))
}

/// Makes them until the server stops.
fn make_events(
    events: Arc<AuditEvents>,
    config: &Config,
    stopped: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    let every = Duration::from_secs(config.audit.resources_seconds);
    audit_events::run(events, every, stopped)
}

/// Writes down that the server starts or stops, with a checkpoint behind it.
async fn note(journal: &Journal, act: Act) -> Result<(), ServerError> {
    let failed = |error: JournalError| ServerError::Store(error.to_string());
    let event = Event::success(act).by(Agent::system());
    journal.record(event).await.map_err(failed)?;
    journal.checkpoint().await.map_err(failed)?;
    Ok(())
}

/// Sweeps after erasures until the server stops.
async fn sweep_erasures(ctx: Context, mut stopped: watch::Receiver<bool>) {
    loop {
        match ctx.records.sweep_erasures().await {
            Ok(0) => {}
            Ok(versions) => tracing::info!(versions, "swept after an erasure"),
            Err(outcome) => {
                let cause = outcome.source.unwrap_or_default();
                tracing::warn!(%cause, "erasures cannot be swept now");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            _ = stopped.changed() => return,
        }
    }
}

/// Sums up measurements now and then: each waits in memory until somebody asks, and nobody may.
async fn sum_up(recorder: Arc<PrometheusRecorder>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(SUM_UP_INTERVAL) => recorder.handle().run_upkeep(),
        }
    }
}

/// Has keys and certificates replaced in time.
fn look_after(
    authority: Option<&Arc<Authority>>,
    tls: Option<&Tls>,
    stopped: &watch::Receiver<bool>,
) {
    if let Some(authority) = authority {
        tokio::spawn(tend_keys(Arc::clone(authority), stopped.clone()));
    }
    if let Some(tls) = tls {
        tokio::spawn(tls.clone().keep_current(stopped.clone()));
    }
}

/// Has signing keys made in time, so that each is published for a while before it signs.
async fn tend_keys(authority: Arc<Authority>, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = authority.tend_keys().await {
            let source = error.source.as_deref().unwrap_or("none given");
            tracing::warn!(source, "signing keys cannot be looked at now");
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(TEND_INTERVAL) => {}
        }
    }
}

fn warn_when_open(config: &Config) {
    if config.access == AccessMode::Open {
        tracing::warn!("access is open: everybody on this machine may read and write everything");
    }
}

/// People who sign in.
pub fn accounts(config: &Config, parts: &Opened) -> Result<Arc<Accounts>, ServerError> {
    let accounts = Accounts::new(
        Arc::clone(&parts.documents),
        Arc::clone(&parts.journal),
        config,
    );
    let accounts = accounts.map_err(|error| ServerError::Setting(error.to_string()))?;
    Ok(Arc::new(accounts))
}

/// What takes HL7 v2 messages in; those that were left when a process ended are under way again.
async fn ingest(config: &Config, parts: &Opened) -> Result<Arc<Ingest>, ServerError> {
    let documents = Arc::clone(&parts.documents);
    let ingest = Ingest::new(parts.ctx.clone(), documents, &config.hl7v2);
    let ingest = ingest.map_err(|error| ServerError::Setting(error.to_string()))?;
    let ingest = Arc::new(ingest);
    let is_alone = config.store.starts_with("embedded:");
    let resumed = ingest.resume(is_alone).await;
    resumed.map_err(|error| ServerError::Store(error.to_string()))?;
    Ok(ingest)
}

/// Listens for MLLP where that is configured, and sees to what others left.
async fn take_messages(
    config: &Config,
    ingest: Arc<Ingest>,
    stopped: &watch::Receiver<bool>,
) -> Result<(Option<SocketAddr>, Vec<JoinHandle<()>>), ServerError> {
    let mut tasks = Vec::new();
    let mut bound = None;
    if let Some(address) = config.hl7v2.listen {
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        bound = Some(listener.local_addr().map_err(failed)?);
        let serving = mllp::listener::serve(listener, Arc::clone(&ingest), stopped.clone());
        tasks.push(tokio::spawn(serving));
    }
    tasks.push(tokio::spawn(ingest.run(stopped.clone())));
    Ok((bound, tasks))
}

/// Tells grants whether the sessions that they end with are still there.
struct SignedInSessions(Arc<Accounts>);

#[async_trait]
impl SessionWatch for SignedInSessions {
    async fn is_alive(&self, person_id: &str, session_id: &str) -> bool {
        match self.0.sessions(person_id).await {
            Ok(sessions) => sessions.iter().any(|session| session.id == session_id),
            Err(error) => {
                tracing::warn!(%error, "a session cannot be looked up");
                false
            }
        }
    }
}

/// The authorization server, where access is decided by it.
fn authority(config: &Config, parts: &Opened, accounts: &Arc<Accounts>) -> Option<Arc<Authority>> {
    (config.access == AccessMode::Smart).then(|| {
        Arc::new(Authority::new(AuthorityParts {
            documents: Arc::clone(&parts.documents),
            records: Arc::clone(&parts.ctx.records),
            reaches: Arc::clone(&parts.ctx.reaches),
            fhir_base: config.fhir_base(),
            config: config.smart.clone(),
            sessions: Arc::new(SignedInSessions(Arc::clone(accounts))),
        }))
    })
}
