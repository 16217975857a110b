//! Searches by GET and by POST, on a type and on everything.

use axum::body::Body;
use axum::extract::RawQuery;
use http::{HeaderMap, StatusCode};

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, TypePath};
use crate::fhir::resource_type::ResourceType;
use crate::http::body;
use crate::http::format::{self, View};
use crate::http::payload::{Answer, Payload};
use crate::http::prefer::Prefer;
use crate::interaction::search::{self, SearchRequest};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// GET on a type.
pub(crate) async fn search_type(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    answer(&caller, resource_type, query.unwrap_or_default(), &headers).await
}

/// POST on `_search` of a type.
pub(crate) async fn search_type_by_post(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let query = with_form(&caller, query, &headers, sent).await?;
    let view = View::negotiate(&headers, &query)?;
    let answer = answer(&caller, resource_type, query, &headers).await?;
    Ok(Payload {
        view: Some(view),
        ..answer
    })
}

/// A search over all types, which this version does not do.
pub(crate) async fn search_system(caller: Caller) -> Answer {
    caller.grant(Intent::ReadSystem)?;
    let reason = "Searching all types at once is not supported: name a type, as in Patient?name=x.";
    Err(Outcome::new(Kind::Unsupported, reason).into())
}

async fn answer(
    caller: &Caller,
    resource_type: ResourceType,
    query: String,
    headers: &HeaderMap,
) -> Answer {
    let grant = caller.grant(Intent::Read(resource_type))?;
    let ctx = &caller.state.ctx;
    let strictness = Prefer::of(headers).strictness;
    let request = SearchRequest {
        resource_type,
        query,
        strictness,
    };
    let response = search::search(ctx, &grant, request).await?;
    Ok(Payload::of_json(
        StatusCode::OK,
        search::to_bundle(ctx, &response),
    ))
}

/// The query of the URL and the form of the body count together.
async fn with_form(
    caller: &Caller,
    query: Option<String>,
    headers: &HeaderMap,
    sent: Body,
) -> Result<String, Outcome> {
    let query = query.unwrap_or_default();
    let bytes = body::read(&caller.state, sent).await?;
    if bytes.is_empty() {
        return Ok(query);
    }
    if format::content_mime(headers)? != "application/x-www-form-urlencoded" {
        return Err(Outcome::new(
            Kind::UnsupportedMediaType,
            "A search by POST sends its parameters as application/x-www-form-urlencoded.",
        ));
    }
    let form = std::str::from_utf8(&bytes)
        .map_err(|_not_utf8| Outcome::new(Kind::Malformed, "The form is not valid UTF-8."))?;
    let separator = if query.is_empty() { "" } else { "&" };
    Ok(format!("{query}{separator}{form}"))
}
