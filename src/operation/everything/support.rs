//! What the resources of a compartment refer to: practitioners, organizations, medications...
//!
//! References are followed further from what belongs to no patient. What is in the compartment of
//! somebody else is never shown.

use std::collections::HashSet;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::reference::Reference;
use crate::fhir::resource::Resource;
use crate::interaction::Context;
use crate::operation::everything::scan::each_link;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::index::Indexer;
use crate::store::Address;

/// Resources read at once.
const STEP: usize = 500;

/// What is referred to.
pub(super) struct Support {
    /// What is shown anyway, or was asked for.
    known: HashSet<Address>,
    /// What is to be read next.
    wanted: Vec<Address>,
    limit: usize,
    is_every_patient: bool,
}

impl Support {
    /// Nothing yet; `limit` is how many resources there may be.
    pub(super) fn new(limit: usize, is_every_patient: bool) -> Self {
        Self {
            known: HashSet::new(),
            wanted: Vec::new(),
            limit,
            is_every_patient,
        }
    }

    /// Leaves a resource of the compartment out.
    pub(super) fn exclude(&mut self, address: &Address) {
        self.known.insert(address.clone());
    }

    /// Takes in what a resource refers to, `Binary` resources of attachments too.
    pub(super) fn refer(&mut self, stored: &Stored, base_url: &str) {
        each_link(&stored.json, &mut |text, is_url| {
            self.add(text, base_url, is_url);
        });
    }

    fn add(&mut self, text: &str, base_url: &str, is_attachment: bool) {
        let Reference::Local {
            resource_type, id, ..
        } = Reference::parse(text, Some(base_url))
        else {
            return;
        };
        if is_attachment && resource_type.name() != "Binary" {
            return;
        }
        let address = Address {
            resource_type,
            id: id.to_owned(),
        };
        if !self.known.contains(&address) {
            self.wanted.push(address);
        }
    }

    /// Everything that is referred to and belongs to no patient, or directly to `owner`.
    pub(super) async fn find(
        &mut self,
        ctx: &Context,
        grant: &Grant,
        owner: Option<&str>,
    ) -> Result<Vec<Stored>, Outcome> {
        let mut found = Vec::new();
        let mut owner = owner;
        while !self.wanted.is_empty() {
            let mut wanted = std::mem::take(&mut self.wanted);
            // What was excluded after it was referred to is known by now.
            wanted.retain(|address| self.known.insert(address.clone()));
            for chunk in wanted.chunks(STEP) {
                let mut stored = ctx.records.get_readable(grant, chunk).await?;
                self.keep_shown(&mut stored, &ctx.records.indexer(), owner)?;
                found.append(&mut stored);
                if found.len() > self.limit {
                    return Err(too_many(self.limit));
                }
            }
            owner = None;
        }
        Ok(found)
    }

    fn keep_shown(
        &mut self,
        all: &mut Vec<Stored>,
        indexer: &Indexer,
        owner: Option<&str>,
    ) -> Result<(), Outcome> {
        for stored in std::mem::take(all) {
            if self.is_shown(&stored, indexer, owner)? {
                all.push(stored);
            }
        }
        Ok(())
    }

    /// Whether it belongs to no patient, or to `owner`; takes in what the former refers to.
    fn is_shown(
        &mut self,
        stored: &Stored,
        indexer: &Indexer,
        owner: Option<&str>,
    ) -> Result<bool, Outcome> {
        if stored.is_deleted() {
            return Ok(false);
        }
        let resource = stored.resource()?;
        let whose = indexer.owner(&resource);
        if whose.is_none() {
            self.refer(stored, indexer.base_url());
        }
        // Who asks for every patient's record wants every patient's content.
        let is_wanted = self.is_every_patient && whose.is_some() && is_content(&resource);
        Ok(whose.is_none() || whose == owner || is_wanted)
    }
}

/// What no compartment holds although it may be a patient's.
fn is_content(resource: &Resource) -> bool {
    resource.resource_type().name() == "Binary"
}

/// Where a resource is.
pub(super) fn address_of(stored: &Stored) -> &Address {
    &stored.version.address
}

fn too_many(limit: usize) -> Outcome {
    let text = format!("This refers to more than {limit} resources: ask for less with start, end.");
    Outcome::new(Kind::TooCostly, text)
}
