//! Links that work once: invitations, setting a password anew, registering.
//!
//! The token in the link is random and leads to a sealed document that says what it is good for.
//! Opening a link changes nothing, because programs that look through mail open them too.

use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Kept};
use crate::account::accounts::{Accounts, ms};
use crate::account::error::AccountError;

/// The collection of links.
const LINKS: &str = "one-time-link";

const TOKEN_BYTES: usize = 32;

/// What a link is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To register as a patient under an address that is the reader's own.
    Register {
        /// The address.
        email: String,
        /// What they are called.
        name: String,
    },
    /// To choose the first password of an account that was made for somebody.
    Accept {
        /// Whose account.
        person_id: String,
    },
    /// To choose another password.
    Reset {
        /// Whose account.
        person_id: String,
        /// How often the password had been changed: a later change ends the link.
        changes: u32,
    },
    /// To connect one's account with the record of a patient.
    Connect {
        /// `Patient/` and its id.
        fhir_user: String,
    },
}

#[derive(Clone, Serialize, Deserialize)]
struct Link {
    purpose: Purpose,
    is_used: bool,
}

impl Accounts {
    /// Makes a link's token.
    pub(super) async fn make_link(
        &self,
        purpose: Purpose,
        seconds: u64,
    ) -> Result<String, AccountError> {
        let token = self.fresh::<TOKEN_BYTES>()?;
        let expires_ms = self.now_ms().saturating_add(ms(seconds));
        let link = Link {
            purpose,
            is_used: false,
        };
        let put = self
            .documents
            .put((LINKS, &token), &link, Before::Nothing, Some(expires_ms));
        put.await?;
        Ok(token)
    }

    /// What a link is good for, as long as it was not used.
    pub async fn link(&self, token: &str) -> Result<Purpose, AccountError> {
        Ok(self.link_kept(token).await?.content.purpose)
    }

    async fn link_kept(&self, token: &str) -> Result<Kept<Link>, AccountError> {
        let found: Option<Kept<Link>> = self.documents.get(LINKS, token).await?;
        let unused = found.filter(|kept| !kept.content.is_used);
        unused.ok_or(AccountError::Link)
    }

    /// Uses a link up; of several at once, one succeeds.
    pub(super) async fn use_link(&self, token: &str) -> Result<Purpose, AccountError> {
        let Kept { content, revision } = self.link_kept(token).await?;
        let used = Link {
            is_used: true,
            ..content.clone()
        };
        // As long as any link can last.
        let seconds = self.config.invitation_seconds.max(self.config.link_seconds);
        let expires_ms = self.now_ms().saturating_add(ms(seconds));
        let before = Before::Revision(revision);
        let put = self
            .documents
            .put((LINKS, token), &used, before, Some(expires_ms));
        match put.await {
            Err(DocumentError::Changed) => Err(AccountError::Link),
            other => {
                other?;
                Ok(content.purpose)
            }
        }
    }

    /// The address of a page with the token of a link.
    pub(super) fn link_url(&self, page: &str, token: &str) -> String {
        format!("{}{page}?t={token}", self.base_url())
    }
}
