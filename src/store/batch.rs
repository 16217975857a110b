//! What is written together: versions with preconditions, reservations and small documents.

use crate::search::key::Entries;
use crate::store::Version;

/// Everything that one commit writes: all or nothing. No address occurs twice.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// New versions.
    pub puts: Vec<Put>,
    /// Current versions that stay what they are, with other index entries or another body.
    pub rewrites: Vec<Rewrite>,
    /// Conditions that were looked up and must not have been used meanwhile.
    pub reservations: Vec<Reservation>,
}

/// A new version of a resource.
#[derive(Debug, Clone)]
pub struct Put {
    /// The new version.
    pub version: Version,
    /// Its index entries; empty for a tombstone.
    pub entries: Entries,
    /// The version it supersedes, which goes to the history; `None` when there must be none.
    pub supersedes: Option<Version>,
}

/// A current version that is written anew in its place: no version comes into being, nothing goes
/// to the history.
///
/// Refused as a version conflict, at its place behind the puts, when what is stored is not exactly
/// what was read: another version, or the same one rewritten by somebody else.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// The version as it was read; no tombstone.
    pub read: Version,
    /// Its index entries from now on.
    pub entries: Entries,
    /// Its body from now on; `None` leaves body, key and time as they are.
    pub body: Option<Resealed>,
}

/// Another body for a version.
#[derive(Debug, Clone)]
pub struct Resealed {
    /// The sealed body.
    pub body: Vec<u8>,
    /// The data key that seals it.
    pub key_id: [u8; 16],
    /// When it was written, in ms; later than what it replaces, so that readers of the older body
    /// see that it changed.
    pub last_updated_ms: i64,
}

/// A condition (`ifNoneExist`, a conditional update's criteria) that this batch acts on.
///
/// Read its counter with [`crate::store::Store::get_document`] from the collection
/// [`RESERVATIONS`] before searching; the commit fails when it is no longer the same, and raises it
/// by one otherwise. So of two writers acting on one condition, the second one searches again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Blind hash of type and criteria, hexadecimal.
    pub id: String,
    /// The revision that was read; 0 when there was none.
    pub revision: i64,
    /// When it may be forgotten, in ms since the epoch.
    pub expires_ms: i64,
}

/// The collection of reservations.
pub const RESERVATIONS: &str = "reservation";

/// The collection of wrapped data keys: kept apart from records, so that a backup of the records
/// holds no key.
pub const KEYS: &str = "key";

/// A small document: settings, keys, jobs, sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id within the collection.
    pub id: String,
    /// Counts writes from 1.
    pub revision: i64,
    /// What it holds; sealed by the caller where it is worth sealing.
    pub body: Vec<u8>,
    /// When it stops to exist, in ms since the epoch.
    pub expires_ms: Option<i64>,
}

/// A write of a small document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPut {
    /// Its collection.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// What must be there now.
    pub expected: Expected,
    /// The new content; `None` deletes.
    pub body: Option<Vec<u8>>,
    /// When it stops to exist, in ms since the epoch.
    pub expires_ms: Option<i64>,
}

/// What a document write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Anything,
    /// Nothing.
    Absent,
    /// This revision.
    Revision(i64),
}
