//! GET entries of a batch or transaction: a URL relative to the base, read as the HTTP route would.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use bytes::Bytes;

use crate::access::records::Stored;
use crate::access::{Grant, Intent};
use crate::fhir::id;
use crate::fhir::instant::Instant;
use crate::fhir::json;
use crate::fhir::query;
use crate::fhir::resource_type::ResourceType;
use crate::fhir::subset::Subset;
use crate::interaction::Context;
use crate::interaction::bundle::EntryAnswer;
use crate::interaction::entity_tag::Known;
use crate::interaction::history::{self, HistoryRequest};
use crate::interaction::read::{ReadRequest, ReadResponse, read};
use crate::interaction::search::{self, SearchRequest, SearchScope, Strictness};
use crate::interaction::vread::{VreadRequest, vread};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{Address, HistoryScope};

/// What to get.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// Path and query relative to the base.
    pub url: String,
    /// What the client has.
    pub if_none_match: Option<Known>,
    /// The time up to which the client has everything.
    pub if_modified_since: Option<Instant>,
}

/// Gets it.
pub async fn fetch(
    ctx: &Context,
    grant: &Grant,
    request: FetchRequest,
) -> Result<EntryAnswer, Outcome> {
    let (_, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    query::check(query).map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))?;
    let pairs = query::pairs(query);
    let summary = query::first(&pairs, "_summary");
    let subset = Subset::from_parameters(summary, query::first(&pairs, "_elements"))
        .map_err(|reason| Outcome::new(Kind::Malformed, reason))?;
    let answer = get(ctx, grant, &request).await?;
    cut(ctx, answer, &subset)
}

/// The resource whose version or history a url names.
pub fn instance_of(url: &str) -> Option<Address> {
    let path = url.split('?').next()?;
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (name, id) = (segments.next()?, segments.next()?);
    address(name, id).ok()
}

/// Shows the part of an answer that the url asks for.
fn cut(ctx: &Context, answer: EntryAnswer, subset: &Subset) -> Result<EntryAnswer, Outcome> {
    if matches!(subset, Subset::Whole | Subset::Count) {
        return Ok(answer);
    }
    let part = |json: &Bytes| {
        let limits = json::Limits {
            depth_max: usize::MAX,
        };
        let resource = json::parse_resource(json, limits)
            .map_err(|error| Outcome::internal(format!("an answer cannot be read: {error}")))?;
        let mut object = resource.into_object();
        subset.apply(&mut object, ctx.registry.shapes());
        let mut out = Vec::with_capacity(json.len());
        json::write_object(&mut out, &object);
        Ok::<Bytes, Outcome>(out.into())
    };
    Ok(match answer {
        EntryAnswer::Read(stored) => EntryAnswer::Read(Stored {
            json: part(&stored.json)?,
            ..stored
        }),
        EntryAnswer::Made(json) => EntryAnswer::Made(part(&json)?),
        other => other,
    })
}

async fn get(ctx: &Context, grant: &Grant, request: &FetchRequest) -> Result<EntryAnswer, Outcome> {
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let segments: Vec<_> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    match segments.as_slice() {
        ["metadata"] => Err(Outcome::new(
            Kind::Invalid,
            "The CapabilityStatement is not served inside a Bundle: GET /metadata on its own.",
        )),
        segments if segments.iter().any(|segment| segment.starts_with('$')) => {
            let url = (path, query);
            let answer = ctx.operations.get(ctx, grant, url).await?;
            Ok(EntryAnswer::Made(answer))
        }
        ["_history"] => fetch_history(ctx, grant, HistoryScope::System, path, query).await,
        [name, "_history"] => {
            let scope = HistoryScope::Type(resource_type(name)?);
            fetch_history(ctx, grant, scope, path, query).await
        }
        [name, id, "_history"] => {
            let scope = HistoryScope::Instance(address(name, id)?);
            fetch_history(ctx, grant, scope, path, query).await
        }
        [name, id, "_history", version_id] => {
            let version_id = (*version_id).to_owned();
            let request = VreadRequest {
                address: address(name, id)?,
                version_id,
            };
            let grant = grant.within(Intent::Read(request.address.resource_type))?;
            vread(ctx, &grant, request).await.map(EntryAnswer::Read)
        }
        [name, id] => {
            let request = ReadRequest {
                address: address(name, id)?,
                if_none_match: request.if_none_match.clone(),
                if_modified_since: request.if_modified_since,
            };
            let grant = grant.within(Intent::Read(request.address.resource_type))?;
            Ok(match read(ctx, &grant, request).await? {
                ReadResponse::Found(stored) => EntryAnswer::Read(stored),
                ReadResponse::NotModified(stored) => EntryAnswer::NotModified(stored),
            })
        }
        [] => fetch_matches(ctx, grant, SearchScope::system(), query).await,
        [name] => {
            let scope = SearchScope::of_type(resource_type(name)?);
            fetch_matches(ctx, grant, scope, query).await
        }
        [name, id, what] => {
            let address = address(name, id)?;
            let scope = SearchScope::of_compartment(address.resource_type, address.id, what)?;
            fetch_matches(ctx, grant, scope, query).await
        }
        _ => Err(nothing_there()),
    }
}

async fn fetch_matches(
    ctx: &Context,
    grant: &Grant,
    scope: SearchScope,
    query: &str,
) -> Result<EntryAnswer, Outcome> {
    let request = SearchRequest {
        scope,
        query: query.to_owned(),
        form: String::new(),
        strictness: Strictness::Strict,
    };
    let grant = grant.within(Intent::Search(request.scope.resource_type))?;
    let response = search::search(ctx, &grant, request).await?;
    Ok(EntryAnswer::Made(search::to_bundle(ctx, &response).into()))
}

async fn fetch_history(
    ctx: &Context,
    grant: &Grant,
    scope: HistoryScope,
    path: &str,
    query: &str,
) -> Result<EntryAnswer, Outcome> {
    let intent = match &scope {
        HistoryScope::Instance(address) => Intent::Read(address.resource_type),
        HistoryScope::Type(resource_type) => Intent::Read(*resource_type),
        HistoryScope::System => Intent::ReadSystem,
    };
    let grant = grant.within(intent)?;
    let request = HistoryRequest::read(ctx, scope, query)?;
    let response = history::history(ctx, &grant, request).await?;
    Ok(EntryAnswer::Made(
        history::to_bundle(ctx, path, query, &response).into(),
    ))
}

/// The resource that an entry's url names; an id that none can have is of nothing.
pub fn address(name: &str, wanted: &str) -> Result<Address, Outcome> {
    if !id::is_valid(wanted) {
        return Err(nothing_there());
    }
    Ok(Address {
        resource_type: resource_type(name)?,
        id: wanted.to_owned(),
    })
}

/// The type that an entry's url names.
pub fn resource_type(name: &str) -> Result<ResourceType, Outcome> {
    name.parse().map_err(|_unknown| nothing_there())
}

fn nothing_there() -> Outcome {
    Outcome::new(Kind::NotFound, "There is nothing at the url of this entry.")
}
