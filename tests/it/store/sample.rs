//! Versions and batches that the cases write; bodies are opaque bytes to a store.

use std::str::FromStr;

use vesta::fhir::resource_type::ResourceType;
use vesta::search::key::{Entries, Key, ParameterNumber};
use vesta::search::plan::{Order, Plan, Predicate, Window};
use vesta::store::batch::{Batch, Put};
use vesta::store::{Address, HistoryWindow, Method, Store, StoreError, Version};

use crate::support::stores::NOW_MS;

/// The owner whose key seals what [`version`] makes.
pub(crate) const OWNER: [u8; 14] = *b"owner-of-tests";

/// A resource type by name.
pub(crate) fn kind(name: &str) -> ResourceType {
    ResourceType::from_str(name).unwrap()
}

/// An address from `Type/id`.
pub(crate) fn address(text: &str) -> Address {
    let (resource_type, id) = text.split_once('/').unwrap();
    Address {
        resource_type: kind(resource_type),
        id: id.to_owned(),
    }
}

/// The id of a data key of an owner.
pub(crate) fn key_id(owner: [u8; 14], generation: u16) -> [u8; 16] {
    let mut id = [0; 16];
    id[..14].copy_from_slice(&owner);
    id[14..].copy_from_slice(&generation.to_be_bytes());
    id
}

/// The first version of `Type/id`, with a creation sequence.
pub(crate) fn version(text: &str, sequence: i64) -> Version {
    Version {
        address: address(text),
        version_id: 1,
        last_updated_ms: NOW_MS + sequence,
        sequence,
        method: Method::Post,
        key_id: key_id(OWNER, 1),
        body: Some(format!("sealed {text} version 1").into_bytes().into()),
    }
}

/// The version behind `old`.
pub(crate) fn next(old: &Version) -> Version {
    let version_id = old.version_id + 1;
    let text = format!("{}/{}", old.address.resource_type, old.address.id);
    Version {
        version_id,
        last_updated_ms: old.last_updated_ms + 1000,
        method: Method::Put,
        key_id: key_id(OWNER, 1),
        body: Some(
            format!("sealed {text} version {version_id}")
                .into_bytes()
                .into(),
        ),
        ..old.clone()
    }
}

/// The tombstone behind `old`.
pub(crate) fn tombstone(old: &Version) -> Version {
    Version {
        method: Method::Delete,
        key_id: [0; 16],
        body: None,
        ..next(old)
    }
}

/// A key of parameter `parameter` that stands for `value`.
pub(crate) fn key(parameter: u16, value: &[u8]) -> Key {
    Key::new(ParameterNumber(parameter)).with(value)
}

/// Entries with these keys besides the key of the type, in compartment `compartments`.
pub(crate) fn entries(version: &Version, keys: &[Key], compartments: &[i64]) -> Entries {
    let mut keys = keys.to_vec();
    keys.push(Key::of_type(version.address.resource_type));
    keys.sort();
    keys.dedup();
    let mut compartments = compartments.to_vec();
    compartments.sort_unstable();
    Entries {
        keys,
        compartments,
        date_ms: version.last_updated_ms - 5,
    }
}

/// A put of a version that is the first of its resource.
pub(crate) fn create(version: &Version, keys: &[Key]) -> Put {
    Put {
        version: version.clone(),
        entries: entries(version, keys, &[]),
        supersedes: None,
    }
}

/// A put of a version behind `old`; a tombstone has no entries.
pub(crate) fn replace(old: &Version, version: &Version, keys: &[Key]) -> Put {
    Put {
        version: version.clone(),
        entries: if version.is_deleted() {
            Entries::default()
        } else {
            entries(version, keys, &[])
        },
        supersedes: Some(old.clone()),
    }
}

/// Commits puts as one batch.
pub(crate) async fn commit(store: &dyn Store, puts: Vec<Put>) -> Result<(), StoreError> {
    store
        .commit(Batch {
            puts,
            reservations: Vec::new(),
            ..Batch::default()
        })
        .await
}

/// A window on everything, newest first.
pub(crate) fn everything() -> Window {
    Window {
        order: Order::NewestFirst,
        after: None,
        high_water: None,
        limit: usize::MAX,
        examined_max: usize::MAX,
        bytes_max: usize::MAX,
    }
}

/// A history window on everything.
pub(crate) fn whole_history() -> HistoryWindow {
    HistoryWindow {
        since_ms: None,
        until_ms: None,
        after: None,
        limit: usize::MAX,
        bytes_max: usize::MAX,
    }
}

/// A plan that walks one driver and tests nothing else.
pub(crate) fn plan(driver: Predicate) -> Plan {
    Plan {
        driver,
        residual: Predicate::All,
        type_key: None,
    }
}

/// The ids that a plan finds, newest first.
pub(crate) async fn found(store: &dyn Store, driver: Predicate) -> Vec<String> {
    let matches = store.find(&plan(driver), &everything()).await.unwrap();
    assert_eq!(matches.stopped_at, None);
    let ids = matches.versions.into_iter().map(|one| one.address.id);
    ids.collect()
}
