//! A version as BSON and back, read and written raw: no value is decoded that is not needed.
//!
//! Members: `_id` type/id (in `hist` type/id/version), `y` type number, `v` version, `u` last
//! updated, `n` creation sequence, `m` method, `e` data key id, `b` sealed body or `p` its number
//! of parts in `blob`; in `res` also `c` compartments, `ds` main date, `k` search keys, and `x` in
//! a tombstone, which has none of `b`, `p`, `e`, `c`, `ds`, `k`.

use bytes::Bytes;
use mongodb::bson::raw::{RawArray, RawArrayBuf, RawBinaryRef, RawBsonRef, RawDocument, cstr};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, RawDocumentBuf};

use crate::fhir::resource_type::ResourceType;
use crate::search::key::{Entries, Key};
use crate::store::batch::{Put, Rewrite};
use crate::store::mongo::blob;
use crate::store::mongo::failure::{damaged, unreadable};
use crate::store::{Address, Method, StoreError, Version};

/// Digits of a version in an id of `hist`, so that text order is version order.
const VERSION_DIGITS: usize = 10;

/// The `_id` of a resource in `res`.
pub(super) fn id(address: &Address) -> String {
    let name = address.resource_type.name();
    let mut id = String::with_capacity(name.len() + 1 + address.id.len());
    id.push_str(name);
    id.push('/');
    id.push_str(&address.id);
    id
}

/// The `_id` of a version in `hist`.
pub(super) fn version_id(address: &Address, version_id: i64) -> String {
    format!("{}/{version_id:0VERSION_DIGITS$}", id(address))
}

/// A binary value.
pub(super) fn binary(bytes: &[u8]) -> RawBinaryRef<'_> {
    RawBinaryRef {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

/// A binary value for filters.
pub(super) fn owned_binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

/// The document of `res` for a new version.
pub(super) fn current(put: &Put) -> RawDocumentBuf {
    let version = &put.version;
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), id(&version.address).as_str());
    append_head(&mut document, version);
    if version.is_deleted() {
        document.append(cstr!("x"), true);
        return document;
    }
    append_entries(&mut document, &put.entries);
    append_body(&mut document, version);
    document
}

/// The change of a document of `res` that is rewritten in its place.
pub(super) fn rewritten(rewrite: &Rewrite) -> RawDocumentBuf {
    let mut set = RawDocumentBuf::new();
    append_entries(&mut set, &rewrite.entries);
    if let Some(new) = &rewrite.body {
        set.append(cstr!("u"), new.last_updated_ms);
        set.append(cstr!("e"), binary(&new.key_id));
        set.append(cstr!("b"), binary(&new.body));
    }
    let mut change = RawDocumentBuf::new();
    change.append(cstr!("$set"), set);
    if rewrite.entries.compartments.is_empty() {
        let mut unset = RawDocumentBuf::new();
        unset.append(cstr!("c"), "");
        change.append(cstr!("$unset"), unset);
    }
    change
}

/// The document of `hist` for a superseded version.
pub(super) fn superseded(version: &Version) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(
        cstr!("_id"),
        version_id(&version.address, version.version_id).as_str(),
    );
    append_head(&mut document, version);
    append_body(&mut document, version);
    document
}

fn append_head(document: &mut RawDocumentBuf, version: &Version) {
    document.append(
        cstr!("y"),
        i32::from(version.address.resource_type.number()),
    );
    document.append(cstr!("v"), version.version_id);
    document.append(cstr!("u"), version.last_updated_ms);
    document.append(cstr!("n"), version.sequence);
    document.append(cstr!("m"), method_number(version.method));
}

fn append_entries(document: &mut RawDocumentBuf, entries: &Entries) {
    match entries.compartments.as_slice() {
        [] => {}
        [one] => document.append(cstr!("c"), *one),
        several => {
            let mut array = RawArrayBuf::new();
            for compartment in several {
                array.push(*compartment);
            }
            document.append(cstr!("c"), array);
        }
    }
    document.append(cstr!("ds"), entries.date_ms);
    let mut keys = RawArrayBuf::new();
    for key in &entries.keys {
        keys.push(binary(key.as_bytes()));
    }
    document.append(cstr!("k"), keys);
}

