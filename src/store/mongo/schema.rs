//! Collections and indexes: all made before the first write, because making them beside load
//! costs transactions.
//!
//! What they hold and what each index answers: `docs/storage.md`.

use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;

use crate::store::StoreError;
use crate::store::mongo::failure::from_driver;

/// Current versions.
pub(super) const RES: &str = "res";
/// Superseded versions.
pub(super) const HIST: &str = "hist";
/// Parts of large bodies.
pub(super) const BLOB: &str = "blob";
/// Small documents.
pub(super) const DOC: &str = "doc";
/// What the store has to know of itself.
pub(super) const META: &str = "meta";
/// Wrapped data keys, in a database of their own.
pub(super) const KEY: &str = "key";

/// Index `{k, n}` of `res`: every searchable value in creation order.
pub(super) const BY_KEY: &str = "by_key";
/// Index `{c, y, ds, n}` of `res`: a patient's chart by type and date.
pub(super) const BY_COMPARTMENT: &str = "by_compartment";
/// Index `{y, u, n}` of `res` and `{y, u, n, v}` of `hist`: history of a type.
pub(super) const BY_TYPE: &str = "by_type";

/// Index `{e}` of `res`, `hist` and `blob`: what an owner's data keys have sealed.
const BY_OWNER: &str = "by_owner";

/// The id of the document in `meta` that says how the rest is laid out.
const SCHEMA: &str = "schema";
/// The layout this code reads and writes.
const SCHEMA_VERSION: i32 = 1;

/// How long a small document stays after its expiry, in seconds. Readers treat it as absent at
/// once; the delay keeps clocks that differ between processes and members from mattering.
const EXPIRED_KEPT_SECS: i32 = 3_600;

/// The code of `create` when the collection exists.
const NAMESPACE_EXISTS: i32 = 48;

/// The database of the wrapped data keys: apart, so that a backup of the records holds no key.
pub(super) fn keys_database(database: &str) -> String {
    format!("{database}_keys")
}

/// Makes what is not there yet.
pub(super) async fn prepare(db: &Database, keys_db: &Database) -> Result<(), StoreError> {
    let version = read_version(db).await?;
    match version {
        None => {
            create_collections(db, keys_db).await?;
            create_indexes(db, keys_db).await?;
            write_version(db).await
        }
        // An index that came later than the database is made now; the others cost a look.
        Some(SCHEMA_VERSION) => create_indexes(db, keys_db).await,
        Some(other) => Err(StoreError::Failed(format!(
            "the database has schema {other}, this version of Vesta knows {SCHEMA_VERSION}"
        ))),
    }
}

/// Whether the database has all of this already.
pub(super) async fn is_prepared(db: &Database) -> Result<bool, StoreError> {
    Ok(read_version(db).await?.is_some())
}

/// The layout of the database; `None` when it is new.
async fn read_version(db: &Database) -> Result<Option<i32>, StoreError> {
    let stored = db
        .collection::<Document>(META)
        .find_one(doc! { "_id": SCHEMA })
        .await
        .map_err(|error| from_driver(&error))?;
    Ok(stored.map(|stored| stored.get_i32("version").unwrap_or_default()))
}

/// Written last: a process that dies before leaves the work to the next one.
async fn write_version(db: &Database) -> Result<(), StoreError> {
    db.collection::<Document>(META)
        .update_one(
            doc! { "_id": SCHEMA },
            doc! { "$setOnInsert": { "version": SCHEMA_VERSION } },
        )
        .upsert(true)
        .await
        .map_err(|error| from_driver(&error))?;
    Ok(())
}

async fn create_collections(db: &Database, keys_db: &Database) -> Result<(), StoreError> {
    let zstd = doc! { "wiredTiger": { "configString": "block_compressor=zstd" } };
    for name in [RES, HIST] {
        create(db, doc! { "create": name, "storageEngine": zstd.clone() }).await?;
    }
    // Sealed parts of files do not compress, documents are too small to.
    for name in [BLOB, DOC, META] {
        create(db, doc! { "create": name }).await?;
    }
    create(keys_db, doc! { "create": KEY }).await
}

async fn create(db: &Database, command: Document) -> Result<(), StoreError> {
    match db.run_command(command).await {
        Ok(_answer) => Ok(()),
        Err(error) => match error.kind.as_ref() {
            ErrorKind::Command(refusal) if refusal.code == NAMESPACE_EXISTS => Ok(()),
            _ => Err(from_driver(&error)),
        },
    }
}

async fn create_indexes(db: &Database, keys_db: &Database) -> Result<(), StoreError> {
    let by_compartment = doc! {
        "key": { "c": 1, "y": 1, "ds": -1, "n": -1 },
        "name": BY_COMPARTMENT,
        "partialFilterExpression": { "c": { "$exists": true } },
    };
    let by_owner = doc! {
        "key": { "e": 1 },
        "name": BY_OWNER,
        "partialFilterExpression": { "e": { "$exists": true } },
    };
    let expiry = doc! {
        "key": { "x": 1 },
        "name": "expiry",
        "expireAfterSeconds": EXPIRED_KEPT_SECS,
    };
    let indexes = [
        (db, RES, doc! { "key": { "k": 1, "n": 1 }, "name": BY_KEY }),
        (db, RES, by_compartment),
        (
            db,
            RES,
            doc! { "key": { "y": 1, "u": -1, "n": -1 }, "name": BY_TYPE },
        ),
        (
            db,
            HIST,
            doc! { "key": { "y": 1, "u": -1, "n": -1, "v": -1 }, "name": BY_TYPE },
        ),
        (db, RES, by_owner.clone()),
        (db, HIST, by_owner.clone()),
        (db, BLOB, by_owner),
        (db, DOC, expiry.clone()),
        (keys_db, KEY, expiry),
    ];
    for (db, collection, index) in indexes {
        db.run_command(doc! { "createIndexes": collection, "indexes": [index] })
            .await
            .map_err(|error| from_driver(&error))?;
    }
    Ok(())
}
