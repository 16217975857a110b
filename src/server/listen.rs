//! Connections: accepted, encrypted where that is set, and served until the server stops.
//!
//! What every request is given and every answer carries, whatever route it takes, is seen to here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::config::address_range::AddressRange;
use crate::config::limits::Limits;
use crate::config::{AccessMode, Config};
use crate::http::forwarded;
use crate::http::oauth::Peer;
use crate::http::shield::shield;
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, to_json};
use crate::server::router::semaphore;
use crate::server::tls::Tls;
use crate::server::unparsed::Explained;

/// How long to wait when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// What all connections share.
pub(super) struct Door {
    trusted: Vec<AddressRange>,
    tls: Option<Tls>,
    /// Whether clients come encrypted, to this server or to a proxy before it.
    is_encrypted: bool,
    wants_encryption: bool,
    limits: Limits,
}

impl Door {
    /// The door of a server with these settings.
    pub(super) fn new(config: &Config, tls: Option<Tls>) -> Self {
        Self {
            trusted: config.proxy.trusted.clone(),
            is_encrypted: config.fhir_base().starts_with("https://"),
            wants_encryption: config.access == AccessMode::Smart,
            limits: config.limits.clone(),
            tls,
        }
    }

    fn head_time_max(&self) -> Duration {
        Duration::from_secs(self.limits.request_head_seconds_max)
    }
}

/// How connections are served: who is gone, or does not go on, is not waited for.
fn connections(head_time_max: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(head_time_max);
    builder
}

/// Ends when no request has come in time. Until the first bytes tell which HTTP it is, hyper has
/// no timeout of its own.
async fn stays_silent(head_time_max: Duration, begun: &AtomicBool) {
    tokio::time::sleep(head_time_max).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Accepts connections until told to stop, then waits for those that are busy.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    door: Door,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let room = semaphore(door.limits.connections_max);
    let line = Line {
        builder: connections(door.head_time_max()),
        door: Arc::new(door),
        router,
    };
    loop {
        let accepting = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepting => accepted,
            _ = stopped.changed() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: give the others time to finish.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
        let (line, watcher) = (line.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            line.take(stream, peer.ip(), watcher).await;
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// What serves one connection.
#[derive(Clone)]
struct Line {
    builder: Builder<TokioExecutor>,
    door: Arc<Door>,
    router: Router,
}

type Watcher = hyper_util::server::graceful::Watcher;

impl Line {
    async fn take(self, stream: TcpStream, peer: IpAddr, watcher: Watcher) {
        let Some(tls) = &self.door.tls else {
            return self.serve(stream, peer, watcher).await;
        };
        let handshake = tokio::time::timeout(self.door.head_time_max(), tls.accept(stream));
        match handshake.await {
            Ok(Ok(stream)) => self.serve(stream, peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(kind = ?error.kind(), "a handshake failed"),
            Err(_elapsed) => tracing::debug!("a handshake took too long"),
        }
    }

    async fn serve<S>(self, stream: S, peer: IpAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let begun = Arc::new(AtomicBool::new(false));
        let (inner, noted) = (TowerToHyperService::new(self.router), Arc::clone(&begun));
        let (door, head_time_max) = (Arc::clone(&self.door), self.door.head_time_max());
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            noted.store(true, Ordering::Relaxed);
            let source = forwarded::source(peer, request.headers(), &door.trusted);
            let is_refused = source.was_plain && door.wants_encryption;
            request.extensions_mut().insert(Peer(source.address));
            let is_encrypted = door.is_encrypted;
            let answering = (!is_refused).then(|| inner.call(request));
            async move {
                let mut response = match answering {
                    Some(answering) => answering.await?,
                    None => unencrypted(),
                };
                shield(response.headers_mut(), is_encrypted);
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let connection = self
            .builder
            .serve_connection(TokioIo::new(Explained::new(stream)), service);
        let connection = watcher.watch(connection.into_owned());
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            },
            () = stays_silent(head_time_max, &begun) => {
                tracing::debug!("a connection without a request was closed");
            }
        }
    }
}

/// The answer to a client that a proxy let speak unencrypted: what it sent was readable on its way.
fn unencrypted() -> axum::response::Response {
    let text = "This request came to the proxy unencrypted: use https.";
    let issue = Issue::error(Kind::Forbidden.issue_code(), text);
    let mut response = axum::response::Response::new(to_json(&[issue]).into());
    *response.status_mut() = http::StatusCode::FORBIDDEN;
    let kind = http::HeaderValue::from_static("application/fhir+json; charset=utf-8");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, kind);
    response
}
