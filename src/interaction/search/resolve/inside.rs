//! Steps of chains within containers: what a resource contains is looked into, too.
//!
//! Most stores contain little, so one look at the index says first whether there is anything.
//! Spec: <https://hl7.org/fhir/R4/search.html#contained>.

use compact_str::CompactString;

use crate::fhir::resource_type::ResourceType;
use crate::interaction::search::matching::Matching;
use crate::interaction::search::resolve::Resolver;
use crate::interaction::search::vocabulary;
use crate::outcome::Outcome;
use crate::search::inside::{Inside, Referred};
use crate::search::key::Key;
use crate::search::query::{Containment, Criterion, Query};

impl Resolver<'_> {
    /// A step of a chain that leads to contained resources; nothing where none are stored that it
    /// could lead to.
    pub(super) async fn inside(
        &self,
        outer: &Query,
        code: &CompactString,
        targets: &[(ResourceType, Criterion)],
    ) -> Result<Vec<Criterion>, Outcome> {
        // What is contained itself is in a container of whatever type.
        let is_within = outer.result.is_inside();
        let key = |(target, _): &(ResourceType, Criterion)| {
            Key::of_container(outer.resource_type, *target)
        };
        let mut found = Vec::new();
        if !is_within && !self.has_any(targets.iter().map(key).collect()).await? {
            return Ok(found);
        }
        for one in targets {
            let is_one_of_many = !is_within && targets.len() > 1;
            if is_one_of_many && !self.has_any(vec![key(one)]).await? {
                continue;
            }
            let (target, criterion) = one;
            found.push(Criterion::Inside(Inside {
                code: code.clone(),
                target: *target,
                criterion: Box::new(self.within(*target, criterion).await?),
            }));
        }
        Ok(found)
    }

    /// A reverse step from a contained resource: to what is in its container.
    pub(super) async fn referred(
        &self,
        (source, code): (ResourceType, &CompactString),
        criterion: &Criterion,
    ) -> Result<Criterion, Outcome> {
        Ok(Criterion::Referred(Referred {
            source,
            code: code.clone(),
            criterion: Box::new(self.within(source, criterion).await?),
        }))
    }

    /// What contains resources of a type that meet a criterion, where anything contains any.
    pub(super) async fn containers(
        &self,
        source: ResourceType,
        criterion: &Criterion,
    ) -> Result<Option<Matching>, Outcome> {
        if !self
            .has_any(vec![Key::of_type(source).of_contained()])
            .await?
        {
            return Ok(None);
        }
        let criterion = self.within(source, criterion).await?;
        let mut query = Query::of(source, vec![criterion]);
        query.result.containment = Some(Containment::Inside);
        self.matching(query).await.map(Some)
    }

    /// A criterion on contained resources of a type, answered.
    async fn within(
        &self,
        resource_type: ResourceType,
        criterion: &Criterion,
    ) -> Result<Criterion, Outcome> {
        let mut criterion = criterion.clone();
        forget_ids(&mut criterion);
        let mut query = Query::of(resource_type, vec![criterion]);
        query.result.containment = Some(Containment::Inside);
        vocabulary::fill(self.ctx, self.grant, &mut query).await?;
        let mut criteria = std::mem::take(&mut query.criteria);
        for criterion in &mut criteria {
            self.resolve(&query, criterion).await?;
        }
        Ok(Criterion::All(criteria))
    }

    async fn has_any(&self, keys: Vec<Key>) -> Result<bool, Outcome> {
        self.ctx.records.has_any(self.grant, keys).await
    }
}

/// Logical ids are not those within a container.
fn forget_ids(criterion: &mut Criterion) {
    match criterion {
        Criterion::Ids(ids) => ids.clear(),
        Criterion::Not(inner) => forget_ids(inner),
        Criterion::All(parts) | Criterion::Any(parts) => parts.iter_mut().for_each(forget_ids),
        _ => {}
    }
}
