//! Accounts put together: documents, settings, and room for what costs much.
//!
//! Everything that lasts is in sealed documents, so that any number of processes serve one store.

use std::sync::Arc;

use tokio::sync::Semaphore;
use webauthn_rs::Webauthn;

use crate::access::documents::Documents;
use crate::account::error::AccountError;
use crate::account::mail::{MailError, Mailer};
use crate::account::outside::{Outside, OutsideError};
use crate::account::passkey;
use crate::account::password::AT_ONCE_MAX;
use crate::audit::journal::Journal;
use crate::config::Config;
use crate::config::account::AccountConfig;
use crate::seal::hex;

/// Bytes of what ties the forms of a visitor to their browser.
const VISITOR_BYTES: usize = 32;

/// Why accounts cannot be had as they are set.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// Mail.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The outside provider.
    #[error(transparent)]
    Outside(#[from] OutsideError),
}

/// People who sign in.
pub struct Accounts {
    pub(super) documents: Arc<Documents>,
    /// Where it is written what was done.
    pub(super) journal: Arc<Journal>,
    pub(super) config: AccountConfig,
    pub(super) hashing: Arc<Semaphore>,
    pub(super) mailer: Mailer,
    pub(super) outside: Option<Outside>,
    /// What passkeys are checked with.
    pub(super) passkeys: Option<Webauthn>,
    base_url: String,
}

impl Accounts {
    /// The accounts in documents, as they are set; what is done goes into the journal.
    pub fn new(
        documents: Arc<Documents>,
        journal: Arc<Journal>,
        config: &Config,
    ) -> Result<Self, SettingError> {
        let base_url = config.root();
        Ok(Self {
            documents,
            journal,
            config: config.account.clone(),
            hashing: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            mailer: Mailer::new(&config.mail, config.is_local())?,
            outside: Outside::new(&config.openid, config.is_local())?,
            passkeys: passkey::checker(&base_url),
            base_url,
        })
    }

    /// The address of the server, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether browsers reach the server through TLS.
    pub fn is_secure(&self) -> bool {
        self.base_url.starts_with("https://")
    }

    /// Whether patients may register themselves.
    pub fn takes_registrations(&self) -> bool {
        self.config.registration
    }

    /// Characters of a password at least.
    pub fn password_chars_min(&self) -> usize {
        self.config.password_chars_min
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
