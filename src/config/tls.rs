//! Encrypted connections: the certificate and its key.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of TLS; without them the server speaks plain HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The chain of certificates in PEM, the server's own first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The private key of the first certificate, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// How often the files are looked at for newer ones, in ms; SIGHUP has it done at once.
    pub poll_ms: u64,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            poll_ms: 10_000,
        }
    }
}

impl TlsConfig {
    /// Whether connections are encrypted.
    pub fn is_on(&self) -> bool {
        self.certificate.is_some() || self.key.is_some()
    }
}
