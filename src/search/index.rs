//! The index entries of a resource: every search parameter of its type, run over it once.
//!
//! The write path runs this for every version, so nothing is looked up by name here that can be
//! known when the server starts. Which keys a value has is in [`crate::search::param`].
//! Spec: <https://hl7.org/fhir/R4/searchparameter-registry.html>.

mod group;
mod owner;
mod traits;

use std::sync::Arc;

use compact_str::CompactString;

use crate::conformance::compartment::CompartmentKind;
use crate::conformance::registry::Registry;
use crate::conformance::search_parameter::{ParameterKind, SearchParameter};
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::CodeSet;
use crate::fhirpath::program::Value;
use crate::seal::blind::{BlindKey, Domain};
use crate::seal::data_key::{OwnerHash, owner_hash};
use crate::seal::hex;
use crate::search::cursor::CursorKey;
use crate::search::hasher::Hasher;
use crate::search::index::traits::Traits;
use crate::search::key::{ENTRIES_MAX, Entries, Key, ParameterNumber};
use crate::search::param::token::case::LetterCase;
use crate::search::param::{self, DataType, Found, KeyWriter, composite, date, reference};
use crate::search::words;

/// The layout of all index entries together. Whoever changes what a resource's entries are, for
/// whatever parameter, raises it: stores are then indexed anew, and say so until it is done.
pub const LAYOUT: u32 = 1;

/// The parameters on the date that a resource is clinically about, best first.
pub const MAIN_DATES: [&str; 29] = [
    "onset-date",
    "authoredon",
    "date",
    "period",
    "started",
    "occurrence",
    "effective-time",
    "effective",
    "event-date",
    "start-date",
    "start",
    "collected",
    "sent",
    "received",
    "whenhandedover",
    "whenprepared",
    "recorded-date",
    "recorded",
    "authored-on",
    "authored",
    "datewritten",
    "datetime",
    "identified",
    "created",
    "issued",
    "timestamp",
    "entered-date",
    "last-date",
    "onset",
];

/// A resource has more to index than may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the resource has more than {ENTRIES_MAX} values to index: split it")]
pub struct TooManyEntries;

/// Extracts what is searched from resources.
#[derive(Debug)]
pub struct Indexer {
    registry: Arc<Registry>,
    blind: BlindKey,
    base_url: String,
    /// Whether the words of resources are indexed.
    has_words: bool,
    /// The types whose resources may have entries of another [`LAYOUT`].
    outdated: Vec<ResourceType>,
    /// By the place of a type in the registry's shapes.
    data_types: Vec<DataType>,
    /// By the number of the resource type, then in the registry's order.
    traits: Vec<Vec<Traits>>,
}

/// What [`Indexer::systems`] tells.
pub type KnownSystems<'a> = (bool, Vec<&'a CodeSet>, LetterCase);

/// What one pass over a resource gathers.
struct Gathered {
    keys: Vec<Key>,
    compartments: Vec<i64>,
    main_date: Option<(usize, i64)>,
}

impl Indexer {
    /// An indexer for a server whose FHIR base is `base_url`.
    pub fn new(registry: Arc<Registry>, blind: BlindKey, base_url: &str) -> Self {
        let types = registry.shapes().types();
        let data_types: Vec<_> = types
            .iter()
            .map(|shape| DataType::from_name(&shape.name))
            .collect();
        let traits = ResourceType::all()
            .map(|resource_type| {
                let parameters = registry.search_parameters(resource_type).iter();
                parameters
                    .map(|one| Traits::of(one, resource_type, &registry, &data_types))
                    .collect()
            })
            .collect();
        Self {
            registry,
            blind,
            base_url: base_url.trim_end_matches('/').to_owned(),
            has_words: false,
            outdated: Vec::new(),
            data_types,
            traits,
        }
    }

    /// An indexer that differs in the definitions only.
    #[must_use]
    pub fn with_registry(&self, registry: Arc<Registry>) -> Self {
        Self::new(registry, self.blind.clone(), &self.base_url).with_words(self.has_words)
    }

    /// The same indexer, with the words of resources or without.
    #[must_use]
    pub fn with_words(mut self, has_words: bool) -> Self {
        self.has_words = has_words;
        self
    }

    /// Whether the words of resources are indexed.
    pub fn has_words(&self) -> bool {
        self.has_words
    }

    /// The same indexer, which knows types whose stored entries may be of another layout.
    #[must_use]
    pub fn with_outdated(mut self, outdated: Vec<ResourceType>) -> Self {
        self.outdated = outdated;
        self
    }

    /// Whether resources of a type may have entries of another layout than searches look for.
    pub fn is_outdated(&self, resource_type: ResourceType) -> bool {
        self.outdated.contains(&resource_type)
    }

