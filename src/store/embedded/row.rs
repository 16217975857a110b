//! Versions and index entries as columns.
//!
//! A key list is the keys one behind the other, each behind its length in one byte; compartments
//! are eight bytes each, big-endian.

use bytes::Bytes;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Row, ToSql};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::{Entries, Key};
use crate::store::{Address, Method, StoreError, Version};

/// The version in a row of the columns `y, id, rid, v, u, m, e, body`.
pub(super) fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        address: Address {
            resource_type: resource_type(row, 0)?,
            id: row.get(1)?,
        },
        sequence: row.get(2)?,
        version_id: row.get(3)?,
        last_updated_ms: row.get(4)?,
        method: method(row, 5)?,
        key_id: row.get::<_, Option<[u8; 16]>>(6)?.unwrap_or_default(),
        body: row.get::<_, Option<Vec<u8>>>(7)?.map(Bytes::from),
    })
}

/// The number that stands for a method.
pub(super) fn method_number(method: Method) -> i64 {
    match method {
        Method::Post => 1,
        Method::Put => 2,
        Method::Patch => 3,
        Method::Delete => 4,
    }
}

/// The column of a data key's id.
pub(super) fn key_id(version: &Version) -> Option<&[u8]> {
    (version.key_id != [0; 16]).then_some(version.key_id.as_slice())
}

/// A key list.
pub(super) fn encode_keys(keys: &[Key]) -> Result<Vec<u8>, StoreError> {
    let length = keys.iter().map(|key| key.as_bytes().len() + 1).sum();
    let mut list = Vec::with_capacity(length);
    for key in keys {
        let bytes = key.as_bytes();
        let length = u8::try_from(bytes.len())
            .map_err(|_long| StoreError::TooLarge("an index key over 255 bytes".to_owned()))?;
        list.push(length);
        list.extend_from_slice(bytes);
    }
    Ok(list)
}

/// Reads a key list, replacing what `keys` holds.
pub(super) fn decode_keys(mut list: &[u8], keys: &mut Vec<Key>) -> Result<(), StoreError> {
    keys.clear();
    while let Some((&length, rest)) = list.split_first() {
        let Some((key, rest)) = rest.split_at_checked(usize::from(length)) else {
            return Err(StoreError::Damaged("a key list ends early".to_owned()));
        };
        keys.push(Key::from_bytes(key));
        list = rest;
    }
    Ok(())
}

/// The column of compartments.
pub(super) fn encode_compartments(compartments: &[i64]) -> Option<Vec<u8>> {
    let bytes = compartments.iter().flat_map(|owner| owner.to_be_bytes());
    (!compartments.is_empty()).then(|| bytes.collect())
}

/// Reads the column of compartments, replacing what `compartments` holds.
pub(super) fn decode_compartments(column: &[u8], compartments: &mut Vec<i64>) {
    compartments.clear();
    let (owners, _rest) = column.as_chunks::<8>();
    compartments.extend(owners.iter().map(|owner| i64::from_be_bytes(*owner)));
}

/// Reads the index entries of a row: key list, compartments and clinical date from column `first`
/// on.
pub(super) fn entries(
    row: &Row<'_>,
    first: usize,
    entries: &mut Entries,
) -> Result<(), StoreError> {
    let list = row.get_ref(first)?.as_blob_or_null().map_err(unreadable)?;
    decode_keys(list.unwrap_or_default(), &mut entries.keys)?;
    let column = row
        .get_ref(first + 1)?
        .as_blob_or_null()
        .map_err(unreadable)?;
    decode_compartments(column.unwrap_or_default(), &mut entries.compartments);
    entries.date_ms = row.get::<_, Option<i64>>(first + 2)?.unwrap_or_default();
    Ok(())
}

/// A number of rows as SQLite takes it.
pub(super) fn limit(rows: usize) -> impl ToSql {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The number in a row of `count(*)`.
pub(super) fn count(row: &Row<'_>) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(0)?.cast_unsigned())
}

/// What a column that cannot be read means.
pub(super) fn unreadable(error: impl std::error::Error) -> StoreError {
    StoreError::Damaged(format!("a column cannot be read: {error}"))
}

fn resource_type(row: &Row<'_>, column: usize) -> rusqlite::Result<ResourceType> {
    let number: u16 = row.get(column)?;
    ResourceType::from_number(number).ok_or_else(|| unknown(column, number.into()))
}

fn method(row: &Row<'_>, column: usize) -> rusqlite::Result<Method> {
    match row.get(column)? {
        1 => Ok(Method::Post),
        2 => Ok(Method::Put),
        3 => Ok(Method::Patch),
        4 => Ok(Method::Delete),
        other => Err(unknown(column, other)),
    }
}

fn unknown(column: usize, number: i64) -> rusqlite::Error {
    let cause = Box::new(FromSqlError::OutOfRange(number));
    rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, cause)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{decode_compartments, decode_keys, encode_compartments, encode_keys};
    use crate::search::key::Key;

    proptest! {
        #[test]
        fn key_lists_come_back(keys in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..40), 0..30)
        ) {
            let keys: Vec<_> = keys.iter().map(|bytes| Key::from_bytes(bytes)).collect();
            let mut decoded = vec![Key::default()];
            decode_keys(&encode_keys(&keys).unwrap(), &mut decoded).unwrap();
            prop_assert_eq!(decoded, keys);
        }

        #[test]
        fn a_cut_key_list_is_damaged(length in 1_usize..200) {
            let list = encode_keys(&[Key::from_bytes(&vec![7; length])]).unwrap();
            let cut = &list[..list.len() - 1];
            prop_assert!(decode_keys(cut, &mut Vec::new()).is_err());
        }

        #[test]
        fn compartments_come_back(owners in proptest::collection::vec(any::<i64>(), 0..5)) {
            let column = encode_compartments(&owners).unwrap_or_default();
            let mut decoded = vec![1];
            decode_compartments(&column, &mut decoded);
            prop_assert_eq!(decoded, owners);
        }
    }

    #[test]
    fn a_key_of_over_255_bytes_is_refused() {
        assert!(encode_keys(&[Key::from_bytes(&[1; 256])]).is_err());
    }
}
