//! The files' tables and how connections to them are set up.
//!
//! `res.rid` is the creation sequence of a resource. Columns: `y` number of the type, `v` version,
//! `u` last updated in ms, `m` method, `e` id of the data key (absent for a tombstone), `c`
//! compartments, `ds` clinical date in ms, `k` list of search keys. `docs/storage.md` has examples.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::store::StoreError;
use crate::store::embedded::EmbeddedSettings;

/// The schema this program writes; files of a newer one are refused.
const SCHEMA_VERSION: i64 = 1;

/// Bytes of a page; set once, when a file is made.
pub(super) const PAGE_BYTES: u32 = 4096;

/// Pages a file can have.
const PAGES_MAX: u32 = u32::MAX - 1;

/// Bytes that a probe of the writer takes: about as much as a small write.
const PROBE_BYTES: u32 = 8 * PAGE_BYTES;

/// How long a reading connection waits for a lock, in ms; only emptying the log takes any.
const BUSY_WAIT_MS: u64 = 5000;

/// How long the writer waits for reads to end that keep it from emptying the log, in ms.
const WRITER_WAIT_MS: u64 = 250;

/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// Versions, their index entries and documents.
    Records,
    /// Documents of the collection of data keys.
    Keys,
}

const META: &str = "
CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE doc(
    collection TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL,
    expires INTEGER, body BLOB NOT NULL,
    PRIMARY KEY(collection, id)) STRICT, WITHOUT ROWID;
CREATE INDEX doc_expires ON doc(expires) WHERE expires IS NOT NULL;
";

const RECORDS: &str = "
CREATE TABLE res(
    rid INTEGER PRIMARY KEY, y INTEGER NOT NULL, id TEXT NOT NULL, v INTEGER NOT NULL,
    u INTEGER NOT NULL, m INTEGER NOT NULL, e BLOB, c BLOB, ds INTEGER, k BLOB, body BLOB) STRICT;
CREATE UNIQUE INDEX res_address ON res(y, id);
CREATE INDEX res_type ON res(y, u);
CREATE INDEX res_system ON res(u);
CREATE INDEX res_owner ON res(e) WHERE e IS NOT NULL;
CREATE TABLE hist(
    rid INTEGER NOT NULL, v INTEGER NOT NULL, y INTEGER NOT NULL, u INTEGER NOT NULL,
    m INTEGER NOT NULL, e BLOB, body BLOB,
    PRIMARY KEY(rid, v)) STRICT, WITHOUT ROWID;
CREATE INDEX hist_instance ON hist(rid, u);
CREATE INDEX hist_type ON hist(y, u);
CREATE INDEX hist_system ON hist(u);
CREATE INDEX hist_owner ON hist(e) WHERE e IS NOT NULL;
CREATE TABLE post(k BLOB NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY(k, rid)) STRICT, WITHOUT ROWID;
CREATE TABLE cmp(
    c INTEGER NOT NULL, y INTEGER NOT NULL, ds INTEGER NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(c, y, ds, rid)) STRICT, WITHOUT ROWID;
";

/// Opens a file for its writer and makes the tables when there are none.
pub(super) fn open_writer(
    path: &Path,
    contents: Contents,
    settings: &EmbeddedSettings,
) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "page_size", PAGE_BYTES)?;
    prepare(&db, settings.writer_cache_bytes, settings.mmap_bytes)?;
    db.busy_timeout(Duration::from_millis(WRITER_WAIT_MS))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Freed pages are zeroed, so that nothing of what was erased stays in the file.
    db.pragma_update(None, "secure_delete", true)?;
    db.pragma_update(None, "wal_autocheckpoint", settings.checkpoint_pages)?;
    // One huge batch does not leave a huge log behind.
    let log_bytes = i64::try_from(log_bytes_max(settings)).unwrap_or(i64::MAX);
    db.pragma_update_and_check(None, "journal_size_limit", log_bytes, |_row| Ok(()))?;
    make_tables(&db, contents)?;
    Ok(db)
}

/// How large the write-ahead log may become, in bytes.
pub(super) fn log_bytes_max(settings: &EmbeddedSettings) -> u64 {
    2 * u64::from(settings.checkpoint_pages) * u64::from(PAGE_BYTES)
}

/// Opens a file for reading only; its writer has it open.
pub(super) fn open_reader(
    path: &Path,
    cache_bytes: u32,
    mmap_bytes: u32,
) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    prepare(&db, cache_bytes, mmap_bytes)?;
    Ok(db)
}

/// Limits how large the writer's file may become.
pub(super) fn limit_file(db: &Connection, bytes: Option<u64>) -> Result<(), StoreError> {
    let pages = bytes.map_or(u64::from(PAGES_MAX), |bytes| bytes / u64::from(PAGE_BYTES));
    let pages = u32::try_from(pages).unwrap_or(PAGES_MAX).min(PAGES_MAX);
    db.pragma_update_and_check(None, "max_page_count", pages, |_row| Ok(()))?;
    Ok(())
}

/// Copies the write-ahead log into the file and empties it; whether all of it could be done.
pub(super) fn truncate_log(db: &Connection) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")?;
    let is_busy: bool = statement.query_row([], |row| row.get(0))?;
    Ok(!is_busy)
}

/// Takes some room in the file and gives it back, to see that writing works.
pub(super) fn probe_writing(db: &Connection) -> Result<(), StoreError> {
    let insert = "INSERT INTO meta(name, value) VALUES ('probe', zeroblob(?1))";
    db.prepare_cached(insert)?.execute([PROBE_BYTES])?;
    db.prepare_cached("DELETE FROM meta WHERE name = 'probe'")?
        .execute([])?;
    Ok(())
}

/// Reads a little, to see that reading works.
pub(super) fn probe_reading(db: &Connection) -> Result<(), StoreError> {
    version(db).map(drop)
}

fn prepare(db: &Connection, cache_bytes: u32, mmap_bytes: u32) -> Result<(), StoreError> {
    db.busy_timeout(Duration::from_millis(BUSY_WAIT_MS))?;
    // Without it, statements are compiled anew whenever a bound that they compare with changes.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    db.pragma_update(None, "cache_size", -i64::from(cache_bytes / 1024))?;
    db.pragma_update_and_check(None, "mmap_size", mmap_bytes, |_row| Ok(()))?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(())
}

fn make_tables(db: &Connection, contents: Contents) -> Result<(), StoreError> {
    match version(db)? {
        Some(SCHEMA_VERSION) => return Ok(()),
        Some(other) => {
            return Err(StoreError::Failed(format!(
                "the store has schema {other}, this program knows {SCHEMA_VERSION}"
            )));
        }
        None => {}
    }
    let transaction = db.unchecked_transaction()?;
    transaction.execute_batch(META)?;
    if contents == Contents::Records {
        transaction.execute_batch(RECORDS)?;
    }
    let insert = "INSERT INTO meta(name, value) VALUES ('schema_version', ?1)";
    transaction.execute(insert, [SCHEMA_VERSION])?;
    transaction.commit()?;
    Ok(())
}

/// The schema of a file; `None` for an empty one.
fn version(db: &Connection) -> Result<Option<i64>, StoreError> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'";
    let has_meta: bool = db.prepare_cached(tables)?.query_row([], |row| row.get(0))?;
    if !has_meta {
        return Ok(None);
    }
    let select = "SELECT value FROM meta WHERE name = 'schema_version'";
    let mut statement = db.prepare_cached(select)?;
    let version = statement.query_row([], |row| row.get(0)).optional()?;
    let missing = || StoreError::Damaged("the store does not say which schema it has".to_owned());
    version.ok_or_else(missing).map(Some)
}
