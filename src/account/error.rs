//! What accounts refuse with, by what the caller can do about it.

use crate::access::documents::DocumentError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Name and password, or the code, are not right; never which of them.
    #[error("the name, the password or the code is not right")]
    Refused,
    /// Too many tries: nothing was looked at.
    #[error("too many tries: wait {wait_seconds} seconds")]
    Locked {
        /// How long to wait.
        wait_seconds: u64,
    },
    /// The link was used, has run out, or never was one.
    #[error("this link cannot be used any more")]
    Link,
    /// What was entered does not do; the text says why.
    #[error("{0}")]
    Unusable(String),
    /// There is no such account.
    #[error("there is no account with this name")]
    Unknown,
    /// As much is worked on as may be: try again shortly.
    #[error("too many people sign in at this moment")]
    Busy,
    /// The store cannot be asked, or something is damaged.
    #[error("accounts cannot be read or written now: {0}")]
    Unavailable(String),
}

impl From<DocumentError> for AccountError {
    fn from(error: DocumentError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
