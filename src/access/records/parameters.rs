//! Search parameters that come, change and go while servers run.
//!
//! Which are in force, and their numbers, stands in one document with a precondition, so that all
//! processes on a store agree. What they say is read from their resources. Walking over what is
//! stored is in [`super::reindex`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::access::records::{Records, Stored, failed};
use crate::conformance::custom::{self, Custom, Definition, FIRST_NUMBER};
use crate::conformance::search_parameter::SearchParameter;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::search::key::{Key, PARAMETER_NUMBER_MAX};
use crate::search::plan::{Order, Plan, Predicate, Window};
use crate::store::batch::{Document, DocumentPut, Expected};
use crate::store::{Address, StoreError};

/// The collection of documents about the store.
const META: &str = "meta";

/// The document of search parameters in force.
const PARAMETERS: &str = "search-parameters";

/// The type of the resources that define parameters.
pub(super) const SEARCH_PARAMETER: &str = "SearchParameter";

/// How often the document is tried to be written while others write it.
const TRIES_MAX: usize = 32;

/// How old the knowledge of the parameters may be for a write, in ms.
const KNOWLEDGE_MS_MAX: i64 = 4_000;

/// Resources read at once.
const STEP: usize = 200;

/// What the document says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Assigned {
    /// Counts changes of what is in force.
    pub(super) generation: u64,
    /// When it last changed, in ms since the epoch.
    pub(super) changed_ms: i64,
    next_number: u16,
    parameters: Vec<InForce>,
    /// The types that have to be walked, and the generation they are to be walked under.
    pub(super) pending: BTreeMap<String, u64>,
    /// The layout that index entries are written in.
    #[serde(default)]
    pub(super) layout: u32,
    /// The types that may have entries of another layout, and the generation whose walk ends that.
    #[serde(default)]
    pub(super) outdated: BTreeMap<String, u64>,
}

/// A parameter in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct InForce {
    /// The id of its resource.
    id: String,
    /// The version of its resource.
    version_id: i64,
    /// Keyed hash of what its index entries depend on.
    essence: String,
    types: BTreeMap<String, Application>,
}

/// A parameter in force on one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Application {
    number: u16,
    /// The generation that it came with.
    since: u64,
    is_complete: bool,
}

/// What this process knows of the document.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The revision that was read last; 0 when there was none.
    revision: i64,
    pub(super) assigned: Assigned,
}

/// A search parameter that came at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomParameter {
    /// The type it applies to.
    pub resource_type: ResourceType,
    /// Its name in searches.
    pub code: String,
    /// Its canonical URL.
    pub url: String,
    /// Whether every resource is indexed by it.
    pub is_complete: bool,
}

/// A resource that defines a parameter.
struct Wanted {
    id: String,
    version_id: i64,
    custom: Custom,
}

impl Records {
    /// The search parameters in force that came at run time.
    pub fn custom_parameters(&self) -> Vec<CustomParameter> {
        let indexer = self.indexer();
        let of_type = |resource_type| {
            let all = indexer.registry().search_parameters(resource_type).iter();
            let custom = all.filter(|one| one.number >= FIRST_NUMBER);
            let shown = custom.map(|one| CustomParameter {
                resource_type,
                code: one.code.to_string(),
                url: one.url.to_string(),
                is_complete: one.is_complete,
            });
            shown.collect::<Vec<_>>()
        };
        ResourceType::all().flat_map(of_type).collect()
    }

    /// Takes over what other processes changed, when there is anything.
    pub async fn refresh_parameters(&self) -> Result<(), Outcome> {
        let mut known = self.known.lock().await;
        self.refresh(&mut known).await
    }

    /// Before a write: no resource is indexed by what was in force long ago.
    pub(super) async fn refresh_when_old(&self) -> Result<(), Outcome> {
        use std::sync::atomic::Ordering;
        let now_ms = self.parts.clock.now_ms();
        if now_ms - self.refreshed_ms.load(Ordering::Relaxed) > KNOWLEDGE_MS_MAX {
            self.refresh_parameters().await?;
        }
        Ok(())
    }

    /// Puts into force what the stored `SearchParameter` resources say, here at once and in other
    /// processes within seconds.
    pub async fn reconcile_parameters(&self) -> Result<(), Outcome> {
        let mut known = self.known.lock().await;
        for _ in 0..TRIES_MAX {
            let (revision, assigned) = self.read_assigned().await?;
            let wanted = self.wanted().await?;
            let Some(next) = self.follow(&assigned, &wanted) else {
                break;
            };
            if self.write_assigned(revision, &next).await? {
                break;
            }
        }
        self.refresh(&mut known).await
    }

