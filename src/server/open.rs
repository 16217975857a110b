//! Opens what a server works with: definitions, store, keys, index.
//!
//! The command line uses the same to work on a store without listening.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use crate::access::documents::Documents;
use crate::access::keys::KeyKeeper;
use crate::access::reach::keeper::{ReachParts, Reaches};
use crate::access::records::{Records, RecordsParts};
use crate::audit::journal::{Journal, JournalSettings};
use crate::audit::ledger::Ledger;
use crate::clock::{Clock, SystemClock};
use crate::config::{AccessMode, Config};
use crate::conformance::registry::Registry;
use crate::interaction::capabilities;
use crate::interaction::{Context, Settings};
use crate::operation::entry::GetOperations;
use crate::outcome::Outcome;
use crate::seal::SealError;
use crate::seal::body::BodySealer;
use crate::seal::dictionary::Dictionary;
use crate::seal::master_key::MasterKey;
use crate::seal::master_key::env::EnvMasterKey;
use crate::seal::master_key::file::FileMasterKey;
use crate::seal::random::{Random, SystemRandom};
use crate::seal::ring::RingSettings;
use crate::search::current::CurrentIndexer;
use crate::search::index::Indexer;
use crate::server::ServerError;
use crate::smart::discovery;
use crate::store::Store;
use crate::store::embedded::{EmbeddedSettings, EmbeddedStore};
use crate::store::metered::Metered;
use crate::store::mongo::{MongoSettings, MongoStore};

/// What was opened.
pub struct Opened {
    /// What interactions work with.
    pub ctx: Context,
    /// The data keys.
    pub keys: Arc<KeyKeeper>,
    /// Where all is stored.
    pub store: Arc<dyn Store>,
    /// Clients, keys and tokens of the authorization server.
    pub documents: Arc<Documents>,
    /// Who did what.
    pub journal: Arc<Journal>,
    /// Where measurements go.
    pub recorder: Arc<PrometheusRecorder>,
    /// The JSON of the CapabilityStatement.
    pub capability_statement: Arc<[u8]>,
}

/// Upper bounds of the latency histograms, in seconds.
const LATENCY_BUCKETS_S: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Opens everything the configuration names.
pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Opened, ServerError> {
    let registry = Registry::load().map_err(|error| ServerError::Setting(error.to_string()))?;
    let registry = Arc::new(registry);
    let recorder = Arc::new(recorder()?);
    let store = open_store(config, &clock).await?;
    let store: Arc<dyn Store> = Arc::new(Metered::new(store, Arc::clone(&recorder)));
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let master = open_master_key(config, clock.now_ms())?.for_sealing();
    let keys = KeyKeeper::new(
        Arc::clone(&store),
        master,
        Arc::clone(&random),
        Arc::clone(&clock),
        ring(config),
    );
    let keys = Arc::new(keys);
    let failed = |error: &dyn std::fmt::Display| ServerError::Store(error.to_string());
    let blind = keys.index_root().await.map_err(|error| failed(&error))?;
    let base_url = config.fhir_base();
    let documents = Arc::new(Documents::new(
        Arc::clone(&store),
        blind.clone(),
        Arc::clone(&random),
        Arc::clone(&clock),
    ));
    let (ledger_store, ledger_random) = (Arc::clone(&store), Arc::clone(&random));
    let ledger = Ledger::new(ledger_store, &blind, ledger_random, Arc::clone(&clock));
    let indexer = Indexer::new(Arc::clone(&registry), blind, &base_url);
    let indexer = indexer.with_words(config.search.words);
    let sealer = sealer(config, &random).map_err(|error| failed(&error))?;
    let node = node_number(&*store, &*clock)
        .await
        .map_err(|error| failed(&error))?;
    let records = Records::new(RecordsParts {
        store: Arc::clone(&store),
        keys: Arc::clone(&keys),
        sealer: Arc::new(sealer),
        indexer: CurrentIndexer::new(indexer),
        registry: Arc::clone(&registry),
        clock: Arc::clone(&clock),
        random,
        node,
    });
    follow(&records).await.map_err(|outcome| failed(&outcome))?;
    let records = Arc::new(records);
    let ctx = Context {
        reaches: reaches(config, &records, &documents, &clock),
        records,
        registry,
        clock,
        settings: Arc::new(settings(config)),
        operations: Arc::new(GetOperations),
    };
    let statement = capabilities::in_force(&ctx, &ctx.registry);
    Ok(Opened {
        ctx,
        keys,
        store,
        documents,
        journal: journal(config, ledger),
        recorder,
        capability_statement: statement.map_err(|outcome| failed(&outcome))?.into(),
    })
}

/// Makes the index follow this program and what is stored.
async fn follow(records: &Records) -> Result<(), Outcome> {
    records.settle_layout().await?;
    // A process that ended between a write and what follows from it is made up for here.
    records.reconcile_parameters().await
}

fn settings(config: &Config) -> Settings {
    Settings {
        base_url: config.fhir_base(),
        limits: config.limits.clone(),
        rest: config.rest.clone(),
        access: config.access,
        oauth_endpoints: discovery::endpoints(config),
    }
}

fn journal(config: &Config, ledger: Ledger) -> Arc<Journal> {
    let settings = JournalSettings {
        is_kept: config.access == AccessMode::Smart || config.audit.open_mode,
        checkpoint_interval: Duration::from_secs(config.audit.checkpoint_seconds),
    };
    Arc::new(Journal::start(Arc::new(ledger), settings))
}

fn ring(config: &Config) -> RingSettings {
    RingSettings {
        keys_max: config.keys.cached_max,
        ttl: Duration::from_secs(config.keys.cached_seconds_max),
    }
}

