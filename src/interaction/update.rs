//! update: a new version of a resource, or a resource under an id of the client's choice.
//!
//! An update that says what is stored already keeps the version. Without `If-Match` the last
//! writer wins and every version stays in the history.
//! Spec: <https://hl7.org/fhir/R4/http.html#update>.

use crate::access::Grant;
use crate::access::records::{Change, Stored};
use crate::fhir::id;
use crate::fhir::resource::Resource;
use crate::interaction::Context;
use crate::interaction::conditional::{self, Criteria};
use crate::interaction::stage::{Committed, Effect, Retry, Stage, Written};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{Address, Method};

/// What to update, and under which condition.
#[derive(Debug, Clone)]
pub struct UpdateRequest {
    /// The new content.
    pub resource: Resource,
    /// Which resource.
    pub target: Target,
    /// What must hold.
    pub condition: Precondition,
}

/// How the resource to change is named.
#[derive(Debug, Clone)]
pub enum Target {
    /// By its id.
    Id(String),
    /// By search criteria that match it and nothing else.
    Criteria(String),
}

/// What must hold of the current version.
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    /// It is one of these (`If-Match`); empty for no condition.
    pub if_match: Vec<i64>,
    /// There is one, whatever its version (`If-Match: *`).
    pub if_match_any: bool,
    /// There is none (`If-None-Match: *`).
    pub if_none_match_any: bool,
}

impl Precondition {
    /// The member of `Bundle.entry.request` that says it.
    pub fn member(&self) -> &'static str {
        if !self.if_match.is_empty() || self.if_match_any {
            "ifMatch"
        } else if self.if_none_match_any {
            "ifNoneMatch"
        } else {
            "url"
        }
    }

    /// Refuses when the condition does not hold.
    pub fn check(&self, current: Option<&Stored>) -> Result<(), Outcome> {
        let present = current.filter(|stored| !stored.is_deleted());
        if self.if_none_match_any && present.is_some() {
            return Err(Outcome::new(
                Kind::PreconditionFailed,
                "If-None-Match: * does not hold: the resource exists already.",
            ));
        }
        if self.if_match.is_empty() && !self.if_match_any {
            return Ok(());
        }
        match present {
            Some(_) if self.if_match_any => Ok(()),
            Some(stored) if self.if_match.contains(&stored.version.version_id) => Ok(()),
            Some(stored) => Err(Outcome::new(
                Kind::PreconditionFailed,
                format!(
                    "If-Match does not hold: the current version is {}. Read it and decide again.",
                    stored.version.version_id
                ),
            )),
            None => Err(Outcome::new(
                Kind::PreconditionFailed,
                "If-Match does not hold: there is no such resource.",
            )),
        }
    }
}

/// Updates a resource.
pub async fn update(
    ctx: &Context,
    grant: &Grant,
    request: UpdateRequest,
) -> Result<Written, Outcome> {
    check_id(&request)?;
    ctx.check_valid(&request.resource)?;
    let UpdateRequest {
        mut resource,
        target,
        condition,
    } = request;
    let has_id = resource.id().is_some();
    let mut retry = Retry::new(ctx);
    loop {
        let mut stage = Stage::default();
        let found = find_target(ctx, grant, &mut stage, (&resource, &target)).await?;
        let effect = put(&mut stage, (resource, &condition), found)?;
        match stage.commit(ctx, grant).await? {
            Committed::Done(committed) => return effect.written(&committed),
            Committed::Lost(lost) => resource = effect.resource_again(&lost)?,
        }
        if !has_id {
            // That of what it would have written; criteria may find another resource now.
            resource.object_mut().remove("id");
        }
        retry.again(ctx).await?;
    }
}

/// Refuses a body whose id is not the one in the URL.
pub fn check_id(request: &UpdateRequest) -> Result<(), Outcome> {
    let Target::Id(wanted) = &request.target else {
        return Ok(());
    };
    let name = request.resource.resource_type().name();
    if !id::is_valid(wanted) {
        return Err(Outcome::new(
            Kind::Invalid,
            "An id is 1 to 64 of the characters A-Z, a-z, 0-9, '-' and '.'.",
        ));
    }
    match request.resource.id() {
        Some(given) if given == wanted => Ok(()),
        Some(_) => Err(Outcome::new(
            Kind::Invalid,
            "The id in the resource must be the id in the URL.",
        )
        .at(format!("{name}.id"))),
        None => Err(Outcome::new(
            Kind::Invalid,
            "The resource must carry the id that stands in the URL.",
        )
        .at(format!("{name}.id"))),
    }
}

/// The version an update is about and its address; there is no version when it creates.
pub async fn find_target(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    (resource, target): (&Resource, &Target),
) -> Result<(Option<Stored>, Address), Outcome> {
    let resource_type = resource.resource_type();
    match target {
        Target::Id(id) => {
            let address = Address {
                resource_type,
                id: id.clone(),
            };
            Ok((stage.current(ctx, grant, &address).await?, address))
        }
        Target::Criteria(query) => {
            let criteria = Criteria {
                resource_type,
                query,
            };
            match conditional::find_one(ctx, grant, stage, &criteria).await? {
                Some(found) => matched(resource, found),
                None => unmatched(ctx, grant, stage, resource).await,
            }
        }
    }
}

/// A conditional update that matches one resource: an id in the body must be its id.
fn matched(resource: &Resource, found: Stored) -> Result<(Option<Stored>, Address), Outcome> {
    let address = found.version.address.clone();
    if resource.id().is_some_and(|id| id != address.id) {
        return Err(Outcome::new(
            Kind::Invalid,
            "The id in the resource is not the id of the resource that the criteria match.",
        )
        .at(format!("{}.id", address.resource_type)));
    }
    Ok((Some(found), address))
}

/// A conditional update that matches nothing: a create, under the client's id when it gives one.
async fn unmatched(
    ctx: &Context,
    grant: &Grant,
    stage: &Stage,
    resource: &Resource,
) -> Result<(Option<Stored>, Address), Outcome> {
    let resource_type = resource.resource_type();
    let Some(id) = resource.id() else {
        return Ok((
            None,
            Address {
                resource_type,
                id: ctx.records.new_id(),
            },
        ));
    };
    let address = Address {
        resource_type,
        id: id.to_owned(),
    };
    match stage.current(ctx, grant, &address).await? {
        Some(other) if !other.is_deleted() => Err(Outcome::new(
            Kind::Conflict,
            "The criteria match nothing, but a resource with the id in the body exists.",
        )),
        current => Ok((current, address)),
    }
}

/// Stages the new version of a resource, unless it says what the current one says.
pub fn put(
    stage: &mut Stage,
    (mut resource, condition): (Resource, &Precondition),
    (current, address): (Option<Stored>, Address),
) -> Result<Effect, Outcome> {
    condition.check(current.as_ref())?;
    resource.set_id(&address.id);
    if let Some(stored) = current.as_ref().filter(|stored| !stored.is_deleted())
        && stored.says_the_same(&mut resource)?
    {
        return Ok(Effect::Unchanged(stored.clone()));
    }
    Ok(stage.push(Change {
        address,
        resource: Some(resource),
        method: Method::Put,
        supersedes: current,
    }))
}
