//! Index keys: short byte strings, one or more for every searchable value of a resource.
//!
//! A key begins with the number of its (type, parameter) pair; what follows has a fixed length per
//! kind of value, so that byte order within a parameter is the order of the values.
//! Layout by kind: `docs/storage.md`.

use smallvec::SmallVec;

use crate::fhir::resource_type::ResourceType;

/// Keys and compartments that one resource may have: beyond it the write is refused.
pub const ENTRIES_MAX: usize = 100_000;

/// Bytes of the longest key.
pub const KEY_BYTES_MAX: usize = 24;

/// An index key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(SmallVec<[u8; KEY_BYTES_MAX]>);

/// Number of a (resource type, search parameter) pair: at most [`PARAMETER_NUMBER_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterNumber(pub u16);

/// The largest parameter number: the two bits above it tell a parameter's key layouts apart.
pub const PARAMETER_NUMBER_MAX: u16 = 0x3ffe;

/// Bit of the keys of a parameter's second ordered layout.
const SECOND_LAYOUT: u16 = 0x4000;

/// Bit of the keys of a parameter that have a marker behind the number.
const MARKED_LAYOUT: u16 = 0x8000;

/// Marks that there is a value.
const PRESENT_MARKER: u8 = 3;

/// The number that the keys of contained resources begin with, before their own.
const CONTAINED_KEYS: u16 = u16::MAX - 1;

/// The number that the keys of resource types themselves begin with.
const TYPE_KEYS: u16 = u16::MAX;

impl Key {
    /// A key of a parameter's first layout.
    pub fn new(parameter: ParameterNumber) -> Self {
        Self::of_number(parameter.0)
    }

    /// A key of a parameter's second layout, so that ranges over the first do not meet it.
    pub fn second(parameter: ParameterNumber) -> Self {
        Self::of_number(parameter.0 | SECOND_LAYOUT)
    }

    /// A key of a parameter that is found by equality only, of the sort that the marker says.
    pub fn marked(parameter: ParameterNumber, marker: u8) -> Self {
        Self::of_number(parameter.0 | MARKED_LAYOUT).with(&[marker])
    }

    /// The key of a parameter that has a value, none of which has another key of the first two
    /// layouts.
    pub fn present(parameter: ParameterNumber) -> Self {
        Self::marked(parameter, PRESENT_MARKER)
    }

    /// The key that every resource of a type has.
    pub fn of_type(resource_type: ResourceType) -> Self {
        Self::of_number(TYPE_KEYS).with(&resource_type.number().to_be_bytes())
    }

    /// The key that every resource of a type has which contains one of the type `inner`.
    pub fn of_container(resource_type: ResourceType, inner: ResourceType) -> Self {
        Self::of_type(inner)
            .of_contained()
            .with(&resource_type.number().to_be_bytes())
    }

    /// This key of a contained resource, as what contains it has it.
    #[must_use]
    pub fn of_contained(&self) -> Self {
        Self::of_number(CONTAINED_KEYS).with(&self.0)
    }

    /// Whether all keys that begin as this one does belong to resources of one type.
    pub fn is_of_one_type(&self) -> bool {
        !self.0.starts_with(&CONTAINED_KEYS.to_be_bytes())
    }

    fn of_number(number: u16) -> Self {
        Self(SmallVec::from_slice(&number.to_be_bytes()))
    }

    /// A key from bytes that were stored.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// The same key with more bytes behind.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The same key with a number whose byte order is its numeric order.
    #[must_use]
    pub fn with_ordered(self, value: i64) -> Self {
        self.with(&ordered_bytes(value))
    }

    /// Whether it is of a parameter's first or second layout.
    pub fn is_ordered(&self) -> bool {
        self.0.first().is_some_and(|byte| byte & 0x80 == 0)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The smallest key behind all that begin with this one; `None` behind `ff ff ...`.
    pub fn successor(&self) -> Option<Self> {
        let mut bytes = self.0.clone();
        while let Some(last) = bytes.pop() {
            if last < u8::MAX {
                bytes.push(last + 1);
                return Some(Self(bytes));
            }
        }
        None
    }
}

/// A number as bytes whose order is its numeric order.
pub fn ordered_bytes(value: i64) -> [u8; 8] {
    (value.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// All index entries of one resource version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Every searchable value, sorted, without duplicates; the type's own key among them.
    pub keys: Vec<Key>,
    /// Blind hashes of the patients in whose compartment the resource is, sorted.
    pub compartments: Vec<i64>,
    /// The main clinical date in ms since the epoch; last-updated when there is none.
    pub date_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::{Key, ParameterNumber};

    #[test]
    fn byte_order_is_numeric_order() {
        let key = |value| Key::new(ParameterNumber(7)).with_ordered(value);
        let values = [i64::MIN, -5, -1, 0, 1, 77, i64::MAX];
        assert!(values.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
    }

    #[test]
    fn a_successor_is_behind_every_key_with_the_prefix() {
        let key = Key::from_bytes(&[1, 0xff]);
        assert_eq!(key.successor(), Some(Key::from_bytes(&[2])));
        assert!(Key::from_bytes(&[1, 0xff, 0xff, 0xff]) < key.successor().unwrap());
        assert_eq!(Key::from_bytes(&[0xff]).successor(), None);
    }
}
