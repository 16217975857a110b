//! The entries of one bundle, with ids that follow from the seed.
//!
//! Every entry is a PUT to its own id, so that loading a file again changes nothing: an update
//! that says what is stored keeps its version. Ids are UUIDs of version 8 (RFC 9562), a hash of
//! seed, patient and a counter. Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use uuid::Builder;
use vesta_model::r4::Resource;
use vesta_model::r4::resources::{Bundle, BundleEntry, BundleEntryRequest};
use vesta_model::r4::types::Reference;

use super::term::reference_to;

/// The id of a resource of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryId {
    urn: String,
}

impl EntryId {
    /// Its logical id.
    pub(super) fn id(&self) -> &str {
        self.urn.strip_prefix(URN).unwrap_or(&self.urn)
    }

    /// As a reference inside the bundle.
    pub(super) fn reference(&self) -> Reference {
        reference_to(&self.urn)
    }

    /// As a boxed reference inside the bundle.
    pub(super) fn boxed(&self) -> Box<Reference> {
        Box::new(self.reference())
    }
}

const URN: &str = "urn:uuid:";

/// A bundle in the making.
#[derive(Debug)]
pub(super) struct Record {
    seed: u64,
    number: u64,
    counter: u64,
    entries: Vec<BundleEntry>,
}

impl Record {
    /// Nothing yet, for the patient of that number under a seed.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        Self {
            seed,
            number,
            counter: 0,
            entries: Vec::with_capacity(256),
        }
    }

    /// The id of the next resource.
    pub(super) fn next_id(&mut self) -> EntryId {
        let mut named = [0_u8; 24];
        let parts = [self.seed, self.number, self.counter];
        for (bytes, part) in named.chunks_exact_mut(8).zip(parts) {
            bytes.copy_from_slice(&part.to_be_bytes());
        }
        self.counter += 1;
        let mut hash = blake3::Hasher::new_derive_key("vesta synthetic resource id");
        let mut bytes = [0_u8; 16];
        hash.update(&named).finalize_xof().fill(&mut bytes);
        let uuid = Builder::from_custom_bytes(bytes).into_uuid();
        EntryId {
            urn: format!("{URN}{uuid}"),
        }
    }

    /// Adds a resource that bears this id.
    pub(super) fn put(&mut self, kind: &str, id: &EntryId, resource: Resource) {
        let request = BundleEntryRequest {
            method: "PUT".into(),
            url: format!("{kind}/{}", id.id()).into(),
            ..BundleEntryRequest::default()
        };
        self.add(id, resource, request);
    }

    /// Adds a resource that is created unless there is one with this identifier already.
    pub(super) fn create_once(
        &mut self,
        kind: &str,
        resource: Resource,
        (system, value): (&str, &str),
    ) -> EntryId {
        let id = self.next_id();
        let request = BundleEntryRequest {
            method: "POST".into(),
            url: kind.into(),
            if_none_exist: Some(format!("identifier={system}|{value}").into()),
            ..BundleEntryRequest::default()
        };
        self.add(&id, resource, request);
        id
    }

    /// The finished transaction.
    pub(super) fn into_transaction(self) -> Resource {
        Resource::Bundle(Box::new(Bundle {
            r#type: "transaction".into(),
            entry: self.entries,
            ..Bundle::default()
        }))
    }

    fn add(&mut self, id: &EntryId, resource: Resource, request: BundleEntryRequest) {
        self.entries.push(BundleEntry {
            full_url: Some(id.urn.as_str().into()),
            resource: Some(resource),
            request: Some(request),
            ..BundleEntry::default()
        });
    }
}
