//! Where mail is handed over.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Settings of mail.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// `smtps://`, or `smtp://` with `?tls=required`, each with user, password, host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<String>,
    /// From whom mail comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl fmt::Debug for MailConfig {
    /// Shows everything but the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailConfig")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}