fn append_body(document: &mut RawDocumentBuf, version: &Version) {
    let Some(body) = &version.body else {
        return;
    };
    document.append(cstr!("e"), binary(&version.key_id));
    match blob::parts(body) {
        None => document.append(cstr!("b"), binary(body)),
        Some(parts) => document.append(cstr!("p"), parts),
    }
}

fn method_number(method: Method) -> i32 {
    match method {
        Method::Post => 0,
        Method::Put => 1,
        Method::Patch => 2,
        Method::Delete => 3,
    }
}

fn method(number: i32) -> Option<Method> {
    match number {
        0 => Some(Method::Post),
        1 => Some(Method::Put),
        2 => Some(Method::Patch),
        3 => Some(Method::Delete),
        _ => None,
    }
}

/// A stored version: its document, looked at where it lies.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    id: &'a str,
    type_number: i32,
    version_id: i64,
    last_updated_ms: i64,
    sequence: i64,
    method: i32,
    key_id: Option<&'a [u8]>,
    body: Option<&'a [u8]>,
    parts: Option<i32>,
    keys: Option<&'a RawArray>,
    compartments: Option<RawBsonRef<'a>>,
    date_ms: i64,
}

impl<'a> Record<'a> {
    /// Looks at a document of `res` or `hist`.
    pub(super) fn read(document: &'a RawDocument) -> Result<Self, StoreError> {
        let mut record = Self::default();
        for element in document {
            let (name, value) = element.map_err(unreadable)?;
            record.take(name.as_str(), value);
        }
        Ok(record)
    }

    fn take(&mut self, name: &str, value: RawBsonRef<'a>) {
        match (name, value) {
            ("_id", RawBsonRef::String(text)) => self.id = text,
            ("y", RawBsonRef::Int32(number)) => self.type_number = number,
            ("v", RawBsonRef::Int64(number)) => self.version_id = number,
            ("u", RawBsonRef::Int64(number)) => self.last_updated_ms = number,
            ("n", RawBsonRef::Int64(number)) => self.sequence = number,
            ("m", RawBsonRef::Int32(number)) => self.method = number,
            ("e", RawBsonRef::Binary(binary)) => self.key_id = Some(binary.bytes),
            ("b", RawBsonRef::Binary(binary)) => self.body = Some(binary.bytes),
            ("p", RawBsonRef::Int32(number)) => self.parts = Some(number),
            ("k", RawBsonRef::Array(array)) => self.keys = Some(array),
            ("c", value) => self.compartments = Some(value),
            ("ds", RawBsonRef::Int64(number)) => self.date_ms = number,
            _ => {}
        }
    }

    /// Its creation sequence.
    pub(super) fn sequence(&self) -> i64 {
        self.sequence
    }

    /// When it was written, in ms since the epoch.
    pub(super) fn last_updated_ms(&self) -> i64 {
        self.last_updated_ms
    }

