//! patch: the current version changed by JSON Patch or FHIRPath Patch, validated and stored.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#patch>, <https://hl7.org/fhir/R4/fhirpatch.html>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::access::Grant;
use crate::access::records::{Change, Stored};
use crate::fhir::json;
use crate::fhir::patch::{self as json_patch, PatchFailure, PatchLimits};
use crate::fhir::resource::{Node, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::fhirpath::patch::{self as fhirpath_patch, PatchError};
use crate::interaction::Context;
use crate::interaction::conditional::{self, Criteria};
use crate::interaction::read::{gone, not_found};
use crate::interaction::stage::{Committed, Effect, Retry, Stage, Written};
use crate::interaction::update::{Precondition, Target};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{Address, Method};

/// What to patch, and how.
#[derive(Debug, Clone)]
pub struct PatchRequest {
    /// The type.
    pub resource_type: ResourceType,
    /// Which resource.
    pub target: Target,
    /// The changes.
    pub patch: Patch,
    /// What must hold.
    pub condition: Precondition,
}

/// A list of changes.
#[derive(Debug, Clone)]
pub enum Patch {
    /// RFC 6902 operations.
    Json(Node),
    /// A `Parameters` resource with FHIRPath Patch operations.
    Fhirpath(Resource),
}

/// Patches a resource.
pub async fn patch(
    ctx: &Context,
    grant: &Grant,
    request: PatchRequest,
) -> Result<Written, Outcome> {
    let mut retry = Retry::new(ctx);
    loop {
        let mut stage = Stage::default();
        let effect = stage_patch(ctx, grant, &mut stage, &request).await?;
        if let Committed::Done(committed) = stage.commit(ctx, grant).await? {
            return effect.written(&committed);
        }
        retry.again(ctx).await?;
    }
}

/// Stages a patch.
pub async fn stage_patch(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    request: &PatchRequest,
) -> Result<Effect, Outcome> {
    let named = (request.resource_type, &request.target);
    let current = find_target(ctx, grant, stage, named).await?;
    let after = patched(ctx, (&request.patch, &request.condition), &current)?;
    Ok(stage_patched(stage, current, after))
}

/// What the current version becomes by a patch; `None` when it stays the same.
pub fn patched(
    ctx: &Context,
    (patch, condition): (&Patch, &Precondition),
    current: &Stored,
) -> Result<Option<Resource>, Outcome> {
    condition.check(Some(current))?;
    let before = current.resource()?;
    let after = apply(ctx, patch, &before)?;
    if after.resource_type() != before.resource_type() || after.id() != before.id() {
        return Err(Outcome::new(
            Kind::Unprocessable,
            "A patch must not change resourceType or id.",
        ));
    }
    ctx.check_valid(&after)?;
    Ok((!after.same_content(&before)).then_some(after))
}

/// Stages what [`patched`] made of the current version.
pub fn stage_patched(stage: &mut Stage, current: Stored, after: Option<Resource>) -> Effect {
    match after {
        None => Effect::Unchanged(current),
        Some(_) => stage.push(Change {
            address: current.version.address.clone(),
            resource: after,
            method: Method::Patch,
            supersedes: Some(current),
        }),
    }
}

/// The patch in an entry of a Bundle: `Parameters`, or a `Binary` that holds a JSON Patch.
pub fn patch_of_document(ctx: &Context, document: Resource) -> Result<Patch, Outcome> {
    let wrong = || {
        Outcome::new(
            Kind::Invalid,
            "A patch in a Bundle is a Parameters resource (FHIRPath Patch), or a Binary with \
             contentType application/json-patch+json and base64 data.",
        )
    };
    match document.resource_type().name() {
        "Parameters" => Ok(Patch::Fhirpath(document)),
        "Binary" => {
            let object = document.object();
            let is_patch = object.get_str("contentType") == Some("application/json-patch+json");
            let data = object
                .get_str("data")
                .filter(|_| is_patch)
                .ok_or_else(wrong)?;
            let bytes = STANDARD.decode(data).map_err(|_not_base64| wrong())?;
            let limits = json::Limits {
                depth_max: ctx.settings.limits.depth_max,
            };
            let operations = json_patch::read(&bytes, limits)
                .map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))?;
            Ok(Patch::Json(operations))
        }
        _ => Err(wrong()),
    }
}

/// The version a patch is about.
///
/// # Errors
/// 404 when there is none, 410 when it is a tombstone.
pub async fn find_target(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    (resource_type, target): (ResourceType, &Target),
) -> Result<Stored, Outcome> {
    let current = match target {
        Target::Id(id) => {
            let address = Address {
                resource_type,
                id: id.clone(),
            };
            let current = stage.current(ctx, grant, &address).await?;
            current.ok_or_else(|| not_found(&address))?
        }
        Target::Criteria(query) => {
            let criteria = Criteria {
                resource_type,
                query,
            };
            let found = conditional::find_one(ctx, grant, stage, &criteria).await?;
            found.ok_or_else(|| {
                Outcome::new(Kind::NotFound, "The criteria match no resource to patch.")
            })?
        }
    };
    if current.is_deleted() {
        Err(gone(&current))
    } else {
        Ok(current)
    }
}

fn patch_limits(ctx: &Context) -> PatchLimits {
    let limits = &ctx.settings.limits;
    PatchLimits {
        operations_max: limits.patch_operations_max,
        depth_max: limits.depth_max,
        copied_bytes_max: limits.body_bytes_max,
    }
}

fn apply(ctx: &Context, patch: &Patch, before: &Resource) -> Result<Resource, Outcome> {
    let limits = patch_limits(ctx);
    match patch {
        Patch::Json(operations) => {
            let object = json_patch::apply(before.object(), operations, limits)
                .map_err(|error| Outcome::new(kind_of(error.failure), error.to_string()))?;
            Resource::from_object(object).map_err(|_object| {
                Outcome::new(Kind::Unprocessable, "A patch must not change resourceType.")
            })
        }
        Patch::Fhirpath(parameters) => fhirpath_patch::apply(
            before,
            parameters.object(),
            ctx.registry.shapes(),
            limits.operations_max,
        )
        .map_err(|error| {
            let kind = match &error {
                PatchError::Malformed { .. } => Kind::Malformed,
                PatchError::NotApplicable { .. } => Kind::Unprocessable,
                PatchError::TooMany { .. } => Kind::TooLarge,
            };
            Outcome::new(kind, error.to_string())
        }),
    }
}

fn kind_of(failure: PatchFailure) -> Kind {
    match failure {
        PatchFailure::Malformed => Kind::Malformed,
        PatchFailure::NotApplicable | PatchFailure::TestFailed => Kind::Unprocessable,
        PatchFailure::TooLarge => Kind::TooLarge,
    }
}
