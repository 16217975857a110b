//! Encrypted connections: TLS 1.2 and 1.3 by rustls, with files that may be replaced.
//!
//! Files that cannot be used keep the server from starting; once it runs, it goes on with those it
//! has and says so. Why here and not only in a proxy: ADR 0161.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Config;
use crate::server::ServerError;

/// Protocols that clients may choose.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Whoever else may read a key: everybody.
const OTHERS: u32 = 0o007;

/// What encrypts connections.
#[derive(Clone)]
pub(super) struct Tls {
    files: Arc<Files>,
    current: Arc<RwLock<Arc<rustls::ServerConfig>>>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    poll: Duration,
}

impl Tls {
    /// Reads certificate and key, where they are set.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, ServerError> {
        let tls = &config.tls;
        let (certificate, key) = match (&tls.certificate, &tls.key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            _ => {
                let text = "tls.certificate and tls.key belong together: set both";
                return Err(ServerError::Setting(text.to_owned()));
            }
        };
        let files = Files {
            certificate,
            key,
            poll: Duration::from_millis(tls.poll_ms.max(1)),
        };
        let loaded = files.load().map_err(ServerError::Setting)?;
        Ok(Some(Self {
            files: Arc::new(files),
            current: Arc::new(RwLock::new(loaded)),
        }))
    }

    fn current(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Greets a client.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current()).accept(stream).await
    }

    /// Takes newer files into use until the server stops: soon after they change, and on SIGHUP.
    pub(super) async fn keep_current(self, mut stopped: watch::Receiver<bool>) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!(%error, "SIGHUP cannot be heard: certificates are not replaced");
                return;
            }
        };
        let mut seen = self.files.stamp();
        loop {
            let is_asked = tokio::select! {
                _ = stopped.changed() => return,
                heard = hangup.recv() => heard.is_some(),
                () = tokio::time::sleep(self.files.poll) => false,
            };
            let now = self.files.stamp();
            if is_asked || now != seen {
                self.reload();
                seen = now;
            }
        }
    }

    fn reload(&self) {
        match self.files.load() {
            Ok(loaded) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                tracing::info!("the certificate was read again");
            }
            // A half-written pair: the next look finds the whole of it.
            Err(reason) => tracing::error!(reason, "the certificate stays as it was"),
        }
    }
}

/// When a file was written, and how long it is.
type Stamp = Option<(SystemTime, u64)>;

impl Files {
    fn stamp(&self) -> [Stamp; 2] {
        let of = |metadata: Metadata| Some((metadata.modified().ok()?, metadata.len()));
        [&self.certificate, &self.key].map(|path| fs::metadata(path).ok().and_then(of))
    }

    fn load(&self) -> Result<Arc<rustls::ServerConfig>, String> {
        let certificate = &self.certificate;
        let failed = |path: &Path, reason: &dyn std::fmt::Display| {
            format!("the file {} cannot be used: {reason}", path.display())
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(certificate, &error))?;
        if chain.is_empty() {
            return Err(failed(certificate, &"it holds no certificate in PEM"));
        }
        self.check_permissions()?;
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| failed(&self.key, &error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| failed(certificate, &error))?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }

    /// Refuses a key that everybody on the machine can read or write.
    fn check_permissions(&self) -> Result<(), String> {
        let key = &self.key;
        let metadata = fs::metadata(key).map_err(|error| format!("{}: {error}", key.display()))?;
        let mode = metadata.permissions().mode();
        if mode & OTHERS == 0 {
            return Ok(());
        }
        Err(format!(
            "everybody can read or write the key (mode {:o}); mend it with: chmod o= '{}'",
            mode & 0o777,
            key.display()
        ))
    }
}
