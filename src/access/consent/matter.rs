//! Conditions on resources that consents are about, with what index entries tell of them.

use std::collections::BTreeSet;

use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::search::index::{Indexer, MAIN_DATES};
use crate::search::param::date::interval;
use crate::search::parse::{self, ParseOptions};
use crate::search::plan::Predicate;

/// A code of a system.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::access) struct Coding {
    pub(super) system: Option<String>,
    pub(super) code: String,
}

impl Coding {
    pub(super) fn read(node: &Node) -> Option<Self> {
        let text = |name| node.get(name).and_then(Node::as_str).map(str::to_owned);
        Some(Self {
            system: text("system"),
            code: text("code")?,
        })
    }

    fn is_at(&self, object: &Object) -> bool {
        let has_system = self.system.as_deref();
        object.get_str("code") == Some(&self.code)
            && has_system.is_none_or(|system| object.get_str("system") == Some(system))
    }
}

/// A condition on a resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::access) enum Matter {
    Always,
    Never,
    /// It is of one of these types.
    Types(BTreeSet<ResourceType>),
    /// It has one of these security labels.
    Labels(BTreeSet<Coding>),
    /// One of these codes stands somewhere in it.
    Codes(BTreeSet<Coding>),
    /// It is about a time between these milliseconds.
    Dates(i64, i64),
    /// It is one of these.
    Instances(BTreeSet<(ResourceType, String)>),
    All(Vec<Matter>),
    Any(Vec<Matter>),
    Not(Box<Matter>),
}

impl Matter {
    pub(super) fn all(parts: Vec<Self>) -> Self {
        let mut parts: Vec<_> = parts
            .into_iter()
            .filter(|one| *one != Self::Always)
            .collect();
        if parts.contains(&Self::Never) {
            return Self::Never;
        }
        match (parts.len(), parts.pop()) {
            (0 | 1, only) => only.unwrap_or(Self::Always),
            (_, last) => Self::All(parts.into_iter().chain(last).collect()),
        }
    }

    pub(super) fn any(parts: Vec<Self>) -> Self {
        let mut parts: Vec<_> = parts
            .into_iter()
            .filter(|one| *one != Self::Never)
            .collect();
        if parts.contains(&Self::Always) {
            return Self::Always;
        }
        match (parts.len(), parts.pop()) {
            (0 | 1, only) => only.unwrap_or(Self::Never),
            (_, last) => Self::Any(parts.into_iter().chain(last).collect()),
        }
    }

