//! Criteria on other resources, answered: chains become references, reverse chains and lists ids.
//!
//! A chain is walked from its end, unless fewer resources meet the rest of the query than meet the
//! end: then from there. Both ways find the same.
//! Spec: <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>.

mod inside;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use compact_str::CompactString;

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::search::matching::Matching;
use crate::interaction::search::{hierarchy, vocabulary};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::index::Indexer;
use crate::search::lower::COUNT_LIMIT;
use crate::search::param::Condition;
use crate::search::param::reference::ReferenceCondition;
use crate::search::param::token::TokenCondition;
use crate::search::param::token::case::LetterCase;
use crate::search::param::uri::UriCondition;
use crate::search::query::{Criterion, Query};
use crate::search::relation::Relation;
use crate::search::target::Target;
use crate::store::Address;

/// Targets up to which a chain is walked from its end without looking at the other end.
const FEW_TARGETS: u64 = 100;

/// Answers all criteria on other resources.
pub(super) async fn resolve_all(
    ctx: &Context,
    grant: &Grant,
    queries: &mut [Query],
) -> Result<(), Outcome> {
    for query in queries {
        vocabulary::fill(ctx, grant, query).await?;
        if !query.criteria.iter().any(is_open) {
            continue;
        }
        let others: Vec<_> = query
            .criteria
            .iter()
            .filter(|one| !is_open(one))
            .cloned()
            .collect();
        // Of contained resources the rest of the query finds none that stand by themselves.
        let others = if query.result.is_inside() {
            Vec::new()
        } else {
            others
        };
        let mut outer = Query::of(query.resource_type, others);
        outer.result.containment = query.result.containment;
        let resolver = Resolver { ctx, grant };
        for criterion in &mut query.criteria {
            resolver.resolve(&outer, criterion).await?;
        }
    }
    Ok(())
}

/// Whether a criterion has parts on other resources.
fn is_open(criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Related(_) => true,
        Criterion::Not(inner) => is_open(inner),
        Criterion::All(parts) | Criterion::Any(parts) => parts.iter().any(is_open),
        _ => false,
    }
}

struct Resolver<'a> {
    ctx: &'a Context,
    grant: &'a Grant,
}

type Resolved<'f> = Pin<Box<dyn Future<Output = Result<(), Outcome>> + Send + 'f>>;