    /// Has types walked again, whatever is known of them.
    pub(super) async fn change_assigned(
        &self,
        change: impl Fn(&mut Assigned),
    ) -> Result<(), Outcome> {
        let mut known = self.known.lock().await;
        for _ in 0..TRIES_MAX {
            let (revision, mut assigned) = self.read_assigned().await?;
            change(&mut assigned);
            if self.write_assigned(revision, &assigned).await? {
                return self.refresh(&mut known).await;
            }
        }
        Err(Outcome::internal("search parameters change all the time"))
    }

    async fn refresh(&self, known: &mut Known) -> Result<(), Outcome> {
        use std::sync::atomic::Ordering;
        let now_ms = self.parts.clock.now_ms();
        let (revision, assigned) = self.read_assigned().await?;
        if revision != known.revision {
            let more = self.load(&assigned).await?;
            let registry = Arc::new(self.parts.registry.with_parameters(more));
            let names = assigned.outdated.keys();
            let outdated = names.filter_map(|name| name.parse().ok()).collect();
            let indexer = self.indexer().with_registry(registry);
            self.parts.indexer.replace(indexer.with_outdated(outdated));
            *known = Known { revision, assigned };
        }
        self.refreshed_ms.store(now_ms, Ordering::Relaxed);
        Ok(())
    }

    /// The parameters in force with their numbers, as their resources define them.
    async fn load(
        &self,
        assigned: &Assigned,
    ) -> Result<Vec<(ResourceType, SearchParameter)>, Outcome> {
        let mut loaded = Vec::new();
        for in_force in &assigned.parameters {
            let address = Address {
                resource_type: search_parameter_type()?,
                id: in_force.id.clone(),
            };
            let version = self
                .parts
                .store
                .get_version(&address, in_force.version_id)
                .await
                .map_err(|error| failed(&error))?;
            let Some(version) = version.filter(|version| version.body.is_some()) else {
                continue;
            };
            let stored = self.open(version).await?;
            let Some(custom) = self.definition(&stored)? else {
                continue;
            };
            for (resource_type, mut parameter) in custom.applications {
                if let Some(application) = in_force.types.get(resource_type.name()) {
                    parameter.number = application.number;
                    parameter.is_complete = application.is_complete;
                    loaded.push((resource_type, parameter));
                }
            }
        }
        Ok(loaded)
    }

    fn definition(&self, stored: &Stored) -> Result<Option<Custom>, Outcome> {
        let resource = stored.resource()?;
        Ok(
            match custom::read(resource.object(), &self.parts.registry) {
                Ok(Definition::Custom(custom)) => Some(custom),
                _ => None,
            },
        )
    }

    /// What the stored resources define; of two with one URL or name the older one counts.
    async fn wanted(&self) -> Result<Vec<Wanted>, Outcome> {
        let plan = Plan {
            driver: Predicate::Key(Key::of_type(search_parameter_type()?)),
            residual: Predicate::All,
            type_key: None,
        };
        let mut window = Window {
            order: Order::OldestFirst,
            after: None,
            high_water: None,
            limit: STEP,
            examined_max: usize::MAX,
            bytes_max: usize::MAX,
        };
        let mut wanted: Vec<Wanted> = Vec::new();
        loop {
            let page = self.parts.store.find(&plan, &window).await;
            let page = page.map_err(|error| failed(&error))?;
            let is_last = page.versions.len() < STEP;
            window.after = page.versions.last().map(|last| last.sequence);
            for version in page.versions {
                let stored = self.open(version).await?;
                let Some(custom) = self.definition(&stored)? else {
                    continue;
                };
                if !wanted
                    .iter()
                    .any(|older| is_shadowed(&custom, &older.custom))
                {
                    wanted.push(Wanted {
                        id: stored.version.address.id.clone(),
                        version_id: stored.version.version_id,
                        custom,
                    });
                }
            }
            if is_last {
                return Ok(wanted);
            }
        }
    }

