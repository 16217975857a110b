//! Which members of a resource a query or an order looks at, so that the rest is not read.

use compact_str::CompactString;

use crate::fhir::resource_type::ResourceType;
use crate::search::index::Indexer;
use crate::search::query::{Criterion, Query};
use crate::search::sort::SortKey;

/// Names of members; `None` for all of them.
pub type Members = Option<Vec<CompactString>>;

/// What [`Query::verify`] looks at.
pub fn by_query(query: &Query, indexer: &Indexer) -> Members {
    if query.result.is_inside() {
        return None;
    }
    let mut found = Vec::new();
    let open = query.criteria.iter().filter(|one| one.needs_verification());
    for criterion in open {
        by_criterion(criterion, query.resource_type, indexer, &mut found)?;
    }
    Some(found)
}

/// What an order of resources of these types looks at.
pub fn by_order(
    keys: &[SortKey],
    types: impl Iterator<Item = ResourceType>,
    indexer: &Indexer,
) -> Members {
    let mut found = Vec::new();
    for resource_type in types {
        for key in keys {
            let parameter = indexer
                .registry()
                .search_parameter(resource_type, &key.code);
            if parameter.is_some_and(|one| one.expression.is_some()) {
                found.extend_from_slice(indexer.members(resource_type, &key.code)?);
            }
        }
    }
    Some(found)
}

fn by_criterion(
    criterion: &Criterion,
    resource_type: ResourceType,
    indexer: &Indexer,
    found: &mut Vec<CompactString>,
) -> Option<()> {
    match criterion {
        Criterion::Parameter { code, .. } | Criterion::Missing { code, .. } => {
            found.extend_from_slice(indexer.members(resource_type, code)?);
        }
        Criterion::Not(inner) => by_criterion(inner, resource_type, indexer, found)?,
        Criterion::All(parts) | Criterion::Any(parts) => {
            for part in parts {
                by_criterion(part, resource_type, indexer, found)?;
            }
        }
        Criterion::Ids(_) | Criterion::LastUpdated(_) => {}
        Criterion::Words(_)
        | Criterion::Inside(_)
        | Criterion::Referred(_)
        | Criterion::Related(_) => return None,
    }
    Some(())
}