impl Resolver<'_> {
    /// Answers a criterion of a query whose other criteria are `outer`'s.
    fn resolve<'f>(&'f self, outer: &'f Query, criterion: &'f mut Criterion) -> Resolved<'f> {
        Box::pin(async move {
            match criterion {
                Criterion::All(parts) | Criterion::Any(parts) => {
                    for part in parts {
                        self.resolve(outer, part).await?;
                    }
                }
                Criterion::Not(inner) => self.resolve(outer, inner).await?,
                Criterion::Related(relation) => {
                    *criterion = match relation {
                        Relation::Chain { code, targets } => {
                            self.chain(outer, code, targets).await?
                        }
                        Relation::Has {
                            source,
                            code,
                            criterion,
                        } if outer.result.is_inside() => {
                            self.referred((*source, code), criterion).await?
                        }
                        Relation::Has {
                            source,
                            code,
                            criterion,
                        } => self.has(outer, (*source, code), criterion).await?,
                        Relation::Hierarchy {
                            code,
                            named,
                            hierarchies,
                            is_above,
                        } => {
                            let way = (hierarchies.as_slice(), *is_above);
                            let found = hierarchy::walk(self.ctx, self.grant, named, way).await?;
                            references(code, found.into_iter().collect())
                        }
                        // A List names what stands by itself.
                        Relation::Lists(_) if outer.result.is_inside() => {
                            Criterion::Ids(Vec::new())
                        }
                        Relation::Lists(ids) => self.lists(outer.resource_type, ids).await?,
                    };
                }
                _ => {}
            }
            Ok(())
        })
    }

    async fn inner(
        &self,
        resource_type: ResourceType,
        criterion: &Criterion,
    ) -> Result<Query, Outcome> {
        let mut query = Query::of(resource_type, vec![criterion.clone()]);
        vocabulary::fill(self.ctx, self.grant, &mut query).await?;
        let outer = Query::of(resource_type, Vec::new());
        for criterion in &mut query.criteria {
            self.resolve(&outer, criterion).await?;
        }
        Ok(query)
    }

    async fn matching(&self, query: Query) -> Result<Matching, Outcome> {
        Matching::new(self.ctx, self.grant, vec![query], (None, None)).await
    }

    /// What meets the rest of the query, where that is less than what the far end leads to.
    async fn nearer(&self, outer: &Query, far: &Matching) -> Result<Option<Matching>, Outcome> {
        if outer.criteria.is_empty() {
            return Ok(None);
        }
        let counted = far.count_roughly(self.ctx, self.grant, COUNT_LIMIT).await?;
        if counted <= FEW_TARGETS {
            return Ok(None);
        }
        let near = self.matching(outer.clone()).await?;
        let counted_near = near.count_roughly(self.ctx, self.grant, counted).await?;
        Ok((counted_near < counted).then_some(near))
    }

    /// References by `code` to what meets one of `targets`.
    async fn chain(
        &self,
        outer: &Query,
        code: &CompactString,
        targets: &[(ResourceType, Criterion)],
    ) -> Result<Criterion, Outcome> {
        let indexer = self.ctx.records.indexer();
        let is_canonical = is_canonical(&indexer, outer.resource_type, code);
        let mut found = BTreeSet::new();
        for (target, criterion) in targets {
            let mut inner = self.inner(*target, criterion).await?;
            let mut ends = self.matching(inner.clone()).await?;
            let near = if is_canonical {
                None
            } else {
                self.nearer(outer, &ends).await?
            };
            if let Some(near) = near {
                let place = (code, *target);
                let ids = self.targets_of(&near, outer.resource_type, place).await?;
                inner
                    .criteria
                    .push(Criterion::Ids(ids.into_iter().collect()));
                ends = self.matching(inner).await?;
            }
            let mut add = |stored: Stored| {
                if is_canonical {
                    found.extend(canonical_of(&stored.resource()?));
                }
                let address = &stored.version.address;
                found.insert(format!("{target}/{}", address.id));
                Ok(())
            };
            self.each(&ends, is_canonical, &mut add).await?;
        }
        let found = found.into_iter().collect();
        let stored = to_resources(code, found, is_canonical);
        let mut any = self.inside(outer, code, targets).await?;
        if any.is_empty() {
            return Ok(stored);
        }
        any.insert(0, stored);
        Ok(Criterion::Any(any))
    }

    /// Ids of what something that meets `criterion` refers to by the parameter of its type.
    async fn has(
        &self,
        outer: &Query,
        (source, code): (ResourceType, &CompactString),
        criterion: &Criterion,
    ) -> Result<Criterion, Outcome> {
        let mut inner = self.inner(source, criterion).await?;
        let mut matching = self.matching(inner.clone()).await?;
        let is_canonical = is_canonical(&self.ctx.records.indexer(), source, code);
        let near = if is_canonical {
            None
        } else {
            self.nearer(outer, &matching).await?
        };
        if let Some(near) = near {
            let mut texts = Vec::new();
            let mut add = |stored: Stored| {
                let address = &stored.version.address;
                texts.push(format!("{}/{}", address.resource_type, address.id));
                Ok(())
            };
            self.each(&near, false, &mut add).await?;
            inner.criteria.push(references(code, texts));
            matching = self.matching(inner).await?;
        }
        let place = (code, outer.resource_type);
        let mut all = vec![matching];
        all.extend(self.containers(source, criterion).await?);
        let (mut any, mut ids) = (Vec::new(), BTreeSet::new());
        for matching in &all {
            if is_canonical {
                any.push(self.canonical_targets_of(matching, source, place).await?);
            } else {
                ids.extend(self.targets_of(matching, source, place).await?);
            }
        }
        if is_canonical {
            return Ok(Criterion::Any(any));
        }
        Ok(Criterion::Ids(ids.into_iter().collect()))
    }

    /// The resources of a type that matches refer to by a parameter, by address or canonical URL.
    async fn canonical_targets_of(
        &self,
        matching: &Matching,
        source: ResourceType,
        (code, target): (&CompactString, ResourceType),
    ) -> Result<Criterion, Outcome> {
        let indexer = self.ctx.records.indexer();
        let (mut ids, mut urls) = (BTreeSet::new(), BTreeSet::new());
        let mut add = |stored: Stored| {
            let mut add = |found| match found {
                Target::Local {
                    resource_type, id, ..
                } if resource_type == target => {
                    ids.insert(id);
                }
                Target::Local { .. } => {}
                Target::Canonical { url, version } => {
                    urls.insert((url, version));
                }
            };
            for resource in matching.resources(self.ctx, &stored)? {
                each_target(&indexer, (source, code), &resource, &mut add);
            }
            Ok(())
        };
        self.each(matching, true, &mut add).await?;
        let mut any = vec![Criterion::Ids(ids.into_iter().collect())];
        any.extend(
            urls.into_iter()
                .map(|(url, version)| canonical(url, version)),
        );
        Ok(Criterion::Any(any))
    }

    /// Ids of the resources of a type that matches refer to by a parameter.
    async fn targets_of(
        &self,
        matching: &Matching,
        source: ResourceType,
        (code, target): (&CompactString, ResourceType),
    ) -> Result<BTreeSet<String>, Outcome> {
        let indexer = self.ctx.records.indexer();
        let mut ids = BTreeSet::new();
        let mut add = |stored: Stored| {
            let mut add = |found| {
                if let Target::Local {
                    resource_type, id, ..
                } = found
                    && resource_type == target
                {
                    ids.insert(id);
                }
            };
            for resource in matching.resources(self.ctx, &stored)? {
                each_target(&indexer, (source, code), &resource, &mut add);
            }
            Ok(())
        };
        self.each(matching, true, &mut add).await?;
        Ok(ids)
    }

    /// Ids of a type that lists name.
    async fn lists(
        &self,
        resource_type: ResourceType,
        lists: &[String],
    ) -> Result<Criterion, Outcome> {
        let Ok(list_type) = "List".parse::<ResourceType>() else {
            return Err(Outcome::internal("there is no type List"));
        };
        let addresses: Vec<_> = lists
            .iter()
            .map(|id| Address {
                resource_type: list_type,
                id: id.clone(),
            })
            .collect();
        let indexer = self.ctx.records.indexer();
        let mut ids = BTreeSet::new();
        for stored in self.ctx.records.get_many(self.grant, &addresses).await? {
            if stored.is_deleted() {
                continue;
            }
            let resource = stored.resource()?;
            let item = (list_type, "item");
            each_target(&indexer, item, &resource, &mut |found| {
                if let Target::Local {
                    resource_type: of,
                    id,
                    ..
                } = found
                    && of == resource_type
                {
                    ids.insert(id);
                }
            });
        }
        Ok(Criterion::Ids(ids.into_iter().collect()))
    }

    /// Every match; too many are refused.
    async fn each(
        &self,
        matching: &Matching,
        needs_body: bool,
        visit: &mut (dyn FnMut(Stored) -> Result<(), Outcome> + Send),
    ) -> Result<(), Outcome> {
        let limit = self.ctx.settings.limits.chain_targets_max;
        let is_whole = matching
            .each(self.ctx, self.grant, (limit, needs_body), visit)
            .await?;
        if is_whole {
            return Ok(());
        }
        Err(too_many_targets(limit))
    }
}