    /// The document that follows from what is wanted; `None` when it says so already.
    fn follow(&self, old: &Assigned, wanted: &[Wanted]) -> Option<Assigned> {
        let mut next = Assigned {
            parameters: Vec::with_capacity(wanted.len()),
            next_number: old.next_number.max(FIRST_NUMBER),
            ..old.clone()
        };
        let generation = old.generation + 1;
        for one in wanted {
            let essence = self.indexer().criteria_id(&one.custom.essence);
            let known = old.parameters.iter().find(|known| known.id == one.id);
            if let Some(known) = known.filter(|known| known.essence == essence) {
                next.parameters.push(InForce {
                    version_id: one.version_id,
                    ..known.clone()
                });
                continue;
            }
            let count = u16::try_from(one.custom.applications.len()).unwrap_or(u16::MAX);
            if PARAMETER_NUMBER_MAX.saturating_sub(next.next_number) < count {
                tracing::error!("there are no numbers left for another search parameter");
                continue;
            }
            let mut types = BTreeMap::new();
            for (resource_type, _) in &one.custom.applications {
                let application = Application {
                    number: next.next_number,
                    since: generation,
                    is_complete: false,
                };
                next.next_number += 1;
                next.pending.insert(resource_type.to_string(), generation);
                types.insert(resource_type.to_string(), application);
            }
            next.parameters.push(InForce {
                id: one.id.clone(),
                version_id: one.version_id,
                essence,
                types,
            });
        }
        for gone in &old.parameters {
            let stays = next.parameters.iter();
            if !{ stays }.any(|one| one.id == gone.id && one.essence == gone.essence) {
                let types = gone.types.keys().cloned();
                next.pending.extend(types.map(|name| (name, generation)));
            }
        }
        if next.parameters == old.parameters {
            return None;
        }
        next.generation = generation;
        next.changed_ms = self.parts.clock.now_ms();
        Some(next)
    }

    pub(super) async fn read_assigned(&self) -> Result<(i64, Assigned), Outcome> {
        let document = self.document(META, PARAMETERS).await?;
        let Some(document) = document else {
            return Ok((0, Assigned::default()));
        };
        let assigned = serde_json::from_slice(&document.body);
        let assigned = assigned.map_err(|error| {
            Outcome::internal(format!("the document of search parameters: {error}"))
        })?;
        Ok((document.revision, assigned))
    }

    async fn write_assigned(&self, revision: i64, assigned: &Assigned) -> Result<bool, Outcome> {
        self.put_document(META, PARAMETERS, (revision, Some(assigned)))
            .await
    }

    /// A small document.
    pub(super) async fn document(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<Option<Document>, Outcome> {
        let now_ms = self.parts.clock.now_ms();
        let store = &self.parts.store;
        let document = store.get_document(collection, id, now_ms).await;
        document.map_err(|error| failed(&error))
    }

    /// Writes or deletes a small document of which this revision was read; whether it still was
    /// that.
    pub(super) async fn put_document<T: Serialize>(
        &self,
        collection: &str,
        id: &str,
        (revision, content): (i64, Option<&T>),
    ) -> Result<bool, Outcome> {
        let body = content.map(serde_json::to_vec).transpose();
        let put = DocumentPut {
            collection: collection.to_owned(),
            id: id.to_owned(),
            expected: match revision {
                0 => Expected::Absent,
                revision => Expected::Revision(revision),
            },
            body: body.map_err(|error| Outcome::internal(error.to_string()))?,
            expires_ms: None,
        };
        match self.parts.store.put_documents(vec![put]).await {
            Ok(()) => Ok(true),
            Err(StoreError::ReservationConflict | StoreError::VersionConflict(_)) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl Assigned {
    /// Has a type walked again under the generation that there is.
    pub(super) fn walk_again(&mut self, resource_type: ResourceType) {
        let name = resource_type.to_string();
        self.pending.insert(name, self.generation);
    }

    /// Notes that a type was walked under a generation.
    pub(super) fn finish(&mut self, name: &str, generation: u64) {
        for parameter in &mut self.parameters {
            if let Some(application) = parameter.types.get_mut(name)
                && application.since <= generation
            {
                application.is_complete = true;
            }
        }
        for types in [&mut self.pending, &mut self.outdated] {
            if types.get(name).is_some_and(|g| *g <= generation) {
                types.remove(name);
            }
        }
    }
}

/// Whether an older parameter has the URL of this one, or its name on one of its types.
fn is_shadowed(custom: &Custom, older: &Custom) -> bool {
    let is_same_type = |resource_type: &ResourceType| {
        let mut others = older.applications.iter();
        others.any(|(other, _)| other == resource_type)
    };
    custom.url == older.url
        || custom.code == older.code && custom.applications.iter().any(|(one, _)| is_same_type(one))
}

/// The type whose resources define parameters.
pub(super) fn search_parameter_type() -> Result<ResourceType, Outcome> {
    SEARCH_PARAMETER
        .parse()
        .map_err(|_unknown| Outcome::internal("R4 has no SearchParameter"))
}
