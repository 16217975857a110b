//! All matches at once, for operations that order or part them by rules of their own.
//!
//! Nothing is paged here. Everything is found through the grant of the request.

use crate::access::Grant;
use crate::access::records::Stored;
use crate::access::records::results::Item;
use crate::interaction::Context;
use crate::interaction::fill::Filling;
use crate::interaction::search::matching::Matching;
use crate::interaction::search::{SearchScope, include, refuse_contained, resolve};
use crate::outcome::Outcome;
use crate::search::query::Query;

/// What every match is given to.
pub type Visit<'v> = dyn FnMut(Stored) -> Result<(), Outcome> + Send + 'v;

/// Gives every resource in a scope to `visit`, newest first; false when there are more than
/// `limit`.
pub async fn each_in(
    ctx: &Context,
    grant: &Grant,
    (scope, limit): (&SearchScope, usize),
    visit: &mut Visit<'_>,
) -> Result<bool, Outcome> {
    let queries = scope.queries(ctx);
    let matching = match scope.compartment_predicate(ctx) {
        Some(predicate) => Matching::of_predicate(queries, predicate),
        None => Matching::new(ctx, grant, queries, (None, None)).await?,
    };
    matching.each(ctx, grant, (limit, true), visit).await
}

/// Gives every match of a query to `visit`, newest first; false when there are more than `limit`.
pub async fn each_match(
    ctx: &Context,
    grant: &Grant,
    (query, limit): (Query, usize),
    visit: &mut Visit<'_>,
) -> Result<bool, Outcome> {
    refuse_contained(&query)?;
    let mut queries = vec![query];
    resolve::resolve_all(ctx, grant, &mut queries).await?;
    let matching = Matching::new(ctx, grant, queries, (None, None)).await?;
    matching.each(ctx, grant, (limit, true), visit).await
}

/// The resources of a list in its order, as far as they have room, and how many of the list that
/// were; those that are gone meanwhile are left out.
pub async fn open(
    ctx: &Context,
    grant: &Grant,
    (items, room): (&[Item], &mut Filling),
) -> Result<(Vec<Stored>, usize), Outcome> {
    include::open(ctx, grant, (items, room)).await
}
