//! create: a new resource under an id of ours, unless `If-None-Exist` finds it.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#create>, <https://hl7.org/fhir/R4/http.html#ccreate>.

use crate::access::Grant;
use crate::access::records::Change;
use crate::fhir::resource::Resource;
use crate::interaction::Context;
use crate::interaction::conditional::{self, Criteria};
use crate::interaction::stage::{Committed, Effect, Retry, Stage, Written};
use crate::outcome::Outcome;
use crate::store::{Address, Method};

/// What to create.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// The resource; an id in it is ignored.
    pub resource: Resource,
    /// Create only when nothing matches (`If-None-Exist`).
    pub if_none_exist: Option<String>,
}

/// Creates a resource.
pub async fn create(
    ctx: &Context,
    grant: &Grant,
    request: CreateRequest,
) -> Result<Written, Outcome> {
    ctx.check_valid(&request.resource)?;
    let address = Address {
        resource_type: request.resource.resource_type(),
        id: ctx.records.new_id(),
    };
    let CreateRequest {
        mut resource,
        if_none_exist,
    } = request;
    let mut retry = Retry::new(ctx);
    loop {
        let mut stage = Stage::default();
        let wanted = (&address, resource, if_none_exist.as_deref());
        let effect = stage_create(ctx, grant, &mut stage, wanted).await?;
        match stage.commit(ctx, grant).await? {
            Committed::Done(committed) => return effect.written(&committed),
            Committed::Lost(lost) => resource = effect.resource_again(&lost)?,
        }
        retry.again(ctx).await?;
    }
}

/// Stages a create whose resource is valid, under an address that is free.
async fn stage_create(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    (address, resource, if_none_exist): (&Address, Resource, Option<&str>),
) -> Result<Effect, Outcome> {
    if let Some(query) = if_none_exist {
        let criteria = Criteria {
            resource_type: address.resource_type,
            query,
        };
        if let Some(found) = conditional::find_one(ctx, grant, stage, &criteria).await? {
            return Ok(Effect::Unchanged(found));
        }
    }
    Ok(stage.push(Change {
        address: address.clone(),
        resource: Some(resource),
        method: Method::Post,
        supersedes: None,
    }))
}