    /// Its logical id; for documents of `res`.
    pub(super) fn logical_id(&self) -> Result<&'a str, StoreError> {
        self.id
            .split_once('/')
            .map(|(_type, id)| id)
            .ok_or_else(|| damaged("_id"))
    }

    /// Its index entries.
    pub(super) fn entries(&self) -> Result<Entries, StoreError> {
        let mut entries = Entries {
            date_ms: self.date_ms,
            ..Entries::default()
        };
        for value in self.keys.into_iter().flatten() {
            let value = value.map_err(unreadable)?;
            let binary = value.as_binary().ok_or_else(|| damaged("k"))?;
            entries.keys.push(Key::from_bytes(binary.bytes));
        }
        match self.compartments {
            None => {}
            Some(RawBsonRef::Int64(one)) => entries.compartments.push(one),
            Some(RawBsonRef::Array(several)) => {
                for value in several {
                    let value = value.map_err(unreadable)?;
                    entries
                        .compartments
                        .push(value.as_i64().ok_or_else(|| damaged("c"))?);
                }
            }
            Some(_) => return Err(damaged("c")),
        }
        Ok(entries)
    }

    /// The version of a document of `res`.
    pub(super) fn current(&self) -> Result<Found, StoreError> {
        self.found(self.logical_id()?)
    }

    /// The version of a document of `hist`.
    pub(super) fn superseded(&self) -> Result<Found, StoreError> {
        let (id, _version) = self
            .logical_id()?
            .rsplit_once('/')
            .ok_or_else(|| damaged("_id"))?;
        self.found(id)
    }

    fn found(&self, id: &str) -> Result<Found, StoreError> {
        let resource_type = u16::try_from(self.type_number)
            .ok()
            .and_then(ResourceType::from_number)
            .ok_or_else(|| damaged("y"))?;
        let key_id = match self.key_id {
            None => [0; 16],
            Some(bytes) => bytes.try_into().map_err(|_length| damaged("e"))?,
        };
        Ok(Found {
            version: Version {
                address: Address {
                    resource_type,
                    id: id.to_owned(),
                },
                version_id: self.version_id,
                last_updated_ms: self.last_updated_ms,
                sequence: self.sequence,
                method: method(self.method).ok_or_else(|| damaged("m"))?,
                key_id,
                body: self.body.map(Bytes::copy_from_slice),
            },
            parts: self.parts,
        })
    }
}

/// A version that was read, and how many parts of its body are still in `blob`.
#[derive(Debug)]
pub(super) struct Found {
    /// The version; without its body when there are parts.
    pub(super) version: Version,
    /// The parts of a large body.
    pub(super) parts: Option<i32>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};

    use super::{Record, current, superseded};
    use crate::fhir::resource_type::ResourceType;
    use crate::search::key::{Entries, Key};
    use crate::store::batch::Put;
    use crate::store::{Address, Method, Version};

    fn put() -> impl Strategy<Value = Put> {
        let address = (0_u16..146, "[A-Za-z0-9.-]{1,64}");
        let figures = (
            1_i64..1_000_000,
            any::<i64>(),
            any::<i64>(),
            any::<[u8; 16]>(),
        );
        let keys = prop::collection::btree_set(prop::collection::vec(any::<u8>(), 2..24), 0..30);
        let compartments = prop::collection::btree_set(any::<i64>(), 0..3);
        let body = prop::collection::vec(any::<u8>(), 0..300);
        (address, figures, keys, compartments, body).prop_map(
            |((number, id), (version_id, updated, sequence, key_id), keys, compartments, body)| {
                Put {
                    version: Version {
                        address: Address {
                            resource_type: ResourceType::from_number(number).unwrap(),
                            id,
                        },
                        version_id,
                        last_updated_ms: updated,
                        sequence,
                        method: Method::Put,
                        key_id,
                        body: Some(body.into()),
                    },
                    entries: Entries {
                        keys: keys.iter().map(|bytes| Key::from_bytes(bytes)).collect(),
                        compartments: compartments.into_iter().collect(),
                        date_ms: updated,
                    },
                    supersedes: None,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(put in put()) {
            let document = current(&put);
            let record = Record::read(&document).unwrap();
            prop_assert_eq!(record.current().unwrap().version, put.version.clone());
            prop_assert_eq!(record.entries().unwrap(), put.entries.clone());
            let document = superseded(&put.version);
            let record = Record::read(&document).unwrap();
            prop_assert_eq!(record.superseded().unwrap().version, put.version);
        }
    }

    #[test]
    fn a_tombstone_has_nothing_to_find_it_by() {
        let address = Address {
            resource_type: ResourceType::from_number(0).unwrap(),
            id: "a".into(),
        };
        let put = Put {
            version: Version {
                address,
                version_id: 2,
                last_updated_ms: 5,
                sequence: 1,
                method: Method::Delete,
                key_id: [0; 16],
                body: None,
            },
            entries: Entries {
                compartments: vec![7],
                ..Entries::default()
            },
            supersedes: None,
        };
        let document = current(&put);
        assert!(
            ["k", "c", "ds", "b", "e"]
                .iter()
                .all(|name| document.get(name).unwrap().is_none())
        );
        let record = Record::read(&document).unwrap();
        assert_eq!(record.current().unwrap().version, put.version);
    }
}
