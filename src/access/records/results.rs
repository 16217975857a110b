//! Results of searches that last for more than one request: lists of addresses, sealed.
//!
//! A list says which resources, never what is in them; who follows a link gets what the grant of
//! that request covers.

use crate::access::Grant;
use crate::access::records::limits::{narrow, require_found};
use crate::access::records::{Records, failed};
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::seal::hex;
use crate::search::cursor::{CursorKey, FROZEN_ID_BYTES, Frozen};
use crate::search::plan::{Plan, Window};
use crate::store::batch::{DocumentPut, Expected};
use crate::store::{Address, Matches};

/// The collection of lists.
const RESULTS: &str = "result";

/// Resources in one document.
const CHUNK_ITEMS: usize = 1_000;

/// What is sealed together with every document.
const CONTEXT: &[u8] = b"vesta result 1";

/// One resource of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// Which resource.
    pub address: Address,
    /// Which version; `None` for the current one.
    pub version_id: Option<i64>,
}

impl Records {
    /// Whether index entries alone tell what of a plan the grant lets through.
    pub fn is_decided_by_keys(&self, grant: &Grant, plan: &Plan) -> Result<bool, Outcome> {
        Ok(narrow(grant, plan)?.is_exact)
    }

    /// Matches of a plan, not opened: where they are and when they were written. Only for plans of
    /// which index entries tell what the grant lets through.
    pub async fn find_sealed(
        &self,
        grant: &Grant,
        plan: &Plan,
        window: &Window,
    ) -> Result<Matches, Outcome> {
        let narrowed = narrow(grant, plan)?;
        let found = self.parts.store.find(&narrowed.plan, window).await;
        let found = found.map_err(|error| failed(&error))?;
        require_found(grant, &found)?;
        Ok(found)
    }

    /// Keeps a list for some seconds; gives back its beginning.
    pub async fn freeze(
        &self,
        _grant: &Grant,
        items: &[Item],
        seconds: u64,
    ) -> Result<Frozen, Outcome> {
        let id: [u8; FROZEN_ID_BYTES] = self.random_bytes();
        let key = self.indexer().cursor_key();
        let keep_ms = i64::try_from(seconds)
            .unwrap_or(i64::MAX / 1_000)
            .saturating_mul(1_000);
        let expires_ms = Some(self.parts.clock.now_ms().saturating_add(keep_ms));
        let mut puts = Vec::new();
        for (number, chunk) in items.chunks(CHUNK_ITEMS).enumerate() {
            let name = document_id(&id, number);
            let sealed = key.seal_bytes(&associated(&name), &encode(chunk), self.random());
            let sealed = sealed.map_err(|error| Outcome::internal(error.to_string()))?;
            puts.push(DocumentPut {
                collection: RESULTS.to_owned(),
                id: name,
                expected: Expected::Absent,
                body: Some(sealed),
                expires_ms,
            });
        }
        let put = self.parts.store.put_documents(puts).await;
        put.map_err(|error| failed(&error))?;
        Ok(Frozen {
            id,
            offset: 0,
            length: u32::try_from(items.len()).unwrap_or(u32::MAX),
        })
    }

    /// Up to `limit` resources of a list from its offset on; `None` when it is no longer kept.
    pub async fn thaw(
        &self,
        _grant: &Grant,
        frozen: &Frozen,
        limit: usize,
    ) -> Result<Option<Vec<Item>>, Outcome> {
        let key = self.indexer().cursor_key();
        let length = usize::try_from(frozen.length).unwrap_or(usize::MAX);
        let mut place = usize::try_from(frozen.offset).unwrap_or(usize::MAX);
        let end = place.saturating_add(limit).min(length);
        let mut items = Vec::new();
        while place < end {
            let name = document_id(&frozen.id, place / CHUNK_ITEMS);
            let Some(chunk) = self.thaw_chunk(&key, &name).await? else {
                return Ok(None);
            };
            let within = place % CHUNK_ITEMS;
            let taken = chunk.into_iter().skip(within).take(end - place);
            let before = items.len();
            items.extend(taken);
            if items.len() == before {
                return Err(Outcome::internal(
                    "a list of results is shorter than it says",
                ));
            }
            place += items.len() - before;
        }
        Ok(Some(items))
    }

    async fn thaw_chunk(&self, key: &CursorKey, name: &str) -> Result<Option<Vec<Item>>, Outcome> {
        let now_ms = self.parts.clock.now_ms();
        let found = self.parts.store.get_document(RESULTS, name, now_ms).await;
        let Some(document) = found.map_err(|error| failed(&error))? else {
            return Ok(None);
        };
        let items = key
            .open_bytes(&associated(name), &document.body)
            .and_then(|bytes| decode(&bytes));
        items
            .map(Some)
            .ok_or_else(|| Outcome::internal("a list of results cannot be read"))
    }
}

fn document_id(id: &[u8], number: usize) -> String {
    format!("{}-{number:06}", hex::encode(id))
}

fn associated(name: &str) -> Vec<u8> {
    [CONTEXT, name.as_bytes()].concat()
}

/// Each item: number of the type, version (0 for the current one), length of the id, id.
fn encode(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.len() * 48);
    for Item {
        address,
        version_id,
    } in items
    {
        bytes.extend(address.resource_type.number().to_be_bytes());
        bytes.extend(version_id.unwrap_or_default().to_be_bytes());
        // An id has 64 characters at most.
        bytes.push(u8::try_from(address.id.len()).unwrap_or(u8::MAX));
        bytes.extend(address.id.as_bytes());
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let (number, rest) = bytes.split_first_chunk()?;
        let (version_id, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let version_id = i64::from_be_bytes(*version_id);
        items.push(Item {
            address: Address {
                resource_type: ResourceType::from_number(u16::from_be_bytes(*number))?,
                id: String::from_utf8(id.to_vec()).ok()?,
            },
            version_id: (version_id > 0).then_some(version_id),
        });
        bytes = rest;
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Item, decode, encode};
    use crate::fhir::resource_type::ResourceType;
    use crate::store::Address;

    fn any_item() -> impl Strategy<Value = Item> {
        let types: Vec<ResourceType> = ResourceType::all().collect();
        let version = prop::option::of(1..i64::MAX);
        (prop::sample::select(types), "[A-Za-z0-9.-]{1,64}", version).prop_map(
            |(resource_type, id, version_id)| Item {
                address: Address { resource_type, id },
                version_id,
            },
        )
    }

    proptest! {
        #[test]
        fn a_list_comes_back(items in prop::collection::vec(any_item(), 0..20)) {
            prop_assert_eq!(decode(&encode(&items)), Some(items));
        }
    }
}
