//! A query, understood: criteria that all have to be met, and how the result is wanted.
//!
//! Made by [`crate::search::parse`], turned into a plan by [`crate::search::lower`].
//! Spec: <https://hl7.org/fhir/R4/search.html>.

use compact_str::CompactString;

use crate::conformance::search_parameter::ParameterKind;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Issue;
use crate::search::include::Include;
use crate::search::index::Indexer;
use crate::search::inside::{Inside, Referred, Seen};
use crate::search::param::composite::Group;
use crate::search::param::date::DateCondition;
use crate::search::param::vocabulary::VocabularyCondition;
use crate::search::param::{Condition, Found, special};
use crate::search::relation::Relation;
use crate::search::sort::SortKey;
use crate::search::words::WordsCondition;

/// The parameters that do not change what is found.
pub const RESULT_OPTIONS: [&str; 13] = [
    "_contained",
    "_containedType",
    "_count",
    "_elements",
    "_explain",
    "_format",
    "_include",
    "_pretty",
    "_revinclude",
    "_sort",
    "_summary",
    "_total",
    "_totalMethod",
];

/// A query on one resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The type.
    pub resource_type: ResourceType,
    /// What all have to be met.
    pub criteria: Vec<Criterion>,
    /// How the result is wanted.
    pub result: ResultOptions,
    /// The parameters that were understood, in their order, for the `self` link.
    pub understood: Vec<(String, String)>,
    /// What was ignored and why; only under lenient handling.
    pub warnings: Vec<Issue>,
}

/// One parameter of a query: one of its values has to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criterion {
    /// On values in the resource.
    Parameter {
        /// The parameter's code.
        code: CompactString,
        /// One of these has to be met by one of the values.
        any_of: Vec<Condition>,
    },
    /// On whether a parameter has a value at all.
    Missing {
        /// The parameter's code.
        code: CompactString,
        /// Whether it must have none.
        is_missing: bool,
    },
    /// What must not be met.
    Not(Box<Criterion>),
    /// On the words of the resource.
    Words(WordsCondition),
    /// On the logical id.
    Ids(Vec<String>),
    /// On the time of the last update.
    LastUpdated(Vec<DateCondition>),
    /// All of these.
    All(Vec<Criterion>),
    /// One of these.
    Any(Vec<Criterion>),
    /// On a contained resource that it refers to.
    Inside(Inside),
    /// On what refers to a contained resource in its container.
    Referred(Referred),
    /// On other resources; replaced by its answer before the query is lowered.
    Related(Relation),
}

/// How a result is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultOptions {
    /// `_count`: matches on a page.
    pub count: Option<usize>,
    /// `_summary`
    pub summary: Option<Summary>,
    /// `_elements`: the elements that are wanted besides the mandatory ones.
    pub elements: Vec<CompactString>,
    /// `_total`
    pub total: Option<Total>,
    /// `_sort`: the keys, the first one first.
    pub sort: Vec<SortKey>,
    /// `_include` and `_revinclude`
    pub includes: Vec<Include>,
    /// `_contained`
    pub containment: Option<Containment>,
    /// `_containedType`: whether contained resources are shown by themselves.
    pub contained_type: Option<ContainedType>,
    /// `_explain`: whether the answer says how it was found.
    pub is_explained: bool,
}

/// Whether contained resources are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Containment {
    /// Only what is not contained: the default.
    Outside,
    /// Only contained resources.
    Inside,
    /// Both.
    Both,
}

/// What is shown of a contained resource that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContainedType {
    /// What contains it: the default.
    Container,
    /// The contained resource.
    Contained,
}

impl ResultOptions {
    /// Whether resources that are not contained are searched.
    pub fn is_outside(&self) -> bool {
        self.containment != Some(Containment::Inside)
    }

    /// Whether contained resources are searched.
    pub fn is_inside(&self) -> bool {
        !matches!(self.containment, None | Some(Containment::Outside))
    }

    /// Whether contained resources are shown by themselves.
    pub fn shows_contained(&self) -> bool {
        self.is_inside() && self.contained_type == Some(ContainedType::Contained)
    }
}

/// What of a resource is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Summary {
    /// The elements that the definitions mark.
    True,
    /// Narrative, id, meta and mandatory elements.
    Text,
    /// All but the narrative.
    Data,
    /// Only how many there are.
    Count,
    /// All of it.
    False,
}

/// How exactly the number of matches is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Total {
    /// Not at all.
    None,
    /// As exactly as is cheap.
    Estimate,
    /// Exactly.
    Accurate,
}

