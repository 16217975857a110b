//! What an OAuth endpoint refuses with: a code of the RFCs, and a sentence.
//!
//! These are no `OperationOutcome`s. What only the log may show travels beside.
//! Spec: RFC 6749 section 5.2, RFC 7009 section 2.2.1.

use std::fmt;

use crate::access::documents::DocumentError;

/// The codes, each with its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A parameter is missing, repeated or malformed. 400.
    InvalidRequest,
    /// The client is not known, or did not prove that it is that client. 401.
    InvalidClient,
    /// The client may not ask for this kind of grant. 400.
    UnauthorizedClient,
    /// The kind of grant is not known. 400.
    UnsupportedGrantType,
    /// The scope is malformed, or nothing of it may be granted. 400.
    InvalidScope,
    /// The code or refresh token is not good, or not this client's. 400.
    InvalidGrant,
    /// The kind of answer is not known. 400.
    UnsupportedResponseType,
    /// The person did not agree, or may not. 403.
    AccessDenied,
    /// The person has to be asked, which the client did not want. 400.
    InteractionRequired,
    /// A client cannot be registered with what it sent. 400.
    InvalidClientMetadata,
    /// A client cannot be registered with these redirect URIs. 400.
    InvalidRedirectUri,
    /// The access token that came along does not do. 401.
    InvalidToken,
    /// The client asks too often. 429.
    TooManyRequests,
    /// A failure of this server's own. 500.
    ServerError,
    /// The store cannot be asked now. 503.
    TemporarilyUnavailable,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::InvalidGrant,
        Self::UnsupportedResponseType,
        Self::AccessDenied,
        Self::InteractionRequired,
        Self::InvalidClientMetadata,
        Self::InvalidRedirectUri,
        Self::InvalidToken,
        Self::TooManyRequests,
        Self::ServerError,
        Self::TemporarilyUnavailable,
    ];

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidGrant
            | Self::UnsupportedResponseType
            | Self::InteractionRequired
            | Self::InvalidClientMetadata
            | Self::InvalidRedirectUri => 400,
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::AccessDenied => 403,
            Self::TooManyRequests => 429,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
        }
    }

    /// The code as it is sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::InteractionRequired => "interaction_required",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidToken => "invalid_token",
            Self::ServerError => "server_error",
            Self::TooManyRequests | Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

/// A refused OAuth request.
#[derive(Debug, Clone)]
pub struct OauthError {
    /// What kind of refusal it is.
    pub code: Code,
    /// What the client's developer reads.
    pub description: &'static str,
    /// What only the log shows.
    pub source: Option<String>,
}

impl OauthError {
    /// A refusal.
    pub const fn new(code: Code, description: &'static str) -> Self {
        Self {
            code,
            description,
            source: None,
        }
    }

    /// A client that is unknown, disabled, or did not prove itself: all look the same from outside.
    pub fn invalid_client(source: &dyn fmt::Display) -> Self {
        Self {
            source: Some(source.to_string()),
            ..Self::new(
                Code::InvalidClient,
                "The client is not known here, or its credentials do not prove that it is it.",
            )
        }
    }

    /// A failure of this server's own.
    pub fn internal(source: &dyn fmt::Display) -> Self {
        Self {
            source: Some(source.to_string()),
            ..Self::new(Code::ServerError, "The server failed. Try again.")
        }
    }
}

impl From<DocumentError> for OauthError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unavailable(_) => Self {
                source: Some(error.to_string()),
                ..Self::new(
                    Code::TemporarilyUnavailable,
                    "The server cannot look this up now. Try again shortly.",
                )
            },
            DocumentError::Changed | DocumentError::Damaged(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn only_the_servers_own_failures_are_5xx() {
        for code in Code::ALL {
            let own = matches!(code, Code::ServerError | Code::TemporarilyUnavailable);
            assert_eq!(code.status() >= 500, own, "{code:?}");
        }
        let clients = Code::ALL.into_iter().filter(|code| code.status() == 401);
        let refused = [Code::InvalidClient, Code::InvalidToken];
        assert_eq!(clients.collect::<Vec<_>>(), refused);
    }
}