    /// The definitions that it works by.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The FHIR base whose absolute references are local ones.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A hasher for one query.
    pub fn hasher(&self) -> Hasher<'_> {
        Hasher::new(&self.blind)
    }

    /// All index entries of a resource, which has its id already.
    pub fn entries(
        &self,
        resource: &Resource,
        last_updated_ms: i64,
    ) -> Result<Entries, TooManyEntries> {
        let mut hasher = self.hasher();
        let mut gathered = self.gather_all(resource, &mut hasher)?;
        for contained in resource.object().items("contained") {
            let contained = contained.as_object().cloned().map(Resource::from_object);
            let Some(Ok(contained)) = contained else {
                continue;
            };
            // In the compartment of its container only, and of its date.
            let inner = self.gather_all(&contained, &mut hasher)?;
            let keys = inner.keys.iter().map(Key::of_contained);
            gathered.keys.extend(keys);
            let types = (resource.resource_type(), contained.resource_type());
            gathered.keys.push(Key::of_container(types.0, types.1));
            gathered.check()?;
        }
        gathered.keys.sort_unstable();
        gathered.keys.dedup();
        gathered.compartments.sort_unstable();
        gathered.compartments.dedup();
        Ok(Entries {
            keys: gathered.keys,
            compartments: gathered.compartments,
            date_ms: gathered.main_date.map_or(last_updated_ms, |(_, ms)| ms),
        })
    }

    /// What a resource itself has, without those that it contains.
    fn gather_all(
        &self,
        resource: &Resource,
        hasher: &mut Hasher<'_>,
    ) -> Result<Gathered, TooManyEntries> {
        let resource_type = resource.resource_type();
        let mut gathered = Gathered {
            keys: Vec::with_capacity(32),
            compartments: Vec::new(),
            main_date: None,
        };
        gathered.keys.push(Key::of_type(resource_type));
        if let Some(id) = own_patient_id(resource) {
            gathered.compartments.push(hasher.compartment(id));
        }
        let parameters = self.registry.search_parameters(resource_type).iter();
        for (parameter, traits) in parameters.zip(self.traits_of(resource_type)) {
            if traits.is_indexed {
                self.gather(parameter, traits, resource, hasher, &mut gathered);
            }
            gathered.check()?;
        }
        if self.has_words
            && let Some(content) = self
                .registry
                .search_parameter(resource_type, words::CONTENT)
        {
            let number = ParameterNumber(content.number);
            words::index(resource, number, hasher, &mut gathered.keys);
        }
        gathered.check()?;
        Ok(gathered)
    }

    /// The patient whose data key seals a resource: the first in whose compartment it is.
    pub fn owner<'a>(&self, resource: &'a Resource) -> Option<&'a str> {
        let resource_type = resource.resource_type();
        if let Some(id) = own_patient_id(resource) {
            return Some(id);
        }
        // Who saw an erased record has to be known afterwards.
        if owner::is_own_event(resource) {
            return None;
        }
        let codes = self
            .registry
            .compartment(CompartmentKind::Patient, resource_type);
        let in_compartment = codes.iter().find_map(|code| {
            let parameter = self.registry.search_parameter(resource_type, code)?;
            let program = parameter.expression.as_ref()?;
            let mut first = None;
            program.run(resource.object(), self.registry.shapes(), &mut |value| {
                if first.is_none() {
                    let found = Found::new(value.node, DataType::Reference);
                    first = reference::patient_id(&found, &self.base_url);
                }
            });
            first
        });
        in_compartment.or_else(|| owner::stated(resource, &self.base_url))
    }

    /// The key that seals the cursors of searches on this index.
    pub fn cursor_key(&self) -> CursorKey {
        CursorKey::of_index(&self.blind)
    }

    /// The owner hash of a patient by id; `None` is the server itself.
    pub fn owner_hash(&self, patient_id: Option<&str>) -> OwnerHash {
        owner_hash(&self.blind, patient_id)
    }

    /// The id of the reservation of search criteria.
    pub fn criteria_id(&self, criteria: &str) -> String {
        hex::encode(&self.blind.hash14(Domain::Criteria, criteria.as_bytes()))
    }

    /// What stands in the compartment column for a patient's compartment.
    pub fn compartment(&self, patient_id: &str) -> i64 {
        self.hasher().compartment(patient_id)
    }

    /// Gives each value that a parameter of the resource's type has in it.
    pub fn each_value<'a>(
        &'a self,
        parameter: &SearchParameter,
        resource: &'a Resource,
        each: &mut dyn FnMut(&Found<'a>),
    ) {
        let traits = self.traits(resource.resource_type(), &parameter.code);
        if let (Some(traits), Some(program)) = (traits, &parameter.expression) {
            program.run(resource.object(), self.registry.shapes(), &mut |value| {
                each(&self.found(value, traits));
            });
        }
    }

    /// The members of resources of a type that the values of a parameter are in; `None` where they
    /// may be in any.
    pub fn members(&self, resource_type: ResourceType, code: &str) -> Option<&[CompactString]> {
        self.traits(resource_type, code)?.members.as_deref()
    }

    /// What is known of the systems of a parameter's tokens: whether values may state them, the
    /// required bindings of those that do not, and whether case counts.
    pub fn systems(&self, resource_type: ResourceType, code: &str) -> KnownSystems<'_> {
        let traits = self.traits(resource_type, code);
        self.systems_of(traits)
    }

    fn systems_of(&self, traits: Option<&Traits>) -> KnownSystems<'_> {
        let Some(traits) = traits else {
            return (true, Vec::new(), LetterCase::Exact);
        };
        let shapes = self.registry.shapes();
        let sets = traits.code_sets.iter();
        let bindings = sets.filter_map(|&set| shapes.code_set(set)).collect();
        (traits.states_systems, bindings, traits.case)
    }

    fn traits(&self, resource_type: ResourceType, code: &str) -> Option<&Traits> {
        let parameters = self.registry.search_parameters(resource_type);
        let place = parameters.binary_search_by(|probe| probe.code.as_str().cmp(code));
        self.traits_of(resource_type).get(place.ok()?)
    }

    fn traits_of(&self, resource_type: ResourceType) -> &[Traits] {
        self.traits
            .get(usize::from(resource_type.number()))
            .map_or(&[], Vec::as_slice)
    }

    fn gather(
        &self,
        parameter: &SearchParameter,
        traits: &Traits,
        resource: &Resource,
        hasher: &mut Hasher<'_>,
        gathered: &mut Gathered,
    ) {
        let Some(program) = &parameter.expression else {
            return;
        };
        let shapes = self.registry.shapes();
        let number = ParameterNumber(parameter.number);
        let key_count = gathered.keys.len();
        let mut has_value = false;
        let mut writer = KeyWriter {
            parameter: number,
            hasher,
            base_url: &self.base_url,
            keys: &mut gathered.keys,
        };
        if parameter.kind == ParameterKind::Composite {
            self.each_group_of(parameter, traits, resource, &mut |group| {
                has_value = true;
                composite::index(&traits.kinds, group, &mut writer);
            });
            gathered.mark_present(number, key_count, has_value);
            return;
        }
        program.run(resource.object(), shapes, &mut |value| {
            if writer.is_full() {
                return;
            }
            let found = self.found(value, traits);
            has_value = true;
            param::index(parameter.kind, &found, &mut writer);
            if traits.is_in_patient_compartment
                && let Some(id) = reference::patient_id(&found, &self.base_url)
            {
                gathered.compartments.push(writer.hasher.compartment(id));
            }
            if let Some(rank) = traits.date_rank
                && gathered.main_date.is_none_or(|(best, _)| rank < best)
                && let Some(interval) = date::interval(&found)
            {
                let ms = if interval.low_ms == i64::MIN {
                    interval.high_ms
                } else {
                    interval.low_ms
                };
                gathered.main_date = Some((rank, ms));
            }
        });
        gathered.mark_present(number, key_count, has_value);
    }

    fn found<'a>(&'a self, value: Value<'a>, traits: &Traits) -> Found<'a> {
        let place = usize::from(value.type_id.0);
        let data_type = self.data_types.get(place).copied();
        let data_type = data_type.unwrap_or(DataType::Other);
        let codes = match value.node.as_str() {
            Some(code) if data_type == DataType::Code => {
                let shapes = self.registry.shapes();
                let mut sets = traits.code_sets.iter();
                sets.find_map(|&set| shapes.code_set(set).filter(|set| set.contains(None, code)))
            }
            _ => None,
        };
        Found {
            node: value.node,
            data_type,
            codes,
        }
    }
}

impl Gathered {
    fn check(&self) -> Result<(), TooManyEntries> {
        if self.keys.len() + self.compartments.len() > ENTRIES_MAX {
            return Err(TooManyEntries);
        }
        Ok(())
    }

    /// Says that a parameter has values where its keys, those behind the first `before`, do not.
    fn mark_present(&mut self, parameter: ParameterNumber, before: usize, has_value: bool) {
        let new_keys = self.keys.get(before..).unwrap_or_default();
        if has_value && !new_keys.iter().any(Key::is_ordered) {
            self.keys.push(Key::present(parameter));
        }
    }
}

/// The id of a patient, who is in the patient's own compartment.
fn own_patient_id(resource: &Resource) -> Option<&str> {
    let is_patient = resource.resource_type().name() == CompartmentKind::Patient.name();
    resource.id().filter(|_| is_patient)
}