/// The refusal of a step that leads to too much.
pub(super) fn too_many_targets(limit: usize) -> Outcome {
    Outcome::new(
        Kind::TooCostly,
        format!(
            "A step of a chain leads to more than {limit} resources: let the parameter at its end \
             find fewer, or add a condition on what is searched."
        ),
    )
}

/// Gives what a resource refers to by a parameter.
pub(super) fn each_target(
    indexer: &Indexer,
    (resource_type, code): (ResourceType, &str),
    resource: &Resource,
    each: &mut dyn FnMut(Target),
) {
    let Some(parameter) = indexer.registry().search_parameter(resource_type, code) else {
        return;
    };
    indexer.each_value(parameter, resource, &mut |value| {
        if let Some(target) = Target::of(value, indexer.base_url()) {
            each(target);
        }
    });
}

/// Whether a parameter finds canonical URLs.
pub(super) fn is_canonical(indexer: &Indexer, resource_type: ResourceType, code: &str) -> bool {
    let registry = indexer.registry();
    let parameter = registry.search_parameter(resource_type, code);
    let Some(program) = parameter.and_then(|one| one.expression.as_ref()) else {
        return false;
    };
    let shapes = registry.shapes();
    let types = program.value_types();
    types
        .iter()
        .any(|&id| matches!(shapes.name(id), "canonical" | "uri"))
}

/// What has a canonical URL, and a business version where one is named.
fn canonical(url: String, version: Option<String>) -> Criterion {
    let of = |code: &str, condition| Criterion::Parameter {
        code: code.into(),
        any_of: vec![condition],
    };
    let url = of("url", Condition::Uri(UriCondition::Same(url)));
    let Some(code) = version else {
        return url;
    };
    let case = LetterCase::Exact;
    let version = of(
        "version",
        Condition::Token(TokenCondition::Code { code, case }),
    );
    Criterion::All(vec![url, version])
}

/// The canonical URL of a resource, with its business version where it has one.
pub(super) fn canonical_of(resource: &Resource) -> Option<String> {
    let url = resource.object().get_str("url")?;
    Some(match resource.object().get_str("version") {
        Some(version) => format!("{url}|{version}"),
        None => url.to_owned(),
    })
}

/// The criterion of references by a parameter to one of these.
pub(super) fn references(code: &CompactString, targets: Vec<String>) -> Criterion {
    to_resources(code, targets, false)
}

/// As [`references`], where some may be [`canonical_of`] resources.
pub(super) fn to_resources(
    code: &CompactString,
    targets: Vec<String>,
    are_canonical: bool,
) -> Criterion {
    Criterion::Parameter {
        code: code.clone(),
        any_of: vec![Condition::Reference(ReferenceCondition {
            targets,
            version_id: None,
            are_canonical,
        })],
    }
}