fn reaches(
    config: &Config,
    records: &Arc<Records>,
    documents: &Arc<Documents>,
    clock: &Arc<dyn Clock>,
) -> Arc<Reaches> {
    Arc::new(Reaches::new(ReachParts {
        records: Arc::clone(records),
        documents: Arc::clone(documents),
        config: config.care.clone(),
        clock: Arc::clone(clock),
    }))
}

fn sealer(config: &Config, random: &Arc<dyn Random>) -> Result<BodySealer, SealError> {
    let dictionaries = Dictionary::built_in()?;
    // A body gains meta and may gain a little in the JSON form: the limit leaves room for it.
    let body_bytes_max = config.limits.body_bytes_max.saturating_mul(2);
    Ok(BodySealer::new(
        dictionaries,
        Arc::clone(random),
        body_bytes_max,
    ))
}

fn recorder() -> Result<PrometheusRecorder, ServerError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &LATENCY_BUCKETS_S)
        .map_err(|error| ServerError::Setting(error.to_string()))?;
    Ok(builder.build_recorder())
}

/// Opens the store that the configuration names.
pub async fn open_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, ServerError> {
    let failed = |error: &dyn std::fmt::Display| ServerError::Store(error.to_string());
    if let Some(path) = config.store.strip_prefix("embedded:") {
        let embedded = &config.embedded;
        let settings = EmbeddedSettings {
            clock: Arc::clone(clock),
            readers_max: embedded.readers_max,
            writer_cache_bytes: embedded.writer_cache_bytes,
            reader_cache_bytes: embedded.reader_cache_bytes,
            group_jobs_max: embedded.group_jobs_max,
            queue_jobs_max: embedded.queue_jobs_max,
            records_bytes_max: embedded.records_bytes_max,
            ..EmbeddedSettings::default()
        };
        let path = PathBuf::from(path);
        let store = tokio::task::spawn_blocking(move || EmbeddedStore::open(&path, settings))
            .await
            .map_err(|error| failed(&error))?;
        return Ok(Arc::new(store.map_err(|error| failed(&error))?));
    }
    let store = MongoStore::open(&config.store, mongo_settings(config, clock)).await;
    Ok(Arc::new(store.map_err(|error| failed(&error))?))
}

fn mongo_settings(config: &Config, clock: &Arc<dyn Clock>) -> MongoSettings {
    MongoSettings {
        clock: Arc::clone(clock),
        connections_max: config.mongo.connections_max,
        server_selection_ms_max: config.mongo.server_selection_ms_max,
        large_transactions_max: config.mongo.large_transactions_max,
        ..MongoSettings::default()
    }
}

/// Whether there is a store where the configuration names one; nothing is made.
pub async fn has_store(config: &Config) -> Result<bool, ServerError> {
    if let Some(path) = config.store.strip_prefix("embedded:") {
        return Ok(EmbeddedStore::is_in(Path::new(path)));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let found = MongoStore::is_at(&config.store, &mongo_settings(config, &clock)).await;
    found.map_err(|error| ServerError::Store(error.to_string()))
}

/// The master key, where rotation needs to know which kind it is.
pub enum Master {
    /// Given by value.
    Given(Arc<EnvMasterKey>),
    /// In a file of ours.
    File(Arc<FileMasterKey>),
}

impl Master {
    /// What wraps and unwraps.
    pub fn for_sealing(&self) -> Arc<dyn MasterKey> {
        match self {
            Self::Given(key) => Arc::clone(key) as Arc<dyn MasterKey>,
            Self::File(key) => Arc::clone(key) as Arc<dyn MasterKey>,
        }
    }
}

/// Opens the master key: given by value, or in a file that is made when absent.
pub fn open_master_key(config: &Config, now_ms: i64) -> Result<Master, ServerError> {
    let failed = |error: &dyn std::fmt::Display| ServerError::Setting(error.to_string());
    let random = Arc::new(SystemRandom);
    if let Some(current) = &config.keys.master {
        let key = EnvMasterKey::new(current, &config.keys.previous, random);
        return Ok(Master::Given(Arc::new(
            key.map_err(|error| failed(&error))?,
        )));
    }
    let key = FileMasterKey::open_or_create(&master_key_file(config), random, now_ms);
    Ok(Master::File(Arc::new(key.map_err(|error| failed(&error))?)))
}

/// Where the master key file is.
pub fn master_key_file(config: &Config) -> PathBuf {
    if let Some(file) = &config.keys.file {
        return file.clone();
    }
    match config.store.strip_prefix("embedded:") {
        Some(directory) => Path::new(directory).join("vesta.key"),
        None => PathBuf::from("vesta.key"),
    }
}

/// The collection of counters that processes share.
const COUNTERS: &str = "counter";

/// Tells the processes on one store apart: each start takes the next of 256 numbers.
async fn node_number(store: &dyn Store, clock: &dyn Clock) -> Result<u8, crate::store::StoreError> {
    use crate::store::batch::{DocumentPut, Expected};
    loop {
        let known = store.get_document(COUNTERS, "node", clock.now_ms()).await?;
        let (expected, number) = match &known {
            Some(document) => {
                let last = document.body.first().copied().unwrap_or_default();
                (Expected::Revision(document.revision), last.wrapping_add(1))
            }
            None => (Expected::Absent, 0),
        };
        let put = DocumentPut {
            collection: COUNTERS.to_owned(),
            id: "node".to_owned(),
            expected,
            body: Some(vec![number]),
            expires_ms: None,
        };
        match store.put_documents(vec![put]).await {
            Ok(()) => return Ok(number),
            Err(
                crate::store::StoreError::VersionConflict(_)
                | crate::store::StoreError::ReservationConflict,
            ) => {}
            Err(error) => return Err(error),
        }
    }
}
