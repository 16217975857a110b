//! The closed list of failures a client can see, with their HTTP status and issue code.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#Status-Codes>,
//! <https://hl7.org/fhir/R4/valueset-issue-type.html>.

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The body or a parameter cannot be read: broken JSON, a malformed search value. 400.
    Malformed,
    /// The request contradicts itself or FHIR's rules for the interaction. 400.
    Invalid,
    /// A search parameter or modifier that the server does not know. 400.
    Unsupported,
    /// The request is not authenticated. 401.
    Unauthenticated,
    /// The request is authenticated and not allowed. 403.
    Forbidden,
    /// There is no such resource, version or route. 404.
    NotFound,
    /// The method does not exist on this route. 405.
    MethodNotAllowed,
    /// No representation that the client accepts. 406.
    NotAcceptable,
    /// The client takes too long to send what it announced. 408.
    TooSlow,
    /// Somebody else changed the same thing at the same time, again and again. 409.
    Conflict,
    /// The resource was deleted. 410.
    Gone,
    /// `If-Match` or `If-None-Match` does not hold, or a condition matches several. 412.
    PreconditionFailed,
    /// The body, the bundle or the result is over a limit. 413.
    TooLarge,
    /// The content type is none of FHIR's. 415.
    UnsupportedMediaType,
    /// The resource is well formed and breaks the R4 definitions. 422.
    Unprocessable,
    /// The query costs more than it may. 422.
    TooCostly,
    /// The client sends too much. 429.
    Throttled,
    /// A bug or a broken promise of ours. 500.
    Internal,
    /// R4 knows it and this server does not do it. 501.
    NotImplemented,
    /// The store cannot take it now; try again. 503.
    Unavailable,
    /// It took too long, or it is unknown whether a write happened. 504.
    Timeout,
}

impl Kind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 21] = [
        Self::Malformed,
        Self::Invalid,
        Self::Unsupported,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::TooSlow,
        Self::Conflict,
        Self::Gone,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Unprocessable,
        Self::TooCostly,
        Self::Throttled,
        Self::Internal,
        Self::NotImplemented,
        Self::Unavailable,
        Self::Timeout,
    ];

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Invalid | Self::Unsupported => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::TooSlow => 408,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::PreconditionFailed => 412,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Unprocessable | Self::TooCostly => 422,
            Self::Throttled => 429,
            Self::Internal => 500,
            Self::NotImplemented => 501,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// The code of `OperationOutcome.issue.code`.
    pub const fn issue_code(self) -> &'static str {
        match self {
            Self::Malformed => "structure",
            Self::Invalid | Self::Unprocessable => "invalid",
            Self::Unsupported
            | Self::MethodNotAllowed
            | Self::NotAcceptable
            | Self::UnsupportedMediaType
            | Self::NotImplemented => "not-supported",
            Self::Unauthenticated => "login",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Conflict | Self::PreconditionFailed => "conflict",
            Self::Gone => "deleted",
            Self::TooLarge => "too-long",
            Self::TooCostly => "too-costly",
            Self::Throttled => "throttled",
            Self::Internal => "exception",
            Self::Unavailable => "transient",
            Self::TooSlow | Self::Timeout => "timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn only_the_servers_own_failures_are_5xx() {
        for kind in Kind::ALL {
            let own = matches!(
                kind,
                Kind::Internal | Kind::NotImplemented | Kind::Unavailable | Kind::Timeout
            );
            assert_eq!(kind.status() >= 500, own, "{kind:?}");
            assert!(!kind.issue_code().is_empty());
        }
    }
}
