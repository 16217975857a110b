//! Accounts put together: documents, settings, and room for what costs much.
//!
//! Everything that lasts is in sealed documents, so that any number of processes serve one store.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::access::documents::Documents;
use crate::account::error::AccountError;
use crate::account::password::AT_ONCE_MAX;
use crate::config::account::AccountConfig;
use crate::seal::hex;

/// Bytes of what ties the forms of a visitor to their browser.
const VISITOR_BYTES: usize = 32;

/// What accounts are made of.
pub struct AccountParts {
    /// Where all is kept.
    pub documents: Arc<Documents>,
    /// The settings.
    pub config: AccountConfig,
    /// The address of the server, without a slash at the end.
    pub base_url: String,
}

/// People who sign in.
pub struct Accounts {
    pub(super) documents: Arc<Documents>,
    pub(super) config: AccountConfig,
    pub(super) hashing: Arc<Semaphore>,
    base_url: String,
}

impl Accounts {
    /// Puts the parts together.
    pub fn new(parts: AccountParts) -> Self {
        Self {
            documents: parts.documents,
            config: parts.config,
            hashing: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            base_url: parts.base_url,
        }
    }

    /// The address of the server, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether browsers reach the server through TLS.
    pub fn is_secure(&self) -> bool {
        self.base_url.starts_with("https://")
    }

    /// What ties the forms of a visitor to their browser.
    pub fn visitor_secret(&self) -> Result<String, AccountError> {
        self.fresh::<VISITOR_BYTES>()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.documents.now_ms()
    }

    /// Random bytes as hexadecimal digits.
    pub(super) fn fresh<const N: usize>(&self) -> Result<String, AccountError> {
        let mut bytes = [0; N];
        let filled = self.documents.random().fill(&mut bytes);
        filled.map_err(|error| AccountError::Unavailable(error.to_string()))?;
        Ok(hex::encode(&bytes))
    }
}

/// Milliseconds of so many seconds.
pub(super) fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
}
