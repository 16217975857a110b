//! `$everything`: a patient's whole record, or all that belongs to an encounter.
//!
//! Matches are what the compartment holds; what they refer to comes with them as included, each
//! resource once. A page shows what its resources are by then.
//! Spec: <https://hl7.org/fhir/R4/patient-operation-everything.html>,
//! <https://hl7.org/fhir/R4/encounter-operation-everything.html>.

mod options;
mod scan;
mod support;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::access::records::results::Item;
use crate::conformance::compartment::CompartmentKind;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::read::{gone, not_found};
use crate::interaction::search::{SearchResponse, SearchScope, collect};
use crate::operation::everything::options::Options;
use crate::operation::everything::support::{Support, address_of};
use crate::operation::listing::{self, Call, List, Opened};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::index::Indexer;
use crate::store::Address;

/// Everything of what.
#[derive(Debug, Clone)]
pub struct EverythingRequest {
    /// The patient or encounter; `None` for all patients.
    pub subject: Option<Address>,
    /// How it was called.
    pub call: Call,
}

/// Answers a call.
pub async fn everything(
    ctx: &Context,
    grant: &Grant,
    request: EverythingRequest,
) -> Result<SearchResponse, Outcome> {
    let call = &request.call;
    let asked = listing::read(ctx, grant, call)?;
    let options = Options::read(&asked.pairs)?;
    let subject = match &request.subject {
        Some(address) => Some(subject(ctx, grant, address).await?),
        None => None,
    };
    if let Some(kept) = asked.kept {
        return listing::further(ctx, grant, (call, &asked), (kept, options.count)).await;
    }
    let indexer = ctx.records.indexer();
    let mut gathering = Gathering {
        options: &options,
        indexer: &indexer,
        is_every_patient: subject.is_none(),
        items: Vec::new(),
        opened: Opened::default(),
        support: Support::new(ctx.settings.limits.include_total_max, subject.is_none()),
    };
    gathering.walk(ctx, grant, request.subject.as_ref()).await?;
    let list = gathering.finish(ctx, grant, subject.as_ref()).await?;
    listing::first(ctx, grant, (call, &asked), (&list, options.count)).await
}

/// The patient or encounter itself.
async fn subject(ctx: &Context, grant: &Grant, address: &Address) -> Result<Stored, Outcome> {
    let stored = ctx.records.get(grant, address).await?;
    let stored = stored.ok_or_else(|| not_found(address))?;
    if stored.is_deleted() {
        return Err(gone(&stored));
    }
    Ok(stored)
}

/// What is found on the way.
struct Gathering<'a> {
    options: &'a Options,
    indexer: &'a Indexer,
    is_every_patient: bool,
    items: Vec<Item>,
    opened: Opened,
    support: Support,
}

impl Gathering<'_> {
    /// Takes in what the compartments hold.
    async fn walk(
        &mut self,
        ctx: &Context,
        grant: &Grant,
        subject: Option<&Address>,
    ) -> Result<(), Outcome> {
        let limit = ctx.settings.limits.sort_candidates_max;
        let is_whole = if let Some(address) = subject {
            let (owner, id) = (address.resource_type, address.id.clone());
            let scope = SearchScope::of_compartment(owner, id, "*")?;
            let mut visit = |stored| self.take(ctx, stored);
            collect::each_in(ctx, grant, (&scope, limit), &mut visit).await?
        } else {
            self.walk_types(ctx, grant, limit).await?
        };
        if is_whole {
            return Ok(());
        }
        let text = format!(
            "There are more than {limit} resources to choose from: ask for one patient's, or for \
             some types with _type."
        );
        Err(Outcome::new(Kind::TooCostly, text))
    }

    /// Takes in what is in the compartment of any patient, type by type.
    async fn walk_types(
        &mut self,
        ctx: &Context,
        grant: &Grant,
        limit: usize,
    ) -> Result<bool, Outcome> {
        let of_patients = |one: &ResourceType| {
            let registry = self.indexer.registry();
            !registry
                .compartment(CompartmentKind::Patient, *one)
                .is_empty()
        };
        let types: Vec<_> = ResourceType::all().filter(of_patients).collect();
        let types: Vec<_> = types.into_iter().filter(|one| grant.finds(*one)).collect();
        // What patients' resources refer to may be of a type that is asked for as well.
        let is_closed = types.iter().filter(|one| self.options.wants(**one)).count()
            == self.options.types.len();
        let mut left = limit;
        for one in types {
            if is_closed && !self.options.wants(one) {
                continue;
            }
            let mut visited = 0;
            let scope = SearchScope::of_type(one);
            let mut visit = |stored| {
                visited += 1;
                self.take(ctx, stored)
            };
            if !collect::each_in(ctx, grant, (&scope, left), &mut visit).await? {
                return Ok(false);
            }
            left = left.saturating_sub(visited);
        }
        Ok(true)
    }

    /// Takes in one resource of a compartment.
    fn take(&mut self, ctx: &Context, stored: Stored) -> Result<(), Outcome> {
        let needs_tree = self.is_every_patient || self.options.has_time();
        let resource = needs_tree.then(|| stored.resource()).transpose()?;
        let is_anybodys = |one| self.indexer.owner(one).is_some();
        if self.is_every_patient && !resource.as_ref().is_some_and(is_anybodys) {
            return Ok(());
        }
        let address = address_of(&stored);
        self.support.exclude(address);
        let is_in_time = |one| self.options.is_in_time(one, self.indexer);
        if !resource.as_ref().is_none_or(is_in_time) {
            return Ok(());
        }
        self.support.refer(&stored, self.indexer.base_url());
        if self.options.wants(address.resource_type) && self.options.is_since(&stored) {
            self.items.push(Item {
                address: address.clone(),
                version_id: None,
            });
            self.opened.keep(ctx, stored);
        }
        Ok(())
    }

    /// Puts the subject first and what is referred to last.
    async fn finish(
        mut self,
        ctx: &Context,
        grant: &Grant,
        subject: Option<&Stored>,
    ) -> Result<List, Outcome> {
        let first = subject.map(address_of);
        // Stable: the others stay newest first.
        self.items.sort_by_key(|item| Some(&item.address) != first);
        let matches = self.items.len();
        let resource = subject.map(Stored::resource).transpose()?;
        // An encounter comes with its patient, and what else of theirs it refers to.
        let owner = resource.as_ref().and_then(|one| self.indexer.owner(one));
        let found = self.support.find(ctx, grant, owner).await?;
        let wanted = found.iter().filter(|stored| {
            self.options.wants(address_of(stored).resource_type) && self.options.is_since(stored)
        });
        self.items.extend(wanted.map(|stored| Item {
            address: address_of(stored).clone(),
            version_id: None,
        }));
        Ok(List {
            items: self.items,
            matches,
            opened: self.opened,
        })
    }
}
