//! GET entries of a batch or transaction: a URL relative to the base, read as the HTTP route would.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use crate::access::Grant;
use crate::fhir::id;
use crate::fhir::instant::Instant;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::bundle::EntryAnswer;
use crate::interaction::history::{self, HistoryRequest};
use crate::interaction::read::{ReadRequest, ReadResponse, read};
use crate::interaction::search::{self, SearchRequest, Strictness};
use crate::interaction::vread::{VreadRequest, vread};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::{Address, HistoryScope};

/// What to get.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// Path and query relative to the base.
    pub url: String,
    /// Versions the client has.
    pub if_none_match: Vec<i64>,
    /// The time up to which the client has everything.
    pub if_modified_since: Option<Instant>,
}

/// Gets it.
pub async fn fetch(
    ctx: &Context,
    grant: &Grant,
    request: FetchRequest,
) -> Result<EntryAnswer, Outcome> {
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let segments: Vec<_> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    match segments.as_slice() {
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
            vread(ctx, grant, request).await.map(EntryAnswer::Read)
        }
        [name, id] => {
            let request = ReadRequest {
                address: address(name, id)?,
                if_none_match: request.if_none_match,
                if_modified_since: request.if_modified_since,
            };
            Ok(match read(ctx, grant, request).await? {
                ReadResponse::Found(stored) => EntryAnswer::Read(stored),
                ReadResponse::NotModified(stored) => EntryAnswer::NotModified(stored),
            })
        }
        [name] => fetch_matches(ctx, grant, resource_type(name)?, query).await,
        _ => Err(nothing_there()),
    }
}

async fn fetch_matches(
    ctx: &Context,
    grant: &Grant,
    resource_type: ResourceType,
    query: &str,
) -> Result<EntryAnswer, Outcome> {
    let request = SearchRequest {
        resource_type,
        query: query.to_owned(),
        strictness: Strictness::Strict,
    };
    let response = search::search(ctx, grant, request).await?;
    Ok(EntryAnswer::Made(search::to_bundle(ctx, &response).into()))
}

async fn fetch_history(
    ctx: &Context,
    grant: &Grant,
    scope: HistoryScope,
    path: &str,
    query: &str,
) -> Result<EntryAnswer, Outcome> {
    let request = HistoryRequest::read(scope, query)?;
    let response = history::history(ctx, grant, request).await?;
    Ok(EntryAnswer::Made(
        history::to_bundle(ctx, path, query, &response).into(),
    ))
}

fn address(name: &str, wanted: &str) -> Result<Address, Outcome> {
    if !id::is_valid(wanted) {
        return Err(nothing_there());
    }
    Ok(Address {
        resource_type: resource_type(name)?,
        id: wanted.to_owned(),
    })
}

fn resource_type(name: &str) -> Result<ResourceType, Outcome> {
    name.parse().map_err(|_unknown| nothing_there())
}

fn nothing_there() -> Outcome {
    Outcome::new(Kind::NotFound, "There is nothing at the url of this entry.")
}
