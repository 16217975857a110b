//! Erasure of everything sealed with an owner's keys.
//!
//! The writer empties the write-ahead log afterwards, and freed pages are zeroed: nothing of what
//! was erased stays in the files.

use rusqlite::{Connection, params};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::Entries;
use crate::store::embedded::posting::{Indexed, Postings};
use crate::store::embedded::row;
use crate::store::{Method, StoreError};

/// Bytes of an owner's hash: what ids of its data keys begin with.
const OWNER_BYTES: usize = 14;

/// Whose versions are erased, as the first and the last id its data keys can have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    first: [u8; 16],
    last: [u8; 16],
}

impl Owner {
    /// The owner with this hash.
    pub(super) fn new(hash: &[u8]) -> Result<Self, StoreError> {
        let hash: [u8; OWNER_BYTES] = hash.try_into().map_err(|_length| {
            StoreError::Failed(format!("an owner's hash has {OWNER_BYTES} bytes"))
        })?;
        let with_generation = |generation: u16| {
            let mut id = [0; 16];
            let all = hash.into_iter().chain(generation.to_be_bytes());
            for (to, from) in id.iter_mut().zip(all) {
                *to = from;
            }
            id
        };
        Ok(Self {
            first: with_generation(0),
            last: with_generation(u16::MAX),
        })
    }
}

/// Empties all versions of an owner and gives back how many there were.
pub(super) fn apply(
    db: &Connection,
    owner: &Owner,
    postings: &mut Postings,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let keys = params![owner.first, owner.last];
    let select = "SELECT rid, y, k, c, ds FROM res WHERE e BETWEEN ?1 AND ?2";
    let mut statement = db.prepare(select)?;
    let mut rows = statement.query(keys)?;
    let mut entries = Entries::default();
    while let Some(row) = rows.next()? {
        let sequence = row.get(0)?;
        let resource_type = ResourceType::from_number(row.get(1)?)
            .ok_or_else(|| StoreError::Damaged("a type has an unknown number".to_owned()))?;
        row::entries(row, 2, &mut entries)?;
        let indexed = Indexed {
            sequence,
            resource_type,
        };
        postings.replace(indexed, &entries, &Entries::default());
    }
    let update = "UPDATE res
        SET m = ?3, u = ?4, e = NULL, c = NULL, ds = NULL, k = NULL, body = NULL
        WHERE e BETWEEN ?1 AND ?2";
    let deleted = row::method_number(Method::Delete);
    let current = db.execute(update, params![owner.first, owner.last, deleted, now_ms])?;
    let update = "UPDATE hist SET e = NULL, body = NULL WHERE e BETWEEN ?1 AND ?2";
    let superseded = db.execute(update, keys)?;
    Ok((current + superseded) as u64)
}