    pub(super) fn not(inner: Self) -> Self {
        match inner {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Whether it holds for a resource.
    pub(in crate::access) fn matches(
        &self,
        resource: &Resource,
        last_updated_ms: i64,
        indexer: &Indexer,
    ) -> bool {
        let inner = |one: &Self| one.matches(resource, last_updated_ms, indexer);
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Types(types) => types.contains(&resource.resource_type()),
            Self::Labels(labels) => {
                let meta = resource.object().get("meta").and_then(Node::as_object);
                let own = meta.map_or(&[][..], |meta| meta.items("security"));
                let mut own = own.iter().filter_map(Node::as_object);
                own.any(|label| labels.iter().any(|one| one.is_at(label)))
            }
            Self::Codes(codes) => has_code(resource.object(), codes),
            Self::Dates(low_ms, high_ms) => {
                let (from_ms, to_ms) = times(resource, last_updated_ms, indexer);
                from_ms < *high_ms && to_ms > *low_ms
            }
            Self::Instances(named) => named.iter().any(|(resource_type, id)| {
                *resource_type == resource.resource_type() && resource.id() == Some(id)
            }),
            Self::All(parts) => parts.iter().all(inner),
            Self::Any(parts) => parts.iter().any(inner),
            Self::Not(one) => !inner(one),
        }
    }

    /// The condition on resources of a type, where index entries tell it exactly.
    pub(in crate::access) fn predicate(
        &self,
        resource_type: ResourceType,
        indexer: &Indexer,
    ) -> Option<Predicate> {
        let told = |is_met: bool| {
            Some(if is_met {
                Predicate::All
            } else {
                Predicate::Nothing
            })
        };
        match self {
            Self::Always => told(true),
            Self::Never => told(false),
            Self::Types(types) => told(types.contains(&resource_type)),
            Self::Labels(labels) => labelled(labels, resource_type, indexer),
            Self::Codes(_) | Self::Dates(..) => None,
            Self::Instances(named) => {
                let own = named.iter().filter(|(of, _)| *of == resource_type);
                let ids: Vec<String> = own.map(|(_, id)| id.clone()).collect();
                if ids.is_empty() {
                    return told(false);
                }
                Some(Predicate::Ids(ids))
            }
            Self::All(parts) => {
                let parts = parts
                    .iter()
                    .map(|one| one.predicate(resource_type, indexer));
                let parts: Vec<Option<Predicate>> = parts.collect();
                if parts.contains(&Some(Predicate::Nothing)) {
                    return told(false);
                }
                let parts: Option<Vec<_>> = parts.into_iter().collect();
                Some(Predicate::And(parts?))
            }
            Self::Any(parts) => {
                let parts = parts
                    .iter()
                    .map(|one| one.predicate(resource_type, indexer));
                let parts: Vec<Option<Predicate>> = parts.collect();
                if parts.contains(&Some(Predicate::All)) {
                    return told(true);
                }
                let parts: Option<Vec<_>> = parts.into_iter().collect();
                Some(Predicate::Or(parts?))
            }
            Self::Not(inner) => Some(match inner.predicate(resource_type, indexer)? {
                Predicate::All => Predicate::Nothing,
                Predicate::Nothing => Predicate::All,
                other => Predicate::Not(Box::new(other)),
            }),
        }
    }
}

/// The labels as a search; `None` where keys only approximate it.
fn labelled(
    labels: &BTreeSet<Coding>,
    resource_type: ResourceType,
    indexer: &Indexer,
) -> Option<Predicate> {
    let is_plain = |text: &str| !text.contains(['\\', ',', '|', '$']) && !text.is_empty();
    let mut values = Vec::new();
    for label in labels {
        let value = match &label.system {
            Some(system) if is_plain(system) => format!("{system}|{}", label.code),
            Some(_) => return None,
            None => label.code.clone(),
        };
        values.push(Some(value).filter(|_| is_plain(&label.code))?);
    }
    let options = ParseOptions {
        now_ms: 0,
        is_lenient: false,
        chain_depth_max: 0,
    };
    let asked = [("_security".to_owned(), values.join(","))];
    let query = parse::parse(resource_type, &asked, indexer, options).ok()?;
    (!query.needs_verification()).then(|| query.lower(indexer).condition())
}

/// Whether one of some codes stands anywhere in an object.
fn has_code(object: &Object, codes: &BTreeSet<Coding>) -> bool {
    let mut waiting = vec![object];
    while let Some(object) = waiting.pop() {
        if codes.iter().any(|one| one.is_at(object)) {
            return true;
        }
        for (_, node) in object.iter() {
            waiting.extend(node.items().iter().filter_map(Node::as_object));
        }
    }
    false
}

/// The time that a resource is about, from its first to its last moment: that of its main date, of
/// its last update where it has none.
fn times(resource: &Resource, last_updated_ms: i64, indexer: &Indexer) -> (i64, i64) {
    let registry = indexer.registry();
    for code in MAIN_DATES {
        let Some(parameter) = registry.search_parameter(resource.resource_type(), code) else {
            continue;
        };
        let mut hull = None;
        indexer.each_value(parameter, resource, &mut |found| {
            if let Some(one) = interval(found) {
                let (low_ms, high_ms) = hull.unwrap_or((one.low_ms, one.high_ms));
                hull = Some((low_ms.min(one.low_ms), high_ms.max(one.high_ms)));
            }
        });
        if let Some(hull) = hull {
            return hull;
        }
    }
    (last_updated_ms, last_updated_ms.saturating_add(1))
}
