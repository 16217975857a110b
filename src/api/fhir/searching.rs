//! Searches by GET and by POST: of a type, of everything, of a compartment.

use axum::body::Body;
use axum::extract::RawQuery;
use http::{HeaderMap, StatusCode};

use crate::access::Intent;
use crate::api::fhir::locate::{Caller, TypePath, WithinPath};
use crate::http::body;
use crate::http::format::{self, View};
use crate::http::payload::{Answer, Payload};
use crate::http::prefer::Prefer;
use crate::interaction::search::{self, SearchRequest, SearchScope};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// GET on a type.
pub(crate) async fn search_type(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let scope = SearchScope::of_type(resource_type);
    answer(&caller, scope, (query, String::new()), &headers).await
}

/// POST on `_search` of a type.
pub(crate) async fn search_type_by_post(
    caller: Caller,
    TypePath(resource_type): TypePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let form = form(&caller, &headers, sent).await?;
    let scope = SearchScope::of_type(resource_type);
    answer(&caller, scope, (query, form), &headers).await
}

/// GET on the base: a search over all types, or over those that `_type` names.
pub(crate) async fn search_system(
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    answer(
        &caller,
        SearchScope::system(),
        (query, String::new()),
        &headers,
    )
    .await
}

/// POST on `_search` of the base.
pub(crate) async fn search_system_by_post(
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let form = form(&caller, &headers, sent).await?;
    answer(&caller, SearchScope::system(), (query, form), &headers).await
}

/// GET on a type, or on `*`, below a resource: what its compartment has of it.
pub(crate) async fn search_compartment(
    caller: Caller,
    WithinPath(owner, what): WithinPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let scope = SearchScope::of_compartment(owner.resource_type, owner.id, &what)?;
    answer(&caller, scope, (query, String::new()), &headers).await
}

/// POST on `_search` of a type below a resource.
pub(crate) async fn search_compartment_by_post(
    caller: Caller,
    WithinPath(owner, what): WithinPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let form = form(&caller, &headers, sent).await?;
    let scope = SearchScope::of_compartment(owner.resource_type, owner.id, &what)?;
    answer(&caller, scope, (query, form), &headers).await
}

/// Answers with a page of a search.
pub(crate) async fn answer(
    caller: &Caller,
    scope: SearchScope,
    (query, form): (Option<String>, String),
    headers: &HeaderMap,
) -> Answer {
    let grant = caller.grant(Intent::Search(scope.resource_type))?;
    let ctx = &caller.state.ctx;
    let query = query.unwrap_or_default();
    // What a form says about the representation counts as if it stood in the URL.
    let view = (!form.is_empty())
        .then(|| View::negotiate(headers, &format!("{query}&{form}")))
        .transpose()?;
    let request = SearchRequest {
        scope,
        query,
        form,
        strictness: Prefer::of(headers).strictness,
    };
    let response = search::search(ctx, &grant, request).await?;
    Ok(Payload {
        view,
        ..Payload::of_json(StatusCode::OK, search::to_bundle(ctx, &response))
    })
}

/// The form of a search by POST.
async fn form(caller: &Caller, headers: &HeaderMap, sent: Body) -> Result<String, Outcome> {
    let bytes = body::read(&caller.state, sent).await?;
    if bytes.is_empty() {
        return Ok(String::new());
    }
    if format::content_mime(headers)? != "application/x-www-form-urlencoded" {
        return Err(Outcome::new(
            Kind::UnsupportedMediaType,
            "A search by POST sends its parameters as application/x-www-form-urlencoded.",
        ));
    }
    String::from_utf8(bytes.into())
        .map_err(|_not_utf8| Outcome::new(Kind::Malformed, "The form is not valid UTF-8."))
}