impl Query {
    /// A query that has these criteria and wants nothing of its result.
    pub fn of(resource_type: ResourceType, criteria: Vec<Criterion>) -> Self {
        Self {
            resource_type,
            criteria,
            result: ResultOptions::default(),
            understood: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The conditions on value sets and hierarchies, whose codes have to be filled in.
    pub fn vocabulary(&self) -> Vec<&VocabularyCondition> {
        let all = self.criteria.iter();
        all.flat_map(Criterion::vocabulary).collect()
    }

    /// Whether index keys leave something open that [`Query::verify`] has to decide.
    pub fn needs_verification(&self) -> bool {
        self.result.is_inside() || self.criteria.iter().any(Criterion::needs_verification)
    }

    /// Whether a resource, which the plan has found, meets what keys leave open.
    pub fn verify(&self, resource: &Resource, last_updated_ms: i64, indexer: &Indexer) -> bool {
        let mut open = self.criteria.iter().filter(|one| one.needs_verification());
        let seen = Seen {
            resource,
            container: None,
            last_updated_ms,
        };
        open.all(|one| one.matches(&seen, indexer))
    }

    /// Whether a resource meets the query, decided without any keys.
    pub fn matches(&self, resource: &Resource, last_updated_ms: i64, indexer: &Indexer) -> bool {
        let seen = Seen {
            resource,
            container: None,
            last_updated_ms,
        };
        self.is_met(&seen, indexer)
    }

    /// Whether a resource meets the query where it stands, decided without any keys.
    pub fn is_met(&self, seen: &Seen<'_>, indexer: &Indexer) -> bool {
        let mut criteria = self.criteria.iter();
        seen.resource.resource_type() == self.resource_type
            && criteria.all(|one| one.matches(seen, indexer))
    }
}

impl Criterion {
    /// Whether it is on what refers to a resource, which nothing outside does to a contained one.
    pub fn is_on_referrers(&self) -> bool {
        match self {
            Self::Related(relation) => {
                matches!(relation, Relation::Has { .. } | Relation::Lists(_))
            }
            Self::Not(inner) => inner.is_on_referrers(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_on_referrers),
            _ => false,
        }
    }

    fn vocabulary(&self) -> Vec<&VocabularyCondition> {
        match self {
            Self::Not(inner) => inner.vocabulary(),
            Self::Parameter { any_of, .. } => {
                let all = any_of.iter().filter_map(|one| match one {
                    Condition::Vocabulary(vocabulary) => Some(vocabulary),
                    _ => None,
                });
                all.collect()
            }
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().flat_map(Self::vocabulary).collect()
            }
            // Searches of their own, whose vocabulary is theirs.
            Self::Related(_)
            | Self::Inside(_)
            | Self::Referred(_)
            | Self::Missing { .. }
            | Self::Ids(_)
            | Self::LastUpdated(_)
            | Self::Words(_) => Vec::new(),
        }
    }

    /// Whether index keys leave something open.
    pub fn needs_verification(&self) -> bool {
        match self {
            Self::Parameter { any_of, .. } => !any_of.iter().all(Condition::is_exact),
            Self::Words(_) | Self::Inside(_) | Self::Referred(_) => true,
            Self::Not(inner) => inner.needs_verification(),
            Self::Missing { .. } | Self::Ids(_) | Self::LastUpdated(_) | Self::Related(_) => false,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::needs_verification),
        }
    }

    /// Whether a resource meets it, decided without any keys.
    pub(super) fn matches(&self, seen: &Seen<'_>, indexer: &Indexer) -> bool {
        let resource = seen.resource;
        match self {
            Self::Ids(ids) => ids.iter().any(|id| resource.id() == Some(id)),
            Self::Words(words) => words.matches(resource),
            Self::LastUpdated(any_of) => {
                let mut any_of = any_of.iter();
                any_of.any(|one| one.holds_at(seen.last_updated_ms))
            }
            Self::All(all) => all.iter().all(|one| one.matches(seen, indexer)),
            Self::Any(any) => any.iter().any(|one| one.matches(seen, indexer)),
            Self::Inside(inside) => inside.matches(seen, indexer),
            Self::Referred(referred) => referred.matches(seen, indexer),
            // Not known here: whoever asks has it answered first.
            Self::Related(_) => false,
            Self::Not(inner) => !inner.matches(seen, indexer),
            Self::Missing { code, is_missing } => {
                let has_value = has_column(code)
                    || any_value(code, resource, indexer, &|_| true)
                    || any_group(code, resource, indexer, &|_| true);
                has_value != *is_missing
            }
            Self::Parameter { code, any_of } => {
                let base_url = indexer.base_url();
                let is_composite = |one: &Condition| matches!(one, Condition::Composite(_));
                if any_of.iter().any(is_composite) {
                    return any_group(code, resource, indexer, &|group| {
                        any_of.iter().any(|one| match one {
                            Condition::Composite(one) => one.matches(group, base_url),
                            _ => false,
                        })
                    });
                }
                any_value(code, resource, indexer, &|value| {
                    any_of.iter().any(|one| one.matches(value, base_url))
                })
            }
        }
    }
}

/// Whether a parameter is a column that every resource has.
pub fn has_column(code: &str) -> bool {
    [special::ID, special::LAST_UPDATED].contains(&code)
}

/// Whether one of the values of a parameter is of this sort.
fn any_value(
    code: &str,
    resource: &Resource,
    indexer: &Indexer,
    is_met: &dyn Fn(&Found<'_>) -> bool,
) -> bool {
    let registry = indexer.registry();
    let parameter = registry.search_parameter(resource.resource_type(), code);
    let mut is_any = false;
    if let Some(parameter) = parameter.filter(|one| one.kind != ParameterKind::Composite) {
        indexer.each_value(parameter, resource, &mut |value| {
            is_any = is_any || is_met(value);
        });
    }
    is_any
}

/// Whether one of the elements of a composite parameter is of this sort.
fn any_group(
    code: &str,
    resource: &Resource,
    indexer: &Indexer,
    is_met: &dyn Fn(&Group<'_>) -> bool,
) -> bool {
    let registry = indexer.registry();
    let parameter = registry.search_parameter(resource.resource_type(), code);
    let mut is_any = false;
    if let Some(parameter) = parameter.filter(|one| one.kind == ParameterKind::Composite) {
        indexer.each_group(parameter, resource, &mut |group| {
            is_any = is_any || is_met(group);
        });
    }
    is_any
}
