//! delete: a tombstone as the new version; the history stays.
//!
//! Deleting what is not there, or is deleted already, succeeds and writes nothing.
//! Spec: <https://hl7.org/fhir/R4/http.html#delete>, <https://hl7.org/fhir/R4/http.html#cdelete>.

use crate::access::Grant;
use crate::access::records::{Change, Stored};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::conditional::{self, Criteria};
use crate::interaction::stage::{Committed, Effect, Retry, Stage, Written};
use crate::interaction::update::{Precondition, Target};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{Address, Method};

/// What to delete, and under which condition.
#[derive(Debug, Clone)]
pub struct DeleteRequest {
    /// The type.
    pub resource_type: ResourceType,
    /// Which resource.
    pub target: Target,
    /// What must hold.
    pub condition: Precondition,
}

/// Deletes a resource, or several when criteria may match several; what was deleted comes back.
pub async fn delete(
    ctx: &Context,
    grant: &Grant,
    request: DeleteRequest,
) -> Result<Vec<Written>, Outcome> {
    let mut retry = Retry::new(ctx);
    loop {
        let mut stage = Stage::default();
        let effects = stage_delete(ctx, grant, &mut stage, &request).await?;
        if let Committed::Done(committed) = stage.commit(ctx, grant).await? {
            return effects
                .into_iter()
                .map(|effect| effect.written(&committed))
                .collect();
        }
        retry.again(ctx).await?;
    }
}

/// Stages a delete.
pub async fn stage_delete(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    request: &DeleteRequest,
) -> Result<Vec<Effect>, Outcome> {
    let named = (request.resource_type, &request.target);
    let found = find_target(ctx, grant, stage, named).await?;
    stage_found(stage, &request.condition, found)
}

/// The versions a delete is about, tombstones included.
pub async fn find_target(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    (resource_type, target): (ResourceType, &Target),
) -> Result<Vec<Stored>, Outcome> {
    match target {
        Target::Id(id) => {
            let address = Address {
                resource_type,
                id: id.clone(),
            };
            Ok(stage
                .current(ctx, grant, &address)
                .await?
                .into_iter()
                .collect())
        }
        Target::Criteria(query) => {
            let criteria = Criteria {
                resource_type,
                query,
            };
            find_several(ctx, grant, stage, &criteria).await
        }
    }
}

/// Stages the tombstones of what was found.
pub fn stage_found(
    stage: &mut Stage,
    condition: &Precondition,
    found: Vec<Stored>,
) -> Result<Vec<Effect>, Outcome> {
    if found.is_empty() {
        condition.check(None)?;
        return Ok(vec![Effect::Absent]);
    }
    found
        .into_iter()
        .map(|stored| bury(stage, condition, stored))
        .collect()
}

fn bury(stage: &mut Stage, condition: &Precondition, stored: Stored) -> Result<Effect, Outcome> {
    condition.check(Some(&stored))?;
    if stored.is_deleted() {
        return Ok(Effect::Unchanged(stored));
    }
    Ok(stage.push(Change {
        address: stored.version.address.clone(),
        resource: None,
        method: Method::Delete,
        supersedes: Some(stored),
    }))
}

async fn find_several(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    criteria: &Criteria<'_>,
) -> Result<Vec<Stored>, Outcome> {
    let rest = &ctx.settings.rest;
    if !rest.conditional_delete_multiple {
        return Ok(conditional::find_one(ctx, grant, stage, criteria)
            .await?
            .into_iter()
            .collect());
    }
    let max = rest.conditional_delete_max;
    let found = conditional::find(ctx, grant, stage, criteria, max + 1).await?;
    if found.len() > max {
        return Err(Outcome::new(
            Kind::PreconditionFailed,
            format!("The criteria match more than the {max} resources one delete may take."),
        ));
    }
    Ok(found)
}
