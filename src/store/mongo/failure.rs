//! What goes wrong on the way to MongoDB, and what the caller of the store is told of it.
//!
//! Server messages quote documents and keys, so none of their text is passed on: a code, its name
//! and what it means for the caller are enough.

use mongodb::bson::error::Error as BsonError;
use mongodb::error::{
    Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};

use crate::store::StoreError;

/// The code of a write that would make an `_id` twice.
pub(super) const DUPLICATE_KEY: i32 = 11000;

/// Codes that say "not now": no primary, shutting down, too slow, no space, no majority.
const UNAVAILABLE_CODES: [i32; 22] = [
    6, 7, 24, 50, 64, 79, 89, 91, 100, 112, 189, 202, 246, 251, 262, 9001, 10107, 11600, 11602,
    13435, 13436, 14031,
];

/// Those of them that a server gives which stops, or stops being primary, in the middle of a
/// command; and a write concern that was not met in time.
const INTERRUPTED_CODES: [i32; 6] = [64, 91, 100, 189, 11600, 11602];

/// Codes that say "larger than a document, a message or a transaction may be".
const TOO_LARGE_CODES: [i32; 5] = [257, 10334, 17280, 17419, 17420];

/// Why a step of a write did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver or the server says no; a transaction may be worth another try.
    Driver(Error),
    /// A statement would have made an `_id` twice.
    Duplicate,
    /// It is decided what the caller is told.
    Store(StoreError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// Whether the whole transaction is worth another try.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Driver(error) if error.contains_label(TRANSIENT_TRANSACTION_ERROR))
    }

    /// Whether the primary could not be reached, or not any more.
    pub(super) fn is_connection_lost(&self) -> bool {
        let Self::Driver(error) = self else {
            return false;
        };
        matches!(
            error.kind.as_ref(),
            ErrorKind::ServerSelection { .. }
                | ErrorKind::Io(_)
                | ErrorKind::ConnectionPoolCleared { .. }
        )
    }

    /// What the caller of the store is told.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Driver(error) => from_driver(&error),
            Self::Duplicate => StoreError::ReservationConflict,
            Self::Store(error) => error,
        }
    }
}

/// Whether it is unknown if a commit happened, so that it has to be sent again.
pub(super) fn is_commit_unknown(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// Whether a write failed because its `_id` was there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    write_code(error) == Some(DUPLICATE_KEY)
}

/// What a failed operation means for the caller of the store.
pub(super) fn from_driver(error: &Error) -> StoreError {
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. } => {
            StoreError::Unavailable("no primary of the replica set can be reached".to_owned())
        }
        ErrorKind::Io(cause) => StoreError::Unavailable(format!("connection: {}", cause.kind())),
        ErrorKind::ConnectionPoolCleared { .. } => {
            StoreError::Unavailable("the connection to the primary was lost".to_owned())
        }
        ErrorKind::Shutdown => StoreError::Unavailable("the store is closed".to_owned()),
        ErrorKind::Authentication { .. } => StoreError::Failed(
            "MongoDB refuses the user or password of the connection string".to_owned(),
        ),
        ErrorKind::Command(refusal) => from_code(refusal.code, &refusal.code_name),
        ErrorKind::Write(WriteFailure::WriteError(refusal)) => from_code(
            refusal.code,
            refusal.code_name.as_deref().unwrap_or_default(),
        ),
        ErrorKind::Write(WriteFailure::WriteConcernError(_)) => no_majority(),
        ErrorKind::InsertMany(refusal) if refusal.write_concern_error.is_some() => no_majority(),
        ErrorKind::InsertMany(_) => from_code(write_code(error).unwrap_or_default(), ""),
        _ => StoreError::Failed("the MongoDB driver refuses the operation".to_owned()),
    }
}

/// What a failed write outside of a transaction means for the caller of the store: it may have
/// happened although no answer says so.
pub(super) fn from_write(error: &Error) -> StoreError {
    match error.kind.as_ref() {
        ErrorKind::Io(cause) => StoreError::Unknown(format!("connection: {}", cause.kind())),
        ErrorKind::Command(refusal) if INTERRUPTED_CODES.contains(&refusal.code) => {
            unknown(refusal.code, &refusal.code_name)
        }
        ErrorKind::Write(WriteFailure::WriteError(refusal))
            if INTERRUPTED_CODES.contains(&refusal.code) =>
        {
            unknown(
                refusal.code,
                refusal.code_name.as_deref().unwrap_or_default(),
            )
        }
        _ => from_driver(error),
    }
}

/// A commit that was sent again and again without an answer that says whether it happened.
pub(super) fn commit_unknown(error: &Error) -> StoreError {
    StoreError::Unknown(format!(
        "a commit was not confirmed: {}",
        from_driver(error)
    ))
}

fn unknown(code: i32, name: &str) -> StoreError {
    StoreError::Unknown(format!("MongoDB error {code} {name}").trim_end().to_owned())
}

/// What a code of the server means for the caller of the store.
pub(super) fn from_code(code: i32, name: &str) -> StoreError {
    let text = format!("MongoDB error {code} {name}").trim_end().to_owned();
    if UNAVAILABLE_CODES.contains(&code) {
        StoreError::Unavailable(text)
    } else if TOO_LARGE_CODES.contains(&code) {
        StoreError::TooLarge(text)
    } else {
        StoreError::Failed(text)
    }
}

/// A write that reached the primary but no majority within its time.
pub(super) fn no_majority() -> StoreError {
    StoreError::Unknown("the write was not confirmed by a majority in time".to_owned())
}

/// What is stored has not the shape this store writes.
pub(super) fn damaged(place: &str) -> StoreError {
    StoreError::Damaged(format!("a stored document has a wrong {place}"))
}

/// A document that cannot be read at all.
pub(super) fn unreadable(_cause: BsonError) -> StoreError {
    damaged("BSON structure")
}

/// The code of the first failed write, if writes failed.
fn write_code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(refusal)) => Some(refusal.code),
        ErrorKind::InsertMany(refusal) => refusal.write_errors.as_ref()?.first().map(|e| e.code),
        ErrorKind::Command(refusal) => Some(refusal.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::from_code;
    use crate::store::StoreError;

    #[test]
    fn codes_become_what_the_caller_can_do() {
        assert!(matches!(
            from_code(10107, "NotWritablePrimary"),
            StoreError::Unavailable(_)
        ));
        assert!(matches!(
            from_code(10334, "BSONObjectTooLarge"),
            StoreError::TooLarge(_)
        ));
        assert!(matches!(from_code(2, "BadValue"), StoreError::Failed(_)));
    }
}
