//! Connecting: options of the driver, what the deployment must be, readiness and pool figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern,
};

use crate::store::StoreError;
use crate::store::mongo::MongoSettings;
use crate::store::mongo::failure::from_driver;

/// The database when the connection string names none.
const DATABASE: &str = "vesta";

/// Figures of the connection pool and of the wait for it.
#[derive(Debug, Default)]
pub(super) struct PoolGauge {
    in_use: AtomicI64,
    waiting: AtomicI64,
}

impl PoolGauge {
    /// Connections that run an operation now.
    pub(super) fn in_use(&self) -> u64 {
        u64::try_from(self.in_use.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Large transactions that wait for their turn.
    pub(super) fn waiting(&self) -> u64 {
        u64::try_from(self.waiting.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Counts a large transaction as waiting until the guard is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    fn take(&self, event: &CmapEvent) {
        match event {
            CmapEvent::ConnectionCheckedOut(_) => {
                self.in_use.fetch_add(1, Ordering::Relaxed);
            }
            CmapEvent::ConnectionCheckedIn(_) => {
                self.in_use.fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// A large transaction that waits.
pub(super) struct Waiting<'a>(&'a PoolGauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client for a connection string, and the name of its database.
///
/// What durability rests on is not left to the connection string: writes want a majority and the
/// journal, reads go to the primary.
pub(super) async fn client(
    uri: &str,
    settings: &MongoSettings,
    pool: &Arc<PoolGauge>,
) -> Result<(Client, String), StoreError> {
    install_tls_provider();
    let mut options = ClientOptions::parse(uri)
        .await
        .map_err(|error| malformed(uri, &error))?;
    options.app_name.get_or_insert_with(|| "vesta".to_owned());
    options
        .server_selection_timeout
        .get_or_insert(Duration::from_millis(settings.server_selection_ms_max));
    options
        .connect_timeout
        .get_or_insert(Duration::from_millis(settings.server_selection_ms_max));
    options.max_pool_size = Some(settings.connections_max);
    options.write_concern = Some(durable(settings));
    options.read_concern = None;
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    let gauge = Arc::clone(pool);
    options.cmap_event_handler = Some(EventHandler::callback(move |event: CmapEvent| {
        gauge.take(&event);
    }));
    let name = options
        .default_database
        .clone()
        .unwrap_or_else(|| DATABASE.to_owned());
    let client = Client::with_options(options.clone()).map_err(|error| malformed(uri, &error))?;
    if let Err(error) = refuse_standalone(&client).await {
        return Err(match why_no_primary(&options).await {
            Some(reason) => reason,
            None => error,
        });
    }
    Ok((client, name))
}

/// The write concern of every write: a majority has it in its journal.
pub(super) fn durable(settings: &MongoSettings) -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .w_timeout(Duration::from_millis(settings.write_concern_ms_max))
        .build()
}

/// The same write concern as a member of a command.
pub(super) fn durable_document(settings: &MongoSettings) -> Document {
    let timeout_ms = i64::try_from(settings.write_concern_ms_max).unwrap_or(i64::MAX);
    doc! { "w": "majority", "j": true, "wtimeout": timeout_ms }
}

/// Refuses a server that is no member of a replica set: it has no transactions.
async fn refuse_standalone(client: &Client) -> Result<(), StoreError> {
    let hello = hello(client).await?;
    let is_mongos = hello.get_str("msg").is_ok_and(|text| text == "isdbgrid");
    if hello.contains_key("setName") || is_mongos {
        return Ok(());
    }
    Err(not_a_replica_set(&hello))
}

/// Asks the servers themselves why there is no primary; `None` when they are not there or their
/// replica set is only without one.
async fn why_no_primary(options: &ClientOptions) -> Option<StoreError> {
    for host in &options.hosts {
        let mut direct = options.clone();
        direct.hosts = vec![host.clone()];
        direct.direct_connection = Some(true);
        direct.repl_set_name = None;
        direct.cmap_event_handler = None;
        let client = Client::with_options(direct).ok()?;
        match hello(&client).await {
            Ok(hello) if !hello.contains_key("setName") => return Some(not_a_replica_set(&hello)),
            _ => client.shutdown().await,
        }
    }
    None
}

/// What is missing for a replica set.
fn not_a_replica_set(hello: &Document) -> StoreError {
    let text = if hello.get_bool("isreplicaset").unwrap_or(false) {
        "the replica set is not initiated: run `mongosh --eval 'rs.initiate()'` once"
    } else {
        "this mongod stands alone, and transactions need a replica set (one member is enough): \
         start it with `mongod --replSet rs0` and run `mongosh --eval 'rs.initiate()'` once"
    };
    StoreError::Failed(text.to_owned())
}

/// Whether there is a primary that takes writes now.
pub(super) async fn ready(client: &Client) -> Result<(), StoreError> {
    let hello = hello(client).await?;
    if hello.get_bool("isWritablePrimary").unwrap_or(false) {
        Ok(())
    } else {
        Err(StoreError::Unavailable(
            "the replica set has no writable primary".to_owned(),
        ))
    }
}

async fn hello(client: &Client) -> Result<Document, StoreError> {
    let admin = client.database("admin");
    admin
        .run_command(doc! { "hello": 1 })
        .await
        .map_err(|error| from_driver(&error))
}

/// The driver and the rest of the server use one TLS back end; whoever comes first installs it.
fn install_tls_provider() {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if provider.install_default().is_err() {
        tracing::trace!("the TLS provider is installed already");
    }
}

/// What is wrong with a connection string, unless saying it could show a password.
fn malformed(uri: &str, error: &mongodb::error::Error) -> StoreError {
    let reason = match error.kind.as_ref() {
        ErrorKind::InvalidArgument { message, .. } if !uri.contains('@') => message.as_str(),
        _ => "expected mongodb://[user:password@]host[:port],.../database?replicaSet=name",
    };
    StoreError::Failed(format!(
        "the MongoDB connection string cannot be used: {reason}"
    ))
}
